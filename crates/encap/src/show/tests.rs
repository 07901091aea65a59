//! Hand-made frames in each output.

use std::net::Ipv6Addr;

use super::*;
use crate::wire::{EtherType, IpProtocol, LinkType, Mac};
use crate::wire::{ethernet, icmp, ipv4, ipv6, tcp, udp, vlan};

/// `csv_send_macos_lo0.pcapng`, frame 5: 15 data bytes with a partial checksum.
const OFFLOADED: &str = "02000000 4500004300004000400600007f0000017f000001
    db011f90a121b64559cf9e6f801818ecfe370000 0101080a3140877f35935cb5 474554202f696e6465782e68746d6c";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).expect("a digit")).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The view of a frame of `original_len` bytes. The capture has only its first bytes: `bytes`.
fn cut_view(link_type: LinkType, bytes: &[u8], original_len: usize) -> FrameView<'_> {
    let original_len = u32::try_from(original_len).expect("a short frame");
    FrameView::new(&FrameRecord::new(1, Frame::parse(link_type, bytes, original_len)))
}

fn view(link_type: LinkType, bytes: &[u8]) -> FrameView<'_> {
    cut_view(link_type, bytes, bytes.len())
}

/// A frame with VLAN 5, IPv6, destination options and UDP, with a valid checksum.
fn vlan_ipv6_udp() -> Vec<u8> {
    let link = ethernet::Repr { destination: Mac([2; 6]), source: Mac([4; 6]), ether_type: EtherType::VLAN };
    let tag = vlan::Repr { priority: 3, drop_eligible: false, vlan_id: 5, ether_type: EtherType::IPV6 };
    let payload = b"MSG hi\n";
    let udp = udp::Repr { source_port: 9000, destination_port: 12345, payload_len: payload.len() };
    let options = [IpProtocol::UDP.0, 0, 1, 4, 0, 0, 0, 0];
    let ip = ipv6::Repr {
        traffic_class: 0,
        flow_label: 0x12345,
        payload_len: options.len() + udp::HEADER_LEN + payload.len(),
        next_header: IpProtocol::DESTINATION_OPTIONS,
        hop_limit: 64,
        source: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        destination: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
    };
    let mut frame = vec![0; 14 + 4 + 40];
    link.emit(&mut frame);
    tag.emit(&mut frame[14..]);
    ip.emit(&mut frame[18..]);
    frame.extend(options);
    let udp_start = frame.len();
    frame.resize(udp_start + udp::HEADER_LEN, 0);
    udp.emit(&mut frame[udp_start..]);
    frame.extend(payload);
    let length = udp::HEADER_LEN + payload.len();
    let pseudo = ipv6::Repr { next_header: IpProtocol::UDP, payload_len: length, ..ip }.pseudo_header();
    udp::fill_checksum(&mut frame[udp_start..], &pseudo);
    frame
}

/// An IPv4 packet with a TCP segment, with valid checksums.
fn tcp_packet(payload: &[u8]) -> Vec<u8> {
    // The IPv4 header (20 bytes) and the TCP header (32 bytes), without the link header (4 bytes).
    let mut packet = bytes(OFFLOADED)[4..4 + 20 + 32].to_vec();
    packet.extend_from_slice(payload);
    let total_len = u16::try_from(packet.len()).expect("short");
    packet[2..4].copy_from_slice(&total_len.to_be_bytes());
    crate::wire::checksum::fill(None, &mut packet[..20], 10);
    let length = u32::from(total_len) - 20;
    let pseudo = ipv4::Packet::new_checked(&packet).expect("a packet").pseudo_header(IpProtocol::TCP, length);
    crate::wire::checksum::fill(Some(&pseudo), &mut packet[20..], tcp::CHECKSUM_AT);
    packet
}

