//! A payload wrapped layer by layer, and put on the wire: segment or datagram, packet, frame.
//!
//! All frames are made in one buffer, one after the other; the wire carries one at a time.

use std::io::Write;
use std::net::IpAddr;

use super::flow::End;
use super::{IpVersion, Link, Settings};
use crate::capture::{About, Format, Interface, Record, WriteError, Writer};
use crate::time::Timestamp;
use crate::wire::{EtherType, IpProtocol, PseudoHeader, ethernet, ipv4, ipv6, null, sll2, tcp, udp, vlan};

/// What a byte takes on the wire, in nanoseconds: 1 Gbit/s.
const NANOS_PER_BYTE: i64 = 8;

/// Bytes of a frame that no capture shows: preamble, frame check sequence, gap (IEEE 802.3 §4.2).
const UNSEEN_BYTES: usize = 8 + 4 + 12;

/// The tag of `--link vlan`.
const VLAN_ID: u16 = 100;

/// The most bytes before an IP packet.
const LINK_MAX: usize = sll2::HEADER_LEN;

/// What Linux gives its packets.
const HOPS: u8 = 64;

/// A packet to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) from: &'a End,
    pub(super) to: &'a End,
    /// The client sends it.
    pub(super) outgoing: bool,
    /// IPv4: what the fragments of one packet have in common.
    pub(super) identification: u16,
    /// IPv6: what the packets of one flow have in common.
    pub(super) flow_label: u32,
    pub(super) transport: Header,
    pub(super) payload: &'a [u8],
    pub(super) checksums: Checksums,
}

/// The header around a payload.
#[derive(Clone, Copy, Debug)]
pub(super) enum Header {
    Tcp(tcp::Repr),
    Udp,
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

/// Where frames go.
#[derive(Debug)]
pub(super) struct Frames<W: Write> {
    writer: Writer<W>,
    link: Link,
    /// Comments are kept.
    pub(super) comments: bool,
    buffer: Vec<u8>,
    /// What is said of the next frame.
    pub(super) comment: String,
    /// Until when the wire is busy.
    busy_until: i64,
    pub(super) count: u64,
    pub(super) n_bytes: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

impl<W: Write> Frames<W> {
    pub(super) fn new(to: W, settings: &Settings, format: Format, about: &str) -> Result<Self, WriteError> {
        let mut interface = Interface::new(settings.link.link_type());
        interface.name = Some(settings.link.interface_name().to_owned());
        interface.description = Some("made up by encap build".to_owned());
        let about = About { os: None, comments: &[about] };
        let writer = Writer::new(to, format, about, &[interface])?;
        Ok(Self {
            writer,
            link: settings.link,
            comments: format == Format::Pcapng,
            buffer: vec![0; LINK_MAX + usize::from(u16::MAX)],
            comment: String::new(),
            busy_until: 0,
            count: 0,
            n_bytes: 0,
            first: None,
            last: None,
        })
    }

    /// When a frame that is wanted at a time can be sent.
    #[inline]
    pub(super) fn when(&self, wanted: i64) -> i64 {
        wanted.max(self.busy_until)
    }

    /// Sends a packet as soon as the wire is free, and says when that is. Its comment is in `comment`.
    pub(super) fn send(&mut self, wanted: i64, packet: &Packet<'_>) -> Result<i64, WriteError> {
        let len = self.emit(packet);
        let at = self.when(wanted);
        let time = Timestamp::from_nanos(at);
        let comment = [self.comment.as_str()];
        self.writer.write(&Record {
            time,
            interface: 0,
            captured: &self.buffer[..len],
            original_len: u32::try_from(len).unwrap_or(u32::MAX),
            comments: if self.comments { &comment } else { &[] },
        })?;
        let taken = i64::try_from(len + UNSEEN_BYTES).unwrap_or(i64::MAX);
        self.busy_until = at.saturating_add(NANOS_PER_BYTE * taken);
        self.count += 1;
        self.n_bytes += len as u64;
        self.first.get_or_insert(time);
        self.last = Some(time);
        Ok(at)
    }

