//! The state of one direction of a TCP connection: it numbers each segment and detects its events.
//!
//! The rules are those of Wireshark's TCP analysis (User's Guide §7.5). A segment that repeats sequence numbers gets
//! the first event that applies: keep-alive, spurious retransmission, fast retransmission, out of order,
//! retransmission. If the guide does not define a case, the rules reproduce the counts of `tshark` 4.0.
//!
//! A known difference: on connections with many simultaneous losses, this module flags about one segment in 4,000 as
//! acknowledging an unseen segment, and Wireshark does not.
//!
//! A segment is out of order if it arrives within one round trip after later bytes. The handshake gives the round-trip
//! time. A repeated SYN restarts its measurement.

use super::conversation::DirectionSummary;
use super::coverage::Coverage;
use super::event::{DuplicateAckTrigger, Event, Events};
use super::round_trip::{AckTimer, RoundTrips};
use super::tracked_segment::{TrackedSegment, Window};
use crate::wire::SeqNumber;
use crate::wire::tcp::{Flags, Segment, TcpOption};

/// Maximum time from a duplicate acknowledgment to the fast retransmission that answers it, in nanoseconds.
const FAST_RETRANSMISSION_NANOS_MAX: u64 = 20_000_000;
/// Maximum time from later bytes to an out-of-order segment, in nanoseconds, if the round-trip time of the handshake is
/// not known.
const OUT_OF_ORDER_NANOS_MAX: u64 = 3_000_000;
/// Value of `duplicate_acks` after an acknowledgment of bytes that were not captured was flagged. As in Wireshark, the
/// value is 0 − 1. So it also counts as many duplicate acknowledgments, and a retransmission soon after is a fast one.
const HOLE_FLAGGED: u32 = u32::MAX;
/// Maximum shift of the window scale (RFC 7323 §2.3).
const SCALE_MAX: u8 = 14;

/// The fields of a segment that the rules need.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentFields {
    /// Capture time, in nanoseconds.
    pub(super) now: i64,
    pub(super) seq: SeqNumber,
    /// The acknowledgment number, if ACK is set.
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

    /// The sequence number that follows the segment. SYN and FIN count one each.
    fn end(&self) -> SeqNumber {
        self.seq + self.len + self.flags.sequence_len()
    }

    /// Whether the segment has none of SYN, FIN and RST.
    fn is_plain(&self) -> bool {
        !self.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST)
    }
}

/// The state of one direction.
#[derive(Debug, Default)]
pub(super) struct DirectionState {
    /// The number whose relative number is 0, as in Wireshark. It is the number of the SYN. Without a SYN, it is the
    /// number before the first one that this side sent or the other side acknowledged.
    pub(super) base: Option<SeqNumber>,
    /// The highest relative number that was sent or acknowledged. Each further number is unwrapped to the value nearest
    /// to this one.
    highest: i64,
    /// The sequence number of the first SYN.
    pub(super) syn: Option<SeqNumber>,
    /// The number after the FIN.
    fin_end: Option<SeqNumber>,
    /// The sequence number that is expected next.
    pub(super) next: Option<SeqNumber>,
    /// The time of the segment that ends at `next`, in nanoseconds.
    next_at: i64,
    /// The end of the bytes that were captured without a hole.
    contiguous: Option<SeqNumber>,
    /// The window field of the last segment.
    window: u16,
    /// Whether the last segment was a SYN, whose window is not scaled.
    is_window_of_syn: bool,
    /// The shift that the SYN offers.
    scale: Option<u8>,
    /// The acknowledgment number of the last segment.
    pub(super) acked: Option<SeqNumber>,
    /// The time of the last segment, in nanoseconds.
    last_at: i64,
    /// Number of consecutive duplicate acknowledgments that this side sent, or [`HOLE_FLAGGED`].
    duplicate_acks: u32,
    /// Events of the last segment.
    last_events: Events,
    coverage: Coverage,
    timer: AckTimer,
    round_trips: RoundTrips,
    pub(super) segments: u64,
    /// Bytes of payload, each counted once.
    pub(super) bytes: u64,
    /// Bytes of payload that were captured again.
    bytes_again: u64,
    /// Whether the other side sent new data after this side's FIN.
    pub(super) received_after_fin: bool,
}

