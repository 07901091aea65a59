//! A frame in one line, for a list.

use serde::Serialize;
use switchboard_protocol::sanitize;

use super::{FrameRecord, escape, seconds};
use crate::wire::{Checksum, Frame, Layer, LayerKind};

/// What is shown of a payload in a list, in bytes.
const TEXT_MAX_BYTES: usize = 40;

/// A frame in one line. Every text in it is safe to show.
#[derive(Clone, Debug, Serialize)]
pub struct FrameSummary {
    /// The frame's number, from 1.
    pub number: u64,
    /// When it was captured, in seconds after the first.
    pub since_first: Option<String>,
    /// Where it comes from, with its port.
    pub source: String,
    /// Where it goes, with its port.
    pub destination: String,
    /// The innermost protocol that was read.
    pub protocol: String,
    /// Bytes that it had on the wire.
    pub length: u32,
    /// Of TCP: its flags.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub flags: String,
    /// Bytes of payload on the wire.
    pub payload: u32,
    /// The beginning of the payload, as text.
    pub text: String,
    /// Whether there is more of it than `text`.
    pub text_is_cut: bool,
    /// What is not as it should be, or was remarked on it.
    pub remarks: Vec<String>,
}

impl FrameSummary {
    /// A frame in one line.
    #[must_use]
    pub fn new(record: &FrameRecord<'_>) -> Self {
        let frame = &record.frame;
        let (source, destination) = ends(frame);
        let (text, left_out) = escape::text(frame.payload(), TEXT_MAX_BYTES);
        let is_header = |layer: &Layer| !matches!(layer.kind, LayerKind::Payload | LayerKind::Trailer);
        let innermost = frame.layers().into_iter().rfind(is_header);
        let comments = record.comments.iter().map(|comment| sanitize(comment).into_owned());
        Self {
            number: record.number,
            since_first: record.relative_nanos().map(seconds),
            source,
            destination,
            protocol: innermost.map_or_else(|| frame.link_type().to_string(), |layer| layer.kind.to_string()),
            length: frame.original_len(),
            flags: frame.tcp().map_or_else(String::new, |segment| segment.flags().to_string()),
            payload: frame.payload_len_on_wire(),
            text,
            text_is_cut: left_out > 0,
            remarks: comments
                .chain(frame.issues().iter().map(|issue| issue.what.to_string()))
                .chain(wrong_checksums(frame))
                .collect(),
        }
    }

    /// What happens in it: flags, and what it carries.
    #[must_use]
    pub fn info(&self) -> String {
        let more = if self.text_is_cut { "…" } else { "" };
        let payload = match self.payload {
            0 => String::new(),
            n => format!("{} \"{}{more}\"", super::count(n as usize, "byte"), self.text),
        };
        let parts = [self.flags.clone(), payload];
        parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("  ")
    }
}

/// Each checksum that is wrong; one that offload explains is not.
fn wrong_checksums(frame: &Frame<'_>) -> impl Iterator<Item = String> {
    let verified = frame.verify();
    [("header", verified.network), ("transport", verified.transport)].into_iter().filter_map(|(whose, state)| {
        match state {
            Some(Checksum::Wrong { found, expected }) => {
                Some(format!("{whose} checksum {found:#06x} is wrong: it should be {expected:#06x}"))
            }
            _ => None,
        }
    })
}

/// The two ends, as far as they are known.
fn ends(frame: &Frame<'_>) -> (String, String) {
    let tcp = frame.tcp().map(|segment| (segment.source_port(), segment.destination_port()));
    let ports = tcp.or_else(|| frame.udp().map(|datagram| (datagram.source_port(), datagram.destination_port())));
    let end = |address: std::net::IpAddr, port: Option<u16>| match port {
        Some(port) => std::net::SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    };
    match frame.addresses() {
        Some((source, destination)) => {
            (end(source, ports.map(|(source, _)| source)), end(destination, ports.map(|(_, destination)| destination)))
        }
        None => ("?".into(), "?".into()),
    }
}
