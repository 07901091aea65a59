//! A whole captured frame, taken apart into layers.
//!
//! Nothing here fails: whatever bytes come, what can be read is read, and what cannot is an [`Issue`] that says where and
//! why. What the capture cut off is told apart from what was sent wrong. A frame is read once, front to back; nothing is
//! allocated, and what is kept is what everybody asks for: where the headers and the payload lie. The lists of layers and
//! issues, for which a person asks, are made by reading the frame once more. So millions of frames cost little more than
//! touching their bytes.

mod issue;
mod layer;
mod plain;
mod walk;

use std::net::{IpAddr, Ipv6Addr};

pub use issue::{Issue, Trouble};
pub use layer::{Layer, LayerKind};

use super::checksum::{self, Checksum, Uncheckable};
use super::ipv6::{Extension, ExtensionKind};
use super::{Field, IpProtocol, LinkType, PseudoHeader};
use super::{arp, ethernet, icmp, ipv4, ipv6, null, sll, sll2, tcp, udp, vlan};

/// VLAN tags that are read, one inside the other.
pub const MAX_VLAN_TAGS: usize = 3;
/// Extension headers that are read, one after the other.
pub const MAX_EXTENSIONS: usize = 7;
/// Issues that are kept; a frame with more has said enough.
const MAX_ISSUES: usize = 4;

/// A captured frame, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    original_len: u32,
    link_type: LinkType,
    outline: Outline,
}

/// What is kept of a walk: what everybody asks of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Outline {
    /// The IP header.
    network: Option<Layer>,
    /// The TCP, UDP or ICMP header.
    transport: Option<Layer>,
    protocol: IpProtocol,
    fragment: FragmentPosition,
    routed_onward: bool,
    /// A length field says more than was sent.
    overstated: bool,
    has_issues: bool,
    /// Where the segment, datagram or message ends on the wire: may lie past what was captured.
    segment_end: u32,
    /// Where the payload lies in what was captured.
    payload: (u32, u32),
}

impl Default for Outline {
    fn default() -> Self {
        Self {
            network: None,
            transport: None,
            protocol: IpProtocol(0),
            fragment: FragmentPosition::Whole,
            routed_onward: false,
            overstated: false,
            has_issues: false,
            segment_end: 0,
            payload: (0, 0),
        }
    }
}

/// Whether a frame holds a whole packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FragmentPosition {
    /// All of it.
    Whole,
    /// Its beginning, with the transport header.
    First,
    /// A later piece: it has no transport header.
    Later {
        /// Where it belongs in the whole, in bytes.
        offset: u32,
    },
}

/// What the checksums of a frame turned out to hold. `None` where there is no such checksum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VerifiedChecksums {
    /// The IPv4 header's.
    pub network: Option<Checksum>,
    /// That of TCP, UDP or ICMP.
    pub transport: Option<Checksum>,
}

impl<'a> Frame<'a> {
    /// Takes apart what was `captured` of a frame that had `original_len` bytes on the wire.
    #[must_use]
    #[inline]
    pub fn parse(link_type: LinkType, captured: &'a [u8], original_len: u32) -> Self {
        let outline = plain::outline(link_type, captured, original_len)
            .unwrap_or_else(|| walk::outline(link_type, captured, original_len));
        Self { bytes: captured, original_len, link_type, outline }
    }

    /// All that was captured.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Bytes of the frame on the wire.
    #[must_use]
    pub fn original_len(&self) -> u32 {
        self.original_len
    }

    /// What its first bytes are.
    #[must_use]
    pub fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// Its layers, from the outermost in. They touch, and cover all that was captured.
    #[must_use]
    pub fn layers(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        walk::walk(self.link_type, self.bytes, self.original_len, &mut layers);
        layers
    }

