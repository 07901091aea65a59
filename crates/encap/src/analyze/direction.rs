//! One direction of a TCP connection, judged segment by segment.
//!
//! The rules are those of Wireshark's TCP analysis (User's Guide §7.5), in its order of precedence: a keep-alive is no
//! retransmission, a spurious retransmission no fast one, a fast one is not out of order. What the guide leaves open was
//! settled by what `tshark` 4.0 counts.
//!
//! Where counts are known to differ now and then, on connections with many losses at once: acknowledgments of what was not
//! captured, of which one may be told here that Wireshark keeps to itself, some one in four thousand segments.
//!
//! Out of order is what comes within the handshake's round trip of later bytes, and that is taken from the last SYN: one that
//! was sent again starts it anew.

use super::coverage::Coverage;
use super::event::{DuplicateAckTrigger, Event, Events};
use super::round_trip::{AckTimer, RoundTrips};
use super::tracked_segment::{TrackedSegment, Window};
use crate::wire::SeqNumber;
use crate::wire::tcp::{Flags, Segment, TcpOption};

/// A retransmission so soon after duplicate acknowledgments is an answer to them, in nanoseconds.
const FAST_NANOS: u64 = 20_000_000;
/// Overtaken segments come so soon after later ones where the handshake's round trip is not known, in nanoseconds.
const OUT_OF_ORDER_NANOS: u64 = 3_000_000;
/// In place of a count of duplicate acknowledgments once a hole was told of: one before none, as Wireshark has it, and so
/// taken for many: what fills a hole soon after is a fast retransmission.
const HOLE_TOLD: u32 = u32::MAX;
/// The greatest shift of the window scale (RFC 7323 §2.3).
const SCALE_MAX: u8 = 14;

/// A segment, as the rules look at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentFields {
    pub(super) now: i64,
    pub(super) seq: SeqNumber,
    /// If ACK is set.
    pub(super) ack: Option<SeqNumber>,
    pub(super) flags: Flags,
    pub(super) window: u16,
    /// Bytes of payload on the wire.
    pub(super) len: u32,
}

impl SegmentFields {
    pub(super) fn new(segment: &Segment<'_>, len: u32, now: i64) -> Self {
        let flags = segment.flags();
        let ack = flags.contains(Flags::ACK).then(|| segment.ack());
        Self { now, seq: segment.seq(), ack, flags, window: segment.window(), len }
    }

    /// The number after all that it takes: SYN and FIN count one each.
    pub(super) fn end(&self) -> SeqNumber {
        self.seq + self.len + self.flags.sequence_len()
    }

    /// Whether it is one of an open connection, neither its beginning nor its end.
    fn is_plain(&self) -> bool {
        !self.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST)
    }
}

/// What was seen of one direction.
#[derive(Debug, Default)]
pub(super) struct DirectionState {
    /// The origin of relative numbers, as in Wireshark: the SYN's number, or the one before the first seen.
    pub(super) base: Option<SeqNumber>,
    /// The highest relative number sent so far: wrapped numbers are taken for the nearest to it.
    highest: i64,
    pub(super) syn: Option<SeqNumber>,
    /// The number after that of the FIN.
    pub(super) fin_end: Option<SeqNumber>,
    /// The number that comes next, and when the one before it was seen.
    pub(super) next: Option<SeqNumber>,
    next_at: i64,
    /// The end of what was seen without a hole.
    contiguous: Option<SeqNumber>,
    /// The window in the last segment.
    window: u16,
    /// Whether `window` was named in a SYN, where it is not scaled.
    window_of_syn: bool,
    /// The shift that the SYN offered.
    scale: Option<u8>,
    pub(super) acked: Option<SeqNumber>,
    acked_at: i64,
    /// Acknowledgments that repeated the one before them; or [`HOLE_TOLD`].
    duplicate_acks: u32,
    last: Events,
    pub(super) coverage: Coverage,
    timer: AckTimer,
    pub(super) trips: RoundTrips,
    pub(super) segments: u64,
    /// Bytes of payload, each once.
    pub(super) bytes: u64,
    /// Bytes of payload that had been seen before.
    pub(super) bytes_again: u64,
    /// Whether the other side sent more after this one's FIN.
    pub(super) heard_after_fin: bool,
}

impl DirectionState {
    /// Unwraps a number of this direction and counts it from `base`.
    pub(super) fn relative(&self, seq: SeqNumber) -> i64 {
        let Some(base) = self.base else { return 0 };
        self.highest + i64::from(seq - (base + wrapped(self.highest)))
    }

    /// The window in the last segment of this direction.
    pub(super) fn window(&self, other: &Self) -> Window {
        Window { field: self.window, shift: self.shift(other) }
    }

    /// By how many bits a window of this direction is shifted, if that is known: only if both SYNs offer it is it done.
    fn shift(&self, other: &Self) -> Option<u8> {
        self.syn?;
        if self.window_of_syn {
            return Some(0);
        }
        match (self.scale, other.syn.is_some(), other.scale) {
            (Some(scale), false, _) | (Some(scale), true, Some(_)) => Some(scale.min(SCALE_MAX)),
            (_, true, _) => Some(0),
            (None, false, _) => None,
        }
    }

