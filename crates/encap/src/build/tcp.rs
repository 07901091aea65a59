//! Both ends of a TCP connection (RFC 9293), with the behaviour of Linux.
//!
//! ```text
//! Closed ─SYN─▶ SynSent ─SYN, ACK─▶ SynReceived ─ACK─▶ Established ─FIN─▶ FinSent ─FIN─▶ LastAck ─ACK─▶ Done
//! ```
//!
//! Each segment acknowledges all bytes that its sender received before. A side that has received more than one full
//! segment acknowledges at once. Otherwise the side waits 40 to 44 ms: if it sends data in this time, the data carries
//! the acknowledgment. So an acknowledgment without data always acknowledges new bytes, and few bytes are in flight.

use super::flow::Flow;
use super::packet::{Checksums, Header, Packet};
use super::{IpVersion, Settings, TcpOptions};
use crate::wire::SeqNumber;
use crate::wire::tcp::{self, Flags, Options, Repr, Timestamps};

/// Time from the SYN to the first row, in nanoseconds.
pub(super) const LEAD: i64 = 200 * MICROSECOND;

/// In nanoseconds, like all times in this file.
const MICROSECOND: i64 = 1_000;

/// Time from a packet to the answer of the kernel that receives it.
const ANSWER_DELAY: std::ops::Range<i64> = 20 * MICROSECOND..40 * MICROSECOND;

/// Time for which an acknowledgment waits for data (Linux: `TCP_DELACK_MIN`, and up to one clock tick more).
const ACK_DELAY: std::ops::Range<i64> = 40_000 * MICROSECOND..44_000 * MICROSECOND;

/// Time from the last message to the FIN.
const FIN_DELAY: std::ops::Range<i64> = 800 * MICROSECOND..1_200 * MICROSECOND;

/// The window that a side advertises: the value of the header field.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// The field in a SYN, and in each segment of a connection without window scaling.
    plain: u16,
    /// The field in the other segments, which are scaled.
    scaled: u16,
}

/// The windows of Linux on Ethernet.
const CLIENT_WINDOW: Window = Window { plain: 64_240, scaled: 502 };
const SERVER_WINDOW: Window = Window { plain: 65_160, scaled: 509 };

/// The shift count of the window scale option: that of Linux with socket buffers of the usual size.
const WINDOW_SCALE: u8 = 7;

/// A tick of the timestamp clock. Linux counts milliseconds.
const CLOCK_TICK: i64 = 1_000 * MICROSECOND;

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
    /// SND.NXT: the sequence number of its next byte.
    next: SeqNumber,
    /// How many sequence numbers it has received, but not acknowledged.
    unacknowledged: u32,
    identification: u16,
    flow_label: u32,
    /// The value of its timestamp clock at time 0.
    clock: u32,
    /// TS.Recent, the timestamp to echo (RFC 7323 §4.3).
    recent: u32,
}