    /// What could not be read, or is not as it should be; the first few.
    #[must_use]
    #[inline]
    pub fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        if self.outline.has_issues {
            walk::walk(self.link_type, self.bytes, self.original_len, &mut issues);
        }
        issues
    }

    /// The bytes of a layer.
    #[must_use]
    #[inline]
    pub fn layer_bytes(&self, layer: &Layer) -> &'a [u8] {
        self.bytes.get(layer.range()).unwrap_or_default()
    }

    /// What TCP, UDP or ICMP carry; all after the last header that could be read where they are not there.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[self.outline.payload.0 as usize..self.outline.payload.1 as usize]
    }

    /// Bytes of payload on the wire: more than [`Frame::payload`] has if the capture cut the frame short.
    #[must_use]
    #[inline]
    pub fn payload_len_on_wire(&self) -> u32 {
        match self.outline.transport {
            Some(_) => self.outline.segment_end.saturating_sub(self.outline.payload.0),
            None => self.outline.payload.1 - self.outline.payload.0,
        }
    }

    /// Whether it holds a whole packet.
    #[must_use]
    #[inline]
    pub fn fragment(&self) -> FragmentPosition {
        self.outline.fragment
    }

    /// What the IP packet carries, after its extension headers. `None` if there is no IP packet.
    #[must_use]
    #[inline]
    pub fn protocol(&self) -> Option<IpProtocol> {
        self.outline.network.map(|_| self.outline.protocol)
    }

    /// From where to where, if it holds an IP packet: to where it ends, if a routing header of IPv6 says so.
    #[must_use]
    #[inline]
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        let (kind, bytes) = self.from(self.outline.network)?;
        if kind == LayerKind::Ipv4 {
            let packet = ipv4::Packet::new_checked(bytes).ok()?;
            Some((packet.source().into(), packet.destination().into()))
        } else {
            let packet = ipv6::Packet::new_checked(bytes).ok()?;
            let routed = if self.outline.routed_onward { self.final_destination() } else { None };
            let destination = routed.unwrap_or_else(|| packet.destination());
            Some((packet.source().into(), destination.into()))
        }
    }

    /// Where a packet ends that is still on its way through a routing header.
    #[cold]
    fn final_destination(&self) -> Option<Ipv6Addr> {
        let routing = self.layers().into_iter().find(|layer| layer.kind == LayerKind::Routing)?;
        Extension::new_checked(ExtensionKind::Routing, self.layer_bytes(&routing)).ok()?.final_destination()
    }

    /// The IPv4 packet that it holds.
    #[must_use]
    #[inline]
    pub fn ipv4(&self) -> Option<ipv4::Packet<'a>> {
        self.from(self.outline.network).and_then(|(_, bytes)| ipv4::Packet::new_checked(bytes).ok())
    }

    /// The IPv6 packet that it holds.
    #[must_use]
    #[inline]
    pub fn ipv6(&self) -> Option<ipv6::Packet<'a>> {
        self.from(self.outline.network).and_then(|(_, bytes)| ipv6::Packet::new_checked(bytes).ok())
    }

    /// The TCP segment that it holds, as far as it was captured.
    #[must_use]
    #[inline]
    pub fn tcp(&self) -> Option<tcp::Segment<'a>> {
        self.from(self.outline.transport)
            .filter(|(kind, _)| *kind == LayerKind::Tcp)
            .and_then(|(_, bytes)| tcp::Segment::new_checked(bytes).ok())
    }

    /// The UDP datagram that it holds, as far as it was captured.
    #[must_use]
    #[inline]
    pub fn udp(&self) -> Option<udp::Datagram<'a>> {
        self.from(self.outline.transport)
            .filter(|(kind, _)| *kind == LayerKind::Udp)
            .and_then(|(_, bytes)| udp::Datagram::new_checked(bytes).ok())
    }

    /// The ICMP message that it holds, as far as it was captured.
    #[must_use]
    pub fn icmp(&self) -> Option<icmp::Message<'a>> {
        let (kind, bytes) = self.from(self.outline.transport)?;
        icmp::Message::new_checked(kind.icmp_version()?, bytes).ok()
    }

    /// The kind of a layer, and the bytes from its first to the last of the payload.
    #[inline]
    fn from(&self, layer: Option<Layer>) -> Option<(LayerKind, &'a [u8])> {
        let layer = layer?;
        let bytes = self.bytes.get(layer.start as usize..self.outline.payload.1 as usize)?;
        Some((layer.kind, bytes))
    }

    /// The pseudo header that TCP, UDP or `ICMPv6` are summed with.
    #[must_use]
    #[inline]
    pub fn pseudo_header(&self) -> Option<PseudoHeader> {
        let transport = self.outline.transport?;
        let length = self.outline.segment_end.saturating_sub(transport.start);
        let protocol = self.outline.protocol;
        let (kind, bytes) = self.from(self.outline.network)?;
        if kind == LayerKind::Ipv4 {
            let packet = ipv4::Packet::new_checked(bytes).ok()?;
            let (source, destination) = (packet.source(), packet.destination());
            Some(PseudoHeader::V4 { source, destination, protocol, length })
        } else {
            Some(ipv6::Packet::new_checked(bytes).ok()?.pseudo_header(protocol, length))
        }
    }

    /// Verifies every checksum that the frame holds.
    #[must_use]
    #[inline]
    pub fn verify(&self) -> VerifiedChecksums {
        let Some((kind, bytes)) = self.from(self.outline.network) else {
            return VerifiedChecksums { network: None, transport: None };
        };
        if kind == LayerKind::Ipv4
            && let Ok(packet) = ipv4::Packet::new_checked(bytes)
        {
            let pseudo = |length| PseudoHeader::V4 {
                source: packet.source(),
                destination: packet.destination(),
                protocol: self.outline.protocol,
                length,
            };
            VerifiedChecksums { network: Some(packet.verify()), transport: self.verify_transport(pseudo) }
        } else if let Ok(packet) = ipv6::Packet::new_checked(bytes) {
            let pseudo = |length| packet.pseudo_header(self.outline.protocol, length);
            VerifiedChecksums { network: None, transport: self.verify_transport(pseudo) }
        } else {
            VerifiedChecksums { network: None, transport: None }
        }
    }

    #[inline]
    fn verify_transport(&self, pseudo: impl FnOnce(u32) -> PseudoHeader) -> Option<Checksum> {
        let transport = self.outline.transport?;
        if self.outline.fragment != FragmentPosition::Whole {
            return Some(Checksum::Uncheckable(Uncheckable::Fragment));
        }
        if self.outline.routed_onward {
            return Some(Checksum::Uncheckable(Uncheckable::RoutedOnward));
        }
        let segment = self.bytes.get(transport.start as usize..self.outline.segment_end as usize);
        let Some(segment) = segment.filter(|_| !self.outline.overstated) else {
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

    /// The fields of a layer, for a person to read: offsets count from the layer's first byte. Payload has none.
    #[must_use]
    pub fn fields(&self, layer: &Layer) -> Vec<Field> {
        // A view of IP or TCP reads its header alone here, so the layer's own bytes will do.
        let bytes = self.layer_bytes(layer);
        let extension = |kind| Extension::new_checked(kind, bytes).map(|header| header.fields());
        match layer.kind {
            LayerKind::Ethernet => ethernet::Header::new_checked(bytes).map(|header| header.fields()),
            LayerKind::Null => null::Header::new_checked(bytes).map(|header| header.fields()),
            LayerKind::Loop => null::Header::new_checked_loop(bytes).map(|header| header.fields()),
            LayerKind::Sll => sll::Header::new_checked(bytes).map(|header| header.fields()),
            LayerKind::Sll2 => sll2::Header::new_checked(bytes).map(|header| header.fields()),
            LayerKind::Vlan => vlan::Tag::new_checked(bytes).map(|tag| tag.fields()),
            LayerKind::Arp => arp::Packet::new_checked(bytes).map(|packet| packet.fields()),
            LayerKind::Ipv4 => ipv4::Packet::new_checked(bytes).map(|packet| packet.fields()),
            LayerKind::Ipv6 => ipv6::Packet::new_checked(bytes).map(|packet| packet.fields()),
            LayerKind::HopByHop => extension(ExtensionKind::HopByHop),
            LayerKind::Routing => extension(ExtensionKind::Routing),
            LayerKind::Fragment => extension(ExtensionKind::Fragment),
            LayerKind::DestinationOptions => extension(ExtensionKind::DestinationOptions),
            LayerKind::Authentication => extension(ExtensionKind::Authentication),
            LayerKind::Tcp => tcp::Segment::new_checked(bytes).map(|segment| segment.fields()),
            LayerKind::Udp => udp::Datagram::new_checked(bytes).map(|datagram| datagram.fields()),
            LayerKind::Icmp => icmp::Message::new_checked(icmp::Version::V4, bytes).map(|message| message.fields()),
            LayerKind::Icmpv6 => icmp::Message::new_checked(icmp::Version::V6, bytes).map(|message| message.fields()),
            LayerKind::Payload | LayerKind::Trailer => Ok(Vec::new()),
        }
        .unwrap_or_default()
    }
}
