//! The capture that one makes who has only heard of TCP: each row one packet, and each packet with faults that its
//! comment names.

use std::fmt::Write as _;
use std::io::Write;

use super::Plan;
use super::builder::Caption;
use super::flow::Flow;
use super::packet::{Checksums, Header, Packet};
use super::plan::FinishedPlan;
use super::row_classifier::{ClassifiedRow, RowClassifier};
use super::transmitter::Transmitter;
use crate::capture::{Format, WriteError};
use crate::rows::{RowRef, Transport};
use crate::wire::tcp::{Flags, Options, Repr};
use crate::wire::{SeqNumber, udp};

/// The most payload of one packet, so that it can be written at all.
const PAYLOAD_MAX: usize = 65_000;

/// Carries rows badly, to show what Wireshark says of it.
#[derive(Debug)]
pub struct BadTwin<W: Write> {
    classifier: RowClassifier,
    rng: fastrand::Rng,
    flows: Vec<Flow>,
    frames: Transmitter<W>,
    n_rows: u64,
}

impl<W: Write> BadTwin<W> {
    /// Begins a pcapng capture, whatever the settings say: the other kind of file has no comments.
    pub fn new(plan: Plan, to: W, about: &str) -> Result<Self, WriteError> {
        let FinishedPlan { classifier, flows, .. } = plan.finish();
        let frames = Transmitter::new(to, &classifier.settings, Format::Pcapng, about)?;
        let rng = fastrand::Rng::with_seed(classifier.settings.seed);
        Ok(Self { classifier, rng, flows, frames, n_rows: 0 })
    }

    /// Sends a row, badly.
    pub fn row<'a>(&mut self, row: impl Into<RowRef<'a>>) -> Result<(), WriteError> {
        let row = row.into();
        let Ok(ClassifiedRow { payload, transport, place }) = self.classifier.take(row) else { return Ok(()) };
        let (settings, shift) = (self.classifier.settings, self.classifier.shift.unwrap_or_default());
        // The plan has seen it, unless these are other rows.
        let Some(flow) = self.flows.get(place.flow as usize) else { return Ok(()) };
        let kept = &payload[..payload.len().min(PAYLOAD_MAX)];
        let mut faults = Vec::new();
        // A segment has other faults, and may be right in this one.
        let kinds = if transport == Transport::Udp { 2 } else { 3 };
        let checksums = match self.n_rows % kinds {
            0 => {
                faults.push("its checksums are zero");
                Checksums::Zero
            }
            1 => {
                faults.push("its checksum is wrong");
                Checksums::Wrong
            }
            _ => Checksums::Right,
        };
        let [source_port, destination_port] = [place.sender, 1 - place.sender].map(|end| flow.ends[end].port);
        let header = match transport {
            Transport::Udp => Header::Udp(udp::Repr { source_port, destination_port, payload_len: kept.len() }),
            Transport::Tcp => {
                let repr = segment(&mut self.rng, self.n_rows, place.is_new, &mut faults);
                Header::Tcp(Repr { source_port, destination_port, ..repr })
            }
        };
        if kept.len() < payload.len() {
            faults.push("its message is cut off, where it should go on in other segments");
        }
        let packet =
            Packet { flow, sender: place.sender, identification: 1, flow_label: 0, header, payload: kept, checksums };
        if packet.ip_len() > usize::from(settings.mtu.bytes()) {
            faults.push("it is longer than the MTU, where it should be cut into segments");
        }
        Caption::of(&row).write(&mut self.frames.comment, &flow.ways[place.sender]);
        let _ = write!(self.frames.comment, ". Faults: {}", faults.join("; "));
        self.frames.send(row.time.as_nanos().saturating_add(shift).max(0), &packet)?;
        self.n_rows += 1;
        Ok(())
    }

    /// Ends the file.
    pub fn finish(self) -> Result<W, WriteError> {
        self.frames.finish()
    }
}

/// A header of chance, with what is wrong about it.
fn segment(rng: &mut fastrand::Rng, n_rows: u64, is_first: bool, faults: &mut Vec<&'static str>) -> Repr {
    if is_first {
        faults.push("there was no handshake before it");
    }
    faults.push("its sequence number is random and not the number of its first byte");
    let flags = if n_rows.is_multiple_of(2) {
        faults.push("it has SYN, which opens a connection, on data");
        Flags::SYN
    } else {
        faults.push("its acknowledgment number is random: nobody has sent that");
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
