//! A direction's bytes, put back in order by sequence number.
//!
//! What of two segments overlaps is taken from the one that came first, as Linux does for what is in order; a retransmission
//! with other bytes changes nothing. What comes before the first byte seen is taken too if no SYN was seen and nothing was
//! given out yet. A FIN has a sequence number like a byte: data that comes before it by number is waited for, whenever it
//! comes by time. A reset ends the stream where it stands; a SYN after the end begins it anew. What is not there is said: as
//! a gap with its length, when more waits behind it than may, or when the stream is over. What the other side acknowledged
//! was there, too, even if nothing after it was captured.

use std::collections::VecDeque;

use super::direction::distance;
use super::limits::{OUT_OF_ORDER_MAX_BYTES, OUT_OF_ORDER_MAX_PIECES};
use crate::wire::SeqNumber;
use crate::wire::tcp::Flags;

/// What comes next of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamItem<'a> {
    /// Bytes, and the frame that brought them first.
    Data {
        /// The frame, as the caller numbers them.
        frame: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Bytes that are not there: lost before the capture, not captured, or cut off by its snap length.
    Gap {
        /// How many.
        bytes: u32,
    },
    /// The sender closed: nothing more comes.
    Fin,
    /// The connection was reset: nothing more comes, from either side.
    Reset,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct StreamReassembler {
    /// The number of the next byte to give out. `None` until something was seen.
    next: Option<SeqNumber>,
    /// Whether a byte before `next` would still be taken: no SYN was seen, and nothing was given out.
    may_begin_earlier: bool,
    /// What waits for bytes before it: in order, not overlapping.
    waiting: VecDeque<QueuedBytes>,
    waiting_bytes: usize,
    /// The number of the FIN.
    fin: Option<SeqNumber>,
    /// The other side has acknowledged all before this.
    acked: Option<SeqNumber>,
    is_over: bool,
}

/// An acknowledgment cannot be further ahead than the largest window, in bytes (RFC 7323 §2.3): such a one is not believed.
const ACKED_AHEAD_MAX_BYTES: u32 = 1 << 30;

/// Bytes that wait.
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

/// A segment, as the stream looks at it.
#[derive(Clone, Copy, Debug)]
pub struct StreamSegment<'a> {
    /// Its frame.
    pub frame: u64,
    /// Its sequence number.
    pub seq: SeqNumber,
    /// Its control bits.
    pub flags: Flags,
    /// What was captured of its payload.
    pub payload: &'a [u8],
    /// How long its payload was on the wire.
    pub len: u32,
}