impl DirectionState {
    /// The relative number of `seq`: unwrapped, and counted from `base`.
    pub(super) fn relative(&self, seq: SeqNumber) -> i64 {
        let Some(base) = self.base else { return 0 };
        self.highest + i64::from(seq - (base + wrapped(self.highest)))
    }

    /// The window of the last segment. `other` is the opposite direction.
    pub(super) fn window(&self, other: &Self) -> Window {
        Window { field: self.window, shift: self.shift(other) }
    }

    /// The shift of the last segment's window, if it is known. Windows are scaled only if both SYNs offer a scale.
    fn shift(&self, other: &Self) -> Option<u8> {
        self.syn?;
        if self.is_window_of_syn {
            return Some(0);
        }
        // If the other SYN was not captured, it is assumed to offer a scale, too.
        match (self.scale, other.syn.is_some(), other.scale) {
            (Some(scale), false, _) | (Some(scale), true, Some(_)) => Some(scale.min(SCALE_MAX)),
            (_, true, _) => Some(0),
            (None, false, _) => None,
        }
    }

    /// Whether `other` accepts an RST of this direction. The RST needs the number that `other` expects next (RFC 5961
    /// §3.2), which lies between its last acknowledgment and the end of the sent bytes. Before the first
    /// acknowledgment, the RST counts as accepted.
    pub(super) fn accepts_reset(&self, fields: &SegmentFields, other: &Self) -> bool {
        let Some(acked) = other.acked else { return true };
        let sent_end = self.next.filter(|next| next.is_after(acked)).unwrap_or(acked);
        !fields.seq.is_before(acked) && !fields.seq.is_after(sent_end)
    }

    pub(super) fn has_fin(&self) -> bool {
        self.fin_end.is_some()
    }

    /// Forgets the FIN, because a SYN retries the connection.
    pub(super) fn reopen(&mut self) {
        self.fin_end = None;
        self.received_after_fin = false;
    }

    /// Number of bytes before `ack` that were not captured.
    pub(super) fn unseen_before(&self, ack: SeqNumber) -> u32 {
        // The number of an acknowledged FIN is not a byte.
        let is_fin_acked = self.fin_end.is_some_and(|fin_end| !fin_end.is_after(ack));
        self.coverage.missing_before(ack).saturating_sub(u32::from(is_fin_acked))
    }

    /// The most likely trigger of a duplicate acknowledgment of `ack` by the other side.
    pub(super) fn duplicate_ack_trigger(&self, ack: SeqNumber) -> DuplicateAckTrigger {
        let had_any_of = |events: &[Event]| events.iter().any(|event| self.last_events.has(*event));
        if had_any_of(&[Event::SpuriousRetransmission]) {
            DuplicateAckTrigger::RepeatedSegment
        } else if self.next.is_some_and(|next| next.is_after(ack)) {
            DuplicateAckTrigger::LaterSegment
        } else if had_any_of(&[Event::Retransmission, Event::FastRetransmission, Event::OutOfOrder]) {
            DuplicateAckTrigger::RepeatedSegment
        } else {
            DuplicateAckTrigger::Unknown
        }
    }