    pub(super) fn finish(self) -> Result<W, WriteError> {
        self.writer.finish(&[])
    }

    /// Writes the frame to the front of the buffer, and gives its length.
    fn emit(&mut self, packet: &Packet<'_>) -> usize {
        let Packet { from, to, transport, payload, .. } = packet;
        let version = if from.ip.is_ipv4() { IpVersion::V4 } else { IpVersion::V6 };
        let link_len = self.emit_link(packet, version);
        let header_len = match transport {
            Header::Tcp(repr) => repr.buffer_len(),
            Header::Udp => udp::HEADER_LEN,
        };
        let segment_len = header_len + payload.len();
        let ip_len = version.header_len();
        let len = link_len + ip_len + segment_len;
        let (ip, segment) = self.buffer[link_len..len].split_at_mut(ip_len);
        let protocol = match transport {
            Header::Tcp(_) => IpProtocol::TCP,
            Header::Udp => IpProtocol::UDP,
        };
        let pseudo = emit_ip(ip, packet, protocol, segment_len);

        segment[header_len..].copy_from_slice(payload);
        let checksum_at = match transport {
            Header::Tcp(repr) => {
                repr.emit(segment);
                tcp::fill_checksum(segment, &pseudo);
                16
            }
            Header::Udp => {
                udp::Repr { source_port: from.port, destination_port: to.port, payload_len: payload.len() }
                    .emit(segment);
                udp::fill_checksum(segment, &pseudo);
                6
            }
        };
        spoil(packet.checksums, version, ip, &mut segment[checksum_at..checksum_at + 2]);

        // Short frames are padded with zeros; the length in the IP header tells payload from padding.
        match self.link {
            Link::Ethernet | Link::Vlan if len < ethernet::MIN_FRAME_LEN => {
                self.buffer[len..ethernet::MIN_FRAME_LEN].fill(0);
                ethernet::MIN_FRAME_LEN
            }
            _ => len,
        }
    }

    /// Writes what comes before the IP packet, and gives its length.
    fn emit_link(&mut self, packet: &Packet<'_>, version: IpVersion) -> usize {
        let buffer = &mut self.buffer[..];
        let ether_type = match version {
            IpVersion::V4 => EtherType::IPV4,
            IpVersion::V6 => EtherType::IPV6,
        };
        let (source, destination) = (packet.from.mac, packet.to.mac);
        let family = match (version, self.link) {
            (IpVersion::V4, _) => null::AF_INET,
            (IpVersion::V6, Link::Loop) => null::AF_INET6_OPENBSD,
            (IpVersion::V6, _) => null::AF_INET6_APPLE,
        };
        match self.link {
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
                    packet_type: if packet.outgoing { 4 } else { 0 },
                    address_length: 6,
                    address,
                };
                header.emit(buffer);
                sll2::HEADER_LEN
            }
        }
    }
}

/// Writes the IP header.
fn emit_ip(buf: &mut [u8], packet: &Packet<'_>, protocol: IpProtocol, payload_len: usize) -> PseudoHeader {
    match (packet.from.ip, packet.to.ip) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let repr = ipv4::Repr {
                type_of_service: 0,
                identification: packet.identification,
                dont_fragment: true,
                more_fragments: false,
                fragment_offset: 0,
                time_to_live: hops(packet.to),
                protocol,
                source,
                destination,
                payload_len,
            };
            repr.emit(buf);
            repr.pseudo_header()
        }
        (source, destination) => {
            let v6 = |ip: IpAddr| match ip {
                IpAddr::V6(address) => address,
                IpAddr::V4(address) => address.to_ipv6_mapped(),
            };
            let repr = ipv6::Repr {
                traffic_class: 0,
                flow_label: packet.flow_label,
                payload_len,
                next_header: protocol,
                hop_limit: hops(packet.to),
                source: v6(source),
                destination: v6(destination),
            };
            repr.emit(buf);
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
