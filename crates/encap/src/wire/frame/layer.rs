//! A layer: its kind and its position in the frame.

use std::fmt;
use std::ops::Range;

use crate::wire::icmp;
use crate::wire::ipv6::ExtensionKind;

/// The kind of a layer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LayerKind {
    /// An Ethernet header.
    Ethernet,
    /// A BSD loopback header, in the byte order of the capturing machine.
    Null,
    /// A BSD loopback header, in network byte order.
    Loop,
    /// A Linux cooked header.
    Sll,
    /// A Linux cooked header, version 2.
    Sll2,
    /// A VLAN tag.
    Vlan,
    /// An ARP packet.
    Arp,
    /// An IPv4 header with its options.
    Ipv4,
    /// An IPv6 header.
    Ipv6,
    /// Hop-by-hop options.
    HopByHop,
    /// A routing header.
    Routing,
    /// An IPv6 fragment header.
    Fragment,
    /// Destination options.
    DestinationOptions,
    /// An authentication header.
    Authentication,
    /// A TCP header with its options.
    Tcp,
    /// A UDP header.
    Udp,
    /// An ICMP header.
    Icmp,
    /// An `ICMPv6` header.
    Icmpv6,
    /// Payload of the headers, or bytes of an unsupported protocol.
    Payload,
    /// Padding or trailer after the packet.
    Trailer,
}

impl LayerKind {
    pub(super) const fn icmp_version(self) -> Option<icmp::Version> {
        match self {
            Self::Icmp => Some(icmp::Version::V4),
            Self::Icmpv6 => Some(icmp::Version::V6),
            _ => None,
        }
    }
}

impl From<ExtensionKind> for LayerKind {
    fn from(kind: ExtensionKind) -> Self {
        match kind {
            ExtensionKind::HopByHop => Self::HopByHop,
            ExtensionKind::Routing => Self::Routing,
            ExtensionKind::Fragment => Self::Fragment,
            ExtensionKind::DestinationOptions => Self::DestinationOptions,
            ExtensionKind::Authentication => Self::Authentication,
        }
    }
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ethernet => "Ethernet",
            Self::Null => "NULL loopback",
            Self::Loop => "LOOP loopback",
            Self::Sll => "Linux cooked capture",
            Self::Sll2 => "Linux cooked capture v2",
            Self::Vlan => "VLAN tag",
            Self::Arp => "ARP",
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::HopByHop => "hop-by-hop options",
            Self::Routing => "routing header",
            Self::Fragment => "fragment header",
            Self::DestinationOptions => "destination options",
            Self::Authentication => "authentication header",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Icmp => "ICMP",
            Self::Icmpv6 => "ICMPv6",
            Self::Payload => "payload",
            Self::Trailer => "trailer",
        })
    }
}

/// A layer's kind and position.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Layer {
    /// Kind of the layer: a header, the payload or a trailer.
    pub kind: LayerKind,
    /// Offset of the first byte in the frame.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Layer {
    /// Byte range in the frame.
    #[must_use]
    #[inline]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}