#[test]
fn wrapping_lists_each_layer_with_its_length() {
    let frame = vlan_ipv6_udp();
    assert_eq!(
        view(LinkType::ETHERNET, &frame).wrapping(),
        "payload 7 → UDP datagram 7 + 8 = 15 → destination options 15 + 8 = 23 → IPv6 packet 23 + 40 = 63 → \
         VLAN tag 63 + 4 = 67 → Ethernet frame 67 + 14 = 81"
    );
    let mut padded = [&[2; 12][..], &[8, 0], &tcp_packet(b"")].concat();
    padded.resize(70, 0);
    let view = view(LinkType::ETHERNET, &padded);
    assert_eq!(
        view.wrapping(),
        "TCP segment 32 → IPv4 packet 32 + 20 = 52 → Ethernet frame 52 + 14 + 4 of trailer = 70"
    );
}

#[test]
fn each_checksum_state_is_explained_and_calculated() {
    let good = tcp_packet(b"hi");
    let right = crate::wire::tcp::Segment::new_checked(&good[20..]).expect("a segment").checksum();
    let with_checksum = |field: u16| {
        let mut packet = good.clone();
        packet[36..38].copy_from_slice(&field.to_be_bytes());
        packet
    };
    let pseudo = |length| ipv4::Packet::new_checked(&good).expect("a packet").pseudo_header(IpProtocol::TCP, length);
    let without_pseudo = {
        let mut segment = with_checksum(0)[20..].to_vec();
        crate::wire::checksum::fill(None, &mut segment, tcp::CHECKSUM_AT);
        u16::from_be_bytes([segment[16], segment[17]])
    };
    let table = [
        (right, "valid", "matches the calculated sum"),
        (0, "zeroed", "left to the network card"),
        (pseudo(34).sum().folded(), "partial", "checksum offload"),
        (pseudo(0).sum().folded(), "partial", "a card that splits large segments"),
        (without_pseudo, "wrong", "the sender forgot it"),
        (!right, "wrong", "forgot the complement"),
        (right.swap_bytes(), "wrong", "wrong order"),
        (0x1234, "wrong", "bytes were changed"),
    ];
    for (field, state, reason) in table {
        let packet = with_checksum(field);
        let view = view(LinkType::RAW, &packet);
        let [ip, tcp] = &view.checksums[..] else { panic!("two checksums") };
        assert_eq!((ip.state, tcp.state), ("valid", state), "{field:04x}");
        assert!(tcp.sentence.contains(reason), "{field:04x}: {}", tcp.sentence);
        let work = tcp.work.as_ref().expect("the calculation");
        assert_eq!(work.expected.0, right, "{field:04x}");
        let sum: u64 = work.parts.iter().map(|part| part.sum).sum();
        assert_eq!(sum, work.total);
    }
}

#[test]
fn only_icmpv6_sums_a_pseudo_header() {
    let mut packet = tcp_packet(b"");
    packet[9] = IpProtocol::ICMP.0;
    packet[20..28].copy_from_slice(&[3, 3, 0, 0, 0, 0, 0, 0]);
    crate::wire::checksum::fill(None, &mut packet[..20], 10);
    crate::wire::checksum::fill(None, &mut packet[20..], icmp::CHECKSUM_AT);
    let names = |view: &FrameView<'_>| -> Vec<String> {
        let work = view.checksums.last().and_then(|checksum| checksum.work.as_ref()).expect("the calculation");
        work.parts.iter().map(|part| part.name.clone()).collect()
    };
    let view_v4 = view(LinkType::RAW, &packet);
    assert_eq!(view_v4.checksums[1].state, "valid");
    assert_eq!(names(&view_v4), ["ICMP header, checksum as 0", "payload"]);
    assert!(view_v4.layers[1].summary.starts_with("port unreachable"), "{:?}", view_v4.layers[1]);

    let mut frame = vlan_ipv6_udp();
    frame[58] = IpProtocol::ICMPV6.0;
    let view_v6 = view(LinkType::ETHERNET, &frame);
    assert_eq!(names(&view_v6), ["pseudo header", "ICMPv6 header, checksum as 0", "payload"]);
}

