//! Tests of the whole parser with sample frames, from real captures and made by hand.

use super::checksum::{Uncheckable, Zeroed};
use super::frame::{FragmentPosition, FrameIssueKind, VerifiedChecksums};
use super::tcp::Flags;
use super::*;

/// Decodes hexadecimal digits; ignores white space.
fn decode_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| u8::try_from(digit).expect("a digit")).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn parse(link_type: LinkType, bytes: &[u8]) -> Frame<'_> {
    Frame::parse(link_type, bytes, u32::try_from(bytes.len()).expect("a short frame"))
}

fn layer_kinds(frame: &Frame<'_>) -> Vec<LayerKind> {
    frame.layers().iter().map(|layer| layer.kind).collect()
}

fn issue_kinds(frame: &Frame<'_>) -> Vec<FrameIssueKind> {
    frame.issues().iter().map(|issue| issue.kind).collect()
}

/// `csv_send_macos_lo0.pcapng`, frame 1: a SYN on macOS loopback.
const MACOS_SYN: &str = "02000000 4500004000004000400600007f0000017f000001
    db011f90a121b64400000000b002fffffe340000 02043fd8010303060101080a3140877c0000000004020000";
/// `csv_send_macos_lo0.pcapng`, frame 5: 15 data bytes.
const MACOS_DATA: &str = "02000000 4500004300004000400600007f0000017f000001
    db011f90a121b64559cf9e6f801818ecfe370000 0101080a3140877f35935cb5 474554202f696e6465782e68746d6c";
/// `line_chat_npcap.pcap`, frame 1: a SYN on Windows loopback.
const NPCAP_SYN: &str = "02000000 450000348d3f4000800600007f0000017f000001
    cacc270f111ddb6c000000008002ffff98840000 0204ffd70103030801010402";
/// `line_chat_npcap.pcap`, frame 4: the data bytes `Alice`.
const NPCAP_DATA: &str = "02000000 4500002d8e404000800600007f0000017f000001
    cacc270f111ddb6d8110bd70501800ff840e0000 416c696365";

#[test]
fn macos_syn_has_options_and_a_partial_checksum() {
    let bytes = decode_hex(MACOS_SYN);
    let frame = parse(LinkType::NULL, &bytes);
    assert_eq!(layer_kinds(&frame), [LayerKind::Null, LayerKind::Ipv4, LayerKind::Tcp]);
    assert_eq!(issue_kinds(&frame), []);
    let segment = frame.tcp().expect("a segment");
    assert_eq!((segment.source_port(), segment.destination_port()), (56065, 8080));
    assert_eq!((segment.seq(), segment.flags(), segment.header_len()), (SeqNumber(0xa121_b644), Flags::SYN, 44));
    let options: Vec<String> = segment
        .options()
        .map(|option| option.expect("well formed").option)
        .map(|option| format!("{} {option}", option.name()))
        .collect();
    assert_eq!(
        options,
        [
            "Maximum Segment Size 16344",
            "No-Operation ",
            "Window Scale 6",
            "No-Operation ",
            "No-Operation ",
            "Timestamps TSval 826312572 TSecr 0",
            "SACK Permitted ",
            "End of Option List ",
        ]
    );
    let verified = frame.verify();
    // macOS loopback leaves the IP checksum at 0 and the TCP checksum partial.
    assert_eq!(verified.network, Some(Checksum::Zeroed(Zeroed::NotComputed)));
    assert_eq!(verified.transport, Some(Checksum::Partial));
}

#[test]
fn segments_of_macos_and_windows_are_decoded_with_each_loopback_header() {
    let table = [
        (MACOS_DATA, &b"GET /index.html"[..], Checksum::Partial),
        (NPCAP_DATA, b"Alice", Checksum::Valid),
        (NPCAP_SYN, b"", Checksum::Valid),
    ];
    for (hex, payload, transport) in table {
        let bytes = decode_hex(hex);
        let frame = parse(LinkType::NULL, &bytes);
        assert_eq!((frame.payload(), issue_kinds(&frame)), (payload, vec![]), "{hex}");
        assert_eq!(frame.verify().transport, Some(transport), "{hex}");
        // The same packet without a link header, and with a LOOP header.
        assert_eq!(parse(LinkType::RAW, &bytes[4..]).payload(), payload, "{hex}");
        assert_eq!(parse(LinkType::IPV4, &bytes[4..]).payload(), payload, "{hex}");
        let with_loop_header = [&[0, 0, 0, 2], &bytes[4..]].concat();
        assert_eq!(parse(LinkType::LOOP, &with_loop_header).payload(), payload, "{hex}");
        assert_eq!(
            parse(LinkType::NULL, &with_loop_header).payload(),
            payload,
            "{hex}: captured on a big-endian machine"
        );
    }
}

