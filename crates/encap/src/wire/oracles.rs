//! Properties of the headers, with etherparse and smoltcp as independent judges.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::frame::FrameIssueKind;
use super::tcp::{Flags, Options, Timestamps};
use super::*;

/// All decoded link types, and one that is not decoded.
const LINK_TYPES: [LinkType; 9] = [
    LinkType::NULL,
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::LOOP,
    LinkType::LINUX_SLL,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::LINUX_SLL2,
    LinkType(147),
];

prop_compose! {
    fn options()(
        maximum_segment_size: Option<u16>,
        sack_permitted: bool,
        timestamps: Option<(u32, u32)>,
        window_scale in prop::option::of(0..=14_u8),
    ) -> Options {
        let timestamps = timestamps.map(|(value, echo_reply)| Timestamps { value, echo_reply });
        Options { maximum_segment_size, sack_permitted, timestamps, window_scale }
    }
}

prop_compose! {
    fn tcp_header()(
        ports: (u16, u16), seq: u32, ack: u32, flags: u8, window: u16, urgent: u16, options in options(),
    ) -> tcp::Repr {
        let flags = Flags::from_bits(u16::from(flags));
        tcp::Repr {
            source_port: ports.0,
            destination_port: ports.1,
            seq: SeqNumber(seq),
            ack: SeqNumber(if flags.contains(Flags::ACK) { ack } else { 0 }),
            flags,
            window,
            urgent_pointer: if flags.contains(Flags::URG) { urgent } else { 0 },
            options,
        }
    }
}

prop_compose! {
    fn ipv4_header()(
        type_of_service: u8, identification: u16, dont_fragment: bool, time_to_live: u8, addresses: (u32, u32),
    ) -> ipv4::Repr {
        ipv4::Repr {
            type_of_service,
            identification,
            dont_fragment,
            more_fragments: false,
            fragment_offset: 0,
            time_to_live,
            protocol: IpProtocol::TCP,
            source: Ipv4Addr::from_bits(addresses.0),
            destination: Ipv4Addr::from_bits(addresses.1),
            payload_len: 0,
        }
    }
}

prop_compose! {
    fn ipv6_header()(
        traffic_class: u8, flow_label in 0..1_u32 << 20, hop_limit: u8, addresses: (u128, u128),
    ) -> ipv6::Repr {
        ipv6::Repr {
            traffic_class,
            flow_label,
            payload_len: 0,
            next_header: IpProtocol::TCP,
            hop_limit,
            source: Ipv6Addr::from_bits(addresses.0),
            destination: Ipv6Addr::from_bits(addresses.1),
        }
    }
}

/// Initial value of a buffer, to show that encoding writes each byte.
const FILLER: u8 = 0xaa;

/// A segment with payload and checksum.
fn segment(header: &tcp::Repr, payload: &[u8], pseudo: &PseudoHeader) -> Vec<u8> {
    let mut bytes = vec![FILLER; header.buffer_len()];
    header.emit(&mut bytes);
    bytes.extend_from_slice(payload);
    tcp::fill_checksum(&mut bytes, pseudo);
    bytes
}

/// An Ethernet frame with an IPv4 header like `ip`. Also returns this header, with its payload length.
fn frame_v4(ip: ipv4::Repr, header: &tcp::Repr, payload: &[u8]) -> (ipv4::Repr, Vec<u8>) {
    let ip = ipv4::Repr { payload_len: header.buffer_len() + payload.len(), ..ip };
    let ethernet = ethernet::Repr { destination: Mac([2; 6]), source: Mac([4; 6]), ether_type: EtherType::IPV4 };
    let mut bytes = vec![FILLER; ethernet::HEADER_LEN + ipv4::HEADER_LEN];
    ethernet.emit(&mut bytes);
    ip.emit(&mut bytes[14..]);
    bytes.extend(segment(header, payload, &ip.pseudo_header()));
    (ip, bytes)
}

/// An Ethernet frame with an IPv6 header like `ip`. Also returns this header, with its payload length.
fn frame_v6(ip: ipv6::Repr, header: &tcp::Repr, payload: &[u8]) -> (ipv6::Repr, Vec<u8>) {
    let ip = ipv6::Repr { payload_len: header.buffer_len() + payload.len(), ..ip };
    let ethernet = ethernet::Repr { destination: Mac([2; 6]), source: Mac([4; 6]), ether_type: EtherType::IPV6 };
    let mut bytes = vec![FILLER; ethernet::HEADER_LEN + ipv6::HEADER_LEN];
    ethernet.emit(&mut bytes);
    ip.emit(&mut bytes[14..]);
    bytes.extend(segment(header, payload, &ip.pseudo_header()));
    (ip, bytes)
}

