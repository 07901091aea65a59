//! What a segment does that a reader should know, and why it is said to.

use std::fmt;

use super::tracked_segment::Window;
use crate::side::Side;
use crate::wire::tcp::Flags;

/// Something about a segment. The rules are those of Wireshark's TCP analysis (User's Guide §7.5), whose name for each is
/// in brackets, so that counts agree.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Event {
    /// Sent again: it does not advance the sequence numbers. (`tcp.analysis.retransmission`)
    Retransmission,
    /// Sent again within 20 ms of the second duplicate acknowledgment or a later one, which ask for it.
    /// (`tcp.analysis.fast_retransmission`)
    FastRetransmission,
    /// Sent again though it had been acknowledged. (`tcp.analysis.spurious_retransmission`)
    SpuriousRetransmission,
    /// Overtaken: bytes that were not seen yet, shortly after later ones. (`tcp.analysis.out_of_order`)
    OutOfOrder,
    /// Bytes before it were not captured. (`tcp.analysis.lost_segment`)
    PreviousNotCaptured,
    /// It acknowledges what was not captured. (`tcp.analysis.ack_lost_segment`)
    AcknowledgesUnseen,
    /// It repeats the acknowledgment before it. (`tcp.analysis.duplicate_ack`)
    DuplicateAck,
    /// A probe of a quiet connection: the byte before the next. (`tcp.analysis.keep_alive`)
    KeepAlive,
    /// The answer to one. (`tcp.analysis.keep_alive_ack`)
    KeepAliveAck,
    /// Nothing new but the window. (`tcp.analysis.window_update`)
    WindowUpdate,
    /// It fills the window of the other side to its end. (`tcp.analysis.window_full`)
    WindowFull,
    /// Its sender takes no more bytes for now. (`tcp.analysis.zero_window`)
    ZeroWindow,
    /// One byte, to see whether the other side takes more again. (`tcp.analysis.zero_window_probe`)
    ZeroWindowProbe,
    /// The answer: not yet. (`tcp.analysis.zero_window_probe_ack`)
    ZeroWindowProbeAck,
    /// A SYN from where there was a connection before. (`tcp.analysis.reused_ports`)
    PortReused,
    /// RST: the connection ends here. (`tcp.flags.reset`)
    Reset,
}

impl Event {
    /// All of them, in order.
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

/// A set of events: what one segment does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Events(u16);

impl Events {
    pub(super) fn add(&mut self, event: Event) {
        self.0 |= 1 << event as u16;
    }

    /// Whether it does this.
    #[must_use]
    pub fn has(self, event: Event) -> bool {
        self.0 & 1 << event as u16 != 0
    }

    /// Whether there is nothing about it that a reader should know.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Event> {
        Event::ALL.into_iter().filter(move |event| self.has(*event))
    }
}

/// How many of each event there were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EventCounts([u64; Event::ALL.len()]);

impl EventCounts {
    /// How many of this event.
    #[must_use]
    pub fn of(&self, event: Event) -> u64 {
        self.0[event as usize]
    }

    /// What was sent again, for whatever reason: Wireshark's `tcp.analysis.retransmission` counts the fast and the spurious
    /// ones too.
    #[must_use]
    pub fn retransmissions(&self) -> u64 {
        self.of(Event::Retransmission) + self.of(Event::FastRetransmission) + self.of(Event::SpuriousRetransmission)
    }

    pub(super) fn add(&mut self, event: Event) {
        self.0[event as usize] += 1;
    }
}

/// An event at its frame, with the numbers that it is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FlaggedEvent {
    /// The frame, counted from 1.
    pub frame: u64,
    /// Who sent it.
    pub from: Side,
    /// What it is.
    pub event: Event,
    /// Its first sequence number, from the sender's SYN on, as Wireshark shows it.
    pub seq: u32,
    /// Its acknowledgment number, from the other side's SYN on.
    pub ack: u32,
    /// Bytes of payload.
    pub len: u32,
    /// The number that was to come next from its sender, in the same way.
    pub expected: u32,
    /// The window that it offers.
    pub window: Window,
    /// The window in its sender's segment before it.
    pub window_before: Window,
    /// Its control bits.
    pub flags: Flags,
    /// Bytes before `ack` that were not captured.
    pub unseen: u32,
    /// Of a duplicate acknowledgment: what it answers.
    pub answers: DuplicateAckTrigger,
    /// Whether all before `expected` had been acknowledged.
    pub is_acked: bool,
    /// Of a reset: why, most likely.
    pub cause: Option<ResetCause>,
}

