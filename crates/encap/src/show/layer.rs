//! A layer to display: its letter, its added bytes and its fields.

use std::ops::Range;

use serde::Serialize;

use super::{bits, escape};
use crate::wire::{Field, Frame, Layer, LayerKind};

/// The role of a layer in the stack. Each role has a colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Header for the way to a neighbouring machine.
    Link,
    /// VLAN tag.
    Tag,
    /// Header for the way between hosts.
    Network,
    /// IPv6 extension headers, and authentication after IPv4.
    Extension,
    /// Header for the way between programs.
    Transport,
    /// Application data.
    Payload,
    /// Padding or trailer.
    Trailer,
}

impl Stage {
    /// The role of a layer kind.
    pub(crate) const fn of(kind: LayerKind) -> Self {
        match kind {
            LayerKind::Ethernet | LayerKind::Null | LayerKind::Loop | LayerKind::Sll | LayerKind::Sll2 => Self::Link,
            LayerKind::Vlan => Self::Tag,
            LayerKind::Arp | LayerKind::Ipv4 | LayerKind::Ipv6 => Self::Network,
            LayerKind::HopByHop
            | LayerKind::Routing
            | LayerKind::Fragment
            | LayerKind::DestinationOptions
            | LayerKind::Authentication => Self::Extension,
            LayerKind::Tcp | LayerKind::Udp | LayerKind::Icmp | LayerKind::Icmpv6 => Self::Transport,
            LayerKind::Payload => Self::Payload,
            LayerKind::Trailer => Self::Trailer,
        }
    }

    /// Name of the role, also its CSS class.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Tag => "tag",
            Self::Network => "network",
            Self::Extension => "extension",
            Self::Transport => "transport",
            Self::Payload => "payload",
            Self::Trailer => "trailer",
        }
    }
}

/// The letter that marks a layer's bytes where colour is unavailable.
const fn mark(kind: LayerKind) -> char {
    match kind {
        LayerKind::Ethernet => 'E',
        LayerKind::Null => 'N',
        LayerKind::Loop => 'L',
        LayerKind::Sll | LayerKind::Sll2 => 'C',
        LayerKind::Vlan => 'V',
        LayerKind::Arp => 'A',
        LayerKind::Ipv4 | LayerKind::Ipv6 => 'I',
        LayerKind::HopByHop => 'H',
        LayerKind::Routing => 'R',
        LayerKind::Fragment => 'F',
        LayerKind::DestinationOptions => 'D',
        LayerKind::Authentication => 'S',
        LayerKind::Tcp => 'T',
        LayerKind::Udp => 'U',
        LayerKind::Icmp | LayerKind::Icmpv6 => 'M',
        LayerKind::Payload => 'P',
        LayerKind::Trailer => 'Z',
    }
}

/// The noun for a header with its contents, after a space. Empty for a layer without such a noun.
const fn unit_noun(kind: LayerKind) -> &'static str {
    match kind {
        LayerKind::Ethernet | LayerKind::Null | LayerKind::Loop => " frame",
        LayerKind::Ipv4 | LayerKind::Ipv6 | LayerKind::Arp => " packet",
        LayerKind::Tcp => " segment",
        LayerKind::Udp => " datagram",
        LayerKind::Icmp | LayerKind::Icmpv6 => " message",
        _ => "",
    }
}

/// A layer to display.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LayerView {
    /// The letter of its bytes.
    pub(crate) mark: char,
    /// Its role.
    pub(crate) stage: Stage,
    /// Name of the layer: `IPv4`.
    pub(crate) name: String,
    /// Name of the layer with its contents: `IPv4 packet`.
    pub(crate) unit: String,
    /// Offset of its first byte in the frame.
    pub(crate) start: usize,
    /// Offset after its last byte.
    pub(crate) end: usize,
    /// Offset after the last byte of its contents; `end` for payload and trailer.
    pub(crate) inside_end: usize,
    /// The most important fields, in one line.
    pub(crate) summary: String,
    /// The fields, in wire order.
    pub(crate) fields: Vec<FieldView>,
}

