//! Reassembly of fragmented packets.

use std::io::Cursor;
use std::net::Ipv6Addr;

use proptest::prelude::*;
use switchboard_encap::analyze::{FRAGMENTED_MAX_PACKETS, Side};
use switchboard_encap::report::{Report, ReportOptions};
use switchboard_encap::wire::{IpProtocol, ipv4, ipv6};

use super::analysis::analyze;
use super::script::{file, packets};

/// Cuts an IPv4 packet into fragments with `piece_len` bytes of payload.
fn fragments(packet: &[u8], identification: u16, piece_len: usize) -> Vec<Vec<u8>> {
    let whole = ipv4::Packet::new_checked(packet).unwrap();
    let n_pieces = whole.payload().len().div_ceil(piece_len);
    let cut = |(i, data): (usize, &[u8])| {
        let repr = ipv4::Repr {
            identification,
            dont_fragment: false,
            more_fragments: i + 1 < n_pieces,
            fragment_offset: u32::try_from(i * piece_len).unwrap(),
            payload_len: data.len(),
            ..ipv4::Repr::parse(&whole)
        };
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut bytes);
        bytes.extend_from_slice(data);
        bytes
    };
    whole.payload().chunks(piece_len).enumerate().map(cut).collect()
}

/// Cuts a TCP segment into IPv6 fragments with `piece_len` bytes of it. Destination options are before each fragment
/// header.
fn fragments_v6(segment: &[u8], piece_len: usize) -> Vec<Vec<u8>> {
    let n_pieces = segment.len().div_ceil(piece_len);
    let cut = |(i, data): (usize, &[u8])| {
        let [source, destination] = [1, 2].map(|host| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host));
        let repr = ipv6::Repr {
            traffic_class: 0,
            flow_label: 0,
            payload_len: 16 + data.len(),
            next_header: IpProtocol::DESTINATION_OPTIONS,
            hop_limit: 64,
            source,
            destination,
        };
        let mut bytes = vec![0; repr.buffer_len()];
        repr.emit(&mut bytes);
        // Destination options (RFC 8200 §4.6): next header, length, and an option PadN of four bytes.
        bytes.extend_from_slice(&[IpProtocol::FRAGMENT.0, 0, 1, 4, 0, 0, 0, 0]);
        // Fragment header (RFC 8200 §4.5): next header, reserved, offset with the flag for more fragments,
        // identification. The offset is a multiple of 8, so its low three bits are free for the flag.
        let offset_and_more = u16::try_from(i * piece_len).unwrap() | u16::from(i + 1 < n_pieces);
        bytes.extend_from_slice(&[IpProtocol::TCP.0, 0]);
        bytes.extend_from_slice(&offset_and_more.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 7]);
        bytes.extend_from_slice(data);
        bytes
    };
    segment.chunks(piece_len).enumerate().map(cut).collect()
}

/// Gives all packets the time 0.
fn at_time_zero(packets: Vec<Vec<u8>>) -> Vec<(i64, Vec<u8>)> {
    packets.into_iter().map(|packet| (0, packet)).collect()
}

/// An IPv4 packet, 20 bytes of header, with a TCP segment that carries [`TEXT`].
fn tcp_packet() -> Vec<u8> {
    packets("> PA 1001 9001 =the quick brown fox jumps over the dog!").remove(0).1
}

const TEXT: &str = "the quick brown fox jumps over the dog!";

#[test]
fn fragments_are_reassembled_in_any_order() {
    let all = fragments(&tcp_packet(), 7, 16);
    assert_eq!(all.len(), 4);
    let orders: &[&[usize]] = &[&[0, 1, 2, 3], &[3, 2, 1, 0], &[1, 3, 0, 2], &[0, 0, 2, 2, 1, 3]];
    for order in orders {
        let (analysis, totals) = analyze(&file(&at_time_zero(order.iter().map(|&i| all[i].clone()).collect())));
        assert_eq!(analysis.stream(0, Side::Client), TEXT, "given {order:?}");
        assert_eq!((analysis.first_conversation().segments(), totals.fragments.packets), (1, 0), "given {order:?}");
        // One checksum per IP header, and one for the reassembled segment.
        let checksums = totals.checksums;
        assert_eq!((checksums.valid, checksums.wrong, checksums.uncheckable), (order.len() as u64 + 1, 0, 0));
    }
}

#[test]
fn ipv6_fragments_are_reassembled() {
    let segment = &tcp_packet()[20..];
    let (analysis, totals) = analyze(&file(&at_time_zero(fragments_v6(segment, 16))));
    assert_eq!((analysis.stream(0, Side::Client), totals.fragments.packets), (TEXT, 0));
}

