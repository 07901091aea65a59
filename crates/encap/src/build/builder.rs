//! The second reading: sends the frames of each row, and the frames of TCP that no row asks for.
//!
//! A connection with something to send without a row (a handshake, an acknowledgment, an end) has a timer. Before each
//! row, the builder opens the flows and runs the timers that are due by then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use serde::Serialize;

use super::flow::Flow;
use super::matcher::FlowMatch;
use super::packet::{Checksums, Header, Packet};
use super::plan::FinishedPlan;
use super::row_classifier::{ClassifiedRow, RowClassifier};
use super::tcp::{Connection, LEAD, State};
use super::transmitter::{Sent, Transmitter};
use super::{BuildRemarkKind, BuildRemarks, FramePurpose, FrameSink, MessagePart, Plan, RowLine};
use crate::rows::{RowRef, Transport};
use crate::time::Timestamp;
use crate::wire::udp;

/// The totals of a build.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// Rows that were carried.
    pub rows: u64,
    /// TCP connections.
    pub connections: u64,
    /// Pairs of UDP ports.
    pub exchanges: u64,
    /// Frames sent.
    pub frames: u64,
    /// Bytes of all frames.
    pub bytes: u64,
    /// Time of the first frame.
    #[serde(rename = "first_nanos")]
    pub first: Option<Timestamp>,
    /// Time of the last frame.
    #[serde(rename = "last_nanos")]
    pub last: Option<Timestamp>,
    /// Warnings and notes.
    pub remarks: BuildRemarks,
}

/// Builds the frames of rows. It must get the rows that the plan admitted, in the same order.
#[derive(Debug)]
pub struct Builder<S> {
    classifier: RowClassifier,
    rng: fastrand::Rng,
    /// All flows, in the order of their first rows.
    flows: Vec<Flow>,
    /// The state of each flow; `None` before it opens and after it ends.
    open: Vec<Option<Box<OpenFlow>>>,
    /// The number of flows that were opened so far.
    n_opened: usize,
    /// The timers of connections: times and flow numbers.
    timers: BinaryHeap<Reverse<(i64, u32)>>,
    transmitter: Transmitter<S>,
    /// The nanoseconds that are added to the time of each row.
    shift: i64,
    /// The latest time of a row so far: no row is sent before an earlier row of the file.
    latest: i64,
    remarks: BuildRemarks,
    n_rows: u64,
}

#[derive(Debug)]
struct OpenFlow {
    /// The number of rows still to come.
    rows_left: u64,
    kind: OpenKind,
}

#[derive(Debug)]
enum OpenKind {
    Tcp(OpenTcp),
    Udp(OpenUdp),
}

#[derive(Debug)]
struct OpenTcp {
    connection: Connection,
    /// The earliest timer; `i64::MAX` if there is none. A timer with another time is stale.
    timer: i64,
}

#[derive(Debug)]
struct OpenUdp {
    /// The identification of the next packet from each end.
    identifications: [u16; 2],
    flow_labels: [u32; 2],
}

impl OpenFlow {
    fn tcp(&mut self) -> Option<&mut OpenTcp> {
        match &mut self.kind {
            OpenKind::Tcp(tcp) => Some(tcp),
            OpenKind::Udp(_) => None,
        }
    }
}

impl<S: FrameSink> Builder<S> {
    /// Begins a build whose frames go to `sink`.
    pub fn new(plan: &Plan, sink: S) -> Self {
        let FinishedPlan { classifier, flows, remarks } = plan.finish();
        let settings = classifier.settings;
        Self {
            rng: fastrand::Rng::with_seed(settings.seed),
            open: flows.iter().map(|_| None).collect(),
            flows,
            n_opened: 0,
            timers: BinaryHeap::new(),
            transmitter: Transmitter::new(settings.link, sink),
            shift: classifier.shift.unwrap_or_default(),
            classifier,
            latest: i64::MIN,
            remarks,
            n_rows: 0,
        }
    }