    /// Whether `other` takes a reset of this direction: only with the number that it expects next (RFC 5961 §3.2), which
    /// lies between what it acknowledged and what was sent. Nobody can tell before it acknowledged something.
    pub(super) fn is_reset_taken(&self, seen: &SegmentFields, other: &Self) -> bool {
        let Some(acked) = other.acked else { return true };
        let sent = self.next.filter(|next| next.is_after(acked)).unwrap_or(acked);
        !seen.seq.is_before(acked) && !seen.seq.is_after(sent)
    }

    /// Bytes before `ack` of this direction that were not captured.
    pub(super) fn unseen_before(&self, ack: SeqNumber) -> u32 {
        let fin = self.fin_end.is_some_and(|fin_end| !fin_end.is_after(ack));
        self.coverage.missing_before(ack).saturating_sub(u32::from(fin))
    }

    /// What a duplicate acknowledgment of `ack` by the other side answers.
    pub(super) fn asked_by(&self, ack: SeqNumber) -> DuplicateAckTrigger {
        let was_repeated = |events: &[Event]| events.iter().any(|event| self.last.has(*event));
        if was_repeated(&[Event::SpuriousRetransmission]) {
            DuplicateAckTrigger::RepeatedSegment
        } else if self.next.is_some_and(|next| next.is_after(ack)) {
            DuplicateAckTrigger::LaterSegment
        } else if was_repeated(&[Event::Retransmission, Event::FastRetransmission, Event::OutOfOrder]) {
            DuplicateAckTrigger::RepeatedSegment
        } else {
            DuplicateAckTrigger::Unknown
        }
    }

    /// What it takes beside its own size, in bytes of memory.
    pub(super) fn weight(&self) -> usize {
        self.coverage.weight() + self.timer.weight() + self.trips.weight()
    }

    /// Takes note of a SYN.
    fn begin(&mut self, seen: &SegmentFields, segment: &Segment<'_>) {
        if self.base != Some(seen.seq) {
            (self.base, self.highest) = (Some(seen.seq), 0);
        }
        self.syn = Some(seen.seq);
        self.coverage.start(seen.seq + 1);
        self.scale = segment.options().find_map(|option| match option.ok()?.option {
            TcpOption::WindowScale(shift) => Some(shift),
            _ => None,
        });
    }

    /// Numbers and judges a segment of this direction and takes note of it. `other` is the opposite direction, and
    /// `first_trip` the round-trip time of the handshake, if it was seen.
    pub(super) fn track(
        &mut self,
        seen: &SegmentFields,
        segment: &Segment<'_>,
        other: &mut Self,
        first_trip: Option<u64>,
    ) -> TrackedSegment {
        // Of a client's SYN, the table of conversations says so.
        let is_reused = seen.flags.contains(Flags::SYN | Flags::ACK) && self.base.is_some_and(|base| base != seen.seq);
        if seen.flags.contains(Flags::SYN) {
            if self.syn.is_none() {
                self.begin(seen, segment);
            }
        } else if self.base.is_none() {
            self.base = Some(seen.seq - 1);
        }
        if let (Some(ack), None) = (seen.ack, other.base) {
            other.base = Some(ack - 1);
        }

        let mut events = self.judge_window_and_ack(seen, other);
        if is_reused {
            events.add(Event::PortReused);
        }
        if seen.ack != self.acked {
            self.duplicate_acks = 0;
        }
        if let (Some(ack), Some(contiguous)) = (seen.ack, other.contiguous)
            && ack.is_after(contiguous)
            && other.tells_of_hole(contiguous)
        {
            events.add(Event::AcknowledgesUnseen);
        }
        if let Some(event) = self.judge_repetition(seen, events, other, first_trip) {
            events.add(event);
        }
        if seen.flags.contains(Flags::RST) {
            events.add(Event::Reset);
        }
        let round_trip_nanos = self.note(seen, events, other);
        TrackedSegment {
            flags: seen.flags,
            seq: self.relative(seen.seq),
            ack: seen.ack.map(|ack| other.relative(ack)),
            window: self.window(other),
            len: seen.len,
            events,
            reset: None,
            round_trip_nanos,
        }
    }

    /// Whether it is said that the other side acknowledges what was not captured of this one, after `contiguous`. If more was
    /// seen behind the hole, the hole is forgotten with that; else it is told of once, until this side acknowledges
    /// something else.
    fn tells_of_hole(&mut self, contiguous: SeqNumber) -> bool {
        if let Some(next) = self.next.filter(|next| next.is_after(contiguous)) {
            self.contiguous = Some(next);
            return true;
        }
        std::mem::replace(&mut self.duplicate_acks, HOLE_TOLD) == 0
    }

