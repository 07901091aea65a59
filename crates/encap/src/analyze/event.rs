//! Events of TCP segments, each with its reason.

use std::fmt;

use super::tracked_segment::Window;
use crate::side::Side;
use crate::wire::tcp::Flags;

/// An event of a segment. The rules are those of Wireshark's TCP analysis (User's Guide §7.5), so that counts agree.
/// Parentheses hold the name of Wireshark's display filter.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Event {
    /// The segment repeats sequence numbers. (`tcp.analysis.retransmission`)
    Retransmission,
    /// Retransmission within 20 ms after at least two duplicate acknowledgments that asked for its sequence number.
    /// (`tcp.analysis.fast_retransmission`)
    FastRetransmission,
    /// Retransmission of acknowledged bytes. (`tcp.analysis.spurious_retransmission`)
    SpuriousRetransmission,
    /// The bytes arrive shortly after bytes with higher sequence numbers. (`tcp.analysis.out_of_order`)
    OutOfOrder,
    /// The bytes before the segment were not captured. (`tcp.analysis.lost_segment`)
    PreviousNotCaptured,
    /// The segment acknowledges bytes that were not captured. (`tcp.analysis.ack_lost_segment`)
    AcknowledgesUnseen,
    /// The segment repeats the previous acknowledgment and has nothing else. (`tcp.analysis.duplicate_ack`)
    DuplicateAck,
    /// Probe of an idle connection. Its sequence number is one less than the expected one. (`tcp.analysis.keep_alive`)
    KeepAlive,
    /// Answer to a keep-alive. (`tcp.analysis.keep_alive_ack`)
    KeepAliveAck,
    /// Only the window is new. (`tcp.analysis.window_update`)
    WindowUpdate,
    /// The segment fills the window of the other side completely. (`tcp.analysis.window_full`)
    WindowFull,
    /// The sender of the segment cannot receive more bytes for now. (`tcp.analysis.zero_window`)
    ZeroWindow,
    /// One byte that tests a window of zero. (`tcp.analysis.zero_window_probe`)
    ZeroWindowProbe,
    /// Answer to a zero-window probe: the window is still zero. (`tcp.analysis.zero_window_probe_ack`)
    ZeroWindowProbeAck,
    /// A SYN on the ports of an earlier connection. (`tcp.analysis.reused_ports`)
    PortReused,
    /// RST. (`tcp.flags.reset`)
    Reset,
}

impl Event {
    /// All events, in order.
    pub const ALL: [Self; 16] = [
        Self::Retransmission,
        Self::FastRetransmission,
        Self::SpuriousRetransmission,
        Self::OutOfOrder,
        Self::PreviousNotCaptured,
        Self::AcknowledgesUnseen,
        Self::DuplicateAck,
        Self::KeepAlive,
        Self::KeepAliveAck,
        Self::WindowUpdate,
        Self::WindowFull,
        Self::ZeroWindow,
        Self::ZeroWindowProbe,
        Self::ZeroWindowProbeAck,
        Self::PortReused,
        Self::Reset,
    ];
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Retransmission => "retransmission",
            Self::FastRetransmission => "fast retransmission",
            Self::SpuriousRetransmission => "spurious retransmission",
            Self::OutOfOrder => "out of order",
            Self::PreviousNotCaptured => "previous segment not captured",
            Self::AcknowledgesUnseen => "acknowledges unseen segment",
            Self::DuplicateAck => "duplicate acknowledgment",
            Self::KeepAlive => "keep-alive",
            Self::KeepAliveAck => "keep-alive acknowledgment",
            Self::WindowUpdate => "window update",
            Self::WindowFull => "window full",
            Self::ZeroWindow => "zero window",
            Self::ZeroWindowProbe => "zero-window probe",
            Self::ZeroWindowProbeAck => "zero-window probe acknowledgment",
            Self::PortReused => "port reused",
            Self::Reset => "reset",
        })
    }
}

/// The set of events of one segment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Events(u16);

impl Events {
    pub(super) fn add(&mut self, event: Event) {
        self.0 |= 1 << event as u16;
    }

