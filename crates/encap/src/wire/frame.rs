//! Splits a captured frame into layers.
//!
//! Parsing never fails: each unreadable part becomes a [`FrameIssue`] with its offset and reason. An issue tells
//! whether the capture cut the bytes off, or the sender sent them malformed. Parsing reads the headers once and
//! allocates nothing. It keeps only the offsets of the headers and the payload. The lists of layers and issues need a
//! second pass, which runs only when a caller asks for them (decision 7).

mod issue;
mod layer;
mod walk;

use std::net::{IpAddr, Ipv6Addr};

pub use issue::{FrameByte, FrameIssue, FrameIssueKind};
pub use layer::{Layer, LayerKind};

use super::checksum::{self, Checksum, Uncheckable};
use super::ipv6::{Extension, ExtensionKind};
use super::{Field, IpProtocol, LinkType, PseudoHeader};
use super::{arp, ethernet, icmp, ipv4, ipv6, null, sll, sll2, tcp, udp, vlan};

/// Maximum number of nested VLAN tags that are decoded.
pub(crate) const MAX_VLAN_TAGS: usize = 3;
/// Maximum number of IPv6 extension headers that are decoded.
pub(crate) const MAX_EXTENSIONS: usize = 7;
/// Maximum number of issues that are kept per frame.
const MAX_ISSUES: usize = 4;

/// A parsed frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    original_len: u32,
    link_type: LinkType,
    outline: Outline,
}

/// The offsets and flags kept from the first pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Outline {
    /// The IP header.
    network: Option<Layer>,
    /// The TCP, UDP or ICMP header.
    transport: Option<Layer>,
    /// Protocol after the IP header and the extension headers.
    protocol: IpProtocol,
    fragment: FragmentPosition,
    /// Whether a source route or routing header has hops left.
    is_routed_onward: bool,
    /// Whether a length field exceeds the frame.
    is_length_too_long: bool,
    has_issues: bool,
    /// Offset of the end of the segment, datagram or message on the wire. It may exceed the captured length.
    segment_end: u32,
    /// Start and end offset of the captured payload.
    payload: (u32, u32),
}

impl Default for Outline {
    fn default() -> Self {
        Self {
            network: None,
            transport: None,
            protocol: IpProtocol(0),
            fragment: FragmentPosition::Whole,
            is_routed_onward: false,
            is_length_too_long: false,
            has_issues: false,
            segment_end: 0,
            payload: (0, 0),
        }
    }
}

/// Whether a frame holds a whole packet or a fragment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FragmentPosition {
    /// A whole packet.
    Whole,
    /// The first fragment: it holds the transport header.
    First,
    /// A later fragment, without a transport header.
    Later {
        /// Offset of the fragment in the original packet, in bytes.
        offset: u32,
    },
}

/// The results of verifying the checksums of a frame; `None` for a header without a checksum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VerifiedChecksums {
    /// Checksum of the IPv4 header.
    pub network: Option<Checksum>,
    /// Checksum of TCP, UDP or ICMP.
    pub transport: Option<Checksum>,
}

impl<'a> Frame<'a> {
    /// Parses the `captured` bytes of a frame with `original_len` bytes on the wire.
    #[must_use]
    #[inline]
    pub fn parse(link_type: LinkType, captured: &'a [u8], original_len: u32) -> Self {
        let outline = walk::outline(link_type, captured, original_len);
        Self { bytes: captured, original_len, link_type, outline }
    }

    /// The captured bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Frame length on the wire, in bytes.
    pub(crate) fn original_len(&self) -> u32 {
        self.original_len
    }

    /// Link type, the format of the first header.
    pub(crate) fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// The layers, outermost first. They are adjacent and cover all captured bytes.
    #[must_use]
    pub fn layers(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        walk::walk(self.link_type, self.bytes, self.original_len, &mut layers);
        layers
    }

    /// The first unreadable or irregular parts, at most four.
    #[must_use]
    #[inline]
    pub fn issues(&self) -> Vec<FrameIssue> {
        let mut issues = Vec::new();
        if self.outline.has_issues {
            walk::walk(self.link_type, self.bytes, self.original_len, &mut issues);
        }
        issues
    }

