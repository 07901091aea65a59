//! An open conversation: the state of both directions, of its handshake and of its end.

use std::net::SocketAddr;

use super::checksums::Checksums;
use super::conversation::{Conversation, End, Handshake};
use super::direction::{DirectionState, SegmentFields, wrapped};
use super::endpoint::{ConversationSide, Transport};
use super::event::{DuplicateAckTrigger, Event, EventCounts, Events, FlaggedEvent, ResetCause};
use super::limits::FLAGS_MAX;
use super::tracked_segment::TrackedSegment;
use crate::side::Side;
use crate::time::Timestamp;
use crate::wire::SeqNumber;
use crate::wire::tcp::{Flags, Segment};

/// An open conversation.
#[derive(Debug)]
pub(super) struct LiveConversation {
    number: u64,
    transport: Transport,
    client: SocketAddr,
    server: SocketAddr,
    first_frame: u64,
    pub(super) last_frame: u64,
    first_time: Option<Timestamp>,
    last_time: Option<Timestamp>,
    from_client: DirectionState,
    from_server: DirectionState,
    /// Time of the client's last SYN, in nanoseconds.
    syn_at: Option<i64>,
    /// Time from that SYN to the ACK that completes the handshake, in nanoseconds.
    handshake_nanos: Option<u64>,
    /// Whether the client has acknowledged the server's SYN.
    is_established: bool,
    /// The cause of the first RST that the receiver accepts.
    reset: Option<ResetCause>,
    counts: EventCounts,
    flags: Vec<FlaggedEvent>,
    pub(super) checksums: Checksums,
    /// Whether the conversation is in the table's list of ended conversations.
    pub(super) lingers: bool,
}

/// Number and time of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameStamp {
    pub(super) frame: u64,
    pub(super) time: Option<Timestamp>,
}

impl LiveConversation {
    pub(super) fn new(
        number: u64,
        transport: Transport,
        (client, server): (SocketAddr, SocketAddr),
        stamp: FrameStamp,
    ) -> Self {
        Self {
            number,
            transport,
            client,
            server,
            first_frame: stamp.frame,
            last_frame: stamp.frame,
            first_time: stamp.time,
            last_time: stamp.time,
            from_client: DirectionState::default(),
            from_server: DirectionState::default(),
            syn_at: None,
            handshake_nanos: None,
            is_established: false,
            reset: None,
            counts: EventCounts::default(),
            flags: Vec::new(),
            checksums: Checksums::default(),
            lingers: false,
        }
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn transport(&self) -> Transport {
        self.transport
    }

    pub(super) const fn first_frame(&self) -> u64 {
        self.first_frame
    }

    /// The side with this endpoint.
    pub(super) fn side(&self, endpoint: SocketAddr) -> Side {
        if endpoint == self.client { Side::Client } else { Side::Server }
    }

    /// The side with this endpoint, as the sender of a frame.
    pub(super) fn sender(&self, endpoint: SocketAddr) -> ConversationSide {
        let Self { transport, number, client, server, .. } = *self;
        ConversationSide { transport, number, side: self.side(endpoint), client, server }
    }

    /// Whether a SYN of `side` opens a new connection, as in Wireshark. A SYN with the same number as the earlier one
    /// only retries this connection.
    pub(super) fn is_replaced_by(&self, side: Side, seq: SeqNumber) -> bool {
        let (own, _) = side.own_and_other(&self.from_client, &self.from_server);
        own.base.is_some_and(|base| own.syn.is_none() || base != seq)
    }

    /// Whether only late segments can follow.
    pub(super) fn has_ended(&self) -> bool {
        self.reset.is_some() || (self.from_client.has_fin() && self.from_server.has_fin())
    }

    /// Heap memory, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        let flags = self.flags.capacity() * size_of::<FlaggedEvent>();
        flags + self.from_client.heap_bytes() + self.from_server.heap_bytes()
    }

    fn note_frame(&mut self, stamp: FrameStamp) {
        self.last_frame = stamp.frame;
        self.last_time = stamp.time.or(self.last_time);
    }

    /// Counts a datagram.
    pub(super) fn count_datagram(&mut self, stamp: FrameStamp, side: Side, len: u32) {
        self.note_frame(stamp);
        let (own, _) = side.own_and_other(&mut self.from_client, &mut self.from_server);
        own.segments += 1;
        own.bytes += u64::from(len);
    }

    /// Reopens an ended connection, because a SYN with the same number retries it.
    fn retry(&mut self) {
        self.reset = None;
        self.is_established = false;
        self.lingers = false;
        self.from_client.reopen();
        self.from_server.reopen();
    }

