//! A conversation: what is known of it while it lasts, and what is said of it in the end.

use std::net::SocketAddr;

use serde::Serialize;

use super::checksums::Checksums;
use super::direction::{DirectionState, SegmentFields, wrapped};
use super::endpoint::{ConversationSide, Transport};
use super::event::{DuplicateAckTrigger, Event, EventCounts, Events, FlaggedEvent, ResetCause};
use super::limits::FLAGS_MAX;
use super::round_trip::RoundTripTimes;
use super::tracked_segment::TrackedSegment;
use crate::side::Side;
use crate::time::Timestamp;
use crate::wire::SeqNumber;
use crate::wire::tcp::{Flags, Segment};

/// How far the opening of a connection was seen.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Handshake {
    /// SYN, SYN and ACK, ACK.
    Complete,
    /// A SYN, and not all of the rest.
    Partial,
    /// A SYN, answered with RST.
    Refused,
    /// No SYN: the capture began later, or it is UDP.
    None,
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Both sides closed.
    Fin,
    /// One side reset it.
    Reset,
    /// It was not seen to end.
    Open,
}

/// What is said of a conversation.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its number, from 0, by its first frame: Wireshark's `tcp.stream` or `udp.stream`, unless something comes for one that
    /// ended after [`LINGERING_MAX`](super::LINGERING_MAX) others had ended, too, or that was
    /// [retired](Conversation::retired): that is another conversation here.
    pub number: u64,
    /// What carries it.
    pub transport: Transport,
    /// Who opened it: sent the SYN, or got the answer to one; the higher port if neither was seen, or the first to speak over UDP.
    pub client: SocketAddr,
    /// The other side.
    pub server: SocketAddr,
    /// How far its opening was seen.
    pub handshake: Handshake,
    /// How it ended.
    pub end: End,
    /// Why it was reset, if it was.
    pub reset_cause: Option<ResetCause>,
    /// Its first frame.
    pub first_frame: u64,
    /// Its last.
    pub last_frame: u64,
    /// When its first frame was captured, if the capture says so.
    pub first: Option<Timestamp>,
    /// And its last.
    pub last: Option<Timestamp>,
    /// What the client sent.
    pub from_client: DirectionSummary,
    /// What the server sent.
    pub from_server: DirectionSummary,
    /// From the SYN to the ACK that completed the handshake, in nanoseconds; from the last SYN, if it was sent again.
    pub handshake_nanos: Option<u64>,
    /// How many of each event.
    pub counts: EventCounts,
    /// The first few of them.
    pub flags: Vec<FlaggedEvent>,
    /// What its checksums turned out to be.
    pub checksums: Checksums,
    /// Whether it was closed for want of room: if it went on, the rest is another conversation here.
    pub retired: bool,
}

impl Conversation {
    /// Segments or datagrams of both directions.
    #[must_use]
    pub const fn segments(&self) -> u64 {
        self.from_client.segments + self.from_server.segments
    }

    /// Events that are counted and not among [`Conversation::flags`].
    #[must_use]
    pub fn flags_left_out(&self) -> u64 {
        Event::ALL.iter().map(|event| self.counts.of(*event)).sum::<u64>() - self.flags.len() as u64
    }
}

/// What went one way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct DirectionSummary {
    /// Segments or datagrams.
    pub segments: u64,
    /// Bytes of payload, each once.
    pub bytes: u64,
    /// Bytes of payload that had been sent before.
    pub bytes_again: u64,
    /// Bytes that were not captured, though later ones were.
    pub bytes_missing: u64,
    /// From its segments to their acknowledgments.
    pub round_trips: Option<RoundTripTimes>,
}

/// A conversation that goes on.
#[derive(Debug)]
pub(super) struct LiveConversation {
    number: u64,
    transport: Transport,
    client: SocketAddr,
    server: SocketAddr,
    first_frame: u64,
    pub(super) last_frame: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    from_client: DirectionState,
    from_server: DirectionState,
    /// When the client's last SYN was captured.
    syn_at: Option<i64>,
    handshake_nanos: Option<u64>,
    /// Whether the client acknowledged the server's SYN.
    completed: bool,
    reset: Option<ResetCause>,
    counts: EventCounts,
    flags: Vec<FlaggedEvent>,
    pub(super) checksums: Checksums,
    /// Whether it waits among those that have ended.
    pub(super) lingers: bool,
}