    #[inline]
    pub(crate) fn layer_bytes(&self, layer: &Layer) -> &'a [u8] {
        self.bytes.get(layer.range()).unwrap_or_default()
    }

    /// The captured payload of TCP, UDP or ICMP. In other frames, the bytes of the packet after the last decoded
    /// header.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[self.outline.payload.0 as usize..self.outline.payload.1 as usize]
    }

    /// Payload length of TCP, UDP or ICMP on the wire, in bytes. It exceeds the length of [`Frame::payload`] if the
    /// capture cut the frame. In other frames, the length of [`Frame::payload`].
    #[must_use]
    #[inline]
    pub fn payload_len_on_wire(&self) -> u32 {
        match self.outline.transport {
            Some(_) => self.outline.segment_end.saturating_sub(self.outline.payload.0),
            None => self.outline.payload.1 - self.outline.payload.0,
        }
    }

    /// Whether the frame holds a whole packet or a fragment.
    #[inline]
    pub(crate) fn fragment(&self) -> FragmentPosition {
        self.outline.fragment
    }

    /// Source and destination address of the IP packet. If an IPv6 routing header has hops left, the destination is the
    /// final one.
    #[must_use]
    #[inline]
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        let (kind, bytes) = self.bytes_from(self.outline.network)?;
        if kind == LayerKind::Ipv4 {
            let packet = ipv4::Packet::new_checked(bytes).ok()?;
            Some((packet.source().into(), packet.destination().into()))
        } else {
            let packet = ipv6::Packet::new_checked(bytes).ok()?;
            let final_destination = if self.outline.is_routed_onward { self.final_destination() } else { None };
            let destination = final_destination.unwrap_or_else(|| packet.destination());
            Some((packet.source().into(), destination.into()))
        }
    }

    /// Final destination according to the routing header. `None` without a routing header of a known type.
    #[cold]
    fn final_destination(&self) -> Option<Ipv6Addr> {
        let routing = self.layers().into_iter().find(|layer| layer.kind == LayerKind::Routing)?;
        Extension::new_checked(ExtensionKind::Routing, self.layer_bytes(&routing)).ok()?.final_destination()
    }

    #[inline]
    pub(crate) fn ipv4(&self) -> Option<ipv4::Packet<'a>> {
        self.bytes_from(self.outline.network).and_then(|(_, bytes)| ipv4::Packet::new_checked(bytes).ok())
    }

    #[inline]
    pub(crate) fn ipv6(&self) -> Option<ipv6::Packet<'a>> {
        self.bytes_from(self.outline.network).and_then(|(_, bytes)| ipv6::Packet::new_checked(bytes).ok())
    }

    /// The captured part of the TCP segment.
    #[must_use]
    #[inline]
    pub fn tcp(&self) -> Option<tcp::Segment<'a>> {
        self.bytes_from(self.outline.transport)
            .filter(|(kind, _)| *kind == LayerKind::Tcp)
            .and_then(|(_, bytes)| tcp::Segment::new_checked(bytes).ok())
    }

    /// The captured part of the UDP datagram.
    #[must_use]
    #[inline]
    pub fn udp(&self) -> Option<udp::Datagram<'a>> {
        self.bytes_from(self.outline.transport)
            .filter(|(kind, _)| *kind == LayerKind::Udp)
            .and_then(|(_, bytes)| udp::Datagram::new_checked(bytes).ok())
    }

    /// The captured part of the ICMP message.
    #[must_use]
    pub fn icmp(&self) -> Option<icmp::Message<'a>> {
        let (kind, bytes) = self.bytes_from(self.outline.transport)?;
        icmp::Message::new_checked(kind.icmp_version()?, bytes).ok()
    }

    /// The kind of a layer, and the bytes from its start to the end of the payload.
    #[inline]
    fn bytes_from(&self, layer: Option<Layer>) -> Option<(LayerKind, &'a [u8])> {
        let layer = layer?;
        let bytes = self.bytes.get(layer.start as usize..self.outline.payload.1 as usize)?;
        Some((layer.kind, bytes))
    }

    /// The pseudo header of TCP, UDP or `ICMPv6`.
    #[inline]
    pub(crate) fn pseudo_header(&self) -> Option<PseudoHeader> {
        let transport = self.outline.transport?;
        let length = self.outline.segment_end.saturating_sub(transport.start);
        let protocol = self.outline.protocol;
        let (kind, bytes) = self.bytes_from(self.outline.network)?;
        if kind == LayerKind::Ipv4 {
            Some(ipv4::Packet::new_checked(bytes).ok()?.pseudo_header(protocol, length))
        } else {
            Some(ipv6::Packet::new_checked(bytes).ok()?.pseudo_header(protocol, length))
        }
    }

    /// Verifies the network and transport checksums.
    #[must_use]
    #[inline]
    pub fn verify(&self) -> VerifiedChecksums {
        let Some((kind, bytes)) = self.bytes_from(self.outline.network) else {
            return VerifiedChecksums { network: None, transport: None };
        };
        if kind == LayerKind::Ipv4
            && let Ok(packet) = ipv4::Packet::new_checked(bytes)
        {
            let pseudo = |length| packet.pseudo_header(self.outline.protocol, length);
            VerifiedChecksums { network: Some(packet.verify()), transport: self.verify_transport(pseudo) }
        } else if let Ok(packet) = ipv6::Packet::new_checked(bytes) {
            let pseudo = |length| packet.pseudo_header(self.outline.protocol, length);
            VerifiedChecksums { network: None, transport: self.verify_transport(pseudo) }
        } else {
            VerifiedChecksums { network: None, transport: None }
        }
    }

    /// Verifies the transport checksum. `pseudo` builds the pseudo header for a segment of the given length.
    #[inline]
    fn verify_transport(&self, pseudo: impl FnOnce(u32) -> PseudoHeader) -> Option<Checksum> {
        let transport = self.outline.transport?;
        if self.outline.fragment != FragmentPosition::Whole {
            return Some(Checksum::Uncheckable(Uncheckable::Fragment));
        }
        if self.outline.is_routed_onward {
            return Some(Checksum::Uncheckable(Uncheckable::RoutedOnward));
        }
        let segment = self.bytes.get(transport.start as usize..self.outline.segment_end as usize);
        let Some(segment) = segment.filter(|_| !self.outline.is_length_too_long) else {
            return Some(Checksum::Uncheckable(Uncheckable::CutShort));
        };
        let pseudo = pseudo(self.outline.segment_end - transport.start);
        Some(match transport.kind {
            LayerKind::Tcp => checksum::verify(Some(&pseudo), segment, tcp::CHECKSUM_AT),
            LayerKind::Udp => checksum::verify(Some(&pseudo), segment, udp::CHECKSUM_AT),
            LayerKind::Icmpv6 => checksum::verify(Some(&pseudo), segment, icmp::CHECKSUM_AT),
            _ => checksum::verify(None, segment, icmp::CHECKSUM_AT),
        })
    }

    /// The fields of a layer, with offsets from the layer's first byte. Empty for payload and trailer.
    #[must_use]
    pub fn fields(&self, layer: &Layer) -> Vec<Field> {
        // The views read only their header here, so the layer's bytes suffice.
        let bytes = self.layer_bytes(layer);
        let extension = |kind| Extension::new_checked(kind, bytes).map(|header| header.fields());
        match layer.kind {
            LayerKind::Ethernet => ethernet::Header::new_checked(bytes).map(ethernet::Header::fields),
            LayerKind::Null => null::Header::new_checked(bytes).map(|header| header.fields()),
            LayerKind::Loop => null::Header::new_checked_loop(bytes).map(|header| header.fields()),
            LayerKind::Sll => sll::Header::new_checked(bytes).map(sll::Header::fields),
            LayerKind::Sll2 => sll2::Header::new_checked(bytes).map(sll2::Header::fields),
            LayerKind::Vlan => vlan::Tag::new_checked(bytes).map(vlan::Tag::fields),
            LayerKind::Arp => arp::Packet::new_checked(bytes).map(arp::Packet::fields),
            LayerKind::Ipv4 => ipv4::Packet::new_checked(bytes).map(|packet| packet.fields()),
            LayerKind::Ipv6 => ipv6::Packet::new_checked(bytes).map(|packet| packet.fields()),
            LayerKind::HopByHop => extension(ExtensionKind::HopByHop),
            LayerKind::Routing => extension(ExtensionKind::Routing),
            LayerKind::Fragment => extension(ExtensionKind::Fragment),
            LayerKind::DestinationOptions => extension(ExtensionKind::DestinationOptions),
            LayerKind::Authentication => extension(ExtensionKind::Authentication),
            LayerKind::Tcp => tcp::Segment::new_checked(bytes).map(|segment| segment.fields()),
            LayerKind::Udp => udp::Datagram::new_checked(bytes).map(udp::Datagram::fields),
            LayerKind::Icmp => icmp::Message::new_checked(icmp::Version::V4, bytes).map(|message| message.fields()),
            LayerKind::Icmpv6 => icmp::Message::new_checked(icmp::Version::V6, bytes).map(|message| message.fields()),
            LayerKind::Payload | LayerKind::Trailer => Ok(Vec::new()),
        }
        .unwrap_or_default()
    }
}
