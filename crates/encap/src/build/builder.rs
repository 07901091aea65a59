//! The second reading: rows in, frames out, in the order of time.
//!
//! Connections that have something to send without a row (a handshake, an acknowledgment, an end) wait in a queue by the
//! time at which it is due; whatever is due before a row is sent before it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;
use std::time::Duration;

use serde::Serialize;
use switchboard_protocol::sanitize;

use super::flow::Flow;
use super::matcher::FlowMatch;
use super::packet::{Checksums, Header, Packet};
use super::plan::FinishedPlan;
use super::row_classifier::{ClassifiedRow, RowClassifier};
use super::tcp::{Connection, LEAD, State};
use super::transmitter::Transmitter;
use super::{BuildRemarkKind, BuildRemarks, Plan, RowLine};
use crate::capture::WriteError;
use crate::rows::{AppProtocol, MessageId, RowRef, Transport};
use crate::time::Timestamp;
use crate::wire::udp;

/// What was built.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// Rows that were carried.
    pub rows: u64,
    /// TCP connections.
    pub connections: u64,
    /// Exchanges of datagrams between two ports.
    pub exchanges: u64,
    /// Frames written.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the first was sent.
    #[serde(rename = "first_nanos")]
    pub first: Option<Timestamp>,
    /// When the last was sent.
    #[serde(rename = "last_nanos")]
    pub last: Option<Timestamp>,
    /// What is worth knowing.
    pub remarks: BuildRemarks,
}

/// Carries rows. The same as the plan has seen are to come, in the same order.
#[derive(Debug)]
pub struct Builder<W: Write> {
    classifier: RowClassifier,
    rng: fastrand::Rng,
    flows: Vec<Flow>,
    live: Vec<Option<Box<OpenFlow>>>,
    /// Flows by the time at which they are ready, the last first.
    to_open: Vec<u32>,
    /// Connections by the time at which something is due without a row, the earliest first.
    queue: BinaryHeap<Reverse<(i64, u32)>>,
    /// Nothing is due before, by the two above.
    next_due: i64,
    frames: Transmitter<W>,
    /// What is added to the times of rows.
    shift: i64,
    latest: i64,
    remarks: BuildRemarks,
    n_rows: u64,
}

/// A flow between its first and its last frame.
#[derive(Debug)]
struct OpenFlow {
    /// Rows that are still to come.
    rows: u64,
    talk: OpenKind,
}

/// What is said over a flow.
#[derive(Debug)]
enum OpenKind {
    Tcp(Tcp),
    Udp(Udp),
}

#[derive(Debug)]
struct Tcp {
    connection: Connection,
    /// The time under which it stands in the queue; `i64::MAX` if it does not.
    queued: i64,
}

/// Of each end.
#[derive(Debug)]
struct Udp {
    /// The identifications of the next packets.
    identifications: [u16; 2],
    flow_labels: [u32; 2],
}

impl Tcp {
    /// Notes that it joins the queue, and says under which time, unless it stands there under one as early. The caller puts
    /// it there.
    #[inline]
    fn queue_up(&mut self) -> Option<i64> {
        let due = self.connection.due;
        (due < self.queued).then(|| {
            self.queued = due;
            due
        })
    }
}

impl<W: Write> Builder<W> {
    /// Begins a capture. `about` says of the file as a whole what it was made from.
    pub fn new(plan: Plan, to: W, about: &str) -> Result<Self, WriteError> {
        let FinishedPlan { classifier, flows, remarks } = plan.finish();
        let settings = classifier.settings;
        let frames = Transmitter::new(to, &settings, settings.format, about)?;
        let live = flows.iter().map(|_| None).collect();
        // They are numbered in the order in which they begin.
        let to_open = (0..u32::try_from(flows.len()).unwrap_or(u32::MAX)).rev().collect();
        Ok(Self {
            rng: fastrand::Rng::with_seed(settings.seed),
            flows,
            live,
            to_open,
            queue: BinaryHeap::new(),
            next_due: i64::MIN,
            frames,
            shift: classifier.shift.unwrap_or_default(),
            classifier,
            latest: i64::MIN,
            remarks,
            n_rows: 0,
        })
    }