    /// Tracks a segment of `side`. `reuses_ports` says that its SYN closed an earlier conversation.
    pub(super) fn track_segment(
        &mut self,
        stamp: FrameStamp,
        side: Side,
        segment: &Segment<'_>,
        len: u32,
        reuses_ports: bool,
    ) -> TrackedSegment {
        let now = stamp.time.or(self.last_time).unwrap_or_default().as_nanos();
        self.note_frame(stamp);
        let fields = SegmentFields::new(segment, len, now);
        // Only the server's SYN-ACK reopens a refused connection. A client's SYN reopens one that ended in another way.
        let can_retry = fields.ack.is_some() == (self.reset == Some(ResetCause::Refused));
        if fields.flags.contains(Flags::SYN) && can_retry && self.has_ended() {
            self.retry();
        }
        let reset = fields.flags.contains(Flags::RST).then(|| self.reset_cause(side, &fields));
        let (own, other) = side.own_and_other(&mut self.from_client, &mut self.from_server);
        let (expected, window_before) = (own.next, own.window(other));
        let mut tracked = own.track(&fields, segment, other, self.handshake_nanos);
        tracked.reset = reset;
        if reuses_ports {
            tracked.events.add(Event::PortReused);
        }
        if !tracked.events.is_empty() {
            let flag = FlaggedEvent {
                frame: stamp.frame,
                from: side,
                // `Self::flag` replaces the event.
                event: Event::Reset,
                seq: wrapped(tracked.seq),
                ack: wrapped(tracked.ack.unwrap_or_default()),
                len,
                expected: expected.map_or(0, |next| wrapped(own.relative(next))),
                window: tracked.window,
                window_before,
                control_bits: fields.flags,
                unseen: fields.ack.map_or(0, |ack| other.unseen_before(ack)),
                trigger: fields.ack.map_or(DuplicateAckTrigger::Unknown, |ack| other.duplicate_ack_trigger(ack)),
                is_acked: expected.zip(other.acked).is_some_and(|(next, acked)| !next.is_after(acked)),
                cause: reset,
            };
            self.flag(tracked.events, flag);
        }
        self.track_handshake(side, &fields);
        if let Some(cause) = reset.filter(|cause| *cause != ResetCause::OutOfWindow) {
            self.reset.get_or_insert(cause);
        }
        tracked
    }

    /// Counts the events, and keeps the first few. `flag` gives the values that explain them.
    fn flag(&mut self, events: Events, flag: FlaggedEvent) {
        for event in events.iter() {
            self.counts.add(event);
            if self.flags.len() < FLAGS_MAX {
                self.flags.push(FlaggedEvent { event, cause: flag.cause.filter(|_| event == Event::Reset), ..flag });
            }
        }
    }

    fn track_handshake(&mut self, side: Side, fields: &SegmentFields) {
        if self.is_established || side == Side::Server {
            return;
        }
        if fields.flags.contains(Flags::SYN) {
            self.syn_at = Some(fields.now);
        } else if let (Some(syn), Some(ack)) = (self.from_server.syn, fields.ack)
            && ack.is_after(syn)
            && !fields.flags.contains(Flags::RST)
            && self.from_client.syn.is_some()
        {
            self.is_established = true;
            let nanos = self.syn_at.and_then(|syn_at| fields.now.checked_sub(syn_at));
            self.handshake_nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok());
        }
    }

    /// The most likely cause of an RST from `side`, by the segments before it.
    fn reset_cause(&self, side: Side, fields: &SegmentFields) -> ResetCause {
        let (own, other) = side.own_and_other(&self.from_client, &self.from_server);
        let has_sent_only_refusals = own.segments == 0 || self.reset == Some(ResetCause::Refused);
        if has_sent_only_refusals && other.syn.is_some() && own.syn.is_none() && !self.is_established {
            ResetCause::Refused
        } else if self.reset.is_some() {
            ResetCause::Repeated
        } else if !own.accepts_reset(fields, other) {
            ResetCause::OutOfWindow
        } else if own.received_after_fin {
            ResetCause::DataAfterClose
        } else if own.has_fin() && other.has_fin() {
            ResetCause::AfterClose
        } else if own.has_fin() {
            ResetCause::AfterOwnClose
        } else if own.syn.is_some() && other.syn.is_some() && !self.is_established {
            ResetCause::HandshakeAborted
        } else if own.segments == 0 || (fields.ack.is_none() && other.acked == Some(fields.seq)) {
            // A host that knows the connection sets ACK. A host that does not know it takes the sequence number from
            // the acknowledgment that it received (RFC 9293 §3.5.2).
            ResetCause::HalfOpen
        } else {
            ResetCause::Aborted
        }
    }

    fn handshake(&self) -> Handshake {
        if self.is_established {
            Handshake::Complete
        } else if self.reset == Some(ResetCause::Refused) {
            Handshake::Refused
        } else if self.from_client.syn.is_some() || self.from_server.syn.is_some() {
            Handshake::Partial
        } else {
            Handshake::None
        }
    }

    /// The summary of the conversation. `retired` says that it is closed before its end, to bound memory.
    pub(super) fn summary(mut self, retired: bool) -> Conversation {
        self.flags.shrink_to_fit();
        let handshake = self.handshake();
        let end = match (self.reset, self.has_ended()) {
            (Some(_), _) => End::Reset,
            (None, true) => End::Fin,
            (None, false) => End::Open,
        };
        Conversation {
            number: self.number,
            transport: self.transport,
            client: self.client,
            server: self.server,
            handshake,
            end,
            reset_cause: self.reset,
            first_frame: self.first_frame,
            last_frame: self.last_frame,
            first: self.first_time,
            last: self.last_time,
            from_client: self.from_client.summary(),
            from_server: self.from_server.summary(),
            handshake_nanos: self.handshake_nanos,
            counts: self.counts,
            flags: self.flags,
            checksums: self.checksums,
            retired,
        }
    }
}
