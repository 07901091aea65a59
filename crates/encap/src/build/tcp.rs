//! Both ends of a TCP connection (RFC 9293), as Linux would have them.
//!
//! ```text
//! Closed ─SYN─▶ SynSent ─SYN, ACK─▶ SynReceived ─ACK─▶ Established ─FIN─▶ FinSent ─FIN─▶ LastAck ─ACK─▶ Done
//! ```
//!
//! Each segment acknowledges everything received before it. A side that has received more than one full segment
//! acknowledges at once. Otherwise it waits for data of its own to carry the acknowledgment, for 40 to 44 ms. So a pure
//! acknowledgment always has a new number, and few bytes are in flight.

use super::flow::Flow;
use super::packet::{Checksums, Header, Packet};
use super::{IpVersion, Settings, TcpOptions};
use crate::wire::SeqNumber;
use crate::wire::tcp::{self, Flags, Options, Repr, Timestamps};

/// Time from the SYN to the first row, in nanoseconds.
pub(super) const LEAD: i64 = 200 * MICROSECOND;

const MICROSECOND: i64 = 1_000;

/// Time from a packet to the answer of a kernel.
const ANSWER: std::ops::Range<i64> = 20 * MICROSECOND..40 * MICROSECOND;

/// Delay of an acknowledgment that waits for data (Linux: `TCP_DELACK_MIN`, and up to a clock tick more).
const DELAYED_ACK: std::ops::Range<i64> = 40_000 * MICROSECOND..44_000 * MICROSECOND;

/// Time from the last message to the FIN.
const LINGER: std::ops::Range<i64> = 800 * MICROSECOND..1_200 * MICROSECOND;

/// The window of a side.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// The field in a SYN, and in all segments without window scaling.
    plain: u16,
    /// The field in later segments with window scaling.
    scaled: u16,
}

/// The windows of Linux on Ethernet.
const CLIENT_WINDOW: Window = Window { plain: 64_240, scaled: 502 };
const SERVER_WINDOW: Window = Window { plain: 65_160, scaled: 509 };

/// The window scale of Linux with the usual size of socket buffers.
const WINDOW_SCALE: u8 = 7;

/// A tick of the timestamp clock, in nanoseconds: Linux counts milliseconds.
const CLOCK_NANOS: i64 = 1_000 * MICROSECOND;

/// The state of a connection, as in the diagram above.
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

/// The state of one side.
#[derive(Clone, Copy, Debug)]
struct Side {
    port: u16,
    /// SND.NXT.
    next: SeqNumber,
    /// Sequence numbers received and not yet acknowledged.
    unacknowledged: u32,
    identification: u16,
    flow_label: u32,
    /// Its timestamp clock at time zero.
    clock: u32,
    /// TS.Recent, the timestamp to echo (RFC 7323 §4.3).
    recent: u32,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    state: State,
    sides: [Side; 2],
    client: usize,
    /// Maximum payload of a segment.
    segment_max: usize,
    /// The MSS option.
    mss: u16,
    options: TcpOptions,
    /// Whether the last row was sent.
    is_closing: bool,
    /// Delay of the next acknowledgment without data; drawn anew for each.
    ack_delay: i64,
    /// Time of the next segment without data; `i64::MAX` if none is due.
    pub(super) due: i64,
}

/// A segment to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) sender: usize,
    header: Repr,
    identification: u16,
    flow_label: u32,
}

impl Segment {
    pub(super) fn packet<'a>(&self, flow: &'a Flow, payload: &'a [u8]) -> Packet<'a> {
        Packet {
            flow,
            sender: self.sender,
            identification: self.identification,
            flow_label: self.flow_label,
            header: Header::Tcp(self.header),
            payload,
            checksums: Checksums::Right,
        }
    }
}