/// A frame's place in the capture.
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
        at: FrameStamp,
    ) -> Self {
        Self {
            number,
            transport,
            client,
            server,
            first_frame: at.frame,
            last_frame: at.frame,
            first: at.time,
            last: at.time,
            from_client: DirectionState::default(),
            from_server: DirectionState::default(),
            syn_at: None,
            handshake_nanos: None,
            completed: false,
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

    /// Which side has this address and port.
    pub(super) fn side(&self, from: SocketAddr) -> Side {
        if from == self.client { Side::Client } else { Side::Server }
    }

    /// Where a frame from this address and port belongs.
    pub(super) fn sender(&self, from: SocketAddr) -> ConversationSide {
        let Self { transport, number, client, server, .. } = *self;
        ConversationSide { transport, number, side: self.side(from), client, server }
    }

    /// Whether a SYN of this side opens another connection, for Wireshark too: with another number. With the same, it is
    /// one more attempt at this one.
    pub(super) fn is_reopened_by(&self, side: Side, seq: SeqNumber) -> bool {
        let own = match side {
            Side::Client => &self.from_client,
            Side::Server => &self.from_server,
        };
        own.base.is_some_and(|base| own.syn.is_none() || base != seq)
    }

    /// Whether nothing more is to come but what is late.
    pub(super) fn has_ended(&self) -> bool {
        self.reset.is_some() || (self.from_client.fin_end.is_some() && self.from_server.fin_end.is_some())
    }

    /// What it takes beside its own size, in bytes of memory.
    pub(super) fn weight(&self) -> usize {
        let flags = self.flags.capacity() * size_of::<FlaggedEvent>();
        flags + self.from_client.weight() + self.from_server.weight()
    }

    fn touch(&mut self, at: FrameStamp) {
        self.last_frame = at.frame;
        self.last = at.time.or(self.last);
    }

    /// Takes a datagram.
    pub(super) fn datagram(&mut self, at: FrameStamp, side: Side, len: u32) {
        self.touch(at);
        let own = match side {
            Side::Client => &mut self.from_client,
            Side::Server => &mut self.from_server,
        };
        own.segments += 1;
        own.bytes += u64::from(len);
    }

    /// What ended is tried again, by a SYN with the number of the one before.
    fn try_again(&mut self) {
        self.reset = None;
        self.completed = false;
        self.lingers = false;
        for own in [&mut self.from_client, &mut self.from_server] {
            own.fin_end = None;
            own.heard_after_fin = false;
        }
    }

    /// Takes a segment, and numbers it.
    pub(super) fn segment(
        &mut self,
        at: FrameStamp,
        side: Side,
        segment: &Segment<'_>,
        len: u32,
        reused: bool,
    ) -> TrackedSegment {
        let now = at.time.or(self.last).unwrap_or_default().as_nanos();
        self.touch(at);
        let seen = SegmentFields::new(segment, len, now);
        // What was refused stays so until it is accepted.
        let tries_again = seen.ack.is_some() == (self.reset == Some(ResetCause::Refused));
        if seen.flags.contains(Flags::SYN) && tries_again && self.has_ended() {
            self.try_again();
        }
        let cause = seen.flags.contains(Flags::RST).then(|| self.reset_cause(side, &seen));
        let (own, other) = match side {
            Side::Client => (&mut self.from_client, &mut self.from_server),
            Side::Server => (&mut self.from_server, &mut self.from_client),
        };
        let (expected, window_before) = (own.next, own.window(other));
        let mut tracked = own.track(&seen, segment, other, self.handshake_nanos);
        tracked.reset = cause;
        if reused {
            tracked.events.add(Event::PortReused);
        }
        if !tracked.events.is_empty() {
            let flag = FlaggedEvent {
                frame: at.frame,
                from: side,
                event: Event::Reset,
                seq: wrapped(tracked.seq),
                ack: wrapped(tracked.ack.unwrap_or_default()),
                len,
                expected: expected.map_or(0, |next| wrapped(own.relative(next))),
                window: tracked.window,
                window_before,
                flags: seen.flags,
                unseen: seen.ack.map_or(0, |ack| other.unseen_before(ack)),
                answers: seen.ack.map_or(DuplicateAckTrigger::Unknown, |ack| other.asked_by(ack)),
                is_acked: expected.zip(other.acked).is_some_and(|(next, acked)| !next.is_after(acked)),
                cause,
            };
            self.flag(tracked.events, flag);
        }
        self.shake_hands(side, &seen);
        if let Some(cause) = cause.filter(|cause| *cause != ResetCause::OutOfWindow) {
            self.reset.get_or_insert(cause);
        }
        tracked
    }

    fn flag(&mut self, events: Events, flag: FlaggedEvent) {
        for event in events.iter() {
            self.counts.add(event);
            if self.flags.len() < FLAGS_MAX {
                self.flags.push(FlaggedEvent { event, cause: flag.cause.filter(|_| event == Event::Reset), ..flag });
            }
        }
    }

    fn shake_hands(&mut self, side: Side, seen: &SegmentFields) {
        if self.completed || side == Side::Server {
            return;
        }
        if seen.flags.contains(Flags::SYN) {
            self.syn_at = Some(seen.now);
        } else if let (Some(syn), Some(ack)) = (self.from_server.syn, seen.ack)
            && ack.is_after(syn)
            && !seen.flags.contains(Flags::RST)
            && self.from_client.syn.is_some()
        {
            self.completed = true;
            self.handshake_nanos =
                self.syn_at.and_then(|syn_at| seen.now.checked_sub(syn_at)).and_then(|nanos| u64::try_from(nanos).ok());
        }
    }

    /// Why `side` resets, from what was seen before.
    fn reset_cause(&self, side: Side, seen: &SegmentFields) -> ResetCause {
        let (own, other) = match side {
            Side::Client => (&self.from_client, &self.from_server),
            Side::Server => (&self.from_server, &self.from_client),
        };
        let closed = |own: &DirectionState| own.fin_end.is_some();
        let only_refused = own.segments == 0 || self.reset == Some(ResetCause::Refused);
        if only_refused && other.syn.is_some() && own.syn.is_none() && !self.completed {
            ResetCause::Refused
        } else if self.reset.is_some() {
            ResetCause::Repeated
        } else if !own.is_reset_taken(seen, other) {
            ResetCause::OutOfWindow
        } else if own.heard_after_fin {
            ResetCause::DataAfterClose
        } else if closed(own) && closed(other) {
            ResetCause::AfterClose
        } else if closed(own) {
            ResetCause::NotAwaited
        } else if own.syn.is_some() && other.syn.is_some() && !self.completed {
            ResetCause::HandshakeAborted
        } else if own.segments == 0 || (seen.ack.is_none() && other.acked == Some(seen.seq)) {
            // Who knows the connection acknowledges; who does not takes the number that it was told to (RFC 9293 §3.5.2).
            ResetCause::HalfOpen
        } else {
            ResetCause::Aborted
        }
    }

    fn handshake(&self) -> Handshake {
        if self.completed {
            Handshake::Complete
        } else if self.reset == Some(ResetCause::Refused) {
            Handshake::Refused
        } else if self.from_client.syn.is_some() || self.from_server.syn.is_some() {
            Handshake::Partial
        } else {
            Handshake::None
        }
    }

    /// What is said of it.
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
            first: self.first,
            last: self.last,
            from_client: direction(&mut self.from_client),
            from_server: direction(&mut self.from_server),
            handshake_nanos: self.handshake_nanos,
            counts: self.counts,
            flags: self.flags,
            checksums: self.checksums,
            retired,
        }
    }
}

fn direction(own: &mut DirectionState) -> DirectionSummary {
    DirectionSummary {
        segments: own.segments,
        bytes: own.bytes,
        bytes_again: own.bytes_again,
        bytes_missing: own.coverage.missing(),
        round_trips: own.trips.times(),
    }
}