    /// Whether the set contains `event`.
    #[must_use]
    pub fn has(self, event: Event) -> bool {
        self.0 & 1 << event as u16 != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The events of the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Event> {
        Event::ALL.into_iter().filter(move |event| self.has(*event))
    }
}

/// The number of events of each kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EventCounts([u64; Event::ALL.len()]);

impl EventCounts {
    /// The number of events of this kind.
    #[must_use]
    pub fn get(&self, event: Event) -> u64 {
        self.0[event as usize]
    }

    /// The number of all retransmissions, with the fast and the spurious ones: Wireshark's
    /// `tcp.analysis.retransmission`.
    #[must_use]
    pub fn retransmissions(&self) -> u64 {
        self.get(Event::Retransmission) + self.get(Event::FastRetransmission) + self.get(Event::SpuriousRetransmission)
    }

    pub(super) fn add(&mut self, event: Event) {
        self.0[event as usize] += 1;
    }
}

/// An event of a frame, and the values that explain it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FlaggedEvent {
    /// The frame number, from 1.
    pub frame: u64,
    /// The sender.
    pub from: Side,
    /// The event.
    pub event: Event,
    /// Relative sequence number, modulo 2³² as in Wireshark.
    pub seq: u32,
    /// Relative acknowledgment number, modulo 2³². 0 without ACK.
    pub ack: u32,
    /// Bytes of payload.
    pub len: u32,
    /// The relative sequence number that was expected next from the sender, modulo 2³². 0 for its first segment.
    pub expected: u32,
    /// The window that the segment offers.
    pub window: Window,
    /// The window that the sender offered before.
    pub window_before: Window,
    /// Control bits.
    pub control_bits: Flags,
    /// Number of bytes before `ack` that were not captured.
    pub unseen: u32,
    /// The trigger of a duplicate acknowledgment.
    pub trigger: DuplicateAckTrigger,
    /// Whether all bytes before `expected` were acknowledged.
    pub is_acked: bool,
    /// The most likely cause of a reset.
    pub cause: Option<ResetCause>,
}

impl FlaggedEvent {
    /// The reason for the event, as a sentence.
    #[must_use]
    pub fn why(&self) -> impl fmt::Display {
        let Self { from, seq, ack, len, expected, .. } = *self;
        let (other, subject) = (from.other(), self.subject());
        fmt::from_fn(move |f| match self.event {
            Event::Retransmission if self.control_bits.contains(Flags::SYN) => {
                write!(f, "{subject} again: the earlier one was lost or refused, or its answer was late")
            }
            Event::Retransmission => write!(
                f,
                "{subject} again, although {expected} was expected next: the first copy was lost, or its \
                 acknowledgment was late"
            ),
            Event::FastRetransmission => {
                write!(
                    f,
                    "{subject} again, without waiting for a timeout, because duplicate acknowledgments showed a loss"
                )
            }
            Event::SpuriousRetransmission => {
                write!(f, "{subject} again, although acknowledged by the {other}: the acknowledgment came too late")
            }
            Event::OutOfOrder => {
                let last = expected.wrapping_sub(1);
                write!(f, "{subject}, after later bytes (up to {last}): the network changed the order")
            }
            Event::PreviousNotCaptured => {
                let missing = Bytes(seq.wrapping_sub(expected));
                write!(f, "it begins at {seq}, but {expected} was expected next: {missing} lost or not captured")
            }
            Event::AcknowledgesUnseen if self.unseen == 0 => write!(
                f,
                "it acknowledges all bytes before {ack}: all of them were captured, but some of them out of order, or \
                 in a window probe (which does not count as sent)"
            ),
            Event::AcknowledgesUnseen => {
                write!(
                    f,
                    "it acknowledges all bytes before {ack}, but the capture lacks {} of them",
                    Bytes(self.unseen)
                )
            }
            Event::DuplicateAck => {
                let why = match self.trigger {
                    DuplicateAckTrigger::LaterSegment => "a later segment probably arrived before the expected one",
                    DuplicateAckTrigger::RepeatedSegment => "an answer to a segment that was sent again",
                    DuplicateAckTrigger::Unknown => "no segment in the capture asked for it",
                };
                write!(f, "all bytes before {ack} acknowledged again, and nothing else: {why}")
            }
            Event::KeepAlive => {
                let state = if self.is_acked { "already acknowledged" } else { "not acknowledged yet" };
                let subject = if len == 0 { "an empty segment at sequence number" } else { "byte" };
                write!(f, "{subject} {seq}, {state}, is sent again: a test whether the {other} is still there")
            }
            Event::KeepAliveAck => write!(
                f,
                "all bytes before {ack} acknowledged again, in answer to a keep-alive: the {from} is still there"
            ),
            Event::WindowUpdate => {
                let (now, before) = (self.window, self.window_before);
                write!(f, "only the window changes, ")?;
                match (now.bytes(), before.bytes()) {
                    (Some(now), Some(before)) => write!(f, "from {} to {}", Bytes(before), Bytes(now))?,
                    _ => write!(f, "from {} to {} (the scale was not captured)", before.field, now.field)?,
                }
                write!(f, ": the {from} announces how much it can receive now")
            }
            Event::WindowFull => write!(
                f,
                "its {} reach the end of the {other}'s window: no more may be sent until the window moves",
                Bytes(len)
            ),
            Event::ZeroWindow => write!(
                f,
                "the window is 0: the {from} reads more slowly than data arrives, and cannot receive more for now"
            ),
            Event::ZeroWindowProbe => {
                write!(f, "one byte sent into a window of 0: a test whether the {other} can receive data again")
            }
            Event::ZeroWindowProbeAck => write!(f, "the window is still 0: an answer to a zero-window probe"),
            Event::PortReused => {
                write!(f, "a SYN with another sequence number, from an address and port that had a connection before")
            }
            Event::Reset => match self.cause {
                Some(cause) => write!(f, "{cause}"),
                None => write!(f, "the {from} ends the connection at once"),
            },
        })
    }