/// Offset of the low byte of the UDP Length in an IPv4 packet without options.
const UDP_LENGTH_LOW: usize = 25;

/// A UDP datagram over IPv4 with valid checksums.
fn udp_packet(payload: &[u8]) -> Vec<u8> {
    let udp = udp::Repr { source_port: 9000, destination_port: 8080, payload_len: payload.len() };
    let ip = ipv4::Repr {
        type_of_service: 0,
        identification: 1,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        time_to_live: 64,
        protocol: IpProtocol::UDP,
        source: [192, 0, 2, 1].into(),
        destination: [192, 0, 2, 2].into(),
        payload_len: udp::HEADER_LEN + payload.len(),
    };
    let mut bytes = vec![0; ip.buffer_len() + udp::HEADER_LEN];
    ip.emit(&mut bytes);
    udp.emit(&mut bytes[20..]);
    bytes.extend_from_slice(payload);
    udp::fill_checksum(&mut bytes[20..], &ip.pseudo_header());
    bytes
}

/// An Ethernet frame. All `ether_types` except the last are those of VLAN tags, and the last is that of the packet.
fn ethernet_frame(ether_types: &[EtherType], packet: &[u8]) -> Vec<u8> {
    // Two addresses of six bytes.
    let mut bytes = vec![2; 12];
    for (i, ether_type) in ether_types.iter().enumerate() {
        bytes.extend_from_slice(&ether_type.0.to_be_bytes());
        if i + 1 < ether_types.len() {
            // The first two bytes of a tag: VLAN 5.
            bytes.extend_from_slice(&[0, 5]);
        }
    }
    bytes.extend_from_slice(packet);
    bytes
}

#[test]
fn padding_payload_and_trailer_are_distinguished() {
    let mut bytes = ethernet_frame(&[EtherType::IPV4], &udp_packet(b"hi"));
    bytes.resize(ethernet::MIN_FRAME_LEN, 0);
    let frame = parse(LinkType::ETHERNET, &bytes);
    assert_eq!(frame.payload(), b"hi", "the IP length ends the payload");
    assert_eq!(frame.layers().last().map(|layer| (layer.kind, layer.range())), Some((LayerKind::Trailer, 44..60)));
    assert_eq!(issue_kinds(&frame), []);
    assert_eq!(frame.verify().transport, Some(Checksum::Valid));

    bytes[59] = 7;
    assert_eq!(issue_kinds(&parse(LinkType::ETHERNET, &bytes)), [FrameIssueKind::PaddingNotZero]);
    bytes.resize(100, 0);
    let trailing = FrameIssueKind::Trailing { layer: LayerKind::Ipv4, bytes: 56 };
    assert_eq!(issue_kinds(&parse(LinkType::ETHERNET, &bytes)), [trailing]);
}

#[test]
fn padding_of_a_cooked_frame_is_not_an_issue() {
    let sll2 = sll2::Repr {
        ether_type: EtherType::IPV4,
        interface_index: 2,
        interface_type: sll2::ARPHRD_ETHER,
        packet_type: 0,
        address_length: 6,
        address: [2, 2, 2, 2, 2, 2, 0, 0],
    };
    let mut bytes = vec![0; sll2::HEADER_LEN];
    sll2.emit(&mut bytes);
    bytes.extend(udp_packet(b"hi"));
    // The padding of a short Ethernet frame.
    bytes.resize(sll2::HEADER_LEN + 46, 0);
    let frame = parse(LinkType::LINUX_SLL2, &bytes);
    assert_eq!((frame.payload(), issue_kinds(&frame)), (&b"hi"[..], vec![]));
    assert_eq!(frame.verify().transport, Some(Checksum::Valid));
}

