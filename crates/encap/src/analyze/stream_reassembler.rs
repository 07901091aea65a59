//! Reassembly of one direction's stream: it emits the bytes in the order of their sequence numbers.
//!
//! - If segments overlap, the bytes of the first one count, as in Linux for in-order data. A retransmission with other
//!   bytes changes nothing.
//! - Without a SYN, the stream begins with the first captured segment. Before any output, a segment with a lower number
//!   can still move the beginning.
//! - A FIN has a sequence number like a byte. So data with lower numbers is emitted before the FIN, even if the data
//!   was captured later.
//! - An RST ends the stream. A SYN after the end begins a new stream.
//! - Missing bytes become a gap with their length when too many bytes wait behind them, or when the stream ends. Bytes
//!   that the other side acknowledged count as sent, even if no later segment was captured.

use std::collections::VecDeque;

use super::direction::distance;
use super::limits::{OUT_OF_ORDER_MAX_BYTES, OUT_OF_ORDER_MAX_PIECES};
use crate::wire::SeqNumber;
use crate::wire::tcp::Flags;

/// The next item of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamItem<'a> {
    /// Bytes of one segment.
    Data {
        /// Number of the frame that carried the bytes first.
        frame: u64,
        /// The bytes that are next in the stream.
        bytes: &'a [u8],
    },
    /// Missing bytes: lost, not captured, or cut off by the snap length.
    Gap {
        /// Number of bytes.
        bytes: u32,
    },
    /// FIN of the sender: the stream ends.
    Fin,
    /// RST of either side: both streams end.
    Reset,
}

/// Reassembles one direction of a connection.
#[derive(Debug, Default)]
pub struct StreamReassembler {
    /// The number of the next byte of the output; `None` before the first segment.
    next: Option<SeqNumber>,
    /// Whether the stream may begin before `next`. Without a SYN, this is true until the first output.
    may_begin_earlier: bool,
    /// Bytes behind a gap: in order, without overlaps.
    waiting: VecDeque<QueuedBytes>,
    /// Number of bytes in `waiting`.
    waiting_bytes: usize,
    /// The sequence number of the FIN.
    fin: Option<SeqNumber>,
    /// The highest acknowledgment number of the other side.
    acked: Option<SeqNumber>,
    has_ended: bool,
}

/// Maximum gap between the output and an acknowledgment, in bytes: the largest window (RFC 7323 §2.3). A higher
/// acknowledgment is invalid.
const ACKED_AHEAD_MAX_BYTES: u32 = 1 << 30;

#[derive(Debug)]
struct QueuedBytes {
    seq: SeqNumber,
    frame: u64,
    bytes: Vec<u8>,
}

impl QueuedBytes {
    fn end(&self) -> SeqNumber {
        self.seq + len_of(&self.bytes)
    }
}

/// The fields of a segment that reassembly needs.
#[derive(Clone, Copy, Debug)]
pub struct StreamSegment<'a> {
    /// Number of the frame.
    pub frame: u64,
    /// Sequence number.
    pub seq: SeqNumber,
    /// Control bits.
    pub flags: Flags,
    /// The captured part of the payload.
    pub payload: &'a [u8],
    /// Bytes of payload on the wire.
    pub len: u32,
}

