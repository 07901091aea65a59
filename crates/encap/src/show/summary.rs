//! A frame in one line, for lists.

use serde::Serialize;
use switchboard_protocol::sanitize;

use super::{FrameRecord, escape, seconds};
use crate::wire::{Checksum, Frame, Layer, LayerKind};

/// Maximum bytes of payload shown as text in a list.
const TEXT_MAX_BYTES: usize = 40;

/// A frame in one line. All texts are safe to display.
#[derive(Clone, Debug, Serialize)]
pub struct FrameSummary {
    /// Frame number, from 1.
    pub(crate) number: u64,
    /// Seconds since the first frame.
    pub(crate) since_first: Option<String>,
    pub(crate) source: String,
    pub(crate) destination: String,
    /// Innermost decoded protocol.
    pub(crate) protocol: String,
    /// Length on the wire, in bytes.
    pub(crate) length: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) flags: String,
    /// Payload length on the wire, in bytes.
    pub(crate) payload: u32,
    /// Start of the payload as text.
    pub(crate) text: String,
    /// Whether the payload is longer than `text`.
    pub(crate) text_is_cut: bool,
    /// Comments, issues and wrong checksums.
    pub(crate) remarks: Vec<String>,
}

impl FrameSummary {
    /// Summarises a frame.
    #[must_use]
    pub fn new(record: &FrameRecord<'_>) -> Self {
        let frame = &record.frame;
        let (source, destination) = source_and_destination(frame);
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
                .chain(frame.issues().iter().map(|issue| issue.kind.to_string()))
                .chain(wrong_checksums(frame))
                .collect(),
        }
    }

    /// Flags, payload length and payload text.
    pub(crate) fn info(&self) -> String {
        let more = if self.text_is_cut { "…" } else { "" };
        let payload = match self.payload {
            0 => String::new(),
            n => format!("{} \"{}{more}\"", super::count(n as usize, "byte"), self.text),
        };
        let parts = [self.flags.clone(), payload];
        parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("  ")
    }
}

/// Describes each wrong checksum. A checksum that was left to the network card is not wrong.
fn wrong_checksums(frame: &Frame<'_>) -> impl Iterator<Item = String> {
    let verified = frame.verify();
    [("header", verified.network), ("transport", verified.transport)].into_iter().filter_map(
        |(name, state)| match state {
            Some(Checksum::Wrong { found, expected }) => {
                Some(format!("{name} checksum {found:#06x} is wrong: it should be {expected:#06x}"))
            }
            _ => None,
        },
    )
}

/// Source and destination as addresses, with ports if there are any; `?` if unknown.
fn source_and_destination(frame: &Frame<'_>) -> (String, String) {
    let tcp = frame.tcp().map(|segment| (segment.source_port(), segment.destination_port()));
    let ports = tcp.or_else(|| frame.udp().map(|datagram| (datagram.source_port(), datagram.destination_port())));
    let endpoint = |address: std::net::IpAddr, port: Option<u16>| match port {
        Some(port) => std::net::SocketAddr::new(address, port).to_string(),
        None => address.to_string(),
    };
    match frame.addresses() {
        Some((source, destination)) => {
            let (source_port, destination_port) = ports.unzip();
            (endpoint(source, source_port), endpoint(destination, destination_port))
        }
        None => ("?".into(), "?".into()),
    }
}
