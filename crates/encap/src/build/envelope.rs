//! A payload wrapped layer by layer: segment or datagram, packet, frame.
//!
//! What one end of a flow sends the other has the same headers but for lengths, numbers and checksums. So they are written
//! once, summed once, and then copied around each payload; and what is added to a sum is taken from where it comes from,
//! not from where it was only just put. A SYN, a datagram and what is wrong on purpose have a header of their own after those
//! of link and IP.

use std::net::IpAddr;

use super::flow::End;
use super::{IpVersion, Link};
use crate::rows::Transport;
use crate::wire::{
    EtherType, IpProtocol, PseudoHeader, Sum, checksum, ethernet, ipv4, ipv6, null, sll2, tcp, udp, vlan,
};

/// The tag of `--link vlan`.
const VLAN_ID: u16 = 100;

/// The most bytes before a payload: TCP with its timestamps.
const HEAD_MAX: usize = sll2::HEADER_LEN + ipv6::HEADER_LEN + tcp::HEADER_LEN + tcp::Timestamps::BUFFER_LEN;

/// What Linux gives its packets.
const HOPS: u8 = 64;

/// The headers around what one end of a flow sends the other.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// What comes before a payload, as it is around none.
    head: [u8; HEAD_MAX],
    /// Where the IP header begins in it, where that ends, and where the TCP header ends, if they have one in common.
    ip_at: u8,
    transport_at: u8,
    head_len: u8,
    version: IpVersion,
    /// Short frames are padded with zeros; the length in the IP header tells payload from padding.
    is_padded: bool,
    /// IPv4: the sum of those fields of the header that all packets have in common.
    lasting: u16,
    /// The sum of the pseudo header, but for its length.
    pseudo: u16,
    /// The same, and of those fields of the TCP header that segments have in common.
    lasting_tcp: u16,
}

/// A packet to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) envelope: &'a Envelope,
    /// IPv4: what the fragments of one packet have in common.
    pub(super) identification: u16,
    pub(super) header: Header,
    pub(super) payload: &'a [u8],
    pub(super) checksums: Checksums,
}

/// The header around a payload.
#[derive(Clone, Copy, Debug)]
pub(super) enum Header {
    /// TCP: that of the envelope, which is one around segments, with these numbers.
    Common(tcp::SegmentNumbers),
    Tcp(tcp::Repr),
    Udp(udp::Repr),
}

/// What checksum fields hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Checksums {
    Right,
    /// Zero, in both headers.
    Zero,
    /// Another number than it should be, in the transport header.
    Wrong,
}

impl Envelope {
    /// The headers from one end to the other; `outgoing` if the client sends. All packets of an IPv6 flow have its label.
    pub(super) fn new(
        link: Link,
        [from, to]: [&End; 2],
        outgoing: bool,
        transport: Transport,
        flow_label: u32,
    ) -> Self {
        let version = IpVersion::of(from.ip);
        let protocol = match transport {
            Transport::Tcp => IpProtocol::TCP,
            Transport::Udp => IpProtocol::UDP,
        };
        let mut head = [0; HEAD_MAX];
        let ip_at = emit_link(&mut head, link, [from, to], outgoing, version);
        let pseudo = emit_ip(&mut head[ip_at..], [from, to], protocol, flow_label).sum().folded();
        let is_padded = matches!(link, Link::Ethernet | Link::Vlan);
        let lasting = ipv4::unchanged_sum(&head[ip_at..]);
        let (ip_at, transport_at) = (in_head(ip_at), in_head(ip_at + version.header_len()));
        let head_len = transport_at;
        Self { head, ip_at, transport_at, head_len, version, is_padded, pseudo, lasting, lasting_tcp: 0 }
    }