fn parse(bytes: &[u8]) -> Frame<'_> {
    Frame::parse(LinkType::ETHERNET, bytes, u32::try_from(bytes.len()).expect("a short frame"))
}

/// Checks that smoltcp decodes our header to the same values.
fn assert_smoltcp_agrees(bytes: &[u8], header: &tcp::Repr) {
    use smoltcp::wire::{TcpPacket, TcpSeqNumber};
    let packet = TcpPacket::new_checked(bytes).expect("smoltcp decodes it");
    assert_eq!((packet.src_port(), packet.dst_port()), (header.source_port, header.destination_port));
    assert_eq!(packet.seq_number(), TcpSeqNumber(header.seq.0.cast_signed()));
    assert_eq!(packet.ack_number(), TcpSeqNumber(header.ack.0.cast_signed()));
    assert_eq!((packet.window_len(), usize::from(packet.header_len())), (header.window, header.buffer_len()));
    assert_eq!((packet.syn(), packet.fin()), (header.flags.contains(Flags::SYN), header.flags.contains(Flags::FIN)));
    assert_eq!(packet.selective_ack_permitted(), Ok(header.options.sack_permitted));
}

/// Checks that etherparse decodes our frame to the same values. Only for Ethernet: etherparse would read a NULL header
/// as an Ethernet header.
fn assert_etherparse_agrees(bytes: &[u8], header: &tcp::Repr, payload: &[u8]) {
    use etherparse::{SlicedPacket, TcpOptionElement, TransportSlice};
    let sliced = SlicedPacket::from_ethernet(bytes).expect("etherparse decodes it");
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("etherparse finds no TCP header") };
    assert_eq!((tcp.source_port(), tcp.destination_port()), (header.source_port, header.destination_port));
    assert_eq!((tcp.sequence_number(), tcp.acknowledgment_number()), (header.seq.0, header.ack.0));
    assert_eq!((tcp.urg(), tcp.ece(), tcp.cwr(), tcp.psh(), tcp.rst()), {
        let has = |flag| header.flags.contains(flag);
        (has(Flags::URG), has(Flags::ECE), has(Flags::CWR), has(Flags::PSH), has(Flags::RST))
    });
    assert_eq!((tcp.window_size(), tcp.urgent_pointer()), (header.window, header.urgent_pointer));
    assert_eq!(tcp.payload(), payload);
    let mut options = Options::default();
    for option in tcp.options_iterator() {
        match option.expect("etherparse decodes the options") {
            TcpOptionElement::MaximumSegmentSize(mss) => options.maximum_segment_size = Some(mss),
            TcpOptionElement::WindowScale(shift) => options.window_scale = Some(shift),
            TcpOptionElement::SelectiveAcknowledgementPermitted => options.sack_permitted = true,
            TcpOptionElement::Timestamp(value, echo_reply) => {
                options.timestamps = Some(Timestamps { value, echo_reply });
            }
            TcpOptionElement::Noop | TcpOptionElement::SelectiveAcknowledgement(..) => {}
        }
    }
    assert_eq!(options, header.options);
}

