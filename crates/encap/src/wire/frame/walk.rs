//! Walks through a frame, front to back.
//!
//! The walk is generic over its visitor: `()` when a frame is parsed, a list of layers or issues on request. All steps
//! are inlined, so that the walk with `()` is one function with its state in registers. A single call that took the
//! state by reference would force it into memory, and copying it back would cost a third of the walk's time (decision
//! 7).

use super::{
    FragmentPosition, FrameByte, FrameIssue, FrameIssueKind, Layer, LayerKind, MAX_EXTENSIONS, MAX_ISSUES,
    MAX_VLAN_TAGS, Outline,
};
use crate::wire::ethernet::{self, TypeOrLength};
use crate::wire::ipv6::{Extension, ExtensionKind};
use crate::wire::{EtherType, HeaderError, IpProtocol, LinkType};
use crate::wire::{arp, icmp, ipv4, ipv6, null, sll, sll2, tcp, udp, vlan};

/// Minimum payload length of an Ethernet frame; shorter payloads are padded.
const MIN_PAYLOAD_LEN: u32 = 46;
/// Length of a captured frame check sequence.
const CHECK_SEQUENCE_LEN: u32 = 4;

/// Receives the layers and issues that a walk finds.
pub(super) trait LayerVisitor {
    /// Called for each layer, outermost first.
    #[inline]
    fn layer(&mut self, _: Layer) {}

    /// Called for each issue, in the order found.
    #[inline]
    fn issue(&mut self, _: FrameIssue) {}
}

impl LayerVisitor for () {}

impl LayerVisitor for Vec<Layer> {
    fn layer(&mut self, layer: Layer) {
        self.push(layer);
    }
}

impl LayerVisitor for Vec<FrameIssue> {
    fn issue(&mut self, issue: FrameIssue) {
        if self.len() < MAX_ISSUES {
            self.push(issue);
        }
    }
}

/// The outline of a frame, without a visitor.
#[inline(never)]
pub(super) fn outline(link_type: LinkType, bytes: &[u8], original_len: u32) -> Outline {
    walk(link_type, bytes, original_len, &mut ())
}

/// Walks through the captured bytes of a frame.
#[inline]
pub(super) fn walk(link_type: LinkType, bytes: &[u8], original_len: u32, visitor: &mut impl LayerVisitor) -> Outline {
    // A frame of a capture file fits 32 bits; bytes beyond that are ignored.
    let captured_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let sent = original_len.max(captured_len);
    let outline = Outline::default();
    let packet = LayerKind::Payload;
    let mut walk =
        Walk { link_type, bytes, captured_len, at: 0, end: sent, packet_end: sent, packet, outline, visitor };
    if original_len > captured_len {
        walk.issue(captured_len, FrameIssueKind::Snapped { captured: captured_len, original: original_len });
    } else if original_len < captured_len {
        walk.issue(original_len, FrameIssueKind::OriginalTooShort { captured: captured_len, original: original_len });
    }
    if let Some(ether_type) = walk.link()
        && let Some((next, over_ipv6)) = walk.network(ether_type)
        && let Some(protocol) = walk.extensions(next, over_ipv6)
    {
        walk.transport(protocol, over_ipv6);
    }
    walk.finish(sent);
    walk.outline
}

struct Walk<'a, 'h, H> {
    link_type: LinkType,
    bytes: &'a [u8],
    captured_len: u32,
    /// Offset of the first byte after the decoded headers.
    at: u32,
    /// End of the payload on the wire, from the innermost length field.
    end: u32,
    /// End of the packet on the wire; padding or a trailer follows.
    packet_end: u32,
    /// The header whose length field set `packet_end`.
    packet: LayerKind,
    outline: Outline,
    visitor: &'h mut H,
}