impl StreamReassembler {
    /// Takes a segment, and gives out what comes next by it, in order.
    pub fn push(&mut self, arrival: &StreamSegment<'_>, give: &mut dyn FnMut(StreamItem<'_>)) {
        let StreamSegment { frame, flags, payload, len, .. } = *arrival;
        let syn = flags.contains(Flags::SYN);
        if self.is_over && syn {
            *self = Self::default();
        }
        if self.is_over {
            return;
        }
        let seq = arrival.seq + u32::from(syn);
        if self.next.is_none() {
            self.next = Some(seq);
            self.may_begin_earlier = !syn;
        }
        if flags.contains(Flags::RST) {
            // What a reset carries is a reason for people, not data (RFC 9293 §3.5.3).
            return self.reset(give);
        }
        if flags.contains(Flags::FIN) && self.fin.is_none() {
            self.fin = Some(seq + len);
        }
        self.take(seq, frame, payload, give);
        let cut = len.saturating_sub(len_of(payload));
        if cut > 0 && self.next == Some(seq + len_of(payload)) && self.waiting.is_empty() {
            // The capture kept only its beginning: the rest will not come.
            give(StreamItem::Gap { bytes: cut });
            self.next = Some(seq + len);
        }
        self.drain(give);
        while self.waiting_bytes > OUT_OF_ORDER_MAX_BYTES || self.waiting.len() > OUT_OF_ORDER_MAX_PIECES {
            self.skip_gap(give);
            self.drain(give);
        }
    }

    /// What waits, in bytes of memory.
    pub(super) fn weight(&self) -> usize {
        self.waiting_bytes + self.waiting.len() * size_of::<QueuedBytes>()
    }

    /// There is no room for what waits: takes what is missing for lost.
    pub(super) fn give_up_gaps(&mut self, give: &mut dyn FnMut(StreamItem<'_>)) {
        while !self.waiting.is_empty() {
            self.skip_gap(give);
            self.drain(give);
        }
        self.waiting = VecDeque::new();
    }

    /// The other side acknowledged all before `ack`.
    pub fn acknowledged(&mut self, ack: SeqNumber) {
        if self.next.is_none() {
            // Where it begins, for want of anything else.
            self.next = Some(ack);
            self.may_begin_earlier = true;
        }
        if self.acked.is_none_or(|acked| ack.is_after(acked)) {
            self.acked = Some(ack);
        }
    }

    /// The other side reset the connection: this side's stream is over too.
    pub fn reset(&mut self, give: &mut dyn FnMut(StreamItem<'_>)) {
        if !self.is_over {
            self.flush(give);
        }
        if !self.is_over {
            self.is_over = true;
            give(StreamItem::Reset);
        }
    }

    /// No more segments come: gives out what waits, with the gaps before it.
    pub fn finish(&mut self, give: &mut dyn FnMut(StreamItem<'_>)) {
        if !self.is_over {
            self.flush(give);
        }
        self.is_over = true;
    }

    /// Gives out all that waits, gaps and all.
    fn flush(&mut self, give: &mut dyn FnMut(StreamItem<'_>)) {
        self.drain(give);
        self.give_up_gaps(give);
        if let (Some(next), Some(fin), false) = (self.next, self.fin, self.is_over)
            && fin.is_after(next)
        {
            give(StreamItem::Gap { bytes: distance(next, fin) });
            self.next = Some(fin);
            self.drain(give);
        }
        if let (Some(next), Some(acked), false) = (self.next, self.acked, self.is_over) {
            // One alone may be a FIN that was not captured.
            let bytes = if acked.is_after(next) { distance(next, acked) } else { 0 };
            if (2..=ACKED_AHEAD_MAX_BYTES).contains(&bytes) {
                give(StreamItem::Gap { bytes });
                self.next = Some(acked);
            }
        }
    }

    /// Gives out what is next, keeps what is later, drops what was there before.
    fn take(&mut self, mut seq: SeqNumber, frame: u64, mut bytes: &[u8], give: &mut dyn FnMut(StreamItem<'_>)) {
        let Some(mut next) = self.next else { return };
        if let Some(fin) = self.fin
            && (seq + len_of(bytes)).is_after(fin)
        {
            // Nothing comes after a FIN: whatever says so is no part of the stream.
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
            let again = distance(seq, next) as usize;
            let Some(rest) = bytes.get(again..) else { return };
            (seq, bytes) = (next, rest);
        }
        if seq == next
            && !bytes.is_empty()
            && self.waiting.front().is_none_or(|piece| !piece.seq.is_before(seq + len_of(bytes)))
        {
            // The usual case: it is what comes next, and costs no copy.
            self.give(frame, bytes, give);
            return;
        }
        self.keep(seq, frame, bytes);
    }

    fn give(&mut self, frame: u64, bytes: &[u8], give: &mut dyn FnMut(StreamItem<'_>)) {
        self.next = self.next.map(|next| next + len_of(bytes));
        self.may_begin_earlier = false;
        give(StreamItem::Data { frame, bytes });
    }

    /// Keeps what of `bytes` is not waiting yet.
    fn keep(&mut self, mut seq: SeqNumber, frame: u64, mut bytes: &[u8]) {
        let mut at = self.waiting.partition_point(|piece| !piece.end().is_after(seq));
        while !bytes.is_empty() {
            let end = seq + len_of(bytes);
            let Some(piece) = self.waiting.get(at).filter(|piece| piece.seq.is_before(end)) else {
                self.insert(at, seq, frame, bytes);
                return;
            };
            let (start, stop) = (piece.seq, piece.end());
            if start.is_after(seq) {
                let (before, _) = bytes.split_at(distance(seq, start) as usize);
                self.insert(at, seq, frame, before);
                at += 1;
            }
            if !end.is_after(stop) {
                return;
            }
            bytes = &bytes[distance(seq, stop) as usize..];
            seq = stop;
            at += 1;
        }
    }

    fn insert(&mut self, at: usize, seq: SeqNumber, frame: u64, bytes: &[u8]) {
        self.waiting_bytes += bytes.len();
        self.waiting.insert(at, QueuedBytes { seq, frame, bytes: bytes.to_vec() });
    }

    /// Gives out what waits and is next, and the end if it is next.
    fn drain(&mut self, give: &mut dyn FnMut(StreamItem<'_>)) {
        while let Some(piece) = self.waiting.pop_front_if(|piece| Some(piece.seq) == self.next) {
            self.waiting_bytes -= piece.bytes.len();
            self.give(piece.frame, &piece.bytes, give);
        }
        if self.fin.is_some() && self.fin == self.next && !self.is_over {
            self.is_over = true;
            give(StreamItem::Fin);
        }
    }

    /// Takes what is missing before the first that waits for lost.
    fn skip_gap(&mut self, give: &mut dyn FnMut(StreamItem<'_>)) {
        if let (Some(piece), Some(next)) = (self.waiting.front(), self.next) {
            let bytes = distance(next, piece.seq);
            self.next = Some(piece.seq);
            self.may_begin_earlier = false;
            if bytes > 0 {
                give(StreamItem::Gap { bytes });
            }
        }
    }
}

/// A length that fits in a segment.
fn len_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What was given out: bytes, with `None` for each that is missing, and the end.
    #[derive(Debug, Default, Eq, PartialEq)]
    struct Given {
        bytes: Vec<Option<u8>>,
        ended: Vec<StreamItem<'static>>,
    }

    impl Given {
        fn take(&mut self, item: StreamItem<'_>) {
            assert!(self.ended.is_empty(), "nothing comes after the end");
            match item {
                StreamItem::Data { bytes, .. } => self.bytes.extend(bytes.iter().copied().map(Some)),
                StreamItem::Gap { bytes } => self.bytes.extend(std::iter::repeat_n(None, bytes as usize)),
                StreamItem::Fin => self.ended.push(StreamItem::Fin),
                StreamItem::Reset => self.ended.push(StreamItem::Reset),
            }
        }

        fn text(&self) -> String {
            self.bytes.iter().map(|byte| char::from(byte.unwrap_or(b'?'))).collect()
        }
    }

    /// Plays segments of (sequence number, control bits, payload).
    fn play(segments: &[(u32, Flags, &str)]) -> Given {
        let (mut stream, mut given) = (StreamReassembler::default(), Given::default());
        for (frame, &(seq, flags, payload)) in (1..).zip(segments) {
            let len = len_of(payload.as_bytes());
            let arrival = StreamSegment { frame, seq: SeqNumber(seq), flags, payload: payload.as_bytes(), len };
            stream.push(&arrival, &mut |item| given.take(item));
        }
        stream.finish(&mut |item| given.take(item));
        given
    }

    const A: Flags = Flags::ACK;

    /// What it is, segments, what comes out of them, and how it ends.
    type Case<'a> = (&'a str, &'a [(u32, Flags, &'a str)], &'a str, &'a [StreamItem<'a>]);

    #[test]
    fn what_comes_in_whatever_way() {
        let (syn, fin, rst) = (Flags::SYN, Flags::FIN | Flags::ACK, Flags::RST);
        let (by_fin, by_reset) = (vec![StreamItem::Fin], vec![StreamItem::Reset]);
        let table: &[Case<'_>] = &[
            ("in order", &[(9, syn, ""), (10, A, "ab"), (12, A, "cd"), (14, fin, "")], "abcd", &by_fin),
            ("started mid-stream", &[(50, A, "ab"), (52, A, "cd")], "abcd", &[]),
            ("FIN before missing data", &[(9, syn, ""), (12, fin, "cd"), (10, A, "ab")], "abcd", &by_fin),
            ("FIN, and nothing after it", &[(9, syn, ""), (10, fin, "ab"), (12, A, "no")], "ab", &by_fin),
            ("FIN, and what never came", &[(9, syn, ""), (10, A, "ab"), (15, fin, "")], "ab???", &by_fin),
            ("a gap", &[(9, syn, ""), (10, A, "ab"), (15, A, "cd")], "ab???cd", &[]),
            ("first wins", &[(9, syn, ""), (10, A, "abc"), (11, A, "XYz")], "abcz", &[]),
            (
                "first wins among what waits",
                &[(9, syn, ""), (12, A, "cd"), (11, A, "XYZe"), (10, A, "a")],
                "aXcde",
                &[],
            ),
            ("keep-alive", &[(9, syn, ""), (10, A, "ab"), (11, A, "\0"), (12, A, "c")], "abc", &[]),
            ("a reset ends it", &[(9, syn, ""), (10, A, "ab"), (12, rst, ""), (12, A, "no")], "ab", &by_reset),
            ("a reset over a gap", &[(9, syn, ""), (11, A, "b"), (12, rst, "why")], "?b", &by_reset),
            ("data in the SYN", &[(9, syn, "ab"), (12, A, "c")], "abc", &[]),
        ];
        for (name, segments, text, ended) in table {
            let given = play(segments);
            assert_eq!((&*given.text(), &given.ended[..]), (*text, *ended), "{name}");
        }
    }

    #[test]
    fn what_the_snap_length_cut_off_is_a_gap_at_once() {
        let (mut stream, mut given) = (StreamReassembler::default(), Given::default());
        for (seq, payload, len) in [(10, "ab", 5), (15, "cd", 2)] {
            let arrival = StreamSegment { frame: 1, seq: SeqNumber(seq), flags: A, payload: payload.as_bytes(), len };
            stream.push(&arrival, &mut |item| given.take(item));
        }
        assert_eq!(given.text(), "ab???cd");
    }

    #[test]
    fn what_waits_is_bounded_and_then_the_gap_is_said() {
        let mut stream = StreamReassembler::default();
        let (mut gaps, mut bytes, chunk) = (0, 0, vec![b'x'; 60_000]);
        let mut seq = SeqNumber(u32::MAX - 1_000_000);
        let syn = StreamSegment { frame: 0, seq: seq - 1, flags: Flags::SYN, payload: &[], len: 0 };
        stream.push(&syn, &mut |_| {});
        for frame in 1..200 {
            // One byte is missing before each.
            seq += 1;
            let arrival = StreamSegment { frame, seq, flags: A, payload: &chunk, len: len_of(&chunk) };
            stream.push(&arrival, &mut |item| match item {
                StreamItem::Gap { .. } => gaps += 1,
                StreamItem::Data { bytes: given, .. } => bytes += given.len(),
                _ => {}
            });
            seq += len_of(&chunk);
            assert!(stream.waiting_bytes <= OUT_OF_ORDER_MAX_BYTES);
        }
        assert!(gaps > 150 && bytes > 150 * chunk.len(), "{gaps} {bytes}");
        assert!(stream.waiting.len() <= OUT_OF_ORDER_MAX_PIECES);
    }

    proptest! {
        /// However a stream is cut, shuffled, repeated and lost: what comes out is what was sent, with gaps where it was lost.
        #[test]
        fn what_comes_out_is_what_was_sent(
            sent in prop::collection::vec(any::<u8>(), 1..600),
            isn in prop_oneof![any::<u32>(), (u32::MAX - 600)..=u32::MAX],
            has_syn in any::<bool>(),
            pieces in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..80), 1..60),
        ) {
            let fin = u32::try_from(sent.len()).expect("it is short");
            let first = SeqNumber(isn) + 1;
            let (mut stream, mut given) = (StreamReassembler::default(), Given::default());
            let mut push = |seq, flags, payload: &[u8]| {
                let arrival = StreamSegment { frame: 1, seq, flags, payload, len: len_of(payload) };
                stream.push(&arrival, &mut |item| given.take(item));
            };
            let mut seen = vec![false; sent.len()];
            if has_syn {
                push(SeqNumber(isn), Flags::SYN, &[]);
            } else {
                push(first, A, &sent[..1]);
                seen[0] = true;
            }
            push(first + fin, Flags::FIN, &[]);
            for (at, len) in pieces {
                let at = at.index(sent.len());
                let range = at..(at + len).min(sent.len());
                seen[range.clone()].fill(true);
                push(first + u32::try_from(at).expect("it is short"), A, &sent[range]);
            }
            stream.finish(&mut |item| given.take(item));
            let expected: Vec<_> = sent.iter().zip(seen).map(|(byte, seen)| seen.then_some(*byte)).collect();
            prop_assert_eq!(given.bytes, expected);
            prop_assert_eq!(given.ended, vec![StreamItem::Fin]);
        }
    }
}
