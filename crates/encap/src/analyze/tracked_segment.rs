//! A TCP segment in its connection: its relative numbers, its scaled window and its events.

use std::ops::Range;

use super::endpoint::ConversationSide;
use super::event::{Event, Events, ResetCause};
use crate::wire::tcp::Flags;

/// A frame of a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrackedFrame {
    /// The conversation, and the side that sent the frame.
    pub sender: ConversationSide,
    /// The TCP segment; `None` for a UDP datagram.
    pub segment: Option<TrackedSegment>,
}

/// A TCP segment in its connection.
///
/// Relative numbers count from the SYN, which has number 0, and do not wrap. If the SYN was not captured, the first
/// captured number of a direction is 1, as in Wireshark.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrackedSegment {
    /// Control bits.
    pub flags: Flags,
    /// Relative sequence number of the first byte.
    pub seq: i64,
    /// Relative acknowledgment number, counted from the other side's SYN; `None` without ACK.
    pub ack: Option<i64>,
    /// The window that the sender offers.
    pub window: Window,
    /// Bytes of payload on the wire.
    pub len: u32,
    /// The events that the analysis detected.
    pub events: Events,
    /// The most likely cause of an RST.
    pub reset: Option<ResetCause>,
    /// The time since the other side sent the segment that this one acknowledges. `None` if no acknowledged segment
    /// ends exactly at `ack`, or if it was sent more than once.
    pub round_trip_nanos: Option<u64>,
}

impl TrackedSegment {
    /// The relative sequence number that follows the segment. SYN and FIN count one each.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.seq + i64::from(self.len) + i64::from(self.flags.sequence_len())
    }

    /// The end of the window: the first relative sequence number of the other side beyond it. `None` without ACK, or if
    /// the window's scale is not known.
    #[must_use]
    pub fn window_end(&self) -> Option<i64> {
        Some(self.ack? + i64::from(self.window.bytes()?))
    }

    /// The range of the payload in the stream of its direction. The first byte of the stream is 0. If the payload
    /// begins before the stream, its range starts at 0.
    #[must_use]
    pub fn stream_range(&self) -> Range<u64> {
        let start = u64::try_from(self.stream_start()).unwrap_or_default();
        start..start + u64::from(self.len)
    }

    /// Whether the payload begins before the stream, as in a keep-alive with one byte right after the handshake.
    #[must_use]
    pub fn precedes_stream(&self) -> bool {
        self.stream_start() < 0
    }

    /// The place of the payload's first byte in the stream. It is negative before the stream.
    fn stream_start(&self) -> i64 {
        self.seq - 1 + i64::from(self.flags.contains(Flags::SYN))
    }

    /// Whether the segment was sent before: a retransmission or a keep-alive.
    #[must_use]
    pub fn is_retransmission(&self) -> bool {
        [Event::Retransmission, Event::FastRetransmission, Event::SpuriousRetransmission, Event::KeepAlive]
            .iter()
            .any(|event| self.events.has(*event))
    }
}

/// A receive window as its sender offers it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Window {
    /// The value in the header.
    pub field: u16,
    /// Number of bits by which the field is shifted (RFC 7323 §2.2); `None` if the handshake was not captured.
    pub shift: Option<u8>,
}

impl Window {
    /// The size in bytes; `None` if the shift is not known.
    #[must_use]
    pub fn bytes(self) -> Option<u32> {
        Some(u32::from(self.field) << self.shift?)
    }
}