    /// With the header that segments have in common: all but its numbers, which are zero in `repr`.
    pub(super) fn around_segments(mut self, repr: &tcp::Repr) -> Self {
        let transport_at = usize::from(self.transport_at);
        let header = &mut self.head[transport_at..transport_at + repr.buffer_len()];
        repr.emit(header);
        self.head_len = in_head(transport_at + header.len());
        let mut sum = Sum::default();
        sum.add_u16(self.pseudo);
        sum.add_bytes(header);
        self.lasting_tcp = sum.folded();
        self
    }
}

/// A place in a head.
fn in_head(at: usize) -> u8 {
    // It is shorter than that.
    const { assert!(HEAD_MAX < 0xff) }
    u8::try_from(at).unwrap_or(u8::MAX)
}

/// How long the parts of a packet's frame are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lens {
    /// The header of the segment or datagram.
    header: usize,
    /// All up to the end of the payload.
    packet: usize,
    /// With padding.
    pub(super) frame: usize,
}

impl Packet<'_> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a packet that is asked nothing else stays in registers")]
    pub(super) fn lens(&self) -> Lens {
        let [transport_at, head_len] = [self.envelope.transport_at, self.envelope.head_len].map(usize::from);
        let header = match &self.header {
            Header::Common(_) => head_len - transport_at,
            Header::Tcp(repr) => repr.buffer_len(),
            Header::Udp(repr) => repr.buffer_len(),
        };
        let packet = transport_at + header + self.payload.len();
        let frame = if self.envelope.is_padded { packet.max(ethernet::MIN_FRAME_LEN) } else { packet };
        Lens { header, packet, frame }
    }

    /// The length of its IP packet.
    pub(super) fn ip_len(&self) -> usize {
        self.lens().packet - usize::from(self.envelope.ip_at)
    }

    /// Writes its frame, which is as long as `frame`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is known of a packet where it is made spares looking at it")]
    pub(super) fn emit(&self, lens: Lens, frame: &mut [u8]) {
        let Envelope { head, version, lasting, pseudo, lasting_tcp, .. } = self.envelope;
        let Envelope { ip_at, transport_at, head_len, .. } = *self.envelope;
        let (packet, padding) = frame.split_at_mut(lens.packet);
        if !padding.is_empty() {
            padding.fill(0);
        }
        // Around data there mostly is room for all of `head`: a copy of a fixed length, whose end the payload then overwrites.
        if let Some(front) = packet.first_chunk_mut() {
            *front = *head;
        } else {
            copy_short(packet, &head[..usize::from(head_len)]);
        }
        let (before, segment) = packet.split_at_mut(transport_at.into());
        let ip = &mut before[usize::from(ip_at)..];
        match version {
            IpVersion::V4 => ipv4::patch(ip, *lasting, self.identification, segment.len()),
            IpVersion::V6 => ipv6::patch(ip, segment.len()),
        }

        let mut sum = Sum::default();
        sum.add_u16(match self.header {
            Header::Common(_) => *lasting_tcp,
            Header::Tcp(_) | Header::Udp(_) => *pseudo,
        });
        sum.add_u32(u32::try_from(segment.len()).unwrap_or(u32::MAX));
        let (header, payload) = segment.split_at_mut(lens.header);
        match &self.header {
            Header::Common(numbers) => tcp::patch(header, numbers, &mut sum),
            Header::Tcp(repr) => {
                repr.emit(header);
                sum.add_bytes(header);
            }
            Header::Udp(repr) => {
                repr.emit(header);
                sum.add_bytes(header);
            }
        }
        payload.copy_from_slice(self.payload);
        sum.add_bytes(self.payload);
        let (at, checksum) = match self.header {
            Header::Common(_) | Header::Tcp(_) => (tcp::CHECKSUM_AT, sum.checksum()),
            Header::Udp(_) => (udp::CHECKSUM_AT, checksum::udp_field(sum)),
        };
        let field = &mut header[at..at + 2];
        field.copy_from_slice(&checksum.to_be_bytes());
        spoil(self.checksums, *version, ip, field);
    }
}

