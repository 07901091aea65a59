//! The bad twin of a capture: one packet for each row, as a person without knowledge of TCP would build it.
//!
//! Each packet has deliberate faults. Its comment names them.

use super::flow::Flow;
use super::packet::{Checksums, Header, Packet};
use super::plan::FinishedPlan;
use super::row_classifier::{ClassifiedRow, RowClassifier};
use super::transmitter::Transmitter;
use super::{FramePurpose, FrameSink, MessagePart, Plan};
use crate::rows::{RowRef, Transport};
use crate::wire::tcp::{Flags, Options, Repr};
use crate::wire::{SeqNumber, udp};

/// Maximum payload of a packet, in bytes. With the headers, its length must fit the 16-bit length field.
const PAYLOAD_MAX: usize = 65_000;

/// Builds packets with deliberate faults, to show how Wireshark reports the faults.
#[derive(Debug)]
pub struct BadTwin<S> {
    classifier: RowClassifier,
    rng: fastrand::Rng,
    flows: Vec<Flow>,
    transmitter: Transmitter<S>,
    n_rows: u64,
}

impl<S: FrameSink> BadTwin<S> {
    /// Begins a build whose frames go to `sink`.
    pub fn new(plan: &Plan, sink: S) -> Self {
        let FinishedPlan { classifier, flows, .. } = plan.finish();
        let rng = fastrand::Rng::with_seed(classifier.settings.seed);
        let transmitter = Transmitter::new(classifier.settings.link, sink);
        Self { classifier, rng, flows, transmitter, n_rows: 0 }
    }

    /// Sends a row in one packet with faults. Skips a row that the plan refused or did not see.
    ///
    /// # Errors
    ///
    /// If the sink does not take the frame.
    pub fn row<'a>(&mut self, row: impl Into<RowRef<'a>>) -> Result<(), S::Error> {
        let row = row.into();
        let Ok(ClassifiedRow { payload, transport, flow_match }) = self.classifier.classify(&row) else {
            return Ok(());
        };
        let (settings, shift) = (self.classifier.settings, self.classifier.shift.unwrap_or_default());
        // The plan has not seen this row.
        let Some(flow) = self.flows.get(flow_match.flow as usize) else { return Ok(()) };
        let sent_payload = &payload[..payload.len().min(PAYLOAD_MAX)];
        let mut faults = Vec::new();
        // A datagram has no other faults, so its checksum is always bad. A TCP segment has other faults, so every third
        // row may have correct checksums.
        let n_kinds = if transport == Transport::Udp { 2 } else { 3 };
        let checksums = match self.n_rows % n_kinds {
            0 => {
                faults.push("its checksums are zero");
                Checksums::Zero
            }
            1 => {
                faults.push("its checksum is wrong");
                Checksums::Wrong
            }
            _ => Checksums::Correct,
        };
        let [source_port, destination_port] = [flow_match.sender, 1 - flow_match.sender].map(|end| flow.ends[end].port);
        let header = match transport {
            Transport::Udp => Header::Udp(udp::Repr { source_port, destination_port, payload_len: sent_payload.len() }),
            Transport::Tcp => {
                let repr = faulty_segment(&mut self.rng, self.n_rows, flow_match.is_new, &mut faults);
                Header::Tcp(Repr { source_port, destination_port, ..repr })
            }
        };
        if sent_payload.len() < payload.len() {
            faults.push("its message is cut off and not continued in another segment");
        }
        let sender = flow_match.sender;
        let packet =
            Packet { flow, sender, identification: 1, flow_label: 0, header, payload: sent_payload, checksums };
        if packet.ip_len() > usize::from(settings.mtu.bytes()) {
            faults.push("it is longer than the MTU and not split into segments");
        }
        let (bytes, route) = (0..sent_payload.len(), &flow.routes[sender]);
        let part = MessagePart { row: &row, bytes, segment: (1, 1), route, faults: &faults };
        let due = row.time.as_nanos().saturating_add(shift).max(0);
        self.transmitter.send(due, &packet, FramePurpose::Message(part))?;
        self.n_rows += 1;
        Ok(())
    }

    /// Ends the build, and returns the sink.
    pub fn finish(self) -> S {
        self.transmitter.finish().sink
    }
}

/// A TCP header with faults and random numbers, for the row with this index. Appends the texts of the faults.
fn faulty_segment(rng: &mut fastrand::Rng, row_index: u64, is_first: bool, faults: &mut Vec<&'static str>) -> Repr {
    if is_first {
        faults.push("there was no handshake before it");
    }
    faults.push("its sequence number is random and not the number of its first byte");
    let flags = if row_index.is_multiple_of(2) {
        faults.push("it carries data with SYN, which opens a connection");
        Flags::SYN
    } else {
        faults.push("its acknowledgment number is random and acknowledges bytes that were never sent");
        Flags::ACK
    };
    faults.push("it ends a message and has no PSH");
    Repr {
        source_port: 0,
        destination_port: 0,
        seq: SeqNumber(rng.u32(..)),
        ack: SeqNumber(rng.u32(..)),
        flags,
        window: 8192,
        urgent_pointer: 0,
        options: Options::default(),
    }
}
