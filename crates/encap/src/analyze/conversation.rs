//! A conversation: what is known of it while it lasts, and what is said of it in the end.

use std::net::SocketAddr;

use serde::Serialize;

use super::checksums::Checksums;
use super::event::{Counts, Event, Events, Flag, ResetCause};
use super::half::{Half, Seen};
use super::limits::FLAGS_MAX;
use super::{Place, RoundTripTimes, Side, Transport};
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
    /// Its number, from 0, by its first frame: Wireshark's `tcp.stream` or `udp.stream`.
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
    pub from_client: Direction,
    /// What the server sent.
    pub from_server: Direction,
    /// From the SYN to the ACK that completed the handshake, in nanoseconds.
    pub handshake_nanos: Option<u64>,
    /// How many of each event.
    pub counts: Counts,
    /// The first few of them.
    pub flags: Vec<Flag>,
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
pub struct Direction {
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
pub(super) struct Live {
    number: u64,
    transport: Transport,
    client: SocketAddr,
    server: SocketAddr,
    first_frame: u64,
    pub(super) last_frame: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    from_client: Half,
    from_server: Half,
    /// When the client's SYN was captured.
    syn_at: Option<i64>,
    handshake_nanos: Option<u64>,
    /// Whether the client acknowledged the server's SYN.
    completed: bool,
    reset: Option<ResetCause>,
    counts: Counts,
    flags: Vec<Flag>,
    pub(super) checksums: Checksums,
    /// Whether it waits among those that have ended.
    pub(super) lingers: bool,
}

/// A frame's place in the capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) frame: u64,
    pub(super) time: Option<Timestamp>,
}

impl Live {
    pub(super) fn new(number: u64, transport: Transport, (client, server): (SocketAddr, SocketAddr), at: At) -> Self {
        Self {
            number,
            transport,
            client,
            server,
            first_frame: at.frame,
            last_frame: at.frame,
            first: at.time,
            last: at.time,
            from_client: Half::default(),
            from_server: Half::default(),
            syn_at: None,
            handshake_nanos: None,
            completed: false,
            reset: None,
            counts: Counts::default(),
            flags: Vec::new(),
            checksums: Checksums::default(),
            lingers: false,
        }
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn first_frame(&self) -> u64 {
        self.first_frame
    }

    /// Which side has this address and port.
    pub(super) fn side(&self, from: SocketAddr) -> Side {
        if from == self.client { Side::Client } else { Side::Server }
    }

    /// Where a frame from this address and port belongs.
    pub(super) fn place(&self, from: SocketAddr) -> Place {
        let Self { transport, number, client, server, .. } = *self;
        Place { transport, number, from: self.side(from), client, server, events: Events::default() }
    }

    /// Whether a SYN of this side opens another connection: with another number, or after this one ended.
    pub(super) fn is_reopened_by(&self, side: Side, seq: SeqNumber) -> bool {
        let half = match side {
            Side::Client => &self.from_client,
            Side::Server => &self.from_server,
        };
        self.has_ended() || half.base.is_some_and(|base| half.syn.is_none() || base != seq)
    }

    /// Whether nothing more is to come but what is late.
    pub(super) fn has_ended(&self) -> bool {
        self.reset.is_some() || (self.from_client.fin_end.is_some() && self.from_server.fin_end.is_some())
    }

    fn touch(&mut self, at: At) {
        self.last_frame = at.frame;
        self.last = at.time.or(self.last);
    }

    /// Takes a datagram.
    pub(super) fn datagram(&mut self, at: At, side: Side, len: u32) {
        self.touch(at);
        let half = match side {
            Side::Client => &mut self.from_client,
            Side::Server => &mut self.from_server,
        };
        half.segments += 1;
        half.bytes += u64::from(len);
    }

    /// Takes a segment, and says what it does.
    pub(super) fn segment(&mut self, at: At, side: Side, segment: &Segment<'_>, len: u32, reused: bool) -> Events {
        let now = at.time.or(self.last).unwrap_or_default().as_nanos();
        self.touch(at);
        let seen = Seen::new(segment, len, now);
        let cause = seen.flags.contains(Flags::RST).then(|| self.reset_cause(side, &seen));
        let (half, other) = match side {
            Side::Client => (&mut self.from_client, &mut self.from_server),
            Side::Server => (&mut self.from_server, &mut self.from_client),
        };
        let (expected, window_before) = (half.next, half.window);
        let mut events = half.judge(&seen, segment, other, self.handshake_nanos);
        if reused {
            events.add(Event::PortReused);
        }
        if !events.is_empty() {
            let flag = Flag {
                frame: at.frame,
                from: side,
                event: Event::Reset,
                seq: half.relative(seen.seq),
                ack: seen.ack.map_or(0, |ack| other.relative(ack)),
                len,
                expected: expected.map_or(0, |next| half.relative(next)),
                window: seen.window,
                window_before,
                cause,
            };
            self.flag(events, flag);
        }
        self.shake_hands(side, &seen);
        if let Some(cause) = cause {
            self.reset.get_or_insert(cause);
        }
        events
    }

    fn flag(&mut self, events: Events, flag: Flag) {
        for event in events.iter() {
            self.counts.add(event);
            if self.flags.len() < FLAGS_MAX {
                self.flags.push(Flag { event, cause: flag.cause.filter(|_| event == Event::Reset), ..flag });
            }
        }
    }

    fn shake_hands(&mut self, side: Side, seen: &Seen) {
        if self.completed || side == Side::Server {
            return;
        }
        if seen.flags.contains(Flags::SYN) {
            self.syn_at.get_or_insert(seen.now);
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
    fn reset_cause(&self, side: Side, seen: &Seen) -> ResetCause {
        let (half, other) = match side {
            Side::Client => (&self.from_client, &self.from_server),
            Side::Server => (&self.from_server, &self.from_client),
        };
        let closed = |half: &Half| half.fin_end.is_some();
        let unread = other.next.zip(half.acked).is_some_and(|(next, acked)| next.is_after(acked));
        if self.reset.is_some() {
            ResetCause::Repeated
        } else if half.segments == 0 && other.syn.is_some() && !self.completed {
            ResetCause::Refused
        } else if closed(half) && closed(other) && !unread {
            ResetCause::AfterClose
        } else if closed(half) {
            ResetCause::DataAfterClose
        } else if half.syn.is_some() && other.syn.is_some() && !self.completed {
            ResetCause::HandshakeAborted
        } else if half.segments == 0 || (seen.ack.is_none() && self.from_client.syn.is_none()) {
            ResetCause::HalfOpen
        } else if unread {
            ResetCause::Unread
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

fn direction(half: &mut Half) -> Direction {
    Direction {
        segments: half.segments,
        bytes: half.bytes,
        bytes_again: half.bytes_again,
        bytes_missing: half.coverage.missing(),
        round_trips: half.trips.times(),
    }
}