    /// The rules about windows, acknowledgments and holes.
    fn judge_window_and_ack(&mut self, seen: &SegmentFields, other: &Self) -> Events {
        let SegmentFields { seq, len, window, .. } = *seen;
        let mut events = Events::default();
        let is_next = self.next == Some(seq);
        if len == 1 && is_next && other.window == 0 && other.segments > 0 {
            events.add(Event::ZeroWindowProbe);
            return events;
        }
        if window == 0 && seen.is_plain() {
            events.add(Event::ZeroWindow);
        }
        if self.next.is_some_and(|next| seq.is_after(next)) && !seen.flags.contains(Flags::RST) {
            events.add(Event::PreviousNotCaptured);
        }
        if !seen.is_plain() {
            return events;
        }
        if len <= 1 && self.next == Some(seq + 1) {
            events.add(Event::KeepAlive);
        }
        if len > 0
            && let (Some(window), Some(acked)) = (other.window(self).bytes(), other.acked)
            && seq + len == acked + window
        {
            events.add(Event::WindowFull);
        }
        if len > 0 || !is_next {
            return events;
        }
        let same_ack = seen.ack == self.acked;
        let same_window = window == self.window;
        if window > 0 && same_ack && !same_window {
            events.add(Event::WindowUpdate);
        }
        if window > 0 && same_ack && same_window {
            if other.last.has(Event::KeepAlive) {
                events.add(Event::KeepAliveAck);
            } else {
                events.add(Event::DuplicateAck);
                self.duplicate_acks = self.duplicate_acks.wrapping_add(1);
            }
        }
        if window == 0 && same_window && same_ack && other.last.has(Event::ZeroWindowProbe) {
            events.add(Event::ZeroWindowProbeAck);
        }
        events
    }

    /// Whether it repeats what was sent, and why: one reason at most.
    fn judge_repetition(
        &self,
        seen: &SegmentFields,
        events: Events,
        other: &Self,
        first_trip: Option<u64>,
    ) -> Option<Event> {
        let SegmentFields { now, seq, len, .. } = *seen;
        let takes_numbers = len > 0 || seen.flags.intersects(Flags::SYN | Flags::FIN);
        if !takes_numbers || events.has(Event::KeepAlive) {
            return None;
        }
        if len > 0 && other.acked.is_some_and(|acked| !(seq + len).is_after(acked)) {
            return Some(Event::SpuriousRetransmission);
        }
        let next = self.next?;
        // A segment that begins with the byte of a zero-window probe repeats that one byte and no more.
        if !seq.is_before(next) || (len > 1 && seq + 1 == next) {
            return None;
        }
        if other.duplicate_acks >= 2 && other.acked == Some(seq) && now.abs_diff(other.acked_at) < FAST_NANOS {
            return Some(Event::FastRetransmission);
        }
        let soon = now.abs_diff(self.next_at) < first_trip.unwrap_or(OUT_OF_ORDER_NANOS);
        if soon && seen.end() != next {
            return Some(Event::OutOfOrder);
        }
        Some(Event::Retransmission)
    }

    /// Takes note of it for the segments to come. Gives the round-trip time that its acknowledgment ends.
    fn note(&mut self, seen: &SegmentFields, events: Events, other: &mut Self) -> Option<u64> {
        self.segments += 1;
        let is_probe = events.has(Event::ZeroWindowProbe);
        let end = seen.end();
        if !seen.flags.contains(Flags::RST) {
            self.highest = self.highest.max(self.relative(end));
        }
        let advances = self.next.is_none_or(|next| end.is_after(next));
        // The reset that refuses a SYN has the number 0 for want of one (RFC 9293 §3.5.2): the next has nothing to do with it.
        let is_refusal = self.next.is_none() && seen.flags.contains(Flags::RST) && seen.seq == SeqNumber(0);
        if advances && !is_probe && !is_refusal {
            self.next = Some(end);
            self.next_at = seen.now;
        }
        if !is_probe && self.contiguous.is_none_or(|contiguous| contiguous == seen.seq) {
            // If it fills a hole, all that was seen after it counts again.
            self.contiguous = self.next;
        }
        if seen.flags.contains(Flags::FIN) {
            self.fin_end = Some(end);
        }
        other.heard_after_fin |= seen.len > 0 && advances && other.fin_end.is_some();
        if seen.len > 0 && !events.has(Event::KeepAlive) {
            let first = seen.seq + u32::from(seen.flags.contains(Flags::SYN));
            let fresh = self.coverage.add(first, seen.len);
            self.bytes += u64::from(fresh);
            self.bytes_again += u64::from(seen.len - fresh);
        }
        if end != seen.seq {
            if advances { self.timer.sent(end, seen.now) } else { self.timer.sent_again(end) }
        }
        let round_trip_nanos = seen.ack.and_then(|ack| other.timer.acknowledged(ack, seen.now));
        if let Some(nanos) = round_trip_nanos {
            other.trips.add(nanos);
        }
        self.window = seen.window;
        self.window_of_syn = seen.flags.contains(Flags::SYN);
        self.acked = seen.ack;
        self.acked_at = seen.now;
        self.last = events;
        round_trip_nanos
    }
}

/// A relative number modulo 2³².
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sequence numbers wrap")]
pub(super) const fn wrapped(number: i64) -> u32 {
    number as u32
}

/// How far it is from `a` to `b`, which does not come before it.
pub(super) fn distance(a: SeqNumber, b: SeqNumber) -> u32 {
    (b - a).cast_unsigned()
}