impl<'a, H: LayerVisitor> Walk<'a, '_, H> {
    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at as usize..self.end.min(self.captured_len) as usize).unwrap_or_default()
    }

    #[inline]
    fn issue(&mut self, at: u32, kind: FrameIssueKind) {
        self.outline.has_issues = true;
        self.visitor.issue(FrameIssue::new(FrameByte { byte: at }, kind));
    }

    /// Reports an issue that ends the walk.
    #[inline]
    fn stop<T>(&mut self, at: u32, kind: FrameIssueKind) -> Option<T> {
        self.issue(at, kind);
        None
    }

    #[inline]
    fn header_error<T>(&mut self, layer: LayerKind, error: HeaderError) -> Option<T> {
        let missing = matches!(error, HeaderError::TooShort { .. });
        let kind = if missing && self.end > self.captured_len {
            FrameIssueKind::CutOff { layer, error }
        } else {
            FrameIssueKind::Malformed { layer, error }
        };
        self.stop(self.at, kind)
    }

    /// Adds a layer of `len` bytes at the current offset.
    #[inline]
    fn add_layer(&mut self, kind: LayerKind, len: usize) -> Layer {
        let layer = Layer { kind, start: self.at, end: self.at + u32::try_from(len).unwrap_or(0) };
        self.visitor.layer(layer);
        self.at = layer.end;
        layer
    }

    /// Decodes the link header. Returns the protocol of its payload.
    #[inline]
    fn link(&mut self) -> Option<EtherType> {
        let rest = self.rest();
        match self.link_type {
            LinkType::ETHERNET => match ethernet::Header::new_checked(rest) {
                Ok(header) => {
                    self.add_layer(LayerKind::Ethernet, ethernet::HEADER_LEN);
                    match header.type_or_length() {
                        TypeOrLength::EtherType(ether_type) => Some(ether_type),
                        TypeOrLength::Length(length) => self.ieee_802_3(length),
                    }
                }
                Err(error) => self.header_error(LayerKind::Ethernet, error),
            },
            LinkType::NULL => self.loopback(LayerKind::Null, null::Header::new_checked(rest)),
            LinkType::LOOP => self.loopback(LayerKind::Loop, null::Header::new_checked_loop(rest)),
            LinkType::LINUX_SLL => match sll::Header::new_checked(rest) {
                Ok(header) => {
                    self.add_layer(LayerKind::Sll, sll::HEADER_LEN);
                    Some(header.ether_type())
                }
                Err(error) => self.header_error(LayerKind::Sll, error),
            },
            LinkType::LINUX_SLL2 => match sll2::Header::new_checked(rest) {
                Ok(header) => {
                    self.add_layer(LayerKind::Sll2, sll2::HEADER_LEN);
                    Some(header.ether_type())
                }
                Err(error) => self.header_error(LayerKind::Sll2, error),
            },
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => match rest.first().map(|first| first >> 4) {
                Some(6) => Some(EtherType::IPV6),
                Some(4) | None => Some(EtherType::IPV4),
                Some(version) => self.stop(self.at, FrameIssueKind::UnknownVersion(version)),
            },
            LinkType::IPV4 => Some(EtherType::IPV4),
            LinkType::IPV6 => Some(EtherType::IPV6),
            other => self.stop(self.at, FrameIssueKind::UnknownLinkType(other)),
        }
    }

    #[inline]
    fn loopback(&mut self, kind: LayerKind, header: Result<null::Header<'_>, HeaderError>) -> Option<EtherType> {
        match header {
            Ok(header) => {
                self.add_layer(kind, null::HEADER_LEN);
                let ether_type = header.ether_type();
                if ether_type.is_none() {
                    self.issue(self.at - 4, FrameIssueKind::UnknownFamily(header.family()));
                }
                ether_type
            }
            Err(error) => self.header_error(kind, error),
        }
    }

    #[inline]
    fn ieee_802_3<T>(&mut self, length: u16) -> Option<T> {
        self.issue(self.at - 2, FrameIssueKind::Ieee8023(length));
        self.apply_length(LayerKind::Ethernet, self.at, u32::from(length));
        None
    }

    /// Decodes VLAN tags and the network header. Returns the protocol of the payload, and whether the packet is IPv6.
    #[inline]
    fn network(&mut self, mut ether_type: EtherType) -> Option<(IpProtocol, bool)> {
        let mut tags = 0;
        while ether_type.is_vlan() {
            if tags == MAX_VLAN_TAGS {
                return self.stop(self.at, FrameIssueKind::TooManyTags);
            }
            match vlan::Tag::new_checked(self.rest()) {
                Ok(tag) => ether_type = tag.ether_type(),
                Err(error) => return self.header_error(LayerKind::Vlan, error),
            }
            self.add_layer(LayerKind::Vlan, vlan::HEADER_LEN);
            tags += 1;
        }
        match ether_type {
            EtherType::IPV4 => self.ipv4().map(|next| (next, false)),
            EtherType::IPV6 => self.ipv6().map(|next| (next, true)),
            EtherType::ARP => match arp::Packet::new_checked(self.rest()) {
                Ok(_) => {
                    self.add_layer(LayerKind::Arp, arp::PACKET_LEN);
                    self.end_packet(LayerKind::Arp, self.at);
                    None
                }
                Err(error) => self.header_error(LayerKind::Arp, error),
            },
            other => self.stop(self.at, FrameIssueKind::UnknownEtherType(other)),
        }
    }

    #[inline]
    fn end_packet(&mut self, layer: LayerKind, end: u32) {
        (self.end, self.packet_end, self.packet) = (end, end, layer);
    }

    /// Applies the length field of a packet header: `len_field` bytes, counted from `start`.
    #[inline]
    fn apply_length(&mut self, layer: LayerKind, start: u32, len_field: u32) {
        if self.check_length(layer, start, len_field) {
            self.end_packet(layer, start + len_field);
        }
    }

    #[inline]
    fn check_length(&mut self, layer: LayerKind, start: u32, len_field: u32) -> bool {
        let available = self.end.saturating_sub(start);
        if len_field > available {
            self.outline.length_exceeds_frame = true;
            self.issue(start, FrameIssueKind::LengthTooLong { layer, said: len_field, there: available });
        }
        len_field <= available
    }

    #[inline]
    fn ipv4(&mut self) -> Option<IpProtocol> {
        let packet = match ipv4::Packet::new_checked(self.rest()) {
            Ok(packet) => packet,
            Err(error) => return self.header_error(LayerKind::Ipv4, error),
        };
        let (start, header_len) = (self.at, packet.header_len());
        match u32::from(packet.total_len()) {
            0 => self.issue(start + 2, FrameIssueKind::LengthLeftToCard(self.end - start)),
            len_field if (len_field as usize) < header_len => {
                self.issue(start + 2, FrameIssueKind::LengthTooShort { layer: LayerKind::Ipv4, said: len_field });
            }
            len_field => self.apply_length(LayerKind::Ipv4, start, len_field),
        }
        self.outline.network = Some(self.add_layer(LayerKind::Ipv4, header_len));
        self.outline.routed_onward = header_len > ipv4::HEADER_LEN && packet.is_source_routed();
        if !self.fragment(packet.fragment_offset(), packet.more_fragments()) {
            self.outline.protocol = packet.protocol();
            return None;
        }
        Some(packet.protocol())
    }

    #[inline]
    fn ipv6(&mut self) -> Option<IpProtocol> {
        let packet = match ipv6::Packet::new_checked(self.rest()) {
            Ok(packet) => packet,
            Err(error) => return self.header_error(LayerKind::Ipv6, error),
        };
        self.outline.network = Some(self.add_layer(LayerKind::Ipv6, ipv6::HEADER_LEN));
        match u32::from(packet.payload_len()) {
            0 => self.ipv6_without_length(packet.next_header()),
            len_field => self.apply_length(LayerKind::Ipv6, self.at, len_field),
        }
        Some(packet.next_header())
    }

    /// Handles a Payload Length of 0: a jumbogram, an empty packet, or segmentation offload.
    #[inline]
    fn ipv6_without_length(&mut self, next_header: IpProtocol) {
        let available = self.end - self.at;
        let hop_by_hop = (next_header == IpProtocol::HOP_BY_HOP)
            .then(|| Extension::new_checked(ExtensionKind::HopByHop, self.rest()).ok());
        if let Some(length) = hop_by_hop.flatten().and_then(|header| header.jumbo_payload_len()) {
            self.issue(self.at - 36, FrameIssueKind::Jumbogram(length));
            self.apply_length(LayerKind::Ipv6, self.at, length);
        } else if next_header == IpProtocol::NO_NEXT_HEADER {
            self.apply_length(LayerKind::Ipv6, self.at, 0);
        } else if available > 0 {
            self.issue(self.at - 36, FrameIssueKind::LengthLeftToCard(available));
        }
    }

    /// Records a fragment. Returns whether the fragment can hold a transport header.
    #[inline]
    fn fragment(&mut self, offset: u32, more: bool) -> bool {
        if offset > 0 {
            self.outline.fragment = FragmentPosition::Later { offset };
            self.issue(self.at, FrameIssueKind::LaterFragment(offset));
            return false;
        }
        if more {
            self.outline.fragment = FragmentPosition::First;
            self.issue(self.at, FrameIssueKind::FirstFragment);
        }
        true
    }

    /// Decodes extension headers. Returns the protocol after them.
    #[inline]
    fn extensions(&mut self, mut next: IpProtocol, over_ipv6: bool) -> Option<IpProtocol> {
        let mut seen = 0;
        self.outline.protocol = next;
        while let Some(kind) = ExtensionKind::of(next) {
            // IPv4 uses only the authentication header; the other numbers are IPv6-specific.
            if !over_ipv6 && kind != ExtensionKind::Authentication {
                break;
            }
            if seen == MAX_EXTENSIONS {
                return self.stop(self.at, FrameIssueKind::TooManyExtensions);
            }
            let header = match Extension::new_checked(kind, self.rest()) {
                Ok(header) => header,
                Err(error) => return self.header_error(kind.into(), error),
            };
            self.add_layer(kind.into(), header.bytes().len());
            self.outline.routed_onward |= header.segments_left().is_some_and(|left| left > 0);
            next = header.next_header();
            self.outline.protocol = next;
            seen += 1;
            if let Some((offset, more)) = header.fragment()
                && !self.fragment(offset, more)
            {
                return None;
            }
        }
        Some(next)
    }

    #[inline]
    fn transport(&mut self, protocol: IpProtocol, over_ipv6: bool) {
        let rest = self.rest();
        let (kind, header_len) = match protocol {
            IpProtocol::TCP => (LayerKind::Tcp, tcp::Segment::new_checked(rest).map(|segment| segment.header_len())),
            IpProtocol::UDP => (LayerKind::Udp, self.udp(rest)),
            IpProtocol::ICMP if !over_ipv6 => {
                (LayerKind::Icmp, icmp::Message::new_checked(icmp::Version::V4, rest).map(|_| icmp::HEADER_LEN))
            }
            IpProtocol::ICMPV6 if over_ipv6 => {
                (LayerKind::Icmpv6, icmp::Message::new_checked(icmp::Version::V6, rest).map(|_| icmp::HEADER_LEN))
            }
            IpProtocol::NO_NEXT_HEADER if over_ipv6 => return,
            other => return self.issue(self.at, FrameIssueKind::UnknownProtocol(other)),
        };
        match header_len {
            Ok(header_len) => {
                self.outline.segment_end = self.end;
                self.outline.transport = Some(self.add_layer(kind, header_len));
            }
            Err(error) => {
                self.header_error::<()>(kind, error);
            }
        }
    }

    /// Checks the Length field and ends the payload there. Returns the header length.
    #[inline]
    fn udp(&mut self, rest: &[u8]) -> Result<usize, HeaderError> {
        let datagram = udp::Datagram::new_checked(rest)?;
        match u32::from(datagram.len_field()) {
            // In a jumbogram and with segmentation offload, the IP length counts.
            0 if self.end - self.at > u32::from(u16::MAX) => {}
            len_field if len_field < 8 => {
                self.issue(self.at + 4, FrameIssueKind::LengthTooShort { layer: LayerKind::Udp, said: len_field });
            }
            // A first fragment carries the length of the whole datagram.
            _ if self.outline.fragment != FragmentPosition::Whole => {}
            len_field if self.check_length(LayerKind::Udp, self.at, len_field) => {
                self.end = self.at + len_field;
                if self.end < self.packet_end {
                    let bytes = self.packet_end - self.end;
                    self.issue(self.end, FrameIssueKind::Trailing { layer: LayerKind::Udp, bytes });
                }
            }
            _ => {}
        }
        Ok(udp::HEADER_LEN)
    }

    /// Adds the payload layer, then a trailer layer for the bytes after it.
    #[inline]
    fn finish(&mut self, sent: u32) {
        let end = self.end.min(self.captured_len).max(self.at);
        self.outline.payload = (self.at, end);
        if self.at < end {
            self.add_layer(LayerKind::Payload, (end - self.at) as usize);
        }
        if self.end < sent {
            self.trailer(sent);
        }
    }

    #[inline]
    fn trailer(&mut self, sent: u32) {
        if self.at < self.captured_len {
            self.add_layer(LayerKind::Trailer, (self.captured_len - self.at) as usize);
        }
        if self.packet_end >= sent {
            return;
        }
        // A cooked header replaces the Ethernet header; the padding stays.
        let padded_to = MIN_PAYLOAD_LEN
            + match self.link_type {
                LinkType::ETHERNET => 14,
                LinkType::LINUX_SLL => 16,
                LinkType::LINUX_SLL2 => 20,
                _ => 0,
            };
        if padded_to > MIN_PAYLOAD_LEN && sent <= padded_to + CHECK_SEQUENCE_LEN {
            let padding = self.packet_end as usize..self.captured_len.min(padded_to) as usize;
            let padding = self.bytes.get(padding).unwrap_or_default();
            if padding.iter().any(|byte| *byte != 0) {
                self.issue(self.packet_end, FrameIssueKind::PaddingNotZero);
            }
        } else {
            let bytes = sent - self.packet_end;
            self.issue(self.packet_end, FrameIssueKind::Trailing { layer: self.packet, bytes });
        }
    }
}
