//! Both ends of a TCP connection (RFC 9293), as Linux would have them.
//!
//! ```text
//! Closed ─SYN─▶ SynSent ─SYN, ACK─▶ SynReceived ─ACK─▶ Established ─FIN─▶ FinSent ─FIN─▶ LastAck ─ACK─▶ Done
//! ```
//!
//! What a side sends acknowledges all that it was sent. A side that has more than one full segment to acknowledge does so
//! at once; else it waits for data of its own to do it with, though not for longer than 40 ms. So a pure acknowledgment
//! always has a new number, and little is in flight.

use super::flow::Flow;
use super::packet::{Checksums, Header, Packet};
use super::{IpVersion, Settings, TcpOptions};
use crate::wire::SeqNumber;
use crate::wire::tcp::{self, Flags, Options, Repr, Timestamps};

/// How long before its first row a connection begins to open, in nanoseconds.
pub(super) const LEAD: i64 = 200 * MICROSECOND;

const MICROSECOND: i64 = 1_000;

/// From a packet to its answer, when a kernel gives it by itself.
const ANSWER: std::ops::Range<i64> = 20 * MICROSECOND..40 * MICROSECOND;

/// How long an acknowledgment waits for data to go with (Linux: `TCP_DELACK_MIN`, and up to a tick of its clock more).
const DELAYED_ACK: std::ops::Range<i64> = 40_000 * MICROSECOND..44_000 * MICROSECOND;

/// From the last message to the end of the connection.
const LINGER: std::ops::Range<i64> = 800 * MICROSECOND..1_200 * MICROSECOND;

/// The window that a side announces.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// In a SYN, or where there is no window scale.
    plain: u16,
    /// Shifted, in what follows.
    scaled: u16,
}

/// What Linux announces on Ethernet.
const CLIENT_WINDOW: Window = Window { plain: 64_240, scaled: 502 };
const SERVER_WINDOW: Window = Window { plain: 65_160, scaled: 509 };

/// By how many bits Linux shifts windows, with its usual memory.
const WINDOW_SCALE: u8 = 7;

/// A tick of the clock of the timestamps option, in nanoseconds: Linux counts milliseconds.
const CLOCK_NANOS: i64 = 1_000 * MICROSECOND;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Closed,
    SynSent,
    SynReceived,
    Established,
    FinSent,
    LastAck,
    Done,
}

/// What one side keeps.
#[derive(Clone, Copy, Debug)]
struct Side {
    port: u16,
    /// The number of the next byte that it sends.
    next: SeqNumber,
    /// What it has received and not acknowledged, in bytes.
    owed: u32,
    identification: u16,
    flow_label: u32,
    /// What its clock shows at time zero.
    clock: u32,
    /// The clock of the peer that it gives back (RFC 7323 §4.3).
    recent: u32,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    state: State,
    sides: [Side; 2],
    client: usize,
    /// The most payload of a segment.
    segment_max: usize,
    /// The MSS that is announced, and whether any options are sent.
    mss: u16,
    options: TcpOptions,
    /// The last row was sent.
    closing: bool,
    /// How long the next acknowledgment waits for data to go with: each that goes without has its own.
    ack_wait: i64,
    /// When something is to be sent without a row; `i64::MAX` if nothing is.
    pub(super) due: i64,
}

/// A segment to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) from: usize,
    header: Repr,
    identification: u16,
    flow_label: u32,
}

impl Segment {
    pub(super) fn packet<'a>(&self, flow: &'a Flow, payload: &'a [u8]) -> Packet<'a> {
        Packet {
            flow,
            sender: self.from,
            identification: self.identification,
            flow_label: self.flow_label,
            header: Header::Tcp(self.header),
            payload,
            checksums: Checksums::Right,
        }
    }
}