proptest! {
    #[test]
    fn all_decoders_agree_on_tcp_over_ipv4(
        ip in ipv4_header(), header in tcp_header(), payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (ip, bytes) = frame_v4(ip, &header, &payload);
        let frame = parse(&bytes);
        prop_assert_eq!(frame.issues(), &[]);
        prop_assert_eq!(frame.ipv4().map(|packet| ipv4::Repr::parse(&packet)), Some(ip));
        prop_assert_eq!(frame.tcp().map(|segment| tcp::Repr::parse(&segment)), Some(header));
        prop_assert_eq!(frame.payload(), &payload[..]);
        let verified = frame.verify();
        prop_assert_eq!((verified.network, verified.transport), (Some(Checksum::Valid), Some(Checksum::Valid)));

        assert_etherparse_agrees(&bytes, &header, &payload);
        let smoltcp_packet = smoltcp::wire::Ipv4Packet::new_checked(&bytes[14..]).expect("smoltcp decodes it");
        let expected = (ip.source, ip.destination, ip.identification);
        prop_assert_eq!((smoltcp_packet.src_addr(), smoltcp_packet.dst_addr(), smoltcp_packet.ident()), expected);
        prop_assert!(smoltcp_packet.verify_checksum());
        assert_smoltcp_agrees(&bytes[34..], &header);
        let segment = smoltcp::wire::TcpPacket::new_checked(&bytes[34..]).expect("smoltcp decodes it");
        prop_assert!(segment.verify_checksum(&ip.source.into(), &ip.destination.into()));
    }

    #[test]
    fn all_decoders_agree_on_tcp_over_ipv6(
        ip in ipv6_header(), header in tcp_header(), payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (ip, bytes) = frame_v6(ip, &header, &payload);
        let frame = parse(&bytes);
        prop_assert_eq!(frame.issues(), &[]);
        prop_assert_eq!(frame.ipv6().map(|packet| ipv6::Repr::parse(&packet)), Some(ip));
        prop_assert_eq!(frame.tcp().map(|segment| tcp::Repr::parse(&segment)), Some(header));
        prop_assert_eq!(frame.payload(), &payload[..]);
        prop_assert_eq!(frame.verify().transport, Some(Checksum::Valid));

        assert_etherparse_agrees(&bytes, &header, &payload);
        let smoltcp_packet = smoltcp::wire::Ipv6Packet::new_checked(&bytes[14..]).expect("smoltcp decodes it");
        prop_assert_eq!((smoltcp_packet.src_addr(), smoltcp_packet.dst_addr()), (ip.source, ip.destination));
        let expected = (ip.traffic_class, ip.flow_label);
        prop_assert_eq!((smoltcp_packet.traffic_class(), smoltcp_packet.flow_label()), expected);
        assert_smoltcp_agrees(&bytes[54..], &header);
        let segment = smoltcp::wire::TcpPacket::new_checked(&bytes[54..]).expect("smoltcp decodes it");
        prop_assert!(segment.verify_checksum(&ip.source.into(), &ip.destination.into()));
    }

    #[test]
    fn smoltcp_accepts_our_udp_checksum(
        ip in ipv4_header(), ports: (u16, u16), payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let udp = udp::Repr { source_port: ports.0, destination_port: ports.1, payload_len: payload.len() };
        let ip = ipv4::Repr { protocol: IpProtocol::UDP, payload_len: 8 + payload.len(), ..ip };
        let mut bytes = vec![FILLER; 8];
        udp.emit(&mut bytes);
        bytes.extend_from_slice(&payload);
        udp::fill_checksum(&mut bytes, &ip.pseudo_header());
        let datagram = udp::Datagram::new_checked(&bytes).expect("our own datagram is valid");
        prop_assert_eq!(udp::Repr::parse(datagram), udp);
        let smoltcp_packet = smoltcp::wire::UdpPacket::new_checked(&bytes[..]).expect("smoltcp decodes it");
        prop_assert!(smoltcp_packet.verify_checksum(&ip.source.into(), &ip.destination.into()));
        prop_assert!(datagram.checksum() != 0);
    }

    #[test]
    fn link_headers_round_trip(
        macs: ([u8; 6], [u8; 6]), ether_type in 1536_u16.., priority in 0..8_u8, drop_eligible: bool,
        vlan_id in 0..4096_u16,
        interface_index: u32, interface_type: u16, packet_type: u8, address: ([u8; 8], u8),
        family in 0..=0xffff_u32,
    ) {
        let ether_type = EtherType(ether_type);
        let mut buf = [FILLER; 20];
        let ethernet = ethernet::Repr { destination: Mac(macs.0), source: Mac(macs.1), ether_type };
        ethernet.emit(&mut buf);
        prop_assert_eq!(ethernet::Repr::parse(ethernet::Header::new_checked(&buf)?), Some(ethernet));
        let vlan = vlan::Repr { priority, drop_eligible, vlan_id, ether_type };
        vlan.emit(&mut buf);
        prop_assert_eq!(vlan::Repr::parse(vlan::Tag::new_checked(&buf)?), vlan);
        let (address, address_length) = address;
        let sll2 = sll2::Repr { ether_type, interface_index, interface_type, packet_type, address_length, address };
        sll2.emit(&mut buf);
        prop_assert_eq!(sll2::Repr::parse(sll2::Header::new_checked(&buf)?), sll2);
        let null_header = null::Repr { family, order: ByteOrder::Little };
        null_header.emit(&mut buf);
        prop_assert_eq!(null::Repr::parse(null::Header::new_checked(&buf)?), null_header);
        let loop_header = null::Repr { family, order: ByteOrder::Big };
        loop_header.emit(&mut buf);
        prop_assert_eq!(null::Repr::parse(null::Header::new_checked_loop(&buf)?), loop_header);
    }

    #[test]
    fn any_bytes_are_parsed_and_covered_by_layers(
        bytes in prop::collection::vec(any::<u8>(), 0..200), link in 0..LINK_TYPES.len(),
        original_len: u32, is_len_wrong: bool, start in 0..4_u8,
    ) {
        let mut bytes = bytes;
        // A quarter of the inputs starts like IPv4 (0), and a quarter like IPv6 (1), because random bytes rarely pass
        // the first check.
        let (is_ipv4, is_ipv6) = (start == 0, start == 1);
        let ip_at = match LINK_TYPES[link] { LinkType::ETHERNET => 14, LinkType::NULL | LinkType::LOOP => 4, _ => 0 };
        if (is_ipv4 || is_ipv6) && bytes.len() > ip_at {
            bytes[ip_at] = if is_ipv4 { 0x45 } else { 0x60 };
            if ip_at == 14 { bytes[12..14].copy_from_slice(if is_ipv4 { &[8, 0] } else { &[0x86, 0xdd] }); }
            if ip_at == 4 { bytes[..4].copy_from_slice(&[0, 0, 0, if is_ipv4 { 2 } else { 30 }]); }
        }
        let original_len = if is_len_wrong { original_len } else { u32::try_from(bytes.len())? };
        check_invariants(LINK_TYPES[link], &bytes, original_len)?;
    }

    #[test]
    fn damaged_and_truncated_frames_are_parsed(
        ip in ipv4_header(), header in tcp_header(), payload in prop::collection::vec(any::<u8>(), 0..60),
        changes in prop::collection::vec((0..200_usize, any::<u8>()), 0..4),
    ) {
        let (_, mut bytes) = frame_v4(ip, &header, &payload);
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) { *byte = value; }
        }
        for cut in 0..=bytes.len() {
            check_invariants(LinkType::ETHERNET, &bytes[..cut], u32::try_from(bytes.len())?)?;
            check_invariants(LinkType::ETHERNET, &bytes[..cut], u32::try_from(cut)?)?;
        }
    }

    #[test]
    fn frame_truncated_by_the_capture_is_never_called_malformed(
        ip in ipv6_header(), header in tcp_header(), payload in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let (_, bytes) = frame_v6(ip, &header, &payload);
        for cut in 0..bytes.len() {
            let frame = Frame::parse(LinkType::ETHERNET, &bytes[..cut], u32::try_from(bytes.len())?);
            for issue in frame.issues() {
                let is_truncation =
                    matches!(issue.kind, FrameIssueKind::Snapped { .. } | FrameIssueKind::CutOff { .. });
                prop_assert!(is_truncation, "cut to {} bytes: {}", cut, issue);
            }
        }
    }
}

/// Calls all queries of a frame. Checks that the layers cover the captured bytes, and that fields are inside their
/// layer.
fn check_invariants(link_type: LinkType, bytes: &[u8], original_len: u32) -> Result<(), TestCaseError> {
    let frame = Frame::parse(link_type, bytes, original_len);
    let mut layer_end = 0;
    for layer in frame.layers() {
        prop_assert_eq!(layer.range().start, layer_end, "layers are adjacent: {:?}", frame.layers());
        layer_end = layer.range().end;
        let len = layer.range().len();
        for field in frame.fields(&layer) {
            prop_assert!(field.bytes.end <= len, "{}: {:?}", layer.kind, field);
        }
    }
    prop_assert_eq!(layer_end, bytes.len(), "layers cover the frame: {:?}", frame.layers());
    for issue in frame.issues() {
        prop_assert!(!issue.to_string().is_empty());
    }
    let _ = (frame.verify(), frame.payload_len_on_wire(), frame.addresses(), frame.icmp().map(|icmp| icmp.is_error()));
    Ok(())
}