#[test]
fn trailer_is_beside_a_packet_and_inside_a_frame() {
    let options = text::TextLayout { width: 100, coloured: false };
    let raw = [&tcp_packet(b"hi")[..], &[0; 4]].concat();
    let beside = view(LinkType::RAW, &raw);
    assert!(text::frame(&beside, options).contains("\n└\n┌ Z trailer, 4 bytes\n"));
    assert!(html::layers(&beside).into_string().contains("</div><div class=\"box trailer\">"));
    let framed = [&[2; 12][..], &[8, 0], &raw].concat();
    let inside = view(LinkType::ETHERNET, &framed);
    assert!(text::frame(&inside, options).contains("\n│ └\n│ ┌ Z trailer, 4 bytes\n"));
}

#[test]
fn sum_of_a_long_payload_omits_its_middle() {
    let packet = tcp_packet(&[0xab; 1001]);
    let view = view(LinkType::RAW, &packet);
    let work = view.checksums[1].work.as_ref().expect("the calculation");
    let payload = &work.parts[2];
    let words = &payload.words[0];
    let left_out = words.left_out.expect("omitted words");
    assert_eq!((words.first.len(), left_out.words, words.last.len()), (16, 501 - 24, 8));
    let shown: u64 = words.first.iter().chain(&words.last).map(|word| u64::from(word.0)).sum();
    assert_eq!(shown + left_out.sum, payload.sum);
    assert_eq!(words.last[7].0, 0xab00, "the last byte is padded");
}

#[test]
fn udp_sum_of_zero_is_sent_as_all_ones() {
    let mut frame = vlan_ipv6_udp();
    // With its own checksum as the first bytes of its payload, the datagram sums up to 0.
    let udp_start = 66;
    frame[udp_start + 8..udp_start + 10].fill(0);
    let udp = &mut frame[udp_start..];
    let pseudo = crate::wire::PseudoHeader::V6 {
        source: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
        destination: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
        protocol: IpProtocol::UDP,
        length: 15,
    };
    crate::wire::checksum::fill(Some(&pseudo), udp, udp::CHECKSUM_AT);
    let field = [udp[6], udp[7]];
    udp[8..10].copy_from_slice(&field);
    udp[6..8].fill(0xff);
    let view = view(LinkType::ETHERNET, &frame);
    let work = view.checksums[0].work.as_ref().expect("the calculation");
    assert_eq!((view.checksums[0].state, work.complement.0, work.expected.0), ("valid", 0, 0xffff));
    assert!(work.steps().last().expect("a step").1.contains("zero means"));
}

#[test]
fn truncated_frame_is_reported_and_not_summed() {
    let whole = bytes(OFFLOADED);
    let view = cut_view(LinkType::NULL, &whole[..60], whole.len());
    assert!(view.is_cut());
    assert!(view.issues[0].kind.to_string().contains("holds 60 of the frame's 71 bytes"), "{:?}", view.issues);
    assert_eq!((view.checksums[1].state, view.checksums[1].work.is_none()), ("uncheckable", true));
    assert_eq!((&*view.text, view.payload_len_on_wire), ("GET ", 15));
}