impl Connection {
    /// A connection that is to open at `due`.
    pub(super) fn new(flow: &Flow, settings: &Settings, rng: &mut fastrand::Rng, due: i64) -> Self {
        let mut side = |port| Side {
            port,
            next: SeqNumber(rng.u32(..)),
            owed: 0,
            identification: rng.u16(..),
            flow_label: rng.u32(1..1 << 20),
            clock: rng.u32(..),
            recent: 0,
        };
        let sides = flow.ends.map(|end| side(end.port));
        let (mss, segment_max) = segment_sizes(flow.version, settings);
        let options = settings.options;
        Self {
            state: State::Closed,
            sides,
            client: flow.client,
            segment_max,
            mss,
            options,
            closing: false,
            ack_wait: rng.i64(DELAYED_ACK),
            due,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn segment_max(&self) -> usize {
        self.segment_max
    }

    /// What is due without a row, sent at `at`, and what to say of it.
    pub(super) fn step(&mut self, at: i64, rng: &mut fastrand::Rng) -> (Segment, ControlKind) {
        let (client, server) = (self.client, 1 - self.client);
        let (from, flags, state, step) = match self.state {
            State::Closed => (client, Flags::SYN, State::SynSent, ControlKind::Syn),
            State::SynSent => (server, Flags::SYN | Flags::ACK, State::SynReceived, ControlKind::SynAck),
            State::SynReceived => (client, Flags::ACK, State::Established, ControlKind::HandshakeAck),
            State::Established if !self.closing => {
                self.ack_wait = rng.i64(DELAYED_ACK);
                (usize::from(self.sides[1].owed > 0), Flags::ACK, State::Established, ControlKind::Ack)
            }
            State::Established => (client, Flags::FIN | Flags::ACK, State::FinSent, ControlKind::Fin),
            State::FinSent => (server, Flags::FIN | Flags::ACK, State::LastAck, ControlKind::FinAck),
            State::LastAck | State::Done => (client, Flags::ACK, State::Done, ControlKind::LastAck),
        };
        let segment = self.segment(from, flags, 0, at);
        self.state = state;
        self.due = match state {
            State::Established | State::Done => i64::MAX,
            _ => at + rng.i64(ANSWER),
        };
        (segment, step)
    }

    /// A segment of data, sent at `at`; the last of its message is pushed.
    pub(super) fn data(&mut self, from: usize, len: usize, is_last: bool, at: i64) -> Segment {
        let flags = if is_last { Flags::PSH | Flags::ACK } else { Flags::ACK };
        // No longer than a packet.
        self.segment(from, flags, u32::try_from(len).unwrap_or(u32::MAX), at)
    }

    /// When the receiver of data acknowledges it by itself at once, after a segment sent at `at`: if it is more than one
    /// full segment.
    pub(super) fn ack_at_once(&self, from: usize, at: i64, rng: &mut fastrand::Rng) -> Option<i64> {
        (self.sides[1 - from].owed as usize > self.segment_max).then(|| at + rng.i64(ANSWER) / 4)
    }

    /// What follows if no row does, after a frame sent at `at`: an acknowledgment that waits for data, or the end.
    pub(super) fn rest(&mut self, at: i64, was_last_row: bool, rng: &mut fastrand::Rng) {
        self.closing = was_last_row;
        self.due = if was_last_row {
            at + rng.i64(LINGER)
        } else if self.sides.iter().any(|side| side.owed > 0) {
            at + self.ack_wait
        } else {
            i64::MAX
        };
    }

    /// A segment that `from` sends at `at`, and what it changes at both ends.
    fn segment(&mut self, from: usize, flags: Flags, len: u32, at: i64) -> Segment {
        let is_syn = flags.contains(Flags::SYN);
        let is_first = is_syn && !flags.contains(Flags::ACK);
        let sender = &mut self.sides[from];
        let Side { port: source_port, next: seq, recent: echo_reply, flow_label, .. } = *sender;
        let value = sender.clock.wrapping_add(milliseconds(at));
        // Linux numbers the packets of a connection, but for the SYN, ACK, which comes before there is one.
        let identification = if is_syn && !is_first { 0 } else { sender.identification };
        sender.identification = sender.identification.wrapping_add(u16::from(!is_syn || is_first));
        let taken = len + flags.sequence_len();
        sender.next += taken;
        sender.owed = 0;
        let receiver = &mut self.sides[1 - from];
        let ack = if is_first { SeqNumber(0) } else { receiver.next };
        // What is acknowledged later gives back the clock of the first segment that it is for.
        if receiver.owed == 0 {
            receiver.recent = value;
        }
        receiver.owed += taken;
        let header = Repr {
            source_port,
            destination_port: receiver.port,
            seq,
            ack,
            flags,
            window: self.window(from, is_syn),
            urgent_pointer: 0,
            options: self.options(is_syn, Timestamps { value, echo_reply }),
        };
        Segment { from, header, identification, flow_label }
    }

    fn window(&self, from: usize, is_syn: bool) -> u16 {
        let window = if from == self.client { CLIENT_WINDOW } else { SERVER_WINDOW };
        match self.options {
            TcpOptions::Linux if !is_syn => window.scaled,
            _ => window.plain,
        }
    }

    fn options(&self, is_syn: bool, timestamps: Timestamps) -> Options {
        match self.options {
            TcpOptions::None => Options::default(),
            TcpOptions::Linux if is_syn => Options {
                maximum_segment_size: Some(self.mss),
                sack_permitted: true,
                timestamps: Some(timestamps),
                window_scale: Some(WINDOW_SCALE),
            },
            TcpOptions::Linux => Options { timestamps: Some(timestamps), ..Options::default() },
        }
    }
}

/// What a side sends without a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ControlKind {
    Syn,
    SynAck,
    HandshakeAck,
    Ack,
    Fin,
    FinAck,
    LastAck,
}

impl ControlKind {
    /// What it is, and what `who` does with it: what stands before the name, and after.
    pub(super) const fn says(self) -> [&'static str; 2] {
        match self {
            Self::Syn => ["SYN: ", " asks for a connection"],
            Self::SynAck => ["SYN, ACK: ", " grants it"],
            Self::HandshakeAck => ["ACK: ", " completes the handshake"],
            Self::Ack => ["ACK: ", " acknowledges what it was sent"],
            Self::Fin => ["FIN, ACK: ", " has no more to say"],
            Self::FinAck => ["FIN, ACK: ", " has no more to say either"],
            Self::LastAck => ["ACK: ", " acknowledges the end"],
        }
    }
}

/// The MSS to announce, and the most payload of a segment.
///
/// The MSS does not count options (RFC 6691), the segment must fit with them; and Linux sends at most half a window at
/// once (`tcp_bound_to_half_wnd`), here so that two segments leave a byte of it.
fn segment_sizes(version: IpVersion, settings: &Settings) -> (u16, usize) {
    let headers = version.header_len() + tcp::HEADER_LEN;
    let mss = usize::from(settings.mtu.bytes()) - headers;
    let room = match settings.options {
        TcpOptions::Linux => mss - Timestamps::BUFFER_LEN,
        TcpOptions::None => mss.min(version.default_mss()),
    };
    // The least of all windows above.
    let half_window = (usize::from(CLIENT_WINDOW.plain) - 1) / 2;
    (u16::try_from(mss).unwrap_or(u16::MAX), room.min(half_window))
}

fn milliseconds(at: i64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a clock of 32 bits goes round")]
    let milliseconds = (at / CLOCK_NANOS) as u32;
    milliseconds
}