    /// Sends a row.
    pub fn row<'a>(&mut self, row: impl Into<RowRef<'a>>) -> Result<(), WriteError> {
        let row = row.into();
        let Ok(ClassifiedRow { payload, transport, place }) = self.classifier.take(row) else { return Ok(()) };
        if place.flow as usize >= self.live.len() {
            // The plan has not seen this row.
            return Ok(());
        }
        let wanted = self.wanted(row.time);
        let sent = match transport {
            Transport::Tcp => self.say(place, wanted, Caption::of(&row), &payload)?,
            Transport::Udp => self.datagram(place, wanted, Caption::of(&row), &payload)?,
        };
        self.sent(&row, sent);
        Ok(())
    }

    /// When a row is wanted on the wire: none goes before one that stood before it.
    #[inline]
    fn wanted(&mut self, time: Timestamp) -> i64 {
        self.latest = self.latest.max(time.as_nanos());
        self.latest.saturating_add(self.shift)
    }

    /// Counts a row, and remarks on it if its first frame left later than it says; `None` if it has none.
    fn sent(&mut self, row: &RowRef<'_>, at: Option<i64>) {
        self.n_rows += 1;
        let said = row.time.as_nanos().saturating_add(self.shift);
        if let Some(at) = at.filter(|at| *at > said) {
            self.remark_later(row.line, at.abs_diff(said));
        }
    }

    #[inline(never)]
    fn remark_later(&mut self, line: u64, nanos: u64) {
        self.remarks.add(RowLine { line }, BuildRemarkKind::Later { most: Duration::from_nanos(nanos) });
    }

    /// How many frames were sent so far.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames.count
    }

    /// Sends what is still due, and ends the file.
    pub fn finish(mut self) -> Result<(W, Summary), WriteError> {
        self.run_until(i64::MAX)?;
        let [first, last] = self.frames.ends();
        let n = |transport| self.flows.iter().filter(|flow| flow.transport == transport).count() as u64;
        let summary = Summary {
            rows: self.n_rows,
            connections: n(Transport::Tcp),
            exchanges: n(Transport::Udp),
            frames: self.frames.count,
            bytes: self.frames.n_bytes,
            first,
            last,
            remarks: self.remarks,
        };
        Ok((self.frames.finish()?, summary))
    }

    /// Sends all that is due before `time`.
    #[inline]
    fn run_until(&mut self, time: i64) -> Result<(), WriteError> {
        if self.next_due < time { self.run_what_is_due(time) } else { Ok(()) }
    }

    #[inline(never)]
    fn run_what_is_due(&mut self, time: i64) -> Result<(), WriteError> {
        loop {
            let opening = self.to_open.last().map(|flow| (self.opens_at(*flow), *flow));
            let queued = self.queue.peek().map(|Reverse(entry)| *entry).filter(|(due, _)| *due < time);
            match (opening, queued) {
                (Some(open), queued) if open.0 < time && queued.is_none_or(|queued| open <= queued) => {
                    self.to_open.pop();
                    self.open(open.1, open.0);
                }
                (_, Some((due, flow))) => {
                    self.queue.pop();
                    self.on_due(flow, due)?;
                }
                _ => {
                    let opens_at = opening.map_or(i64::MAX, |(due, _)| due);
                    self.next_due = self.queue.peek().map_or(i64::MAX, |Reverse((due, _))| *due).min(opens_at);
                    return Ok(());
                }
            }
        }
    }

    /// Puts a flow into the queue.
    fn enqueue(&mut self, due: i64, number: u32) {
        self.next_due = self.next_due.min(due);
        self.queue.push(Reverse((due, number)));
    }

    fn opens_at(&self, flow: u32) -> i64 {
        self.flows[flow as usize].first.saturating_add(self.shift).saturating_sub(LEAD).max(0)
    }

    fn open(&mut self, number: u32, due: i64) {
        let flow = &self.flows[number as usize];
        let talk = match flow.transport {
            Transport::Tcp => {
                let connection = Connection::new(flow, &self.classifier.settings, &mut self.rng, due);
                OpenKind::Tcp(Tcp { connection, queued: due })
            }
            Transport::Udp => OpenKind::Udp(Udp {
                identifications: [self.rng.u16(..), self.rng.u16(..)],
                flow_labels: [self.rng.u32(1..1 << 20), self.rng.u32(1..1 << 20)],
            }),
        };
        let is_due = matches!(talk, OpenKind::Tcp(_));
        self.live[number as usize] = Some(Box::new(OpenFlow { rows: flow.rows, talk }));
        if is_due {
            self.enqueue(due, number);
        }
    }

    /// The queue has come to a flow: sends what is due, unless the entry is stale.
    fn on_due(&mut self, number: u32, queued: i64) -> Result<(), WriteError> {
        let Some(live) = self.live[number as usize].as_deref_mut() else { return Ok(()) };
        let OpenKind::Tcp(tcp) = &mut live.talk else { return Ok(()) };
        if tcp.queued != queued {
            return Ok(());
        }
        tcp.queued = i64::MAX;
        if tcp.connection.due <= queued {
            let flow = &self.flows[number as usize];
            step(&mut self.frames, &mut self.rng, flow, &mut tcp.connection, queued)?;
        }
        self.settle(number);
        Ok(())
    }

    /// Puts a flow into the queue again, or lets go of it.
    fn settle(&mut self, number: u32) {
        let live = &mut self.live[number as usize];
        let Some(OpenFlow { talk: OpenKind::Tcp(tcp), .. }) = live.as_deref_mut() else { return };
        if tcp.connection.state() == State::Done {
            *live = None;
        } else if let Some(due) = tcp.queue_up() {
            self.enqueue(due, number);
        }
    }

    /// Sends what is due before a row that is wanted at a time, and opens its flow if that has not begun.
    fn catch_up(&mut self, flow: usize, wanted: i64) -> Result<(), WriteError> {
        self.run_until(wanted)?;
        if self.live[flow].is_none() { self.run_until(wanted.saturating_add(1)) } else { Ok(()) }
    }

    /// Sends a message in segments where other frames may have to go before or between them, and says when the first left.
    fn say(
        &mut self,
        FlowMatch { flow: number, sender, .. }: FlowMatch,
        wanted: i64,
        caption: Caption<'_>,
        payload: &[u8],
    ) -> Result<Option<i64>, WriteError> {
        let flow = number as usize;
        self.catch_up(flow, wanted)?;
        let Some(tcp) = talking(&mut self.live[flow]) else { return Ok(None) };
        // The wire was too busy for the handshake so far.
        while matches!(tcp.connection.state(), State::Closed | State::SynSent | State::SynReceived) {
            let due = tcp.connection.due;
            step(&mut self.frames, &mut self.rng, &self.flows[flow], &mut tcp.connection, due)?;
        }
        if tcp.connection.state() != State::Established {
            // The plan has not seen this row, and so it ends without it.
            return Ok(None);
        }
        // While it talks, nothing else is due for it.
        tcp.connection.due = i64::MAX;
        let segment_max = tcp.connection.segment_max();

        let (mut first, mut at) = (None, wanted);
        let mut left = payload;
        let mut parts = 0;
        while !left.is_empty() {
            let (chunk, rest) = left.split_at(left.len().min(segment_max));
            left = rest;
            parts += 1;
            at = self.frames.when(at);
            self.run_until(at)?;
            at = self.frames.when(at);
            let Some(tcp) = talking(&mut self.live[flow]) else { return Ok(first) };
            let segment = tcp.connection.data(sender, chunk.len(), left.is_empty(), at);
            if self.frames.comments {
                caption.write(&mut self.frames.comment, &self.flows[flow].ways[sender]);
                if payload.len() > segment_max {
                    say_part(&mut self.frames.comment, parts, payload.len().div_ceil(segment_max));
                }
            }
            at = self.frames.send(at, &segment.packet(&self.flows[flow], chunk))?;
            first.get_or_insert(at);
            if let Some(ack_at) = tcp.connection.ack_at_once(sender, at, &mut self.rng) {
                at = self.acknowledge(flow, ack_at)?;
            }
        }

        let Some(live) = self.live[flow].as_deref_mut() else { return Ok(first) };
        live.rows = live.rows.saturating_sub(1);
        let is_last = live.rows == 0;
        let OpenKind::Tcp(tcp) = &mut live.talk else { return Ok(first) };
        tcp.connection.rest(at, is_last, &mut self.rng);
        if let Some(due) = tcp.queue_up() {
            self.enqueue(due, number);
        }
        Ok(first)
    }

    /// Sends an acknowledgment that does not wait, and all that is due before it, and says when it left.
    fn acknowledge(&mut self, flow: usize, due: i64) -> Result<i64, WriteError> {
        self.run_until(due)?;
        let Some(tcp) = talking(&mut self.live[flow]) else { return Ok(due) };
        step(&mut self.frames, &mut self.rng, &self.flows[flow], &mut tcp.connection, due)
    }

    /// Sends a message in one datagram, and says when it left.
    fn datagram(
        &mut self,
        FlowMatch { flow, sender, .. }: FlowMatch,
        wanted: i64,
        caption: Caption<'_>,
        payload: &[u8],
    ) -> Result<Option<i64>, WriteError> {
        self.catch_up(flow as usize, wanted)?;
        let live = &mut self.live[flow as usize];
        let Some(OpenFlow { rows, talk: OpenKind::Udp(udp) }) = live.as_deref_mut() else {
            return Ok(None);
        };
        let flow = &self.flows[flow as usize];
        if self.frames.comments {
            caption.write(&mut self.frames.comment, &flow.ways[sender]);
        }
        let [source_port, destination_port] = [sender, 1 - sender].map(|end| flow.ends[end].port);
        let packet = Packet {
            flow,
            sender,
            identification: udp.identifications[sender],
            flow_label: udp.flow_labels[sender],
            header: Header::Udp(udp::Repr { source_port, destination_port, payload_len: payload.len() }),
            payload,
            checksums: Checksums::Right,
        };
        udp.identifications[sender] = udp.identifications[sender].wrapping_add(1);
        let at = self.frames.send(wanted, &packet)?;
        *rows = rows.saturating_sub(1);
        if *rows == 0 {
            *live = None;
        }
        Ok(Some(at))
    }
}