impl LayerView {
    /// A layer of a frame whose payload ends at the offset `payload_end`.
    pub(super) fn new(frame: &Frame<'_>, layer: &Layer, payload_end: usize) -> Self {
        let fields: Vec<_> = frame.fields(layer);
        let (stage, range) = (Stage::of(layer.kind), layer.range());
        let inside_end = match stage {
            Stage::Link => frame.bytes().len(),
            Stage::Payload | Stage::Trailer => range.end,
            _ => payload_end.max(range.end),
        };
        let name = match (layer.kind, has_transport(frame)) {
            (LayerKind::Payload, false) => "bytes not read".into(),
            (kind, _) => kind.to_string(),
        };
        Self {
            mark: mark(layer.kind),
            stage,
            unit: format!("{name}{}", unit_noun(layer.kind)),
            name,
            summary: summary(layer.kind, &fields),
            fields: fields.into_iter().map(|field| FieldView::new(frame.bytes(), range.start, field)).collect(),
            start: range.start,
            end: range.end,
            inside_end,
        }
    }

    /// Byte range in the frame.
    pub(crate) fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Length of the layer without its contents, in bytes.
    pub(crate) fn own_len(&self) -> usize {
        self.end - self.start
    }

    /// Length of the layer with its contents, in bytes.
    pub(crate) fn total_len(&self) -> usize {
        self.inside_end - self.start
    }
}

/// Offset after the last byte of the headers and the payload.
pub(super) fn payload_end(frame: &Frame<'_>) -> usize {
    frame.layers().iter().rfind(|layer| layer.kind != LayerKind::Trailer).map_or(0, |layer| layer.range().end)
}

/// Whether the payload belongs to TCP, UDP or ICMP. Otherwise, the payload is all that follows the last decoded header.
fn has_transport(frame: &Frame<'_>) -> bool {
    frame.layers().iter().any(|layer| Stage::of(layer.kind) == Stage::Transport)
}

/// The most important fields of a layer, in one line.
fn summary(kind: LayerKind, fields: &[Field]) -> String {
    let value = |name: &str| fields.iter().find(|field| field.name == name).map_or("?", |field| &field.value);
    let is_set = |flag: &&str| value(flag) == "1";
    match kind {
        LayerKind::Ethernet => format!("{} → {}", value("source"), value("destination")),
        LayerKind::Null | LayerKind::Loop => format!("address family {}", value("family")),
        LayerKind::Vlan => format!("VLAN {}, priority {}", value("VID"), value("PCP")),
        LayerKind::Arp => {
            let (sender, target) = (value("sender protocol address"), value("target protocol address"));
            if value("opcode") == "1" {
                format!("who has {target}? tell {sender}")
            } else {
                format!("{sender} is here")
            }
        }
        LayerKind::Ipv4 | LayerKind::Ipv6 => {
            format!("{} → {}", value("Source Address"), value("Destination Address"))
        }
        LayerKind::Tcp => {
            let flags: Vec<&str> =
                ["SYN", "FIN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"].into_iter().filter(is_set).collect();
            let flags = if flags.is_empty() { "no flags".into() } else { flags.join(" ") };
            format!("port {} → {}, {flags}", value("Source Port"), value("Destination Port"))
        }
        LayerKind::Udp => format!("port {} → {}", value("Source Port"), value("Destination Port")),
        LayerKind::Icmp | LayerKind::Icmpv6 => fields.first().map_or(String::new(), |field| field.meaning.clone()),
        _ => String::new(),
    }
}

/// A field to display.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FieldView {
    /// Name in the field's RFC.
    pub(crate) name: &'static str,
    /// Offset of its first byte in the frame.
    pub(crate) start: usize,
    /// Offset after its last byte.
    pub(crate) end: usize,
    /// Its bytes in hexadecimal.
    pub(crate) hex: String,
    /// The bits of a field that shares a byte with others. The bits of those are dots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bits: Option<String>,
    /// The decoded value.
    pub(crate) value: String,
    /// Explanation of the value.
    pub(crate) meaning: String,
}

impl FieldView {
    fn new(frame: &[u8], layer_start: usize, field: Field) -> Self {
        let (start, end) = (layer_start + field.bytes.start, layer_start + field.bytes.end);
        let bytes = frame.get(start..end).unwrap_or_default();
        Self {
            name: field.name,
            start,
            end,
            hex: escape::hex(bytes),
            bits: field.bits.map(|bits| bits::diagram(bytes, &bits)),
            value: field.value,
            meaning: field.meaning,
        }
    }
}
