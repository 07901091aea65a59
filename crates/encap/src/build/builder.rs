//! The second reading of the rows: sends the frames that carry the rows, and the TCP segments without data.
//!
//! A connection has a timer for its next segment without data, which belongs to the handshake, acknowledges, or closes
//! the connection. Before each row, the builder opens the flows and runs the timers that are due before the row.

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
    /// Rows on the flows of the plan. An empty message over TCP counts, although no frame carries it.
    pub rows: u64,
    /// TCP connections.
    pub connections: u64,
    /// UDP flows: pairs of ports that exchange datagrams.
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

/// Builds the frames of rows. The caller passes the same rows as to the plan, in the same order.
#[derive(Debug)]
pub struct Builder<S> {
    classifier: RowClassifier,
    rng: fastrand::Rng,
    /// All flows, in the order of their first rows.
    flows: Vec<Flow>,
    /// The state of each flow; `None` before the flow opens and after it ends.
    open_flows: Vec<Option<Box<OpenFlow>>>,
    /// The number of flows that were opened so far. It is the index of the next flow to open.
    n_opened: usize,
    /// The timers of connections, each a time in nanoseconds and a flow number. The earliest comes first.
    timers: BinaryHeap<Reverse<(i64, u32)>>,
    transmitter: Transmitter<S>,
    /// The nanoseconds to add to the time of each row.
    shift: i64,
    /// The latest time of the rows so far, in nanoseconds. No later row of the file is sent before this time.
    latest: i64,
    remarks: BuildRemarks,
    n_rows: u64,
}

#[derive(Debug)]
struct OpenFlow {
    /// The number of rows that were not sent yet.
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
    /// The time of the current timer; `i64::MAX` without a timer. Timers in the heap with another time are stale.
    timer: i64,
}

#[derive(Debug)]
struct OpenUdp {
    /// The identification of the next packet from each end.
    identifications: [u16; 2],
    flow_labels: [u32; 2],
}

impl OpenFlow {
    fn tcp_mut(&mut self) -> Option<&mut OpenTcp> {
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
            open_flows: flows.iter().map(|_| None).collect(),
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

    /// Sends a row, after all frames that are due before the row. Skips a row that the plan refused or did not see.
    ///
    /// # Errors
    ///
    /// If the sink does not take a frame.
    pub fn row<'a>(&mut self, row: impl Into<RowRef<'a>>) -> Result<(), S::Error> {
        let row = row.into();
        let Ok(ClassifiedRow { payload, transport, flow_match }) = self.classifier.classify(&row) else {
            return Ok(());
        };
        if flow_match.flow as usize >= self.flows.len() {
            // The plan has not seen this row.
            return Ok(());
        }
        self.latest = self.latest.max(row.time.as_nanos());
        let due = self.latest.saturating_add(self.shift);
        self.run_until(due)?;
        if self.open_flows[flow_match.flow as usize].is_none() {
            // At time 0 there is no earlier time, so the flow opens at the time of its first row.
            self.run_until(due.saturating_add(1))?;
        }
        let sent_at = match transport {
            Transport::Tcp => self.send_segments(flow_match, due, &row, &payload)?,
            Transport::Udp => self.send_datagram(flow_match, due, &row, &payload)?,
        };
        self.n_rows += 1;
        let requested_at = row.time.as_nanos().saturating_add(self.shift);
        if let Some(sent_at) = sent_at.filter(|sent_at| *sent_at > requested_at) {
            let delay = Duration::from_nanos(sent_at.abs_diff(requested_at));
            self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::Later { most: delay });
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

    /// Opens the flows and runs the timers that are due before `time`, in the order of their times.
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
        let due = self.flows.get(self.n_opened)?.first_row_at.saturating_add(self.shift).saturating_sub(LEAD).max(0);
        // There are at most 2¹⁶ flows, so the conversion cannot fail.
        Some((due, u32::try_from(self.n_opened).unwrap_or(u32::MAX)))
    }