#[test]
fn nested_vlan_tags_are_decoded_up_to_the_limit() {
    let (service, vlan) = (EtherType::SERVICE_VLAN, EtherType::VLAN);
    let packet = udp_packet(b"this is long enough to need no padding");
    let tagged = ethernet_frame(&[service, vlan, EtherType::IPV4], &packet);
    let frame = parse(LinkType::ETHERNET, &tagged);
    let expected = [LayerKind::Ethernet, LayerKind::Vlan, LayerKind::Vlan, LayerKind::Ipv4, LayerKind::Udp];
    assert_eq!(layer_kinds(&frame)[..5], expected);
    assert_eq!(frame.verify(), VerifiedChecksums { network: Some(Checksum::Valid), transport: Some(Checksum::Valid) });
    let too_many_tags = ethernet_frame(&[service, vlan, vlan, vlan, EtherType::IPV4], &packet);
    assert_eq!(issue_kinds(&parse(LinkType::ETHERNET, &too_many_tags)), [FrameIssueKind::TooManyTags]);
}

#[test]
fn truncation_by_the_capture_and_wrong_lengths_are_distinguished() {
    let whole = decode_hex(MACOS_DATA);
    let len = u32::try_from(whole.len()).expect("short");
    // Cut by the capture inside the payload: the captured part is read, and the length on the wire is known.
    let frame = Frame::parse(LinkType::NULL, &whole[..60], len);
    assert_eq!(issue_kinds(&frame), [FrameIssueKind::Snapped { captured: 60, original: len }]);
    assert_eq!((frame.payload(), frame.payload_len_on_wire()), (&b"GET "[..], 15));
    assert_eq!(frame.verify().transport, Some(Checksum::Uncheckable(Uncheckable::CutShort)));
    // Cut by the capture inside the TCP header.
    let frame = Frame::parse(LinkType::NULL, &whole[..30], len);
    let error = HeaderError::TooShort { need: 20, have: 6 };
    assert_eq!(frame.issues()[1].kind, FrameIssueKind::CutOff { layer: LayerKind::Tcp, error });
    assert_eq!(frame.issues()[1].place.byte, 24);
    // Short on the wire, according to the record: the IP length exceeds the frame.
    let frame = parse(LinkType::NULL, &whole[..30]);
    assert_eq!(
        issue_kinds(&frame),
        [ipv4_too_long(67, 26), FrameIssueKind::Malformed { layer: LayerKind::Tcp, error }]
    );
    // The record holds more bytes than its original length.
    let frame = Frame::parse(LinkType::NULL, &whole, 4);
    assert_eq!(issue_kinds(&frame), [FrameIssueKind::OriginalTooShort { captured: len, original: 4 }]);
    assert_eq!(frame.payload(), b"GET /index.html");
}

/// The issue of an IPv4 length that exceeds the frame.
fn ipv4_too_long(declared: u32, available: u32) -> FrameIssueKind {
    FrameIssueKind::LengthTooLong { layer: LayerKind::Ipv4, declared, available }
}

#[test]
fn wrong_ip_lengths_are_reported() {
    // Bytes 2 and 3 are the Total Length.
    let mut packet = udp_packet(b"hello");
    packet[2..4].copy_from_slice(&[0, 0]);
    let frame = parse(LinkType::RAW, &packet);
    assert_eq!(issue_kinds(&frame), [FrameIssueKind::LengthOffloaded(33)], "segmentation offload leaves a length of 0");
    assert_eq!((frame.payload(), frame.verify().transport), (&b"hello"[..], Some(Checksum::Valid)));
    packet[2..4].copy_from_slice(&[0, 12]);
    let too_short = FrameIssueKind::LengthTooShort { layer: LayerKind::Ipv4, declared: 12 };
    assert_eq!(issue_kinds(&parse(LinkType::RAW, &packet)), [too_short]);
    packet[2..4].copy_from_slice(&[0, 200]);
    let frame = parse(LinkType::RAW, &packet);
    assert_eq!(issue_kinds(&frame), [ipv4_too_long(200, 33)]);
    assert_eq!(frame.verify().transport, Some(Checksum::Uncheckable(Uncheckable::CutShort)));
}

