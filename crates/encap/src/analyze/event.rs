//! Events of TCP segments, each with its reason.

use std::fmt;

use super::tracked_segment::Window;
use crate::side::Side;
use crate::wire::tcp::Flags;

/// An event of a segment. The rules are those of Wireshark's TCP analysis (User's Guide §7.5), so that counts agree.
/// Brackets hold Wireshark's name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Event {
    /// Repeats sequence numbers. (`tcp.analysis.retransmission`)
    Retransmission,
    /// Retransmission within 20 ms after the second or a later duplicate acknowledgment of its number.
    /// (`tcp.analysis.fast_retransmission`)
    FastRetransmission,
    /// Retransmission of acknowledged bytes. (`tcp.analysis.spurious_retransmission`)
    SpuriousRetransmission,
    /// Bytes not seen before, shortly after later ones. (`tcp.analysis.out_of_order`)
    OutOfOrder,
    /// Bytes before it were not captured. (`tcp.analysis.lost_segment`)
    PreviousNotCaptured,
    /// It acknowledges bytes that were not captured. (`tcp.analysis.ack_lost_segment`)
    AcknowledgesUnseen,
    /// It repeats the acknowledgment before it. (`tcp.analysis.duplicate_ack`)
    DuplicateAck,
    /// Probe of an idle connection, with the number before the next. (`tcp.analysis.keep_alive`)
    KeepAlive,
    /// Answer to a keep-alive. (`tcp.analysis.keep_alive_ack`)
    KeepAliveAck,
    /// Only the window is new. (`tcp.analysis.window_update`)
    WindowUpdate,
    /// It fills the window of the other side to its end. (`tcp.analysis.window_full`)
    WindowFull,
    /// Its sender cannot receive more bytes for now. (`tcp.analysis.zero_window`)
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

/// The number of each event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EventCounts([u64; Event::ALL.len()]);

impl EventCounts {
    /// The number of this event.
    #[must_use]
    pub fn of(&self, event: Event) -> u64 {
        self.0[event as usize]
    }

    /// The number of all retransmissions, with the fast and the spurious ones: Wireshark's
    /// `tcp.analysis.retransmission`.
    #[must_use]
    pub fn retransmissions(&self) -> u64 {
        self.of(Event::Retransmission) + self.of(Event::FastRetransmission) + self.of(Event::SpuriousRetransmission)
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
    /// Relative acknowledgment number, modulo 2³²; 0 without ACK.
    pub ack: u32,
    /// Bytes of payload.
    pub len: u32,
    /// The relative number that was expected next from its sender, modulo 2³².
    pub expected: u32,
    /// The window that the segment offers.
    pub window: Window,
    /// The window that its sender offered before.
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
                write!(f, "{subject} again: the one before was lost, refused, or its answer late")
            }
            Event::Retransmission => write!(
                f,
                "{subject} again, though {expected} was to come next: the first were lost, or their acknowledgment late"
            ),
            Event::FastRetransmission => {
                write!(f, "{subject} again, at once, because duplicate acknowledgments asked for them")
            }
            Event::SpuriousRetransmission => {
                write!(f, "{subject} again, though the {other} has acknowledged them: the acknowledgment came too late")
            }
            Event::OutOfOrder => {
                let last = expected.wrapping_sub(1);
                write!(f, "{subject}, after later ones (up to {last}): overtaken on the way")
            }
            Event::PreviousNotCaptured => {
                let missing = Bytes(seq.wrapping_sub(expected));
                write!(f, "it begins at {seq}, but {expected} was to come next: {missing} lost, or not captured")
            }
            Event::AcknowledgesUnseen if self.unseen == 0 => write!(
                f,
                "it acknowledges all before {ack}: every byte of it was captured, but not in order, or as a window \
                 probe, which is not counted as sent"
            ),
            Event::AcknowledgesUnseen => {
                write!(f, "it acknowledges all before {ack}, of which the capture missed {}", Bytes(self.unseen))
            }
            Event::DuplicateAck => {
                let why = match self.trigger {
                    DuplicateAckTrigger::LaterSegment => "a later segment arrived before the expected one, it seems",
                    DuplicateAckTrigger::RepeatedSegment => "an answer to a segment that was sent again",
                    DuplicateAckTrigger::Unknown => "no segment in the capture asked for it",
                };
                write!(f, "all before {ack} acknowledged once more, and nothing else: {why}")
            }
            Event::KeepAlive => {
                let which = if self.is_acked { "acknowledged already" } else { "not acknowledged yet" };
                let subject = if len == 0 { "a segment without a byte, at that of" } else { "byte" };
                write!(f, "{subject} {seq} once more, {which}: to see whether the {other} is still there")
            }
            Event::KeepAliveAck => write!(
                f,
                "all before {ack} acknowledged once more, in answer to a keep-alive: the {from} is still there"
            ),
            Event::WindowUpdate => {
                let (now, before) = (self.window, self.window_before);
                write!(f, "nothing new but the window, ")?;
                match (now.bytes(), before.bytes()) {
                    (Some(now), Some(before)) => write!(f, "{} after {}", Bytes(now), Bytes(before))?,
                    _ => write!(f, "{} after {} (by a scale that was not captured)", now.field, before.field)?,
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
                write!(f, "one byte into a window of 0: to learn whether the {other} can receive data again")
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

    /// The SYN, the FIN or the bytes that take its sequence numbers.
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
    /// A segment behind a missing one.
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

/// The most likely cause of an RST.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetCause {
    /// It answers a SYN.
    Refused,
    /// The handshake was not completed.
    HandshakeAborted,
    /// Data came after its sender had closed.
    DataAfterClose,
    /// Its sender had closed, and did not wait for the FIN of the other side.
    #[serde(rename = "not_awaited")]
    AfterOwnClose,
    /// Its sender closed with unread data, or with an `SO_LINGER` of 0.
    Aborted,
    /// Its sender does not know the connection.
    HalfOpen,
    /// Both sides had closed already.
    AfterClose,
    /// It follows another RST.
    Repeated,
    /// The other side ignores it, because it does not expect its number (RFC 5961 §3.2).
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
                "aborted before it began: the handshake was not completed, as a port scan does, or a program that gave \
                 up waiting"
            }
            Self::DataAfterClose => {
                "data after close: data came after the program had closed its socket, so no reader was left"
            }
            Self::AfterOwnClose => {
                "after its own close: its sender had closed, and did not wait for the other side to close, too"
            }
            Self::Aborted => {
                "aborted: a program closed its socket with unread data, or with SO_LINGER of 0; both look the same"
            }
            Self::HalfOpen => {
                "half-open: its sender does not know the connection, as after a restart, and refuses its segments"
            }
            Self::AfterClose => "after close: both sides had closed already, and a late segment came",
            Self::Repeated => "one more after a reset: segments that were still on their way are refused, one by one",
            Self::OutOfWindow => {
                "out of window, ignored: its number is not the one that is expected next, so the connection goes on"
            }
        })
    }
}
