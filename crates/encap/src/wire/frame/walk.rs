//! Walks through the headers of a frame, front to back.
//!
//! The walk is generic over its visitor: `()` when a frame is parsed, or a list of layers or issues when a caller asks
//! for one. All steps are inlined, so that the walk with `()` is one function with its state in registers. A single
//! function call with a reference to the state would force the state into memory, and reading it back would cost a
//! third of the walk's time (decision 7).

use super::{
    FragmentPosition, FrameByte, FrameIssue, FrameIssueKind, Layer, LayerKind, MAX_EXTENSIONS, MAX_ISSUES,
    MAX_VLAN_TAGS, Outline,
};
use crate::wire::ethernet::{self, TypeOrLength};
use crate::wire::ipv6::{Extension, ExtensionKind};
use crate::wire::{EtherType, HeaderError, IpProtocol, LinkType};
use crate::wire::{arp, icmp, ipv4, ipv6, null, sll, sll2, tcp, udp, vlan};

/// Minimum payload length of an Ethernet frame, in bytes. Senders pad shorter payloads.
const MIN_PAYLOAD_LEN: u32 = 46;
/// Length of the frame check sequence at the end of an Ethernet frame. Some captures include it.
const CHECK_SEQUENCE_LEN: u32 = 4;

/// Receives the layers and issues that a walk finds.
pub(super) trait LayerVisitor {
    /// Receives each layer, outermost first.
    #[inline]
    fn layer(&mut self, _: Layer) {}