#[test]
fn field_meanings_also_explain_wrong_values() {
    let meaning = |packet: &[u8], kind: LayerKind, name: &str| {
        let frame = parse(LinkType::RAW, packet);
        let layer = frame.layers().into_iter().find(|layer| layer.kind == kind).expect("the packet has this layer");
        let fields = frame.fields(&layer);
        fields.iter().find(|field| field.name == name).expect("the layer has this field").meaning.clone()
    };
    for (length, expected) in
        [(0, "less than its own header"), (4, "less than the 8"), (13, "8 of header, 5 of payload")]
    {
        let mut packet = udp_packet(b"hello");
        packet[UDP_LENGTH_LOW] = length;
        let found = meaning(&packet, LayerKind::Udp, "Length");
        assert!(found.contains(expected) && !found.contains('-'), "given {length}: {found}");
    }
    let mut packet = udp_packet(b"hello");
    assert_eq!(meaning(&packet, LayerKind::Ipv4, "MF"), "no more fragments, and the offset is 0: the packet is whole");
    // A fragment offset of 8 bytes.
    packet[7] = 1;
    assert_eq!(meaning(&packet, LayerKind::Ipv4, "MF"), "the last fragment");
    let mut segment = decode_hex(NPCAP_DATA)[4..].to_vec();
    // Byte 13 of the TCP header, after 20 bytes of IPv4, holds the flags.
    segment[33] = Flags::RST.bits().to_be_bytes()[1];
    assert!(meaning(&segment, LayerKind::Tcp, "Sequence Number").contains("the reset is ignored"));
}

#[test]
fn all_raw_link_types_are_decoded() {
    for link_type in [LinkType(12), LinkType(14), LinkType::RAW] {
        assert_eq!(issue_kinds(&parse(link_type, &udp_packet(b"hello"))), [], "{link_type:?}");
        assert_eq!(link_type.to_string(), "RAW");
    }
    assert_eq!(FrameIssueKind::UnknownLinkType(LinkType(147)).to_string(), "link type 147 is not supported");
}

#[test]
fn final_destination_comes_from_the_routing_header() {
    // The routing header lists fd00::2 and fd00::3. Types 0 and 2 end the route at the last address, and type 4,
    // segment routing, at the first. In other cases, the destination is that of the IPv6 header: fd00::ff.
    let routed = |kind: u8, left: u8| {
        decode_hex(&format!(
            "60000000 0030 2b 40 fd000000000000000000000000000001 fd0000000000000000000000000000ff
             11 04 {kind:02x} {left:02x} 00000000 fd000000000000000000000000000002 fd000000000000000000000000000003
             1388 1389 0008 0000"
        ))
    };
    for (kind, left, expected) in
        [(0, 2, "fd00::3"), (2, 1, "fd00::3"), (4, 2, "fd00::2"), (0, 0, "fd00::ff"), (9, 1, "fd00::ff")]
    {
        let packet = routed(kind, left);
        let (_, destination) = parse(LinkType::RAW, &packet).addresses().expect("addresses");
        assert_eq!(destination.to_string(), expected, "type {kind}, {left} segments left");
    }
}

#[test]
fn wrong_udp_lengths_are_reported() {
    let table = [
        (0, FrameIssueKind::LengthTooShort { layer: LayerKind::Udp, declared: 0 }, &b"hello"[..]),
        (7, FrameIssueKind::LengthTooShort { layer: LayerKind::Udp, declared: 7 }, b"hello"),
        (11, FrameIssueKind::Trailing { layer: LayerKind::Udp, bytes: 2 }, b"hel"),
        (99, FrameIssueKind::LengthTooLong { layer: LayerKind::Udp, declared: 99, available: 13 }, b"hello"),
    ];
    for (length, issue, payload) in table {
        let mut packet = udp_packet(b"hello");
        packet[UDP_LENGTH_LOW] = length;
        let frame = parse(LinkType::RAW, &packet);
        assert_eq!((issue_kinds(&frame), frame.payload()), (vec![issue], payload), "UDP length {length}");
    }
}

#[test]
fn checksum_of_a_fragment_is_uncheckable() {
    let mut packet = udp_packet(b"hello, world, in parts");
    // More fragments.
    packet[6] = 0x20;
    let first = parse(LinkType::RAW, &packet);
    assert_eq!((first.fragment(), issue_kinds(&first)), (FragmentPosition::First, vec![FrameIssueKind::FirstFragment]));
    assert_eq!(first.verify().transport, Some(Checksum::Uncheckable(Uncheckable::Fragment)));
    // No more fragments; an offset of 3 × 8 bytes.
    packet[6..8].copy_from_slice(&[0, 3]);
    let later = parse(LinkType::RAW, &packet);
    assert_eq!(
        (later.fragment(), issue_kinds(&later)),
        (FragmentPosition::Later { offset: 24 }, vec![FrameIssueKind::LaterFragment(24)])
    );
    assert_eq!((later.udp().is_none(), later.verify().transport, later.payload().len()), (true, None, 30));
}