impl StreamReassembler {
    /// Adds a segment. Emits the items that it completes, in order.
    pub fn push(&mut self, segment: &StreamSegment<'_>, emit: &mut dyn FnMut(StreamItem<'_>)) {
        let StreamSegment { frame, flags, payload, len, .. } = *segment;
        let is_syn = flags.contains(Flags::SYN);
        if self.has_ended && is_syn {
            *self = Self::default();
        }
        if self.has_ended {
            return;
        }
        let seq = segment.seq + u32::from(is_syn);
        if self.next.is_none() {
            self.next = Some(seq);
            self.may_begin_earlier = !is_syn;
        }
        if flags.contains(Flags::RST) {
            // The payload of an RST is a text for people, not part of the stream (RFC 9293 §3.5.3).
            return self.reset(emit);
        }
        if flags.contains(Flags::FIN) && self.fin.is_none() {
            self.fin = Some(seq + len);
        }
        self.add(seq, frame, payload, emit);
        let n_cut = len.saturating_sub(len_of(payload));
        if n_cut > 0 && self.next == Some(seq + len_of(payload)) && self.waiting.is_empty() {
            // The snap length cut off the end of the segment.
            emit(StreamItem::Gap { bytes: n_cut });
            self.next = Some(seq + len);
        }
        self.drain(emit);
        while self.waiting_bytes > OUT_OF_ORDER_MAX_BYTES || self.waiting.len() > OUT_OF_ORDER_MAX_PIECES {
            self.skip_gap(emit);
            self.drain(emit);
        }
    }

    /// Memory of the waiting bytes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.waiting_bytes + self.waiting.len() * size_of::<QueuedBytes>()
    }

    /// Treats all gaps as lost, and emits the waiting bytes.
    pub(super) fn skip_all_gaps(&mut self, emit: &mut dyn FnMut(StreamItem<'_>)) {
        while !self.waiting.is_empty() {
            self.skip_gap(emit);
            self.drain(emit);
        }
        self.waiting = VecDeque::new();
    }

    /// Adds an acknowledgment of the other side: all bytes before `ack` were sent.
    pub fn acknowledged(&mut self, ack: SeqNumber) {
        if self.next.is_none() {
            // Without a segment, `ack` is the best guess for the beginning of the stream.
            self.next = Some(ack);
            self.may_begin_earlier = true;
        }
        if self.acked.is_none_or(|acked| ack.is_after(acked)) {
            self.acked = Some(ack);
        }
    }

    /// Ends the stream with an RST of either side.
    pub fn reset(&mut self, emit: &mut dyn FnMut(StreamItem<'_>)) {
        if !self.has_ended {
            self.flush(emit);
        }
        if !self.has_ended {
            self.has_ended = true;
            emit(StreamItem::Reset);
        }
    }

    /// Ends the stream at the end of the capture: emits the waiting bytes, with the gaps before them.
    pub fn finish(&mut self, emit: &mut dyn FnMut(StreamItem<'_>)) {
        if !self.has_ended {
            self.flush(emit);
        }
        self.has_ended = true;
    }

    /// Emits all waiting bytes and gaps.
    fn flush(&mut self, emit: &mut dyn FnMut(StreamItem<'_>)) {
        self.drain(emit);
        self.skip_all_gaps(emit);
        if let (Some(next), Some(fin), false) = (self.next, self.fin, self.has_ended)
            && fin.is_after(next)
        {
            emit(StreamItem::Gap { bytes: distance(next, fin) });
            self.next = Some(fin);
            self.drain(emit);
        }
        if let (Some(next), Some(acked), false) = (self.next, self.acked, self.has_ended) {
            // A single missing number may be an uncaptured FIN.
            let bytes = if acked.is_after(next) { distance(next, acked) } else { 0 };
            if (2..=ACKED_AHEAD_MAX_BYTES).contains(&bytes) {
                emit(StreamItem::Gap { bytes });
                self.next = Some(acked);
            }
        }
    }

    /// Emits bytes that are next, queues later ones, and ignores earlier ones.
    fn add(&mut self, mut seq: SeqNumber, frame: u64, mut bytes: &[u8], emit: &mut dyn FnMut(StreamItem<'_>)) {
        let Some(mut next) = self.next else { return };
        if let Some(fin) = self.fin
            && (seq + len_of(bytes)).is_after(fin)
        {
            // Bytes after the FIN are not part of the stream.
            bytes = &bytes[..if fin.is_after(seq) { distance(seq, fin) as usize } else { 0 }];
        }
        if bytes.is_empty() {
            return;
        }
        if self.may_begin_earlier && seq.is_before(next) {
            next = seq;
            self.next = Some(next);
        }
        if seq.is_before(next) {
            let n_known = distance(seq, next) as usize;
            let Some(new_bytes) = bytes.get(n_known..) else { return };
            (seq, bytes) = (next, new_bytes);
        }
        if seq == next
            && !bytes.is_empty()
            && self.waiting.front().is_none_or(|piece| !piece.seq.is_before(seq + len_of(bytes)))
        {
            // Fast path without a copy: no waiting bytes overlap.
            self.emit(frame, bytes, emit);
            return;
        }
        self.queue(seq, frame, bytes);
    }

    /// Emits bytes that begin at `next`.
    fn emit(&mut self, frame: u64, bytes: &[u8], emit: &mut dyn FnMut(StreamItem<'_>)) {
        self.next = self.next.map(|next| next + len_of(bytes));
        self.may_begin_earlier = false;
        emit(StreamItem::Data { frame, bytes });
    }

    /// Queues the bytes that are not queued yet.
    fn queue(&mut self, mut seq: SeqNumber, frame: u64, mut bytes: &[u8]) {
        let mut index = self.waiting.partition_point(|piece| !piece.end().is_after(seq));
        while !bytes.is_empty() {
            let end = seq + len_of(bytes);
            let Some(piece) = self.waiting.get(index).filter(|piece| piece.seq.is_before(end)) else {
                self.insert(index, seq, frame, bytes);
                return;
            };
            let (start, stop) = (piece.seq, piece.end());
            if start.is_after(seq) {
                let (before, _) = bytes.split_at(distance(seq, start) as usize);
                self.insert(index, seq, frame, before);
                index += 1;
            }
            if !end.is_after(stop) {
                return;
            }
            bytes = &bytes[distance(seq, stop) as usize..];
            seq = stop;
            index += 1;
        }
    }

    fn insert(&mut self, index: usize, seq: SeqNumber, frame: u64, bytes: &[u8]) {
        self.waiting_bytes += bytes.len();
        self.waiting.insert(index, QueuedBytes { seq, frame, bytes: bytes.to_vec() });
    }

    /// Emits the waiting bytes that begin at `next`, and then the FIN if it is next.
    fn drain(&mut self, emit: &mut dyn FnMut(StreamItem<'_>)) {
        while let Some(piece) = self.waiting.pop_front_if(|piece| Some(piece.seq) == self.next) {
            self.waiting_bytes -= piece.bytes.len();
            self.emit(piece.frame, &piece.bytes, emit);
        }
        if self.fin.is_some() && self.fin == self.next && !self.has_ended {
            self.has_ended = true;
            emit(StreamItem::Fin);
        }
    }

    /// Treats the first gap as lost.
    fn skip_gap(&mut self, emit: &mut dyn FnMut(StreamItem<'_>)) {
        if let (Some(piece), Some(next)) = (self.waiting.front(), self.next) {
            let bytes = distance(next, piece.seq);
            self.next = Some(piece.seq);
            self.may_begin_earlier = false;
            if bytes > 0 {
                emit(StreamItem::Gap { bytes });
            }
        }
    }
}

fn len_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The output of a stream: its bytes, with `None` for each missing one, and its end.
    #[derive(Debug, Default, Eq, PartialEq)]
    struct Output {
        bytes: Vec<Option<u8>>,
        end: Vec<StreamItem<'static>>,
    }

    impl Output {
        fn add(&mut self, item: StreamItem<'_>) {
            assert!(self.end.is_empty(), "no item follows the end");
            match item {
                StreamItem::Data { bytes, .. } => self.bytes.extend(bytes.iter().copied().map(Some)),
                StreamItem::Gap { bytes } => self.bytes.extend(std::iter::repeat_n(None, bytes as usize)),
                StreamItem::Fin => self.end.push(StreamItem::Fin),
                StreamItem::Reset => self.end.push(StreamItem::Reset),
            }
        }

        fn text(&self) -> String {
            self.bytes.iter().map(|byte| char::from(byte.unwrap_or(b'?'))).collect()
        }
    }

    /// Reassembles segments of (sequence number, control bits, payload).
    fn reassemble(segments: &[(u32, Flags, &str)]) -> Output {
        let (mut stream, mut output) = (StreamReassembler::default(), Output::default());
        for (frame, &(seq, flags, payload)) in (1..).zip(segments) {
            let len = len_of(payload.as_bytes());
            let segment = StreamSegment { frame, seq: SeqNumber(seq), flags, payload: payload.as_bytes(), len };
            stream.push(&segment, &mut |item| output.add(item));
        }
        stream.finish(&mut |item| output.add(item));
        output
    }

    const ACK: Flags = Flags::ACK;

    /// Name, segments, output as text with `?` for each missing byte, and end.
    type Case<'a> = (&'a str, &'a [(u32, Flags, &'a str)], &'a str, &'a [StreamItem<'a>]);

    #[test]
    fn reassembly_yields_the_stream_and_its_end() {
        let (syn, fin, rst) = (Flags::SYN, Flags::FIN | Flags::ACK, Flags::RST);
        let (by_fin, by_reset) = (vec![StreamItem::Fin], vec![StreamItem::Reset]);
        let table: &[Case<'_>] = &[
            ("in order", &[(9, syn, ""), (10, ACK, "ab"), (12, ACK, "cd"), (14, fin, "")], "abcd", &by_fin),
            ("started mid-stream", &[(50, ACK, "ab"), (52, ACK, "cd")], "abcd", &[]),
            ("FIN before missing data", &[(9, syn, ""), (12, fin, "cd"), (10, ACK, "ab")], "abcd", &by_fin),
            ("bytes after the FIN", &[(9, syn, ""), (10, fin, "ab"), (12, ACK, "no")], "ab", &by_fin),
            ("FIN after a gap", &[(9, syn, ""), (10, ACK, "ab"), (15, fin, "")], "ab???", &by_fin),
            ("a gap", &[(9, syn, ""), (10, ACK, "ab"), (15, ACK, "cd")], "ab???cd", &[]),
            ("first segment wins", &[(9, syn, ""), (10, ACK, "abc"), (11, ACK, "XYz")], "abcz", &[]),
            (
                "first segment wins among waiting bytes",
                &[(9, syn, ""), (12, ACK, "cd"), (11, ACK, "XYZe"), (10, ACK, "a")],
                "aXcde",
                &[],
            ),
            ("keep-alive", &[(9, syn, ""), (10, ACK, "ab"), (11, ACK, "\0"), (12, ACK, "c")], "abc", &[]),
            (
                "a reset ends the stream",
                &[(9, syn, ""), (10, ACK, "ab"), (12, rst, ""), (12, ACK, "no")],
                "ab",
                &by_reset,
            ),
            ("a reset over a gap", &[(9, syn, ""), (11, ACK, "b"), (12, rst, "why")], "?b", &by_reset),
            ("data in the SYN", &[(9, syn, "ab"), (12, ACK, "c")], "abc", &[]),
        ];
        for (name, segments, text, end) in table {
            let output = reassemble(segments);
            assert_eq!((&*output.text(), &output.end[..]), (*text, *end), "{name}");
        }
    }

    #[test]
    fn snapped_bytes_are_a_gap_at_once() {
        let (mut stream, mut output) = (StreamReassembler::default(), Output::default());
        for (seq, payload, len) in [(10, "ab", 5), (15, "cd", 2)] {
            let segment = StreamSegment { frame: 1, seq: SeqNumber(seq), flags: ACK, payload: payload.as_bytes(), len };
            stream.push(&segment, &mut |item| output.add(item));
        }
        assert_eq!(output.text(), "ab???cd");
    }

    #[test]
    fn waiting_bytes_are_bounded_and_gaps_are_emitted() {
        let mut stream = StreamReassembler::default();
        let (mut gaps, mut bytes, chunk) = (0, 0, vec![b'x'; 60_000]);
        // The sequence numbers wrap during the test.
        let mut seq = SeqNumber(u32::MAX - 1_000_000);
        let syn = StreamSegment { frame: 0, seq: seq - 1, flags: Flags::SYN, payload: &[], len: 0 };
        stream.push(&syn, &mut |_| {});
        for frame in 1..200 {
            // One byte is missing before each segment.
            seq += 1;
            let segment = StreamSegment { frame, seq, flags: ACK, payload: &chunk, len: len_of(&chunk) };
            stream.push(&segment, &mut |item| match item {
                StreamItem::Gap { .. } => gaps += 1,
                StreamItem::Data { bytes: output, .. } => bytes += output.len(),
                _ => {}
            });
            seq += len_of(&chunk);
            assert!(stream.waiting_bytes <= OUT_OF_ORDER_MAX_BYTES);
        }
        assert!(gaps > 150 && bytes > 150 * chunk.len(), "{gaps} {bytes}");
        assert!(stream.waiting.len() <= OUT_OF_ORDER_MAX_PIECES);
    }

    proptest! {
        #[test]
        fn cut_shuffled_repeated_and_lost_segments_yield_the_stream_with_gaps(
            sent in prop::collection::vec(any::<u8>(), 1..600),
            isn in prop_oneof![any::<u32>(), (u32::MAX - 600)..=u32::MAX],
            has_syn in any::<bool>(),
            pieces in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..80), 1..60),
        ) {
            let fin = u32::try_from(sent.len()).expect("it is short");
            let first = SeqNumber(isn) + 1;
            let (mut stream, mut output) = (StreamReassembler::default(), Output::default());
            let mut push = |seq, flags, payload: &[u8]| {
                let segment = StreamSegment { frame: 1, seq, flags, payload, len: len_of(payload) };
                stream.push(&segment, &mut |item| output.add(item));
            };
            let mut seen = vec![false; sent.len()];
            if has_syn {
                push(SeqNumber(isn), Flags::SYN, &[]);
            } else {
                push(first, ACK, &sent[..1]);
                seen[0] = true;
            }
            push(first + fin, Flags::FIN, &[]);
            for (at, len) in pieces {
                let at = at.index(sent.len());
                let range = at..(at + len).min(sent.len());
                seen[range.clone()].fill(true);
                push(first + u32::try_from(at).expect("it is short"), ACK, &sent[range]);
            }
            stream.finish(&mut |item| output.add(item));
            let expected: Vec<_> = sent.iter().zip(seen).map(|(byte, seen)| seen.then_some(*byte)).collect();
            prop_assert_eq!(output.bytes, expected);
            prop_assert_eq!(output.end, vec![StreamItem::Fin]);
        }
    }
}