impl FlaggedEvent {
    /// Why it is said, in a sentence.
    #[must_use]
    pub fn why(&self) -> impl fmt::Display {
        let Self { from, seq, ack, len, expected, .. } = *self;
        let (other, what) = (from.other(), self.what());
        fmt::from_fn(move |f| match self.event {
            Event::Retransmission if self.flags.contains(Flags::SYN) => {
                write!(f, "{what} again: the one before was lost, refused, or its answer late")
            }
            Event::Retransmission => write!(
                f,
                "{what} again, though {expected} was to come next: the first were lost, or their acknowledgment late"
            ),
            Event::FastRetransmission => {
                write!(f, "{what} again, at once, because duplicate acknowledgments asked for them")
            }
            Event::SpuriousRetransmission => {
                write!(f, "{what} again, though the {other} has acknowledged them: the acknowledgment came too late")
            }
            Event::OutOfOrder => {
                let last = expected.wrapping_sub(1);
                write!(f, "{what}, after later ones (up to {last}): overtaken on the way")
            }
            Event::PreviousNotCaptured => {
                let missing = Bytes(seq.wrapping_sub(expected));
                write!(f, "it begins at {seq}, but {expected} was to come next: {missing} lost, or not captured")
            }
            Event::AcknowledgesUnseen if self.unseen == 0 => write!(
                f,
                "it acknowledges all before {ack}: every byte of it was captured, but not in order, or as a window probe, \
                 which is not counted as sent"
            ),
            Event::AcknowledgesUnseen => {
                write!(f, "it acknowledges all before {ack}, of which the capture missed {}", Bytes(self.unseen))
            }
            Event::DuplicateAck => {
                let why = match self.answers {
                    DuplicateAckTrigger::LaterSegment => "a later segment arrived, it seems, before the one there",
                    DuplicateAckTrigger::RepeatedSegment => "an answer to a segment that was sent again",
                    DuplicateAckTrigger::Unknown => "no segment in the capture asked for it",
                };
                write!(f, "all before {ack} acknowledged once more, and nothing else: {why}")
            }
            Event::KeepAlive => {
                let which = if self.is_acked { "acknowledged already" } else { "not acknowledged yet" };
                let what = if len == 0 { "a segment without a byte, at that of" } else { "byte" };
                write!(f, "{what} {seq} once more, {which}: to see whether the {other} is still there")
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
                write!(f, ": the {from} says anew how much it takes")
            }
            Event::WindowFull => write!(
                f,
                "its {} reach the end of the {other}'s window: no more may be sent until that moves on",
                Bytes(len)
            ),
            Event::ZeroWindow => write!(
                f,
                "the window is 0: the {from} does not read as fast as it is sent to, and takes no more for now"
            ),
            Event::ZeroWindowProbe => {
                write!(f, "one byte into a window of 0: to learn whether the {other} takes more again")
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

    /// What it takes sequence numbers for.
    fn what(&self) -> impl fmt::Display {
        let Self { seq, len, flags, .. } = *self;
        fmt::from_fn(move |f| match len {
            0 if flags.contains(Flags::SYN) => write!(f, "the SYN"),
            0 if flags.contains(Flags::FIN) => write!(f, "the FIN, at {seq},"),
            _ => write!(f, "{} from {seq} on", Bytes(len)),
        })
    }
}

/// What a duplicate acknowledgment answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DuplicateAckTrigger {
    /// A segment that comes after one that is missing, as far as can be told.
    LaterSegment,
    /// A segment that was sent again.
    RepeatedSegment,
    /// Nothing that was captured.
    Unknown,
}

/// So many bytes, in words.
pub(super) struct Bytes(pub(super) u32);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// Why a connection was reset, most likely.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetCause {
    /// A SYN was answered with RST.
    Refused,
    /// The SYN was answered, and whoever sent it did not want the connection any more.
    HandshakeAborted,
    /// Its sender had closed, and then data came.
    DataAfterClose,
    /// Its sender had closed, and did not wait until the other side did.
    NotAwaited,
    /// Its sender closed at once: with data unread, or because it was told to (`SO_LINGER` of 0).
    Aborted,
    /// Its sender does not know the connection.
    HalfOpen,
    /// Both sides had closed already.
    AfterClose,
    /// One more, after one.
    Repeated,
    /// Its number is not one that the other side expects, who ignores it: the connection goes on.
    OutOfWindow,
}

impl fmt::Display for ResetCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refused => "refused: RST in answer to a SYN, so no program listens on that port (or a firewall turns connections away)",
            Self::HandshakeAborted => {
                "aborted before it began: the handshake was not completed, as a port scan does, or a program that gave up waiting"
            }
            Self::DataAfterClose => {
                "data after close: it came when the program had closed its socket already, so nobody was left to read it"
            }
            Self::NotAwaited => "after its own close: its sender had closed, and did not wait for the other side to close, too",
            Self::Aborted => {
                "aborted: a program closed its socket with data unread, or so that nothing is waited for (SO_LINGER of 0); both look the same"
            }
            Self::HalfOpen => "half-open: its sender knows no such connection, as after a restart, so it refuses what comes for it",
            Self::AfterClose => "after close: both sides had closed already, and something came late",
            Self::Repeated => "one more after a reset: segments that were still on their way are refused, one by one",
            Self::OutOfWindow => "out of window, ignored: its number is not the one that is expected next, so the connection goes on",
        })
    }
}