/// An IPv6 header, extension headers, and a UDP datagram with a valid checksum. `next_header` is the type of the first
/// header after the IPv6 header.
fn ipv6_packet(next_header: u8, extensions: &[u8], payload: &[u8]) -> Vec<u8> {
    let udp = udp::Repr { source_port: 9000, destination_port: 8080, payload_len: payload.len() };
    let ip = ipv6::Repr {
        traffic_class: 0,
        flow_label: 0,
        payload_len: extensions.len() + udp::HEADER_LEN + payload.len(),
        next_header: IpProtocol(next_header),
        hop_limit: 64,
        source: std::net::Ipv6Addr::LOCALHOST,
        destination: std::net::Ipv6Addr::LOCALHOST,
    };
    let mut bytes = vec![0; 40];
    ip.emit(&mut bytes);
    bytes.extend_from_slice(extensions);
    let udp_start = bytes.len();
    bytes.resize(udp_start + udp::HEADER_LEN, 0);
    udp.emit(&mut bytes[udp_start..]);
    bytes.extend_from_slice(payload);
    let payload_len = udp::HEADER_LEN + payload.len();
    let pseudo = ipv6::Repr { next_header: IpProtocol::UDP, payload_len, ..ip }.pseudo_header();
    udp::fill_checksum(&mut bytes[udp_start..], &pseudo);
    bytes
}

#[test]
fn extension_headers_are_decoded() {
    use LayerKind::{Authentication, DestinationOptions, HopByHop, Ipv6, Payload, Routing, Udp};
    // The first byte of each header is the type of the next one.
    let hop_by_hop = [60, 0, 1, 4, 0, 0, 0, 0];
    let destination_options = [44, 0, 1, 4, 0, 0, 0, 0];
    let fragment = [51, 0, 0, 0, 0, 0, 0, 9];
    let authentication = [43, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2];
    let routing = [17, 0, 2, 0, 0, 0, 0, 0];
    let chain = [&hop_by_hop[..], &destination_options, &fragment, &authentication, &routing].concat();
    let packet = ipv6_packet(0, &chain, b"hi");
    let frame = parse(LinkType::RAW, &packet);
    let expected = [Ipv6, HopByHop, DestinationOptions, LayerKind::Fragment, Authentication, Routing, Udp, Payload];
    assert_eq!((layer_kinds(&frame), issue_kinds(&frame)), (expected.to_vec(), vec![]));
    assert_eq!(
        frame.verify(),
        VerifiedChecksums { network: None, transport: Some(Checksum::Valid) },
        "a fragment at offset 0 without further fragments is a whole packet"
    );
    assert_eq!(frame.pseudo_header().map(|pseudo| pseudo.protocol()), Some(IpProtocol::UDP));

    // While the packet has a router left to visit, the checksum covers another destination than that in the IPv6
    // header.
    let packet = ipv6_packet(43, &[17, 0, 2, 1, 0, 0, 0, 0], b"hi");
    let uncheckable = Some(Checksum::Uncheckable(Uncheckable::RoutedOnward));
    assert_eq!(parse(LinkType::RAW, &packet).verify().transport, uncheckable);

    let too_many = [60, 0, 1, 4, 0, 0, 0, 0].repeat(frame::MAX_EXTENSIONS + 1);
    let packet = ipv6_packet(60, &too_many, b"hi");
    assert_eq!(issue_kinds(&parse(LinkType::IPV6, &packet)), [FrameIssueKind::TooManyExtensions]);

    let mut packet = ipv6_packet(44, &[17, 0, 0, 0x19, 0, 0, 0, 9], b"hi");
    let later = parse(LinkType::RAW, &packet);
    assert_eq!((later.fragment(), later.udp().is_none()), (FragmentPosition::Later { offset: 24 }, true));
    packet[42..44].copy_from_slice(&[0, 1]);
    assert_eq!(parse(LinkType::RAW, &packet).fragment(), FragmentPosition::First);
}

