//! The summary of a conversation.

use std::net::SocketAddr;

use serde::Serialize;

use super::checksums::Checksums;
use super::endpoint::Transport;
use super::event::{Event, EventCounts, FlaggedEvent, ResetCause};
use super::round_trip::RoundTripTimes;
use crate::time::Timestamp;

/// The captured part of a handshake.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Handshake {
    /// SYN, SYN-ACK and ACK.
    Complete,
    /// A SYN or a SYN-ACK, but not the whole handshake.
    Partial,
    /// A SYN, answered by an RST.
    Refused,
    /// No SYN was captured, or the transport is UDP.
    None,
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// FIN from both sides.
    Fin,
    /// RST from one side.
    Reset,
    /// No end was captured.
    Open,
}

/// The summary of a conversation.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Number among the conversations of its transport, from 0, in the order of their first frames. It equals
    /// Wireshark's `tcp.stream` or `udp.stream`, with two exceptions. Here, a frame begins a new conversation if its
    /// earlier conversation was [retired](Self::retired). It also does so if that conversation has ended and
    /// [`LINGERING_MAX`](super::LINGERING_MAX) others have ended after it.
    pub number: u64,
    /// Transport protocol.
    pub transport: Transport,
    /// The sender of the SYN or the receiver of the SYN-ACK. If neither was captured, the endpoint with the higher
    /// port. Over UDP, the sender of the first datagram.
    pub client: SocketAddr,
    /// The other endpoint.
    pub server: SocketAddr,
    /// The captured part of the handshake.
    pub handshake: Handshake,
    /// How the conversation ended.
    pub end: End,
    /// The most likely cause of the RST that ended the conversation.
    pub reset_cause: Option<ResetCause>,
    /// Number of the first frame.
    pub first_frame: u64,
    /// Number of the last frame.
    pub last_frame: u64,
    /// Time of the first frame; `None` if the capture has no time for it.
    pub first: Option<Timestamp>,
    /// Time of the last frame that has a time.
    pub last: Option<Timestamp>,
    /// Sums over the client's segments or datagrams.
    pub from_client: DirectionSummary,
    /// Sums over the server's segments or datagrams.
    pub from_server: DirectionSummary,
    /// Time from the last SYN of the client to the ACK that completes the handshake, in nanoseconds.
    pub handshake_nanos: Option<u64>,
    /// Number of events of each kind.
    pub counts: EventCounts,
    /// The first [`FLAGS_MAX`](super::FLAGS_MAX) events.
    pub flags: Vec<FlaggedEvent>,
    /// Checksums of all frames.
    pub checksums: Checksums,
    /// Whether the conversation was closed before its end, to bound memory. Later frames begin a new conversation.
    pub retired: bool,
}

impl Conversation {
    /// Number of segments or datagrams in both directions.
    #[must_use]
    pub const fn segments(&self) -> u64 {
        self.from_client.segments + self.from_server.segments
    }

    /// Number of events that are not in [`Conversation::flags`].
    #[must_use]
    pub fn flags_left_out(&self) -> u64 {
        Event::ALL.iter().map(|event| self.counts.get(*event)).sum::<u64>() - self.flags.len() as u64
    }
}

/// Sums over one direction of a conversation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct DirectionSummary {
    /// Number of segments or datagrams.
    pub segments: u64,
    /// Bytes of payload, each counted once.
    pub bytes: u64,
    /// Bytes of payload that were captured again.
    pub bytes_again: u64,
    /// Bytes of payload that were not captured, although later bytes were.
    pub bytes_missing: u64,
    /// Times from the segments of this direction to their acknowledgments; `None` if none was measured.
    pub round_trips: Option<RoundTripTimes>,
}