/// Passes views of truncated and changed frames, as several link types, to `check`.
fn changed_frames(mut check: impl FnMut(&FrameView<'_>)) {
    for whole in [bytes(OFFLOADED), vlan_ipv6_udp()] {
        for link_type in [LinkType::ETHERNET, LinkType::NULL, LinkType(9999)] {
            for end in 0..=whole.len() {
                check(&cut_view(link_type, &whole[..end], whole.len()));
            }
            for at in 0..whole.len() {
                for value in [1, 58, 0xff] {
                    let mut changed = whole.clone();
                    changed[at] = value;
                    check(&view(link_type, &changed));
                }
            }
        }
    }
}

#[test]
fn every_output_is_safe_for_any_bytes() {
    let options = text::TextLayout { width: 80, coloured: false };
    changed_frames(|view| {
        let text = text::frame(view, options);
        let bad = text.chars().find(|c| *c != '\n' && switchboard_protocol::is_display_control(*c));
        assert_eq!(bad, None, "{text}");
        for layer in &view.layers {
            assert!(layer.inside_end <= view.bytes.len() && layer.end <= layer.inside_end, "{layer:?}");
        }
        serde_json::to_string(view).expect("JSON");
        assert_well_formed(&html::frame(view).into_string());
    });
}

#[test]
fn lines_fit_the_width() {
    for frame in [vlan_ipv6_udp(), [&[2; 12][..], &[8, 0], &tcp_packet("日本語 ".repeat(99).as_bytes())].concat()] {
        for width in [60, 80, 100, 132] {
            let text = text::frame(&view(LinkType::ETHERNET, &frame), text::TextLayout { width, coloured: false });
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn middle_of_a_long_frame_is_omitted() {
    let mut frame = tcp_packet(&vec![b'x'; 62_000]);
    frame.extend([0; 2]);
    let view = view(LinkType::RAW, &frame);
    let text = text::frame(&view, text::TextLayout { width: 100, coloured: false });
    assert!(text.lines().count() < 300, "{}", text.lines().count());
    assert!(text.contains("…     60784 bytes of payload not shown"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("f260  ")), "the last row is shown");
    let page = html::frame(&view).into_string();
    assert!(page.contains("60784 bytes not shown") && page.len() < 200_000, "{}", page.len());
    assert_well_formed(&page);
    assert_eq!(view.text_left_out, 62_000 - 2048);
}

#[test]
fn comments_are_escaped() {
    let bytes = bytes(OFFLOADED);
    let frame = Frame::parse(LinkType::NULL, &bytes, 71);
    let comments = vec!["</p><script>alert(1)</script>\u{1b}[2J\u{202e}".to_owned()];
    let view = FrameView::new(&FrameRecord { comments, ..FrameRecord::new(1, frame) });
    let page = html::page("a <b> & c", &html::frame(&view)).into_string();
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("a &lt;b&gt; &amp; c") && page.contains(r"\u{1b}[2J\u{202e}"));
    let text = text::frame(&view, text::TextLayout { width: 100, coloured: false });
    assert!(text.contains(r"</p><script>alert(1)</script>\u{1b}[2J\u{202e}"), "{text}");
}

#[test]
fn page_is_self_contained() {
    let frame = vlan_ipv6_udp();
    let view = view(LinkType::ETHERNET, &frame);
    let page = html::page("Frame 1", &html::frame(&view)).into_string();
    for outside in ["http:", "https:", "//", "url(", "@import", "<script", "src="] {
        assert!(!page.contains(outside), "{outside}");
    }
    for part in ["<html lang=\"en\">", "<caption>", "scope=\"row\"", "name=\"viewport\"", "prefers-color-scheme: dark"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert_well_formed(&page);
}

/// Checks that tags are balanced, each `id` is unique, and each internal link has a target.
fn assert_well_formed(page: &str) {
    const VOID: [&str; 2] = ["meta", "link"];
    let mut open = Vec::new();
    let mut ids = std::collections::HashSet::new();
    let mut rest = page;
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        let name = tag.split([' ', '\n']).next().expect("a name");
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if name == "style" {
            rest = after.split_once("</style>").expect("a style ends").1;
        } else if !name.starts_with('!') && !VOID.contains(&name) {
            open.push(name);
        }
        if let Some((_, id)) = tag.split_once(" id=\"") {
            let id = id.split_once('"').expect("a value ends").0;
            assert!(ids.insert(id), "{id} twice");
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    for (_, link) in page.match_indices("href=\"#").map(|(at, found)| page.split_at(at + found.len())) {
        let id = link.split_once('"').expect("a value ends").0;
        assert!(ids.contains(id), "{id} has no target");
    }
}