/// Copies as much of a head as there is room for: apart, so that the copy of a fixed length stays one.
#[cold]
#[inline(never)]
fn copy_short(packet: &mut [u8], head: &[u8]) {
    let len = packet.len().min(head.len());
    packet[..len].copy_from_slice(&head[..len]);
}

/// Writes what comes before the IP packet, and gives its length.
fn emit_link(buffer: &mut [u8], link: Link, [from, to]: [&End; 2], outgoing: bool, version: IpVersion) -> usize {
    let ether_type = match version {
        IpVersion::V4 => EtherType::IPV4,
        IpVersion::V6 => EtherType::IPV6,
    };
    let (source, destination) = (from.mac, to.mac);
    let family = match (version, link) {
        (IpVersion::V4, _) => null::AF_INET,
        (IpVersion::V6, Link::Loop) => null::AF_INET6_OPENBSD,
        (IpVersion::V6, _) => null::AF_INET6_APPLE,
    };
    match link {
        Link::Ethernet => {
            ethernet::Repr { destination, source, ether_type }.emit(buffer);
            ethernet::HEADER_LEN
        }
        Link::Vlan => {
            ethernet::Repr { destination, source, ether_type: EtherType::VLAN }.emit(buffer);
            let tag = vlan::Repr { priority: 0, drop_eligible: false, vlan_id: VLAN_ID, ether_type };
            tag.emit(&mut buffer[ethernet::HEADER_LEN..]);
            ethernet::HEADER_LEN + vlan::HEADER_LEN
        }
        Link::Null => {
            null::Repr { family, order: null::ByteOrder::Little }.emit(buffer);
            null::HEADER_LEN
        }
        Link::Loop => {
            null::Repr { family, order: null::ByteOrder::Big }.emit(buffer);
            null::HEADER_LEN
        }
        Link::Raw => 0,
        Link::Sll2 => {
            let mut address = [0; 8];
            address[..6].copy_from_slice(&source.0);
            let header = sll2::Repr {
                ether_type,
                interface_index: 2,
                interface_type: sll2::ARPHRD_ETHER,
                packet_type: if outgoing { 4 } else { 0 },
                address_length: 6,
                address,
            };
            header.emit(buffer);
            sll2::HEADER_LEN
        }
    }
}

/// Writes the IP header of an empty packet, and gives its pseudo header.
fn emit_ip(buffer: &mut [u8], [from, to]: [&End; 2], protocol: IpProtocol, flow_label: u32) -> PseudoHeader {
    match (from.ip, to.ip) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let repr = ipv4::Repr {
                type_of_service: 0,
                identification: 0,
                dont_fragment: true,
                more_fragments: false,
                fragment_offset: 0,
                time_to_live: hops(to),
                protocol,
                source,
                destination,
                payload_len: 0,
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
                flow_label,
                payload_len: 0,
                next_header: protocol,
                hop_limit: hops(to),
                source: v6(source),
                destination: v6(destination),
            };
            repr.emit(buffer);
            repr.pseudo_header()
        }
    }
}

/// How many routers a packet may pass: none for a group, unless it is that of mDNS, which asks for 255 (RFC 6762 §11).
fn hops(to: &End) -> u8 {
    match to.ip {
        IpAddr::V4(address) if address.octets() == [224, 0, 0, 251] => 255,
        IpAddr::V6(address) if address.segments() == [0xff02, 0, 0, 0, 0, 0, 0, 0xfb] => 255,
        address if address.is_multicast() => 1,
        _ => HOPS,
    }
}

/// Puts what is asked for into checksum fields.
fn spoil(checksums: Checksums, version: IpVersion, ip: &mut [u8], transport: &mut [u8]) {
    match checksums {
        Checksums::Right => {}
        Checksums::Zero => {
            if version == IpVersion::V4 {
                ip[10..12].fill(0);
            }
            transport.fill(0);
        }
        // 0xffff and 0x0000 are one number to a checksum: the lowest bit makes another.
        Checksums::Wrong => transport[1] ^= 1,
    }
}