    /// Heap memory, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.coverage.heap_bytes() + self.timer.heap_bytes() + self.round_trips.heap_bytes()
    }

    pub(super) fn summary(&mut self) -> DirectionSummary {
        DirectionSummary {
            segments: self.segments,
            bytes: self.bytes,
            bytes_again: self.bytes_again,
            bytes_missing: self.coverage.missing(),
            round_trips: self.round_trips.times(),
        }
    }

    /// Numbers a segment of this direction, detects its events, and updates both directions. `other` is the opposite
    /// direction, and `handshake_nanos` is the round-trip time of the handshake, if it is known.
    pub(super) fn track(
        &mut self,
        fields: &SegmentFields,
        segment: &Segment<'_>,
        other: &mut Self,
        handshake_nanos: Option<u64>,
    ) -> TrackedSegment {
        // A server's SYN-ACK. The table of conversations detects a client's SYN that reuses ports.
        let reuses_ports =
            fields.flags.contains(Flags::SYN | Flags::ACK) && self.base.is_some_and(|base| base != fields.seq);
        if fields.flags.contains(Flags::SYN) {
            if self.syn.is_none() {
                self.begin(fields, segment);
            }
        } else if self.base.is_none() {
            self.base = Some(fields.seq - 1);
        }
        if let (Some(ack), None) = (fields.ack, other.base) {
            other.base = Some(ack - 1);
        }

        let mut events = self.detect_window_and_ack_events(fields, other);
        if reuses_ports {
            events.add(Event::PortReused);
        }
        if fields.ack != self.acked {
            self.duplicate_acks = 0;
        }
        if let (Some(ack), Some(contiguous)) = (fields.ack, other.contiguous)
            && ack.is_after(contiguous)
            && other.note_hole_at(contiguous)
        {
            events.add(Event::AcknowledgesUnseen);
        }
        if let Some(event) = self.detect_repetition(fields, events, other, handshake_nanos) {
            events.add(event);
        }
        if fields.flags.contains(Flags::RST) {
            events.add(Event::Reset);
        }
        let round_trip_nanos = self.update(fields, events, other);
        let ack = fields.ack.map(|ack| other.relative(ack));
        if let Some(ack) = ack.filter(|_| !fields.flags.contains(Flags::RST)) {
            // If the other direction was not captured, only acknowledgments of this side advance it.
            other.highest = other.highest.max(ack);
        }
        TrackedSegment {
            flags: fields.flags,
            seq: self.relative(fields.seq),
            ack,
            window: self.window(other),
            len: fields.len,
            events,
            reset: None,
            round_trip_nanos,
        }
    }

    /// Begins the direction with its SYN.
    fn begin(&mut self, fields: &SegmentFields, segment: &Segment<'_>) {
        // An earlier segment may have set another base.
        if self.base != Some(fields.seq) {
            (self.base, self.highest) = (Some(fields.seq), 0);
        }
        self.syn = Some(fields.seq);
        self.coverage.start(fields.seq + 1);
        self.scale = segment.options().find_map(|option| match option.ok()?.option {
            TcpOption::WindowScale(shift) => Some(shift),
            _ => None,
        });
    }

    /// Notes that the other side acknowledged bytes after `contiguous`, where this direction has a hole. Returns
    /// whether to flag the acknowledgment. If later bytes were captured, the hole is flagged once and forgotten.
    /// Otherwise it is flagged again only after this side has acknowledged another number.
    fn note_hole_at(&mut self, contiguous: SeqNumber) -> bool {
        if let Some(next) = self.next.filter(|next| next.is_after(contiguous)) {
            self.contiguous = Some(next);
            return true;
        }
        std::mem::replace(&mut self.duplicate_acks, HOLE_FLAGGED) == 0
    }

    /// Detects the events of windows, acknowledgments and holes.
    fn detect_window_and_ack_events(&mut self, fields: &SegmentFields, other: &Self) -> Events {
        let SegmentFields { seq, len, window, .. } = *fields;
        let mut events = Events::default();
        let is_next = self.next == Some(seq);
        if len == 1 && is_next && other.window == 0 && other.segments > 0 {
            events.add(Event::ZeroWindowProbe);
            return events;
        }
        if window == 0 && fields.is_plain() {
            events.add(Event::ZeroWindow);
        }
        if self.next.is_some_and(|next| seq.is_after(next)) && !fields.flags.contains(Flags::RST) {
            events.add(Event::PreviousNotCaptured);
        }
        if !fields.is_plain() {
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
        let is_same_ack = fields.ack == self.acked;
        let is_same_window = window == self.window;
        if window > 0 && is_same_ack && !is_same_window {
            events.add(Event::WindowUpdate);
        }
        if window > 0 && is_same_ack && is_same_window {
            if other.last_events.has(Event::KeepAlive) {
                events.add(Event::KeepAliveAck);
            } else {
                events.add(Event::DuplicateAck);
                self.duplicate_acks = self.duplicate_acks.wrapping_add(1);
            }
        }
        if window == 0 && is_same_window && is_same_ack && other.last_events.has(Event::ZeroWindowProbe) {
            events.add(Event::ZeroWindowProbeAck);
        }
        events
    }

    /// The event of a segment that repeats sequence numbers. At most one applies.
    fn detect_repetition(
        &self,
        fields: &SegmentFields,
        events: Events,
        other: &Self,
        handshake_nanos: Option<u64>,
    ) -> Option<Event> {
        let SegmentFields { now, seq, len, .. } = *fields;
        let has_numbers = len > 0 || fields.flags.intersects(Flags::SYN | Flags::FIN);
        if !has_numbers || events.has(Event::KeepAlive) {
            return None;
        }
        if len > 0 && other.acked.is_some_and(|acked| !(seq + len).is_after(acked)) {
            return Some(Event::SpuriousRetransmission);
        }
        let next = self.next?;
        // As in Wireshark, a segment that repeats only its first byte counts as new: that byte may have been a window
        // probe.
        if !seq.is_before(next) || (len > 1 && seq + 1 == next) {
            return None;
        }
        if other.duplicate_acks >= 2
            && other.acked == Some(seq)
            && now.abs_diff(other.last_at) < FAST_RETRANSMISSION_NANOS_MAX
        {
            return Some(Event::FastRetransmission);
        }
        let is_soon = now.abs_diff(self.next_at) < handshake_nanos.unwrap_or(OUT_OF_ORDER_NANOS_MAX);
        if is_soon && fields.end() != next {
            return Some(Event::OutOfOrder);
        }
        Some(Event::Retransmission)
    }

    /// Updates both directions with the segment. Returns the round-trip time, in nanoseconds, if the segment
    /// acknowledges a timed segment.
    fn update(&mut self, fields: &SegmentFields, events: Events, other: &mut Self) -> Option<u64> {
        self.segments += 1;
        let is_probe = events.has(Event::ZeroWindowProbe);
        let end = fields.end();
        if !fields.flags.contains(Flags::RST) {
            self.highest = self.highest.max(self.relative(end));
        }
        let advances = self.next.is_none_or(|next| end.is_after(next));
        // An RST that refuses a SYN has the number 0 (RFC 9293 §3.5.2), which is unrelated to the next number.
        let is_refusal = self.next.is_none() && fields.flags.contains(Flags::RST) && fields.seq == SeqNumber(0);
        if advances && !is_probe && !is_refusal {
            self.next = Some(end);
            self.next_at = fields.now;
        }
        if !is_probe && self.contiguous.is_none_or(|contiguous| contiguous == fields.seq) {
            // If the segment fills a hole, it joins the bytes that were captured after the hole.
            self.contiguous = self.next;
        }
        if fields.flags.contains(Flags::FIN) {
            self.fin_end = Some(end);
        }
        other.received_after_fin |= fields.len > 0 && advances && other.fin_end.is_some();
        if fields.len > 0 && !events.has(Event::KeepAlive) {
            let first = fields.seq + u32::from(fields.flags.contains(Flags::SYN));
            let fresh = self.coverage.add(first, fields.len);
            self.bytes += u64::from(fresh);
            self.bytes_again += u64::from(fields.len - fresh);
        }
        if end != fields.seq {
            if advances { self.timer.start(end, fields.now) } else { self.timer.cancel(end) }
        }
        let round_trip_nanos = fields.ack.and_then(|ack| other.timer.acknowledge(ack, fields.now));
        if let Some(nanos) = round_trip_nanos {
            other.round_trips.add(nanos);
        }
        self.window = fields.window;
        self.is_window_of_syn = fields.flags.contains(Flags::SYN);
        self.acked = fields.ack;
        self.last_at = fields.now;
        self.last_events = events;
        round_trip_nanos
    }
}

/// A relative number modulo 2³².
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sequence numbers wrap")]
pub(super) const fn wrapped(number: i64) -> u32 {
    number as u32
}

/// Number of bytes from `a` to `b`, which is not before `a`.
pub(super) fn distance(a: SeqNumber, b: SeqNumber) -> u32 {
    (b - a).cast_unsigned()
}
