//! A TCP segment in its connection: numbered from the SYNs, with its window scaled and its events.

use std::ops::Range;

use super::endpoint::ConversationSide;
use super::event::{Event, Events, ResetCause};
use crate::wire::tcp::Flags;

/// A frame of a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrackedFrame {
    /// The conversation, and the side that sent the frame.
    pub sender: ConversationSide,
    /// Its TCP segment; `None` if it holds a datagram.
    pub segment: Option<TrackedSegment>,
}

/// A TCP segment in its connection.
///
/// Relative numbers count from the SYN, which has number 0, and do not wrap. If the SYN was not captured, the first
/// number seen of a direction is 1, as in Wireshark.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrackedSegment {
    /// Control bits.
    pub flags: Flags,
    /// Relative sequence number of the first byte.
    pub seq: i64,
    /// Relative acknowledgment number, counted from the other side's SYN; `None` without ACK.
    pub ack: Option<i64>,
    /// The window that its sender offers.
    pub window: Window,
    /// Bytes of payload on the wire.
    pub len: u32,
    /// Events to point out to a reader.
    pub events: Events,
    /// The most likely cause of an RST.
    pub reset: Option<ResetCause>,
    /// The time since the other side sent the acknowledged segment; `None` if that segment was sent more than once.
    pub round_trip_nanos: Option<u64>,
}

impl TrackedSegment {
    /// The relative sequence number that follows the segment. SYN and FIN count one each.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.seq + i64::from(self.len) + i64::from(self.flags.sequence_len())
    }

    /// The first relative number of the other side that the window does not admit; `None` without ACK, or if the
    /// window's scale is not known.
    #[must_use]
    pub fn window_end(&self) -> Option<i64> {
        Some(self.ack? + i64::from(self.window.bytes()?))
    }

    /// The payload's place in its direction's stream, whose first byte is 0. A range of a payload
    /// that precedes the stream starts at 0.
    #[must_use]
    pub fn stream_range(&self) -> Range<u64> {
        let start = u64::try_from(self.stream_start()).unwrap_or_default();
        start..start + u64::from(self.len)
    }

    /// Whether the payload begins before the stream. An example: a keep-alive with one byte, right after the
    /// handshake.
    #[must_use]
    pub fn precedes_stream(&self) -> bool {
        self.stream_start() < 0
    }

    fn stream_start(&self) -> i64 {
        self.seq - 1 + i64::from(self.flags.contains(Flags::SYN))
    }

    /// Whether its bytes were sent before: a retransmission or a keep-alive.
    #[must_use]
    pub fn is_retransmission(&self) -> bool {
        [Event::Retransmission, Event::FastRetransmission, Event::SpuriousRetransmission, Event::KeepAlive]
            .iter()
            .any(|event| self.events.has(*event))
    }
}

/// A window as its sender offers it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Window {
    /// The header's field.
    pub field: u16,
    /// By how many bits the field is shifted (RFC 7323 §2.2); `None` if the handshake was not captured.
    pub shift: Option<u8>,
}

impl Window {
    /// Its size in bytes; `None` if the shift is not known.
    #[must_use]
    pub fn bytes(self) -> Option<u32> {
        Some(u32::from(self.field) << self.shift?)
    }
}