/// What a flow talks with if it is a connection, and has begun and not ended.
#[inline]
fn talking(live: &mut Option<Box<OpenFlow>>) -> Option<&mut Tcp> {
    match live.as_deref_mut()? {
        OpenFlow { talk: OpenKind::Tcp(tcp), .. } => Some(tcp),
        OpenFlow { talk: OpenKind::Udp(_), .. } => None,
    }
}

/// Sends what a connection has to send without a row.
fn step<W: Write>(
    frames: &mut Transmitter<W>,
    rng: &mut fastrand::Rng,
    flow: &Flow,
    connection: &mut Connection,
    wanted: i64,
) -> Result<i64, WriteError> {
    let (segment, step) = connection.step(frames.when(wanted), rng);
    if frames.comments {
        let [before, after] = step.says();
        let who = if segment.from == flow.client { &flow.client_name } else { &flow.server_name };
        frames.comment.clear();
        for part in ["layer=transport ", before, who, after] {
            frames.comment.push_str(part);
        }
    }
    frames.send(wanted, &segment.packet(flow, &[]))
}

/// What tells of a row in the comment of a frame.
#[derive(Clone, Copy)]
pub(super) struct Caption<'a> {
    number: &'a MessageId,
    protocol: &'a AppProtocol,
}

impl<'a> Caption<'a> {
    pub(super) fn of(row: &RowRef<'a>) -> Self {
        Self { number: row.number, protocol: row.protocol }
    }

    /// Writes of a frame which row it carries.
    #[inline(never)]
    pub(super) fn write(self, comment: &mut String, way: &str) {
        comment.clear();
        comment.push_str("msg_id=");
        match self.number {
            MessageId::Number(number) => say_number(comment, *number),
            MessageId::Text(text) => comment.push_str(&sanitize(text)),
        }
        comment.push_str(" layer=application ");
        match self.protocol {
            AppProtocol::Other(name) => comment.push_str(&sanitize(name)),
            known => comment.push_str(known.name()),
        }
        comment.push(' ');
        comment.push_str(way);
    }
}

fn say_part(comment: &mut String, part: usize, parts: usize) {
    comment.push_str(", segment ");
    say_number(comment, part as u64);
    comment.push_str(" of ");
    say_number(comment, parts as u64);
}

/// Appends a number, as `write!` would in several times the time.
fn say_number(to: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] += u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    to.push_str(str::from_utf8(&digits[at..]).unwrap_or_default());
}