#[test]
fn ipv6_length_of_zero_means_a_jumbogram_or_offload_or_an_empty_packet() {
    // The hop-by-hop option gives a length of 70,000 bytes: 8 of the option's header, 8 of UDP, and the payload.
    let jumbo = [17, 0, 0xc2, 4, 0, 1, 0x11, 0x70];
    let payload = vec![b'x'; 70_000 - 16];
    let packet = ipv6_packet(0, &jumbo, &payload);
    let frame = parse(LinkType::RAW, &packet);
    assert_eq!((issue_kinds(&frame), frame.payload()), (vec![FrameIssueKind::Jumbogram(70_000)], &payload[..]));
    assert_eq!(frame.verify().transport, Some(Checksum::Valid));
    // Segmentation offload leaves the length at 0.
    let mut packet = ipv6_packet(17, &[], b"hello");
    packet[4..6].fill(0);
    let frame = parse(LinkType::RAW, &packet);
    assert_eq!((issue_kinds(&frame), frame.payload()), (vec![FrameIssueKind::LengthOffloaded(13)], &b"hello"[..]));
    // An empty packet.
    packet[6] = IpProtocol::NO_NEXT_HEADER.0;
    packet.truncate(40);
    assert_eq!(issue_kinds(&parse(LinkType::RAW, &packet)), []);
}

#[test]
fn unsupported_protocols_are_reported() {
    let table: [(LinkType, &str, FrameIssueKind); 6] = [
        (LinkType(147), "00", FrameIssueKind::UnknownLinkType(LinkType(147))),
        (LinkType::NULL, "07000000 00", FrameIssueKind::UnknownFamily(7)),
        (LinkType::RAW, "50", FrameIssueKind::UnknownVersion(5)),
        (LinkType::ETHERNET, "ffffffffffff 020202020202 0003 424203", FrameIssueKind::Ieee8023(3)),
        (
            LinkType::ETHERNET,
            "ffffffffffff 020202020202 88cc 0000",
            FrameIssueKind::UnknownEtherType(EtherType(0x88cc)),
        ),
        (LinkType::IPV4, "45000014000000004084000001010101 02020202", FrameIssueKind::UnknownProtocol(IpProtocol(132))),
    ];
    for (link_type, hex, issue) in table {
        let bytes = decode_hex(hex);
        assert_eq!(issue_kinds(&parse(link_type, &bytes)), [issue], "{hex}");
    }
}

#[test]
fn port_unreachable_quotes_the_original_packet() {
    let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
    message.extend(udp_packet(b"anyone?"));
    checksum::fill(None, &mut message, icmp::CHECKSUM_AT);
    // An IPv4 packet of the right length, whose UDP datagram is replaced by the message.
    let mut packet = udp_packet(&vec![0; message.len() - udp::HEADER_LEN]);
    packet[9] = IpProtocol::ICMP.0;
    packet[20..].copy_from_slice(&message);
    checksum::fill(None, &mut packet[..20], 10);
    let frame = parse(LinkType::RAW, &packet);
    assert_eq!(frame.verify().transport, Some(Checksum::Valid));
    let icmp = frame.icmp().expect("an ICMP message");
    assert!(icmp.meaning().starts_with("port unreachable"), "{}", icmp.meaning());
    let quoted = parse(LinkType::RAW, frame.payload());
    assert_eq!(quoted.udp().map(|datagram| datagram.destination_port()), Some(8080));
}

#[test]
fn fields_cover_each_header_and_explain_values() {
    let bytes = decode_hex(MACOS_SYN);
    let frame = parse(LinkType::NULL, &bytes);
    for layer in frame.layers() {
        let fields = frame.fields(&layer);
        let mut is_covered = vec![false; layer.range().len()];
        for field in &fields {
            is_covered[field.bytes.clone()].fill(true);
        }
        assert!(is_covered.iter().all(|byte| *byte), "{}: {fields:?}", layer.kind);
    }
    let tcp = frame.fields(&frame.layers()[2]);
    let offset = tcp.iter().find(|field| field.name == "Data Offset").expect("TCP has this field");
    assert_eq!((offset.value.as_str(), offset.bits.clone()), ("11", Some(0..4)));
    assert_eq!(offset.meaning, "11 × 4 = 44 bytes of header, 24 of them options");
}