    /// Opens the next flow and sets its timer.
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
        self.open_flows[number as usize] = Some(Box::new(OpenFlow { rows_left: flow.n_rows, kind }));
        self.set_timer(number);
    }

    /// Sends the segment for which a timer was set, unless the timer is stale.
    fn run_timer(&mut self, (timer, number): (i64, u32)) -> Result<(), S::Error> {
        let Some(tcp) = self.tcp_mut(number).filter(|tcp| tcp.timer == timer) else { return Ok(()) };
        tcp.timer = i64::MAX;
        // A row may have postponed the segment.
        if tcp.connection.due <= timer {
            self.send_control(number, timer)?;
        }
        self.set_timer(number);
        Ok(())
    }

    /// Sets the timer of a connection, unless an earlier timer is set. Drops the connection if it is done.
    fn set_timer(&mut self, number: u32) {
        let Some(tcp) = self.tcp_mut(number) else { return };
        let due = tcp.connection.due;
        if tcp.connection.state() == State::Done {
            self.open_flows[number as usize] = None;
        } else if due < tcp.timer {
            tcp.timer = due;
            self.timers.push(Reverse((due, number)));
        }
    }

    /// The state of a flow, if it is an open connection.
    fn tcp_mut(&mut self, number: u32) -> Option<&mut OpenTcp> {
        self.open_flows[number as usize].as_deref_mut()?.tcp_mut()
    }

    /// Sends the connection's next segment without data when the link is free, `due` at the earliest. Returns the time
    /// of sending.
    fn send_control(&mut self, number: u32, due: i64) -> Result<i64, S::Error> {
        let Some(tcp) = self.open_flows[number as usize].as_deref_mut().and_then(OpenFlow::tcp_mut) else {
            return Ok(due);
        };
        let flow = &self.flows[number as usize];
        let (segment, kind) = tcp.connection.next_control(self.transmitter.free_at(due), &mut self.rng);
        let purpose = FramePurpose::Control { kind, sender: &flow.names[segment.sender] };
        self.transmitter.send(due, &segment.packet(flow, &[]), purpose)
    }

    /// Sends a message over its connection, `due` at the earliest. Returns the time of its first segment; `None` if the
    /// message is empty, or if the connection is closing.
    fn send_segments(
        &mut self,
        FlowMatch { flow: number, sender, .. }: FlowMatch,
        due: i64,
        row: &RowRef<'_>,
        payload: &[u8],
    ) -> Result<Option<i64>, S::Error> {
        // A busy link may have delayed the handshake.
        while let Some(tcp) = self.tcp_mut(number)
            && matches!(tcp.connection.state(), State::Closed | State::SynSent | State::SynReceived)
        {
            let handshake_due = tcp.connection.due;
            self.send_control(number, handshake_due)?;
        }
        let Some(tcp) = self.tcp_mut(number).filter(|tcp| tcp.connection.state() == State::Established) else {
            // The plan has not seen this row, so the connection is closing already.
            return Ok(None);
        };
        // No delayed acknowledgment interrupts the message.
        tcp.connection.due = i64::MAX;
        let segment_max = tcp.connection.segment_max();

        let n_segments = payload.len().div_ceil(segment_max);
        let (mut first_sent_at, mut now) = (None, due);
        for (index, chunk) in payload.chunks(segment_max).enumerate() {
            now = self.transmitter.free_at(now);
            self.run_until(now)?;
            // The frames of other flows may have occupied the link.
            now = self.transmitter.free_at(now);
            let flow = &self.flows[number as usize];
            let Some(tcp) = self.open_flows[number as usize].as_deref_mut().and_then(OpenFlow::tcp_mut) else { break };
            let segment = tcp.connection.next_data(sender, chunk.len(), index + 1 == n_segments, now);
            let part = MessagePart {
                row,
                bytes: index * segment_max..index * segment_max + chunk.len(),
                segment: (index + 1, n_segments),
                route: &flow.routes[sender],
                faults: &[],
            };
            now = self.transmitter.send(now, &segment.packet(flow, chunk), FramePurpose::Message(part))?;
            first_sent_at.get_or_insert(now);
            if let Some(ack_due) = tcp.connection.immediate_ack_time(sender, now, &mut self.rng) {
                self.run_until(ack_due)?;
                now = self.send_control(number, ack_due)?;
            }
        }

        if let Some(open_flow) = self.open_flows[number as usize].as_deref_mut() {
            open_flow.rows_left = open_flow.rows_left.saturating_sub(1);
            let is_last_row = open_flow.rows_left == 0;
            if let Some(tcp) = open_flow.tcp_mut() {
                tcp.connection.schedule_after_message(now, is_last_row, &mut self.rng);
            }
        }
        self.set_timer(number);
        Ok(first_sent_at)
    }

    /// Sends a message in one datagram, `due` at the earliest. Returns the time of sending; `None` if the flow has
    /// ended.
    fn send_datagram(
        &mut self,
        FlowMatch { flow: number, sender, .. }: FlowMatch,
        due: i64,
        row: &RowRef<'_>,
        payload: &[u8],
    ) -> Result<Option<i64>, S::Error> {
        let open_flow = &mut self.open_flows[number as usize];
        let Some(OpenFlow { rows_left, kind: OpenKind::Udp(udp) }) = open_flow.as_deref_mut() else { return Ok(None) };
        let flow = &self.flows[number as usize];
        let [source_port, destination_port] = [sender, 1 - sender].map(|end| flow.ends[end].port);
        let packet = Packet {
            flow,
            sender,
            identification: udp.identifications[sender],
            flow_label: udp.flow_labels[sender],
            header: Header::Udp(udp::Repr { source_port, destination_port, payload_len: payload.len() }),
            payload,
            checksums: Checksums::Correct,
        };
        udp.identifications[sender] = udp.identifications[sender].wrapping_add(1);
        let (bytes, route) = (0..payload.len(), &flow.routes[sender]);
        let part = MessagePart { row, bytes, segment: (1, 1), route, faults: &[] };
        let sent_at = self.transmitter.send(due, &packet, FramePurpose::Message(part))?;
        *rows_left = rows_left.saturating_sub(1);
        if *rows_left == 0 {
            *open_flow = None;
        }
        Ok(Some(sent_at))
    }
}