/// The state of a connection, with both sides.
#[derive(Debug)]
pub(super) struct Connection {
    state: State,
    sides: [Side; 2],
    client: usize,
    /// Maximum payload of a segment, in bytes.
    segment_max: usize,
    /// The value of the MSS option.
    mss: u16,
    options: TcpOptions,
    /// Whether the last row was sent.
    is_closing: bool,
    /// Delay of the next acknowledgment without data. Each one has another random delay.
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
    /// The packet that carries the segment with `payload`.
    pub(super) fn packet<'a>(&self, flow: &'a Flow, payload: &'a [u8]) -> Packet<'a> {
        Packet {
            flow,
            sender: self.sender,
            identification: self.identification,
            flow_label: self.flow_label,
            header: Header::Tcp(self.header),
            payload,
            checksums: Checksums::Correct,
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
            ack_delay: rng.i64(ACK_DELAY),
            due,
        }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn segment_max(&self) -> usize {
        self.segment_max
    }

    /// Sends the next segment without data at the time `now`, and returns the segment with its role.
    pub(super) fn next_control(&mut self, now: i64, rng: &mut fastrand::Rng) -> (Segment, ControlKind) {
        let (client, server) = (self.client, 1 - self.client);
        let (sender, flags, state, kind) = match self.state {
            State::Closed => (client, Flags::SYN, State::SynSent, ControlKind::Syn),
            State::SynSent => (server, Flags::SYN | Flags::ACK, State::SynReceived, ControlKind::SynAck),
            State::SynReceived => (client, Flags::ACK, State::Established, ControlKind::HandshakeAck),
            State::Established if !self.is_closing => {
                self.ack_delay = rng.i64(ACK_DELAY);
                let acknowledging_side = usize::from(self.sides[1].unacknowledged > 0);
                (acknowledging_side, Flags::ACK, State::Established, ControlKind::Ack)
            }
            State::Established => (client, Flags::FIN | Flags::ACK, State::FinSent, ControlKind::Fin),
            State::FinSent => (server, Flags::FIN | Flags::ACK, State::LastAck, ControlKind::FinAck),
            State::LastAck | State::Done => (client, Flags::ACK, State::Done, ControlKind::LastAck),
        };
        let segment = self.send(sender, flags, 0, now);
        self.state = state;
        self.due = match state {
            State::Established | State::Done => i64::MAX,
            _ => now + rng.i64(ANSWER_DELAY),
        };
        (segment, kind)
    }

    /// Sends a segment with `len` bytes of data at the time `now`, and returns it. The last segment of a message has
    /// PSH.
    pub(super) fn next_data(&mut self, sender: usize, len: usize, is_last: bool, now: i64) -> Segment {
        let flags = if is_last { Flags::PSH | Flags::ACK } else { Flags::ACK };
        // The length of a packet has 16 bits, so the conversion cannot fail.
        self.send(sender, flags, u32::try_from(len).unwrap_or(u32::MAX), now)
    }

    /// The time at which the receiver of a segment sent at `sent_at` acknowledges at once. `None` if the receiver has
    /// at most one full segment to acknowledge, and may wait.
    pub(super) fn immediate_ack_time(&self, sender: usize, sent_at: i64, rng: &mut fastrand::Rng) -> Option<i64> {
        let unacknowledged = self.sides[1 - sender].unacknowledged as usize;
        (unacknowledged > self.segment_max).then(|| sent_at + rng.i64(ANSWER_DELAY) / 4)
    }

    /// Schedules the next segment without data after a message that ended at `ended_at`: the FIN after the last row,
    /// else a delayed acknowledgment if bytes are unacknowledged.
    pub(super) fn schedule_after_message(&mut self, ended_at: i64, is_last_row: bool, rng: &mut fastrand::Rng) {
        self.is_closing = is_last_row;
        self.due = if is_last_row {
            ended_at + rng.i64(FIN_DELAY)
        } else if self.sides.iter().any(|side| side.unacknowledged > 0) {
            ended_at + self.ack_delay
        } else {
            i64::MAX
        };
    }

    /// Sends a segment with `len` bytes of data at the time `now`: returns the segment and updates both sides, as if
    /// the segment had arrived.
    fn send(&mut self, sender: usize, flags: Flags, len: u32, now: i64) -> Segment {
        let is_syn = flags.contains(Flags::SYN);
        let is_client_syn = is_syn && !flags.contains(Flags::ACK);
        let is_syn_ack = is_syn && !is_client_syn;
        let own = &mut self.sides[sender];
        let Side { port: source_port, next: seq, recent: echo_reply, flow_label, .. } = *own;
        let timestamp = own.clock.wrapping_add(clock_ticks(now));
        // Linux numbers the packets that a side sends. Only the SYN, ACK has the number 0: Linux sends it before the
        // server's side of the connection exists.
        let identification = if is_syn_ack { 0 } else { own.identification };
        own.identification = own.identification.wrapping_add(u16::from(!is_syn_ack));
        let sequence_len = len + flags.sequence_len();
        own.next += sequence_len;
        own.unacknowledged = 0;
        let peer = &mut self.sides[1 - sender];
        let ack = if is_client_syn { SeqNumber(0) } else { peer.next };
        // A delayed acknowledgment echoes the timestamp of the first segment that it acknowledges.
        if peer.unacknowledged == 0 {
            peer.recent = timestamp;
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
            options: self.options(is_syn, Timestamps { value: timestamp, echo_reply }),
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
    /// The names of its flags, and the action of its sender, for the comment of a frame.
    pub(super) const fn describe(self) -> [&'static str; 2] {
        match self {
            Self::Syn => ["SYN", "asks for a connection"],
            Self::SynAck => ["SYN, ACK", "grants it"],
            Self::HandshakeAck => ["ACK", "completes the handshake"],
            Self::Ack => ["ACK", "acknowledges the received data"],
            Self::Fin => ["FIN, ACK", "has no more to say"],
            Self::FinAck => ["FIN, ACK", "has no more to say either"],
            Self::LastAck => ["ACK", "acknowledges the end"],
        }
    }
}

/// The value of the MSS option, and the maximum payload of a segment, both in bytes.
///
/// The MSS does not include options (RFC 6691), but a segment with its options must fit the MTU. Linux also limits a
/// segment to half of the window (`tcp_bound_to_half_wnd`). Here the limit is lower, so that two full segments never
/// fill the window.
fn segment_sizes(version: IpVersion, settings: &Settings) -> (u16, usize) {
    let headers = version.header_len() + tcp::HEADER_LEN;
    let mss = usize::from(settings.mtu.bytes()) - headers;
    let payload_max = match settings.options {
        TcpOptions::Linux => mss - Timestamps::BUFFER_LEN,
        TcpOptions::None => mss.min(version.default_mss()),
    };
    // The client's unscaled window is the smallest window of all.
    let half_window = (usize::from(CLIENT_WINDOW.plain) - 1) / 2;
    (u16::try_from(mss).unwrap_or(u16::MAX), payload_max.min(half_window))
}

/// The ticks of a timestamp clock from time 0 to `now`.
fn clock_ticks(now: i64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a clock of 32 bits wraps around")]
    let ticks = (now / CLOCK_TICK) as u32;
    ticks
}
