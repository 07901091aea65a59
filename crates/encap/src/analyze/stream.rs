//! A direction's bytes, put back in order by sequence number.
//!
//! What of two segments overlaps is taken from the one that came first, as Linux does for what is in order; a retransmission
//! with other bytes changes nothing. What comes before the first byte seen is taken too if no SYN was seen and nothing was
//! given out yet. A FIN has a sequence number like a byte: data that comes before it by number is waited for, whenever it
//! comes by time. A reset ends the stream where it stands. What is not there is said: as a gap with its length, when more
//! waits behind it than may, or when the stream is over.

use std::collections::VecDeque;

use super::half::distance;
use super::limits::{OUT_OF_ORDER_MAX_BYTES, OUT_OF_ORDER_MAX_PIECES};
use crate::wire::SeqNumber;
use crate::wire::tcp::Flags;

/// What comes next of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Item<'a> {
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
pub struct Stream {
    /// The number of the next byte to give out. `None` until something was seen.
    next: Option<SeqNumber>,
    /// Whether a byte before `next` would still be taken: no SYN was seen, and nothing was given out.
    may_begin_earlier: bool,
    /// What waits for bytes before it: in order, not overlapping.
    waiting: VecDeque<Piece>,
    waiting_bytes: usize,
    /// The number of the FIN.
    fin: Option<SeqNumber>,
    is_over: bool,
}

/// Bytes that wait.
#[derive(Debug)]
struct Piece {
    seq: SeqNumber,
    frame: u64,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> SeqNumber {
        self.seq + len_of(&self.bytes)
    }
}

/// A segment, as the stream looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
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

impl Stream {
    /// Takes a segment, and gives out what comes next by it, in order.
    pub fn push(&mut self, arrival: &Arrival<'_>, give: &mut dyn FnMut(Item<'_>)) {
        if self.is_over {
            return;
        }
        let Arrival { frame, flags, payload, len, .. } = *arrival;
        let syn = flags.contains(Flags::SYN);
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
            give(Item::Gap { bytes: cut });
            self.next = Some(seq + len);
        }
        self.drain(give);
        while self.waiting_bytes > OUT_OF_ORDER_MAX_BYTES || self.waiting.len() > OUT_OF_ORDER_MAX_PIECES {
            self.skip_gap(give);
            self.drain(give);
        }
    }

    /// The other side reset the connection: this side's stream is over too.
    pub fn reset(&mut self, give: &mut dyn FnMut(Item<'_>)) {
        if !self.is_over {
            self.flush(give);
        }
        if !self.is_over {
            self.is_over = true;
            give(Item::Reset);
        }
    }

    /// No more segments come: gives out what waits, with the gaps before it.
    pub fn finish(&mut self, give: &mut dyn FnMut(Item<'_>)) {
        if !self.is_over {
            self.flush(give);
        }
        self.is_over = true;
    }

    /// Gives out all that waits, gaps and all.
    fn flush(&mut self, give: &mut dyn FnMut(Item<'_>)) {
        self.drain(give);
        while !self.waiting.is_empty() {
            self.skip_gap(give);
            self.drain(give);
        }
        if let (Some(next), Some(fin), false) = (self.next, self.fin, self.is_over)
            && fin.is_after(next)
        {
            give(Item::Gap { bytes: distance(next, fin) });
            self.next = Some(fin);
            self.drain(give);
        }
    }

    /// Gives out what is next, keeps what is later, drops what was there before.
    fn take(&mut self, mut seq: SeqNumber, frame: u64, mut bytes: &[u8], give: &mut dyn FnMut(Item<'_>)) {
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

    fn give(&mut self, frame: u64, bytes: &[u8], give: &mut dyn FnMut(Item<'_>)) {
        self.next = self.next.map(|next| next + len_of(bytes));
        self.may_begin_earlier = false;
        give(Item::Data { frame, bytes });
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
        self.waiting.insert(at, Piece { seq, frame, bytes: bytes.to_vec() });
    }

    /// Gives out what waits and is next, and the end if it is next.
    fn drain(&mut self, give: &mut dyn FnMut(Item<'_>)) {
        while let Some(piece) = self.waiting.pop_front_if(|piece| Some(piece.seq) == self.next) {
            self.waiting_bytes -= piece.bytes.len();
            self.give(piece.frame, &piece.bytes, give);
        }
        if self.fin.is_some() && self.fin == self.next && !self.is_over {
            self.is_over = true;
            give(Item::Fin);
        }
    }

    /// Takes what is missing before the first that waits for lost.
    fn skip_gap(&mut self, give: &mut dyn FnMut(Item<'_>)) {
        if let (Some(piece), Some(next)) = (self.waiting.front(), self.next) {
            let bytes = distance(next, piece.seq);
            self.next = Some(piece.seq);
            self.may_begin_earlier = false;
            if bytes > 0 {
                give(Item::Gap { bytes });
            }
        }
    }
}

/// A length that fits in a segment.
fn len_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