    /// Sends a row, after all frames that are due before it. A row that the plan refused or did not see is left out.
    ///
    /// # Errors
    ///
    /// If the sink does not take a frame.
    pub fn row<'a>(&mut self, row: impl Into<RowRef<'a>>) -> Result<(), S::Error> {
        let row = row.into();
        let Ok(ClassifiedRow { payload, transport, matched }) = self.classifier.classify(&row) else { return Ok(()) };
        if matched.flow as usize >= self.flows.len() {
            // The plan has not seen this row.
            return Ok(());
        }
        self.latest = self.latest.max(row.time.as_nanos());
        let wanted = self.latest.saturating_add(self.shift);
        self.run_until(wanted)?;
        if self.open[matched.flow as usize].is_none() {
            // The flow opens at the time of the row, because no earlier time is possible.
            self.run_until(wanted.saturating_add(1))?;
        }
        let sent_at = match transport {
            Transport::Tcp => self.send_segments(matched, wanted, &row, &payload)?,
            Transport::Udp => self.send_datagram(matched, wanted, &row, &payload)?,
        };
        self.n_rows += 1;
        let given = row.time.as_nanos().saturating_add(self.shift);
        if let Some(sent_at) = sent_at.filter(|sent_at| *sent_at > given) {
            let most = Duration::from_nanos(sent_at.abs_diff(given));
            self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::Later { most });
        }
        Ok(())
    }

    /// Sends the remaining frames, and returns the sink and the totals.
    ///
    /// # Errors
    ///
    /// If the sink does not take a frame.
    pub fn finish(mut self) -> Result<(S, Summary), S::Error> {
        self.run_until(i64::MAX)?;
        let count = |transport| self.flows.iter().filter(|flow| flow.transport == transport).count() as u64;
        let Sent { sink, n_frames, n_bytes, first, last } = self.transmitter.finish();
        let summary = Summary {
            rows: self.n_rows,
            connections: count(Transport::Tcp),
            exchanges: count(Transport::Udp),
            frames: n_frames,
            bytes: n_bytes,
            first,
            last,
            remarks: self.remarks,
        };
        Ok((sink, summary))
    }

    /// Opens the flows and runs the timers that are due before `time`.
    fn run_until(&mut self, time: i64) -> Result<(), S::Error> {
        loop {
            let opening = self.next_opening().filter(|(due, _)| *due < time);
            let timer = self.timers.peek().map(|Reverse(timer)| *timer).filter(|(due, _)| *due < time);
            match (opening, timer) {
                (Some(opening), timer) if timer.is_none_or(|timer| opening <= timer) => self.open_next(opening),
                (_, Some(timer)) => {
                    self.timers.pop();
                    self.run_timer(timer)?;
                }
                (_, None) => return Ok(()),
            }
        }
    }

    /// The time and the number of the next flow to open.
    fn next_opening(&self) -> Option<(i64, u32)> {
        let due = self.flows.get(self.n_opened)?.first.saturating_add(self.shift).saturating_sub(LEAD).max(0);
        // There are at most 2¹⁶ flows.
        Some((due, u32::try_from(self.n_opened).unwrap_or(u32::MAX)))
    }

    fn open_next(&mut self, (due, number): (i64, u32)) {
        self.n_opened += 1;
        let flow = &self.flows[number as usize];
        let kind = match flow.transport {
            Transport::Tcp => {
                let connection = Connection::new(flow, &self.classifier.settings, &mut self.rng, due);
                OpenKind::Tcp(OpenTcp { connection, timer: i64::MAX })
            }
            Transport::Udp => OpenKind::Udp(OpenUdp {
                identifications: [self.rng.u16(..), self.rng.u16(..)],
                flow_labels: [self.rng.u32(1..1 << 20), self.rng.u32(1..1 << 20)],
            }),
        };
        self.open[number as usize] = Some(Box::new(OpenFlow { rows_left: flow.n_rows, kind }));
        self.set_timer(number);
    }

    fn run_timer(&mut self, (timer, number): (i64, u32)) -> Result<(), S::Error> {
        let Some(tcp) = self.tcp(number).filter(|tcp| tcp.timer == timer) else { return Ok(()) };
        tcp.timer = i64::MAX;
        // A row may have moved the due time to a later one.
        if tcp.connection.due <= timer {
            self.send_control(number, timer)?;
        }
        self.set_timer(number);
        Ok(())
    }

    /// Sets the timer of a connection, unless an earlier one is set already. A connection that is done is dropped.
    fn set_timer(&mut self, number: u32) {
        let Some(tcp) = self.tcp(number) else { return };
        let due = tcp.connection.due;
        if tcp.connection.state() == State::Done {
            self.open[number as usize] = None;
        } else if due < tcp.timer {
            tcp.timer = due;
            self.timers.push(Reverse((due, number)));
        }
    }

    /// The state of a flow, if it is an open connection.
    fn tcp(&mut self, number: u32) -> Option<&mut OpenTcp> {
        self.open[number as usize].as_deref_mut()?.tcp()
    }

    /// Sends the next segment of a connection without data, and returns its time.
    fn send_control(&mut self, number: u32, wanted: i64) -> Result<i64, S::Error> {
        let Some(tcp) = self.open[number as usize].as_deref_mut().and_then(OpenFlow::tcp) else { return Ok(wanted) };
        let flow = &self.flows[number as usize];
        let (segment, kind) = tcp.connection.next_control(self.transmitter.free_at(wanted), &mut self.rng);
        let purpose = FramePurpose::Control { kind, sender: &flow.names[segment.sender] };
        self.transmitter.send(wanted, &segment.packet(flow, &[]), purpose)
    }

    /// Sends a message over its connection, and returns the time of its first segment.
    fn send_segments(
        &mut self,
        FlowMatch { flow: number, sender, .. }: FlowMatch,
        wanted: i64,
        row: &RowRef<'_>,
        payload: &[u8],
    ) -> Result<Option<i64>, S::Error> {
        // A busy link may have delayed the handshake.
        while let Some(tcp) = self.tcp(number)
            && matches!(tcp.connection.state(), State::Closed | State::SynSent | State::SynReceived)
        {
            let due = tcp.connection.due;
            self.send_control(number, due)?;
        }
        let Some(tcp) = self.tcp(number).filter(|tcp| tcp.connection.state() == State::Established) else {
            // The plan has not seen this row, and the connection ends without it.
            return Ok(None);
        };
        // The delayed acknowledgment waits until the message is sent.
        tcp.connection.due = i64::MAX;
        let segment_max = tcp.connection.segment_max();

        let n_segments = payload.len().div_ceil(segment_max);
        let (mut first, mut at) = (None, wanted);
        for (index, chunk) in payload.chunks(segment_max).enumerate() {
            at = self.transmitter.free_at(at);
            self.run_until(at)?;
            at = self.transmitter.free_at(at);
            let flow = &self.flows[number as usize];
            let Some(tcp) = self.open[number as usize].as_deref_mut().and_then(OpenFlow::tcp) else { break };
            let segment = tcp.connection.data(sender, chunk.len(), index + 1 == n_segments, at);
            let part = MessagePart {
                row,
                bytes: index * segment_max..index * segment_max + chunk.len(),
                segment: (index + 1, n_segments),
                route: &flow.routes[sender],
                faults: &[],
            };
            at = self.transmitter.send(at, &segment.packet(flow, chunk), FramePurpose::Message(part))?;
            first.get_or_insert(at);
            if let Some(ack_at) = tcp.connection.ack_at_once(sender, at, &mut self.rng) {
                self.run_until(ack_at)?;
                at = self.send_control(number, ack_at)?;
            }
        }

        if let Some(open) = self.open[number as usize].as_deref_mut() {
            open.rows_left = open.rows_left.saturating_sub(1);
            let is_last = open.rows_left == 0;
            if let Some(tcp) = open.tcp() {
                tcp.connection.end_of_message(at, is_last, &mut self.rng);
            }
        }
        self.set_timer(number);
        Ok(first)
    }

    /// Sends a message in one datagram, and returns its time.
    fn send_datagram(
        &mut self,
        FlowMatch { flow: number, sender, .. }: FlowMatch,
        wanted: i64,
        row: &RowRef<'_>,
        payload: &[u8],
    ) -> Result<Option<i64>, S::Error> {
        let open = &mut self.open[number as usize];
        let Some(OpenFlow { rows_left, kind: OpenKind::Udp(udp) }) = open.as_deref_mut() else { return Ok(None) };
        let flow = &self.flows[number as usize];
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
        let (bytes, route) = (0..payload.len(), &flow.routes[sender]);
        let part = MessagePart { row, bytes, segment: (1, 1), route, faults: &[] };
        let at = self.transmitter.send(wanted, &packet, FramePurpose::Message(part))?;
        *rows_left = rows_left.saturating_sub(1);
        if *rows_left == 0 {
            *open = None;
        }
        Ok(Some(at))
    }
}