impl Connection {
    /// A connection whose SYN is due at `due`.
    pub(super) fn new(flow: &Flow, settings: &Settings, rng: &mut fastrand::Rng, due: i64) -> Self {
        let mut side = |port| Side {
            port,
            next: SeqNumber(rng.u32(..)),
            unacknowledged: 0,
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
            is_closing: false,
            ack_delay: rng.i64(DELAYED_ACK),
            due,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn segment_max(&self) -> usize {
        self.segment_max
    }

    /// The next segment without data, sent at `at`.
    pub(super) fn next_control(&mut self, at: i64, rng: &mut fastrand::Rng) -> (Segment, ControlKind) {
        let (client, server) = (self.client, 1 - self.client);
        let (sender, flags, state, kind) = match self.state {
            State::Closed => (client, Flags::SYN, State::SynSent, ControlKind::Syn),
            State::SynSent => (server, Flags::SYN | Flags::ACK, State::SynReceived, ControlKind::SynAck),
            State::SynReceived => (client, Flags::ACK, State::Established, ControlKind::HandshakeAck),
            State::Established if !self.is_closing => {
                self.ack_delay = rng.i64(DELAYED_ACK);
                (usize::from(self.sides[1].unacknowledged > 0), Flags::ACK, State::Established, ControlKind::Ack)
            }
            State::Established => (client, Flags::FIN | Flags::ACK, State::FinSent, ControlKind::Fin),
            State::FinSent => (server, Flags::FIN | Flags::ACK, State::LastAck, ControlKind::FinAck),
            State::LastAck | State::Done => (client, Flags::ACK, State::Done, ControlKind::LastAck),
        };
        let segment = self.segment(sender, flags, 0, at);
        self.state = state;
        self.due = match state {
            State::Established | State::Done => i64::MAX,
            _ => at + rng.i64(ANSWER),
        };
        (segment, kind)
    }

    /// A segment of data, sent at `at`. The last one of a message has PSH.
    pub(super) fn data(&mut self, sender: usize, len: usize, is_last: bool, at: i64) -> Segment {
        let flags = if is_last { Flags::PSH | Flags::ACK } else { Flags::ACK };
        // The length of a packet has 16 bits.
        self.segment(sender, flags, u32::try_from(len).unwrap_or(u32::MAX), at)
    }

    /// The time of an immediate acknowledgment after a segment sent at `at`, if the receiver has more than one full
    /// segment to acknowledge.
    pub(super) fn ack_at_once(&self, sender: usize, at: i64, rng: &mut fastrand::Rng) -> Option<i64> {
        (self.sides[1 - sender].unacknowledged as usize > self.segment_max).then(|| at + rng.i64(ANSWER) / 4)
    }

    /// Schedules the segment that follows a message sent at `at` if no other message does: a delayed acknowledgment, or
    /// the FIN after the last row.
    pub(super) fn end_of_message(&mut self, at: i64, is_last_row: bool, rng: &mut fastrand::Rng) {
        self.is_closing = is_last_row;
        self.due = if is_last_row {
            at + rng.i64(LINGER)
        } else if self.sides.iter().any(|side| side.unacknowledged > 0) {
            at + self.ack_delay
        } else {
            i64::MAX
        };
    }

    /// Sends a segment with `len` bytes of data at `at`: updates both sides, and returns it.
    fn segment(&mut self, sender: usize, flags: Flags, len: u32, at: i64) -> Segment {
        let is_syn = flags.contains(Flags::SYN);
        let is_first = is_syn && !flags.contains(Flags::ACK);
        let own = &mut self.sides[sender];
        let Side { port: source_port, next: seq, recent: echo_reply, flow_label, .. } = *own;
        let value = own.clock.wrapping_add(milliseconds(at));
        // Linux numbers the packets of a connection. The SYN, ACK is sent before the connection exists, and has 0.
        let is_syn_ack = is_syn && !is_first;
        let identification = if is_syn_ack { 0 } else { own.identification };
        own.identification = own.identification.wrapping_add(u16::from(!is_syn_ack));
        let sequence_len = len + flags.sequence_len();
        own.next += sequence_len;
        own.unacknowledged = 0;
        let peer = &mut self.sides[1 - sender];
        let ack = if is_first { SeqNumber(0) } else { peer.next };
        // A delayed acknowledgment echoes the timestamp of the first segment that it acknowledges.
        if peer.unacknowledged == 0 {
            peer.recent = value;
        }
        peer.unacknowledged += sequence_len;
        let header = Repr {
            source_port,
            destination_port: peer.port,
            seq,
            ack,
            flags,
            window: self.window(sender, is_syn),
            urgent_pointer: 0,
            options: self.options(is_syn, Timestamps { value, echo_reply }),
        };
        Segment { sender, header, identification, flow_label }
    }

    fn window(&self, sender: usize, is_syn: bool) -> u16 {
        let window = if sender == self.client { CLIENT_WINDOW } else { SERVER_WINDOW };
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

/// The role of a segment without data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ControlKind {
    /// The client's SYN.
    Syn,
    /// The server's SYN, ACK.
    SynAck,
    /// The third segment of the handshake.
    HandshakeAck,
    /// An acknowledgment without data.
    Ack,
    /// The client's FIN.
    Fin,
    /// The server's FIN.
    FinAck,
    /// The acknowledgment of the server's FIN.
    LastAck,
}

impl ControlKind {
    /// Its flags, and the action of its sender.
    pub(super) const fn describe(self) -> [&'static str; 2] {
        match self {
            Self::Syn => ["SYN", "asks for a connection"],
            Self::SynAck => ["SYN, ACK", "grants it"],
            Self::HandshakeAck => ["ACK", "completes the handshake"],
            Self::Ack => ["ACK", "acknowledges what it was sent"],
            Self::Fin => ["FIN, ACK", "has no more to say"],
            Self::FinAck => ["FIN, ACK", "has no more to say either"],
            Self::LastAck => ["ACK", "acknowledges the end"],
        }
    }
}

/// The MSS option, and the maximum payload of a segment.
///
/// The MSS does not count options (RFC 6691), but a segment must fit the MTU with them. Linux also limits a segment to
/// half a window (`tcp_bound_to_half_wnd`). Here two segments leave one byte of the window free.
fn segment_sizes(version: IpVersion, settings: &Settings) -> (u16, usize) {
    let headers = version.header_len() + tcp::HEADER_LEN;
    let mss = usize::from(settings.mtu.bytes()) - headers;
    let room = match settings.options {
        TcpOptions::Linux => mss - Timestamps::BUFFER_LEN,
        TcpOptions::None => mss.min(version.default_mss()),
    };
    // The smallest of the windows above.
    let half_window = (usize::from(CLIENT_WINDOW.plain) - 1) / 2;
    (u16::try_from(mss).unwrap_or(u16::MAX), room.min(half_window))
}

fn milliseconds(at: i64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a clock of 32 bits goes round")]
    let milliseconds = (at / CLOCK_NANOS) as u32;
    milliseconds
}