    /// The content of the segment: the SYN, the FIN, or its bytes.
    fn subject(&self) -> impl fmt::Display {
        let Self { seq, len, control_bits, .. } = *self;
        fmt::from_fn(move |f| match len {
            0 if control_bits.contains(Flags::SYN) => write!(f, "the SYN"),
            0 if control_bits.contains(Flags::FIN) => write!(f, "the FIN, at {seq},"),
            _ => write!(f, "{} from {seq} on", Bytes(len)),
        })
    }
}

/// The most likely trigger of a duplicate acknowledgment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DuplicateAckTrigger {
    /// A segment that arrived before an earlier, missing one.
    LaterSegment,
    /// A repeated segment.
    RepeatedSegment,
    /// No captured segment.
    Unknown,
}

/// A number of bytes with its unit: `1 byte`, `2 bytes`.
pub(super) struct Bytes(pub(super) u32);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// The most likely cause of an RST. The *sender* is the side that sent the RST.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetCause {
    /// The RST answers a SYN.
    Refused,
    /// The handshake was not completed.
    HandshakeAborted,
    /// Data arrived after the sender had closed.
    DataAfterClose,
    /// The sender had closed, and did not wait for the FIN of the other side.
    #[serde(rename = "not_awaited")]
    AfterOwnClose,
    /// The sender closed with unread data, or with an `SO_LINGER` of 0.
    Aborted,
    /// The sender does not know the connection.
    HalfOpen,
    /// Both sides had closed already.
    AfterClose,
    /// The RST follows another RST.
    Repeated,
    /// The other side ignores the RST, because it expects another sequence number (RFC 5961 §3.2).
    OutOfWindow,
}

impl fmt::Display for ResetCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refused => {
                "refused: RST in answer to a SYN, so no program listens on that port (or a firewall turns connections \
                 away)"
            }
            Self::HandshakeAborted => {
                "aborted in the handshake: the connection was never established, as in a port scan, or when a program \
                 gives up waiting"
            }
            Self::DataAfterClose => {
                "data after close: data arrived after the program had closed its socket, so no program could read it"
            }
            Self::AfterOwnClose => {
                "after its own close: the sender of the RST had closed, and did not wait for the other side to close"
            }
            Self::Aborted => {
                "aborted: a program closed its socket with unread data, or with SO_LINGER of 0 (both look the same \
                 in a capture)"
            }
            Self::HalfOpen => {
                "half-open: the sender of the RST does not know the connection, as after a restart, and refuses its \
                 segments"
            }
            Self::AfterClose => "after close: both sides had closed already, and a late segment arrived",
            Self::Repeated => {
                "repeated: after the first RST, each segment that was still on its way is refused by a further RST"
            }
            Self::OutOfWindow => {
                "out of window, ignored: the RST does not have the sequence number that is expected next, so the \
                 connection goes on"
            }
        })
    }
}
