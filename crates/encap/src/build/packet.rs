//! Encodes a payload as a frame, layer by layer: segment or datagram, IP packet, link header.

use std::net::IpAddr;

use super::flow::{End, Flow};
use super::{IpVersion, Link};
use crate::wire::{ByteOrder, EtherType, IpProtocol, PseudoHeader, ethernet, ipv4, ipv6, null, sll2, tcp, udp, vlan};

/// The VLAN of `--link vlan`.
const VLAN_ID: u16 = 100;

/// The default TTL and hop limit of Linux.
const HOP_LIMIT: u8 = 64;

/// The packet types of Linux "cooked" captures: to the capturing machine, and from it.
const SLL_HOST: u8 = 0;
const SLL_OUTGOING: u8 = 4;

/// A packet from one end of a flow to the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) flow: &'a Flow,
    /// The index of the sending end.
    pub(super) sender: usize,
    /// IPv4: the number that the fragments of one packet share.
    pub(super) identification: u16,
    /// Only in IPv6.
    pub(super) flow_label: u32,
    pub(super) header: Header,
    pub(super) payload: &'a [u8],
    pub(super) checksums: Checksums,
}

/// The transport header.
#[derive(Clone, Copy, Debug)]
pub(super) enum Header {
    Tcp(tcp::Repr),
    Udp(udp::Repr),
}

/// The contents of the checksum fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Checksums {
    Correct,
    /// Zero in the IPv4 header and in the transport header.
    Zero,
    /// Wrong in the transport header.
    Wrong,
}

impl Packet<'_> {
    /// The length of the IP packet, in bytes.
    pub(super) fn ip_len(&self) -> usize {
        self.flow.version.header_len() + self.header.len() + self.payload.len()
    }

    /// Encodes the packet as a frame, which replaces the bytes in `frame`.
    pub(super) fn emit(&self, link: Link, frame: &mut Vec<u8>) {
        let ends = [&self.flow.ends[self.sender], &self.flow.ends[1 - self.sender]];
        frame.clear();
        emit_link(frame, link, ends, self.sender == self.flow.client, self.flow.version);
        let ip_at = frame.len();
        let transport_at = ip_at + self.flow.version.header_len();
        frame.resize(transport_at + self.header.len(), 0);
        frame.extend_from_slice(self.payload);
        let (before, segment) = frame.split_at_mut(transport_at);
        let ip = &mut before[ip_at..];
        let pseudo = self.emit_ip(ends, segment.len(), ip);
        let checksum_at = match &self.header {
            Header::Tcp(repr) => {
                repr.emit(segment);
                tcp::fill_checksum(segment, &pseudo);
                tcp::CHECKSUM_AT
            }
            Header::Udp(repr) => {
                repr.emit(segment);
                udp::fill_checksum(segment, &pseudo);
                udp::CHECKSUM_AT
            }
        };
        match self.checksums {
            Checksums::Correct => {}
            Checksums::Zero => {
                if self.flow.version == IpVersion::V4 {
                    ip[ipv4::CHECKSUM].fill(0);
                }
                segment[checksum_at..][..2].fill(0);
            }
            // With the lowest bit inverted, the checksum is always wrong: in ones' complement, the only two equal
            // values are 0xffff and 0x0000, which differ in all bits.
            Checksums::Wrong => segment[checksum_at + 1] ^= 1,
        }
        if matches!(link, Link::Ethernet | Link::Vlan) && frame.len() < ethernet::MIN_FRAME_LEN {
            frame.resize(ethernet::MIN_FRAME_LEN, 0);
        }
    }

    /// Writes the IP header, and returns its pseudo header.
    fn emit_ip(&self, [from, to]: [&End; 2], payload_len: usize, buffer: &mut [u8]) -> PseudoHeader {
        let protocol = match self.header {
            Header::Tcp(_) => IpProtocol::TCP,
            Header::Udp(_) => IpProtocol::UDP,
        };
        match (from.ip, to.ip) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let repr = ipv4::Repr {
                    type_of_service: 0,
                    identification: self.identification,
                    dont_fragment: true,
                    more_fragments: false,
                    fragment_offset: 0,
                    time_to_live: hop_limit(to),
                    protocol,
                    source,
                    destination,
                    payload_len,
                };
                repr.emit(buffer);
                repr.pseudo_header()
            }
            (source, destination) => {
                let v6 = |ip: IpAddr| match ip {
                    IpAddr::V6(address) => address,
                    IpAddr::V4(address) => address.to_ipv6_mapped(),
                };
                let repr = ipv6::Repr {
                    traffic_class: 0,
                    flow_label: self.flow_label,
                    payload_len,
                    next_header: protocol,
                    hop_limit: hop_limit(to),
                    source: v6(source),
                    destination: v6(destination),
                };
                repr.emit(buffer);
                repr.pseudo_header()
            }
        }
    }
}

impl Header {
    fn len(&self) -> usize {
        match self {
            Self::Tcp(repr) => repr.buffer_len(),
            Self::Udp(_) => udp::HEADER_LEN,
        }
    }
}

/// Writes the link-layer header to the empty `frame`. `is_outgoing` means that the client sends the frame: a "cooked"
/// capture is taken on the client's machine.
fn emit_link(frame: &mut Vec<u8>, link: Link, [from, to]: [&End; 2], is_outgoing: bool, version: IpVersion) {
    let ether_type = match version {
        IpVersion::V4 => EtherType::IPV4,
        IpVersion::V6 => EtherType::IPV6,
    };
    let family = match (version, link) {
        (IpVersion::V4, _) => null::AF_INET,
        (IpVersion::V6, Link::Loop) => null::AF_INET6_OPENBSD,
        (IpVersion::V6, _) => null::AF_INET6_APPLE,
    };
    let ethernet = |ether_type| ethernet::Repr { destination: to.mac, source: from.mac, ether_type };
    match link {
        Link::Ethernet => {
            frame.resize(ethernet::HEADER_LEN, 0);
            ethernet(ether_type).emit(frame);
        }
        Link::Vlan => {
            frame.resize(ethernet::HEADER_LEN + vlan::HEADER_LEN, 0);
            ethernet(EtherType::VLAN).emit(frame);
            let tag = vlan::Repr { priority: 0, drop_eligible: false, vlan_id: VLAN_ID, ether_type };
            tag.emit(&mut frame[ethernet::HEADER_LEN..]);
        }
        Link::Null | Link::Loop => {
            frame.resize(null::HEADER_LEN, 0);
            let order = if link == Link::Null { ByteOrder::Little } else { ByteOrder::Big };
            null::Repr { family, order }.emit(frame);
        }
        Link::Raw => {}
        Link::Sll2 => {
            frame.resize(sll2::HEADER_LEN, 0);
            let mut address = [0; 8];
            address[..6].copy_from_slice(&from.mac.0);
            let header = sll2::Repr {
                ether_type,
                interface_index: 2,
                interface_type: sll2::ARPHRD_ETHER,
                packet_type: if is_outgoing { SLL_OUTGOING } else { SLL_HOST },
                address_length: 6,
                address,
            };
            header.emit(frame);
        }
    }
}

/// The TTL or hop limit of packets to `to`: 255 for the multicast group of mDNS (RFC 6762 §11), 1 for other groups.
fn hop_limit(to: &End) -> u8 {
    match to.ip {
        IpAddr::V4(address) if address.octets() == [224, 0, 0, 251] => 255,
        IpAddr::V6(address) if address.segments() == [0xff02, 0, 0, 0, 0, 0, 0, 0xfb] => 255,
        address if address.is_multicast() => 1,
        _ => HOP_LIMIT,
    }
}