    /// Receives each issue, in the order in which the walk finds them.
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

/// Returns the outline of a frame, without collecting layers or issues.
#[inline(never)]
pub(super) fn outline(link_type: LinkType, bytes: &[u8], original_len: u32) -> Outline {
    walk(link_type, bytes, original_len, &mut ())
}

/// Walks through the captured bytes of a frame. Passes its layers and issues to `visitor`, and returns its outline.
#[inline]
pub(super) fn walk(link_type: LinkType, bytes: &[u8], original_len: u32, visitor: &mut impl LayerVisitor) -> Outline {
    // The length of a captured frame fits 32 bits. The walk ignores further bytes.
    let captured_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let wire_len = original_len.max(captured_len);
    let mut walk = Walk {
        link_type,
        bytes,
        captured_len,
        at: 0,
        end: wire_len,
        packet_end: wire_len,
        packet_layer: LayerKind::Payload,
        outline: Outline::default(),
        visitor,
    };
    if original_len > captured_len {
        walk.issue(captured_len, FrameIssueKind::Snapped { captured: captured_len, original: original_len });
    } else if original_len < captured_len {
        walk.issue(original_len, FrameIssueKind::OriginalTooShort { captured: captured_len, original: original_len });
    }
    if let Some(ether_type) = walk.link()
        && let Some((next, is_ipv6)) = walk.network(ether_type)
        && let Some(protocol) = walk.extensions(next, is_ipv6)
    {
        walk.transport(protocol, is_ipv6);
    }
    walk.finish(wire_len);
    walk.outline
}

/// The state of a walk.
struct Walk<'a, 'v, V> {
    link_type: LinkType,
    bytes: &'a [u8],
    captured_len: u32,
    /// Offset of the first byte after the decoded headers.
    at: u32,
    /// Offset of the end of the payload on the wire, from the innermost length field.
    end: u32,
    /// Offset of the end of the packet on the wire. Padding or a trailer may follow.
    packet_end: u32,
    /// The header whose length set `packet_end`.
    packet_layer: LayerKind,
    outline: Outline,
    visitor: &'v mut V,
}

impl<'a, V: LayerVisitor> Walk<'a, '_, V> {
    /// The captured bytes of the packet after the decoded headers.
    #[inline]
    fn remaining(&self) -> &'a [u8] {
        self.bytes.get(self.at as usize..self.end.min(self.captured_len) as usize).unwrap_or_default()
    }

    #[inline]
    fn issue(&mut self, at: u32, kind: FrameIssueKind) {
        self.outline.has_issues = true;
        self.visitor.issue(FrameIssue::new(FrameByte { byte: at }, kind));
    }

    /// Reports an issue and ends the walk: returns `None`.
    #[inline]
    fn stop<T>(&mut self, at: u32, kind: FrameIssueKind) -> Option<T> {
        self.issue(at, kind);
        None
    }

    /// Reports a header that cannot be decoded, and ends the walk: returns `None`.
    #[inline]
    fn header_error<T>(&mut self, layer: LayerKind, error: HeaderError) -> Option<T> {
        let is_too_short = matches!(error, HeaderError::TooShort { .. });
        let kind = if is_too_short && self.end > self.captured_len {
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

    /// Decodes the link header. Returns the protocol of its payload, or `None` if the walk ends here.
    #[inline]
    fn link(&mut self) -> Option<EtherType> {
        let remaining = self.remaining();
        match self.link_type {
            LinkType::ETHERNET => match ethernet::Header::new_checked(remaining) {
                Ok(header) => {
                    self.add_layer(LayerKind::Ethernet, ethernet::HEADER_LEN);
                    match header.type_or_length() {
                        TypeOrLength::EtherType(ether_type) => Some(ether_type),
                        TypeOrLength::Length(length) => self.ieee_802_3(length),
                    }
                }
                Err(error) => self.header_error(LayerKind::Ethernet, error),
            },
            LinkType::NULL => self.loopback(LayerKind::Null, null::Header::new_checked(remaining)),
            LinkType::LOOP => self.loopback(LayerKind::Loop, null::Header::new_checked_loop(remaining)),
            LinkType::LINUX_SLL => match sll::Header::new_checked(remaining) {
                Ok(header) => {
                    self.add_layer(LayerKind::Sll, sll::HEADER_LEN);
                    Some(header.ether_type())
                }
                Err(error) => self.header_error(LayerKind::Sll, error),
            },
            LinkType::LINUX_SLL2 => match sll2::Header::new_checked(remaining) {
                Ok(header) => {
                    self.add_layer(LayerKind::Sll2, sll2::HEADER_LEN);
                    Some(header.ether_type())
                }
                Err(error) => self.header_error(LayerKind::Sll2, error),
            },
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => {
                match remaining.first().map(|first| first >> 4) {
                    Some(6) => Some(EtherType::IPV6),
                    Some(4) | None => Some(EtherType::IPV4),
                    Some(version) => self.stop(self.at, FrameIssueKind::UnknownVersion(version)),
                }
            }
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
                    // The family field is the whole header of four bytes.
                    self.issue(self.at - 4, FrameIssueKind::UnknownFamily(header.family()));
                }
                ether_type
            }
            Err(error) => self.header_error(kind, error),
        }
    }

    /// Reports an IEEE 802.3 header with this payload length, and ends the walk: returns `None`.
    #[inline]
    fn ieee_802_3<T>(&mut self, length: u16) -> Option<T> {
        // The length is the last field of the header.
        self.issue(self.at - 2, FrameIssueKind::Ieee8023(length));
        self.apply_length(LayerKind::Ethernet, self.at, u32::from(length));
        None
    }

    /// Decodes VLAN tags and the network header. Returns the protocol of the payload and whether the packet is IPv6, or
    /// `None` if the walk ends here.
    #[inline]
    fn network(&mut self, mut ether_type: EtherType) -> Option<(IpProtocol, bool)> {
        let mut tags = 0;
        while ether_type.is_vlan() {
            if tags == MAX_VLAN_TAGS {
                return self.stop(self.at, FrameIssueKind::TooManyTags);
            }
            match vlan::Tag::new_checked(self.remaining()) {
                Ok(tag) => ether_type = tag.ether_type(),
                Err(error) => return self.header_error(LayerKind::Vlan, error),
            }
            self.add_layer(LayerKind::Vlan, vlan::HEADER_LEN);
            tags += 1;
        }
        match ether_type {
            EtherType::IPV4 => self.ipv4().map(|next| (next, false)),
            EtherType::IPV6 => self.ipv6().map(|next| (next, true)),
            EtherType::ARP => match arp::Packet::new_checked(self.remaining()) {
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

    /// Sets the end of the packet, which follows from the header `layer`.
    #[inline]
    fn end_packet(&mut self, layer: LayerKind, end: u32) {
        (self.end, self.packet_end, self.packet_layer) = (end, end, layer);
    }

    /// Applies the length field of a packet header: the packet ends `len_field` bytes after `start`. A length that
    /// exceeds the frame is only reported.
    #[inline]
    fn apply_length(&mut self, layer: LayerKind, start: u32, len_field: u32) {
        if self.check_length(layer, start, len_field) {
            self.end_packet(layer, start + len_field);
        }
    }

    /// Whether `len_field` bytes after `start` are within the frame. If not, reports the length field.
    #[inline]
    fn check_length(&mut self, layer: LayerKind, start: u32, len_field: u32) -> bool {
        let available = self.end.saturating_sub(start);
        if len_field > available {
            self.outline.is_length_too_long = true;
            self.issue(start, FrameIssueKind::LengthTooLong { layer, declared: len_field, available });
        }
        len_field <= available
    }

    #[inline]
    fn ipv4(&mut self) -> Option<IpProtocol> {
        let packet = match ipv4::Packet::new_checked(self.remaining()) {
            Ok(packet) => packet,
            Err(error) => return self.header_error(LayerKind::Ipv4, error),
        };
        let (start, header_len) = (self.at, packet.header_len());
        // The Total Length field is at byte 2 of the header.
        match u32::from(packet.total_len()) {
            0 => self.issue(start + 2, FrameIssueKind::LengthOffloaded(self.end - start)),
            len_field if (len_field as usize) < header_len => {
                self.issue(start + 2, FrameIssueKind::LengthTooShort { layer: LayerKind::Ipv4, declared: len_field });
            }
            len_field => self.apply_length(LayerKind::Ipv4, start, len_field),
        }
        self.outline.network = Some(self.add_layer(LayerKind::Ipv4, header_len));
        self.outline.is_routed_onward = header_len > ipv4::HEADER_LEN && packet.is_source_routed();
        if !self.record_fragment(packet.fragment_offset(), packet.more_fragments()) {
            self.outline.protocol = packet.protocol();
            return None;
        }
        Some(packet.protocol())
    }

    #[inline]
    fn ipv6(&mut self) -> Option<IpProtocol> {
        let packet = match ipv6::Packet::new_checked(self.remaining()) {
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
        // The Payload Length field is at byte 4 of the header, which ends at `self.at`.
        let length_at = self.at - 36;
        let hop_by_hop = (next_header == IpProtocol::HOP_BY_HOP)
            .then(|| Extension::new_checked(ExtensionKind::HopByHop, self.remaining()).ok());
        if let Some(length) = hop_by_hop.flatten().and_then(|header| header.jumbo_payload_len()) {
            self.issue(length_at, FrameIssueKind::Jumbogram(length));
            self.apply_length(LayerKind::Ipv6, self.at, length);
        } else if next_header == IpProtocol::NO_NEXT_HEADER {
            self.apply_length(LayerKind::Ipv6, self.at, 0);
        } else if available > 0 {
            self.issue(length_at, FrameIssueKind::LengthOffloaded(available));
        }
    }

    /// Records a fragment. Returns whether the fragment can hold a transport header.
    #[inline]
    fn record_fragment(&mut self, offset: u32, has_more: bool) -> bool {
        if offset > 0 {
            self.outline.fragment = FragmentPosition::Later { offset };
            self.issue(self.at, FrameIssueKind::LaterFragment(offset));
            return false;
        }
        if has_more {
            self.outline.fragment = FragmentPosition::First;
            self.issue(self.at, FrameIssueKind::FirstFragment);
        }
        true
    }

    /// Decodes extension headers. Returns the protocol after them, or `None` if the walk ends here.
    #[inline]
    fn extensions(&mut self, mut next: IpProtocol, is_ipv6: bool) -> Option<IpProtocol> {
        let mut seen = 0;
        self.outline.protocol = next;
        while let Some(kind) = ExtensionKind::from_protocol(next) {
            // IPv4 uses only the authentication header; the other numbers are IPv6-specific.
            if !is_ipv6 && kind != ExtensionKind::Authentication {
                break;
            }
            if seen == MAX_EXTENSIONS {
                return self.stop(self.at, FrameIssueKind::TooManyExtensions);
            }
            let header = match Extension::new_checked(kind, self.remaining()) {
                Ok(header) => header,
                Err(error) => return self.header_error(kind.into(), error),
            };
            self.add_layer(kind.into(), header.bytes().len());
            self.outline.is_routed_onward |= header.segments_left().is_some_and(|left| left > 0);
            next = header.next_header();
            self.outline.protocol = next;
            seen += 1;
            if let Some((offset, has_more)) = header.fragment()
                && !self.record_fragment(offset, has_more)
            {
                return None;
            }
        }
        Some(next)
    }

    #[inline]
    fn transport(&mut self, protocol: IpProtocol, is_ipv6: bool) {
        let remaining = self.remaining();
        let (kind, header_len) = match protocol {
            IpProtocol::TCP => {
                (LayerKind::Tcp, tcp::Segment::new_checked(remaining).map(|segment| segment.header_len()))
            }
            IpProtocol::UDP => (LayerKind::Udp, self.udp(remaining)),
            IpProtocol::ICMP if !is_ipv6 => {
                (LayerKind::Icmp, icmp::Message::new_checked(icmp::Version::V4, remaining).map(|_| icmp::HEADER_LEN))
            }
            IpProtocol::ICMPV6 if is_ipv6 => {
                (LayerKind::Icmpv6, icmp::Message::new_checked(icmp::Version::V6, remaining).map(|_| icmp::HEADER_LEN))
            }
            IpProtocol::NO_NEXT_HEADER if is_ipv6 => return,
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

    /// Decodes a UDP header. Ends the payload at the end that the Length field gives. Returns the header length.
    #[inline]
    fn udp(&mut self, remaining: &[u8]) -> Result<usize, HeaderError> {
        let datagram = udp::Datagram::new_checked(remaining)?;
        // The Length field is at byte 4 of the header.
        match u32::from(datagram.len_field()) {
            // In a jumbogram and with segmentation offload, the field is 0, and the IP length ends the payload.
            0 if self.end - self.at > u32::from(u16::MAX) => {}
            len_field if len_field < 8 => {
                self.issue(self.at + 4, FrameIssueKind::LengthTooShort { layer: LayerKind::Udp, declared: len_field });
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

    /// Adds the payload layer, then a trailer layer for the bytes after the payload.
    #[inline]
    fn finish(&mut self, wire_len: u32) {
        let end = self.end.min(self.captured_len).max(self.at);
        self.outline.payload = (self.at, end);
        if self.at < end {
            self.add_layer(LayerKind::Payload, (end - self.at) as usize);
        }
        if self.end < wire_len {
            self.trailer(wire_len);
        }
    }

    /// Adds the trailer layer. Reports bytes after the packet, unless they are the zero padding of a short frame.
    #[inline]
    fn trailer(&mut self, wire_len: u32) {
        if self.at < self.captured_len {
            self.add_layer(LayerKind::Trailer, (self.captured_len - self.at) as usize);
        }
        if self.packet_end >= wire_len {
            return;
        }
        // Ethernet frames are padded. If a cooked header replaces the Ethernet header, the padding stays.
        let link_header_len = match self.link_type {
            LinkType::ETHERNET => 14,
            LinkType::LINUX_SLL => 16,
            LinkType::LINUX_SLL2 => 20,
            _ => 0,
        };
        let padded_len = link_header_len + MIN_PAYLOAD_LEN;
        if link_header_len > 0 && wire_len <= padded_len + CHECK_SEQUENCE_LEN {
            let padding = self.packet_end as usize..self.captured_len.min(padded_len) as usize;
            let padding = self.bytes.get(padding).unwrap_or_default();
            if padding.iter().any(|byte| *byte != 0) {
                self.issue(self.packet_end, FrameIssueKind::PaddingNotZero);
            }
        } else {
            let bytes = wire_len - self.packet_end;
            self.issue(self.packet_end, FrameIssueKind::Trailing { layer: self.packet_layer, bytes });
        }
    }
}
