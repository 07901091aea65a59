//! The walk through a frame, front to back.

use super::{Fragment, Frame, Issue, Layer, LayerKind, MAX_EXTENSIONS, MAX_VLAN_TAGS, Trouble};
use crate::wire::ethernet::{self, Follows};
use crate::wire::ipv6::{Extension, ExtensionKind};
use crate::wire::{EtherType, HeaderError, IpProtocol, LinkType};
use crate::wire::{arp, icmp, ipv4, ipv6, null, sll, sll2, tcp, udp, vlan};

/// Bytes that a short Ethernet frame is padded to, after its header.
const MIN_PAYLOAD_LEN: u32 = 46;
/// A frame check sequence, where one was captured, is these bytes more.
const CHECK_SEQUENCE_LEN: u32 = 4;

/// Fills in a frame of which only its bytes are known.
pub(super) fn walk(frame: &mut Frame<'_>) {
    let (captured, original_len) = (frame.bytes, frame.original_len);
    // No frame that a capture file can hold passes 32 bits; of one that does, what is beyond them is not looked at.
    let captured_len = u32::try_from(captured.len()).unwrap_or(u32::MAX);
    let sent = original_len.max(captured_len);
    let mut walk = Walk { frame, at: 0, end: sent, packet_end: sent, packet: LayerKind::Payload, captured_len };
    if original_len > captured_len {
        walk.issue(captured_len, Trouble::Snapped { captured: captured_len, original: original_len });
    } else if original_len < captured_len {
        walk.issue(original_len, Trouble::OriginalTooShort { captured: captured_len, original: original_len });
    }
    walk.link();
    walk.finish(sent);
}

struct Walk<'f, 'a> {
    frame: &'f mut Frame<'a>,
    /// The first byte that no header has claimed.
    at: u32,
    /// Where the innermost header with a length says that its payload ends, on the wire.
    end: u32,
    /// Where the packet ends, on the wire: what is after it is no packet's.
    packet_end: u32,
    /// The header that says so.
    packet: LayerKind,
    captured_len: u32,
}