#[test]
fn report_draws_the_reassembled_packet() {
    let file = file(&at_time_zero(fragments(&tcp_packet(), 7, 16)));
    let report = Report::read(&mut Cursor::new(file), "fragments.pcapng", &ReportOptions::default()).unwrap();
    let diagrams = report.diagrams.as_ref().expect("a conversation");
    let drawn = diagrams.sequence.svg(diagrams.ends).into_string();
    assert!(drawn.contains(&format!("len {}", TEXT.len())), "{drawn}");
}

#[test]
fn incomplete_packets_are_dropped_and_counted() {
    let all = fragments(&tcp_packet(), 7, 16);
    // Byte 25 is in the payload of the fragment.
    let mut forged = all[1].clone();
    forged[25] ^= 1;
    let overlapping = fragments(&tcp_packet(), 7, 24)[1].clone();
    let last_at = |last_nanos: i64| [0, 0, 0, last_nanos].into_iter().zip(all.clone()).collect::<Vec<_>>();
    let only = |indices: &[usize]| at_time_zero(indices.iter().map(|&i| all[i].clone()).collect());
    let all_and = |packet: Vec<u8>| {
        let mut packets = at_time_zero(all.clone());
        packets.insert(2, (0, packet));
        packets
    };
    let minute = 60_000_000_000;
    // Columns: name, fragments, expected stream, expected number of dropped fragments.
    let table = [
        ("the last is missing", only(&[0, 1, 2]), "", 3),
        ("the first is missing", only(&[1, 2, 3]), "", 3),
        ("other bytes at the same offset", all_and(forged), "", 5),
        ("an overlap", all_and(overlapping), "", 5),
        ("the last after a minute", last_at(minute), TEXT, 0),
        ("the last after more than a minute", last_at(minute + 1), "", 4),
    ];
    for (name, packets, stream, dropped) in table {
        let (analysis, totals) = analyze(&file(&packets));
        assert_eq!(analysis.conversations.first().map_or("", |_| analysis.stream(0, Side::Client)), stream, "{name}");
        assert_eq!((totals.fragments.packets, totals.no_conversation.packets), (dropped, dropped), "{name}");
    }
}

#[test]
fn number_of_incomplete_packets_is_bounded() {
    let n = u16::try_from(FRAGMENTED_MAX_PACKETS).unwrap();
    let first_fragment = |id| fragments(&tcp_packet(), id, 16)[0].clone();
    let mut all: Vec<_> = (0..=n).map(first_fragment).collect();
    // One packet is over the limit, so the oldest packet (0) is dropped. Packet 1 can still be completed.
    for id in [1, 0] {
        all.extend(fragments(&tcp_packet(), id, 16).into_iter().skip(1));
    }
    let (analysis, totals) = analyze(&file(&at_time_zero(all)));
    assert_eq!((analysis.conversations.len(), analysis.stream(0, Side::Client)), (1, TEXT));
    // Dropped are the first fragment of packet 0, the n - 1 other incomplete packets, and three late fragments of
    // packet 0.
    // The counted fragments are the first one of packet 0, the first ones of the n - 1 packets that stay incomplete,
    // and the three late ones of packet 0.
    assert_eq!(totals.fragments.packets, 1 + u64::from(n) - 1 + 3);
}

/// The index of a fragment, the index of a byte in it, and the new value of the byte.
fn any_change() -> impl Strategy<Value = (prop::sample::Index, prop::sample::Index, u8)> {
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>())
}

proptest! {
    /// Fragments may be repeated and reordered. When each fragment has arrived, the packet is complete.
    #[test]
    fn repeated_and_reordered_fragments_are_reassembled(
        eights in 1_usize..6,
        over_ipv6 in any::<bool>(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let packet = tcp_packet();
        let all = if over_ipv6 { fragments_v6(&packet[20..], 8 * eights) } else { fragments(&packet, 7, 8 * eights) };
        let order = order.iter().map(|index| index.index(all.len())).chain(0..all.len());
        let (analysis, _) = analyze(&file(&at_time_zero(order.map(|i| all[i].clone()).collect())));
        prop_assert_eq!(analysis.stream(0, Side::Client), TEXT);
    }

    /// Each fragment counts once, inside or outside a conversation, even if its header is wrong.
    #[test]
    fn corrupted_fragments_are_counted(
        over_ipv6 in any::<bool>(),
        changes in prop::collection::vec(any_change(), 1..12),
    ) {
        let packet = tcp_packet();
        let mut all = if over_ipv6 { fragments_v6(&packet[20..], 8) } else { fragments(&packet, 7, 8) };
        for (fragment, byte, value) in changes {
            let fragment = fragment.index(all.len());
            let byte = byte.index(all[fragment].len());
            all[fragment][byte] = value;
        }
        let n = all.len() as u64;
        let (_, totals) = analyze(&file(&at_time_zero(all)));
        prop_assert_eq!(totals.packets, n);
        prop_assert!(totals.fragments.packets <= totals.no_conversation.packets);
        prop_assert!(totals.no_conversation.packets <= n);
    }
}