impl<'a> Walk<'_, 'a> {
    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.frame.bytes.get(self.at as usize..self.end.min(self.captured_len) as usize).unwrap_or_default()
    }

    #[cold]
    fn issue(&mut self, at: u32, what: Trouble) {
        if let Some(slot) = self.frame.issues.get_mut(usize::from(self.frame.n_issues)) {
            *slot = Issue { at, what };
            self.frame.n_issues += 1;
        }
    }

    #[cold]
    fn unreadable(&mut self, layer: LayerKind, error: HeaderError) {
        let missing = matches!(error, HeaderError::TooShort { .. });
        let what = if missing && self.end > self.captured_len {
            Trouble::CutOff { layer, error }
        } else {
            Trouble::Malformed { layer, error }
        };
        self.issue(self.at, what);
    }

    /// Claims `len` bytes for a layer.
    #[inline]
    fn claim(&mut self, kind: LayerKind, len: usize) -> u8 {
        let end = self.at + u32::try_from(len).unwrap_or(0);
        let index = self.frame.n_layers;
        if let Some(slot) = self.frame.layers.get_mut(usize::from(index)) {
            *slot = Layer { kind, start: self.at, end };
            self.frame.n_layers += 1;
        }
        self.at = end;
        index
    }

    #[inline]
    fn link(&mut self) {
        let rest = self.rest();
        match self.frame.link_type {
            LinkType::ETHERNET => match ethernet::Header::new_checked(rest) {
                Ok(header) => {
                    self.claim(LayerKind::Ethernet, ethernet::HEADER_LEN);
                    match header.follows() {
                        Follows::EtherType(ether_type) => self.ether_type(ether_type),
                        Follows::Length(length) => self.ieee_802_3(length),
                    }
                }
                Err(error) => self.unreadable(LayerKind::Ethernet, error),
            },
            LinkType::NULL => self.loopback(LayerKind::Null, null::Header::new_checked(rest)),
            LinkType::LOOP => self.loopback(LayerKind::Loop, null::Header::new_checked_loop(rest)),
            LinkType::LINUX_SLL => match sll::Header::new_checked(rest) {
                Ok(header) => {
                    self.claim(LayerKind::Sll, sll::HEADER_LEN);
                    self.ether_type(header.ether_type());
                }
                Err(error) => self.unreadable(LayerKind::Sll, error),
            },
            LinkType::LINUX_SLL2 => match sll2::Header::new_checked(rest) {
                Ok(header) => {
                    self.claim(LayerKind::Sll2, sll2::HEADER_LEN);
                    self.ether_type(header.ether_type());
                }
                Err(error) => self.unreadable(LayerKind::Sll2, error),
            },
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => match rest.first().map(|first| first >> 4) {
                Some(6) => self.ipv6(),
                Some(4) | None => self.ipv4(),
                Some(version) => self.issue(self.at, Trouble::UnknownVersion(version)),
            },
            LinkType::IPV4 => self.ipv4(),
            LinkType::IPV6 => self.ipv6(),
            other => self.issue(self.at, Trouble::UnknownLinkType(other)),
        }
    }

    fn loopback(&mut self, kind: LayerKind, header: Result<null::Header<'_>, HeaderError>) {
        match header {
            Ok(header) => {
                self.claim(kind, null::HEADER_LEN);
                match header.ether_type() {
                    Some(ether_type) => self.ether_type(ether_type),
                    None => self.issue(self.at - 4, Trouble::UnknownFamily(header.family())),
                }
            }
            Err(error) => self.unreadable(kind, error),
        }
    }

    #[cold]
    fn ieee_802_3(&mut self, length: u16) {
        self.issue(self.at - 2, Trouble::Ieee8023(length));
        self.limit(LayerKind::Ethernet, self.at, u32::from(length));
    }

    #[inline]
    fn ether_type(&mut self, mut ether_type: EtherType) {
        let mut tags = 0;
        while ether_type.is_vlan() {
            if tags == MAX_VLAN_TAGS {
                return self.issue(self.at, Trouble::TooManyTags);
            }
            match vlan::Tag::new_checked(self.rest()) {
                Ok(tag) => ether_type = tag.ether_type(),
                Err(error) => return self.unreadable(LayerKind::Vlan, error),
            }
            self.claim(LayerKind::Vlan, vlan::HEADER_LEN);
            tags += 1;
        }
        match ether_type {
            EtherType::IPV4 => self.ipv4(),
            EtherType::IPV6 => self.ipv6(),
            EtherType::ARP => match arp::Packet::new_checked(self.rest()) {
                Ok(_) => {
                    self.claim(LayerKind::Arp, arp::PACKET_LEN);
                    self.end_packet(LayerKind::Arp, self.at);
                }
                Err(error) => self.unreadable(LayerKind::Arp, error),
            },
            other => self.issue(self.at, Trouble::UnknownEtherType(other)),
        }
    }

    #[inline]
    fn end_packet(&mut self, layer: LayerKind, end: u32) {
        (self.end, self.packet_end, self.packet) = (end, end, layer);
    }

    /// A length field of a packet's header says `said` bytes from `start`.
    #[inline]
    fn limit(&mut self, layer: LayerKind, start: u32, said: u32) {
        if self.fits(layer, start, said) {
            self.end_packet(layer, start + said);
        }
    }

    #[inline]
    fn fits(&mut self, layer: LayerKind, start: u32, said: u32) -> bool {
        let there = self.end.saturating_sub(start);
        if said > there {
            self.frame.overstated = true;
            self.issue(start, Trouble::LengthTooLong { layer, said, there });
        }
        said <= there
    }

    #[inline]
    fn ipv4(&mut self) {
        let packet = match ipv4::Packet::new_checked(self.rest()) {
            Ok(packet) => packet,
            Err(error) => return self.unreadable(LayerKind::Ipv4, error),
        };
        let (start, header_len) = (self.at, packet.header_len());
        match u32::from(packet.total_len()) {
            0 => self.issue(start + 2, Trouble::LengthLeftToCard(self.end - start)),
            said if (said as usize) < header_len => {
                self.issue(start + 2, Trouble::LengthTooShort { layer: LayerKind::Ipv4, said });
            }
            said => self.limit(LayerKind::Ipv4, start, said),
        }
        self.frame.network = Some(self.claim(LayerKind::Ipv4, header_len));
        self.frame.routed_onward = header_len > ipv4::HEADER_LEN && packet.is_source_routed();
        if !self.fragment(packet.fragment_offset(), packet.more_fragments()) {
            self.frame.protocol = packet.protocol();
            return;
        }
        self.extensions(packet.protocol(), false);
    }

    #[inline]
    fn ipv6(&mut self) {
        let packet = match ipv6::Packet::new_checked(self.rest()) {
            Ok(packet) => packet,
            Err(error) => return self.unreadable(LayerKind::Ipv6, error),
        };
        self.frame.network = Some(self.claim(LayerKind::Ipv6, ipv6::HEADER_LEN));
        match u32::from(packet.payload_len()) {
            0 => self.ipv6_without_length(packet.next_header()),
            said => self.limit(LayerKind::Ipv6, self.at, said),
        }
        self.extensions(packet.next_header(), true);
    }

    /// A payload length of 0 is that of a jumbogram, or of a packet with nothing in it, or left to the network card.
    #[cold]
    fn ipv6_without_length(&mut self, next_header: IpProtocol) {
        let there = self.end - self.at;
        let hop_by_hop = (next_header == IpProtocol::HOP_BY_HOP)
            .then(|| Extension::new_checked(ExtensionKind::HopByHop, self.rest()).ok());
        if let Some(length) = hop_by_hop.flatten().and_then(|header| header.jumbo_payload_len()) {
            self.issue(self.at - 36, Trouble::Jumbogram(length));
            self.limit(LayerKind::Ipv6, self.at, length);
        } else if next_header == IpProtocol::NO_NEXT_HEADER {
            self.limit(LayerKind::Ipv6, self.at, 0);
        } else if there > 0 {
            self.issue(self.at - 36, Trouble::LengthLeftToCard(there));
        }
    }

    /// Notes a fragment, and says whether a transport header is to be expected in it.
    #[inline]
    fn fragment(&mut self, offset: u32, more: bool) -> bool {
        if offset > 0 {
            self.frame.fragment = Fragment::Later { offset };
            self.issue(self.at, Trouble::LaterFragment(offset));
            return false;
        }
        if more {
            self.frame.fragment = Fragment::First;
            self.issue(self.at, Trouble::FirstFragment);
        }
        true
    }

    #[inline]
    fn extensions(&mut self, mut next: IpProtocol, over_ipv6: bool) {
        let mut seen = 0;
        self.frame.protocol = next;
        while let Some(kind) = ExtensionKind::of(next) {
            // After IPv4, only authentication is one; the other numbers mean nothing there.
            if !over_ipv6 && kind != ExtensionKind::Authentication {
                break;
            }
            if seen == MAX_EXTENSIONS {
                return self.issue(self.at, Trouble::TooManyExtensions);
            }
            let header = match Extension::new_checked(kind, self.rest()) {
                Ok(header) => header,
                Err(error) => return self.unreadable(kind.into(), error),
            };
            self.claim(kind.into(), header.bytes().len());
            self.frame.routed_onward |= header.segments_left().is_some_and(|left| left > 0);
            next = header.next_header();
            self.frame.protocol = next;
            seen += 1;
            if let Some((offset, more)) = header.fragment()
                && !self.fragment(offset, more)
            {
                return;
            }
        }
        self.transport(next, over_ipv6);
    }

    #[inline]
    fn transport(&mut self, protocol: IpProtocol, over_ipv6: bool) {
        let rest = self.rest();
        let header = match protocol {
            IpProtocol::TCP => (LayerKind::Tcp, tcp::Segment::new_checked(rest).map(|segment| segment.header_len())),
            IpProtocol::UDP => return self.udp(),
            IpProtocol::ICMP if !over_ipv6 => {
                (LayerKind::Icmp, icmp::Message::new_checked(icmp::Version::V4, rest).map(|_| icmp::HEADER_LEN))
            }
            IpProtocol::ICMPV6 if over_ipv6 => {
                (LayerKind::Icmpv6, icmp::Message::new_checked(icmp::Version::V6, rest).map(|_| icmp::HEADER_LEN))
            }
            IpProtocol::NO_NEXT_HEADER if over_ipv6 => return,
            other => return self.issue(self.at, Trouble::UnknownProtocol(other)),
        };
        match header {
            (kind, Ok(header_len)) => {
                self.frame.segment_end = self.end;
                self.frame.transport = Some(self.claim(kind, header_len));
            }
            (kind, Err(error)) => self.unreadable(kind, error),
        }
    }

    #[inline]
    fn udp(&mut self) {
        let datagram = match udp::Datagram::new_checked(self.rest()) {
            Ok(datagram) => datagram,
            Err(error) => return self.unreadable(LayerKind::Udp, error),
        };
        match u32::from(datagram.len_field()) {
            // In a jumbogram, and in what the network card is to cut, IP says the length.
            0 if self.end - self.at > u32::from(u16::MAX) => {}
            said if said < 8 => self.issue(self.at + 4, Trouble::LengthTooShort { layer: LayerKind::Udp, said }),
            // The first fragment of a datagram has the length of the whole.
            _ if self.frame.fragment != Fragment::Whole => {}
            said if self.fits(LayerKind::Udp, self.at, said) => {
                self.end = self.at + said;
                if self.end < self.packet_end {
                    let bytes = self.packet_end - self.end;
                    self.issue(self.end, Trouble::Trailing { layer: LayerKind::Udp, bytes });
                }
            }
            _ => {}
        }
        self.frame.segment_end = self.end;
        self.frame.transport = Some(self.claim(LayerKind::Udp, udp::HEADER_LEN));
    }

    /// Gives what is left to the payload, and what is after it to the trailer.
    #[inline]
    fn finish(&mut self, sent: u32) {
        let end = self.end.min(self.captured_len).max(self.at);
        self.frame.payload = (self.at, end);
        if self.at < end {
            self.claim(LayerKind::Payload, (end - self.at) as usize);
        }
        if self.end < sent {
            self.trailer(sent);
        }
    }

    #[cold]
    fn trailer(&mut self, sent: u32) {
        if self.at < self.captured_len {
            self.claim(LayerKind::Trailer, (self.captured_len - self.at) as usize);
        }
        if self.packet_end >= sent {
            return;
        }
        // A cooked header stands in place of an Ethernet header, before the same padding.
        let padded_to = MIN_PAYLOAD_LEN
            + match self.frame.link_type {
                LinkType::ETHERNET => 14,
                LinkType::LINUX_SLL => 16,
                LinkType::LINUX_SLL2 => 20,
                _ => 0,
            };
        if padded_to > MIN_PAYLOAD_LEN && sent <= padded_to + CHECK_SEQUENCE_LEN {
            let padding = self.packet_end as usize..self.captured_len.min(padded_to) as usize;
            let padding = self.frame.bytes.get(padding).unwrap_or_default();
            if padding.iter().any(|byte| *byte != 0) {
                self.issue(self.packet_end, Trouble::PaddingNotZero);
            }
        } else {
            let bytes = sent - self.packet_end;
            self.issue(self.packet_end, Trouble::Trailing { layer: self.packet, bytes });
        }
    }
}
