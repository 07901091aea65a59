//! Comparisons with the libraries pcap-file and pcap-parser.

use std::borrow::Cow;
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::section_header::SectionHeaderBlock;
use pcap_file::pcapng::{Block, PcapNgReader, PcapNgWriter};
use pcap_file::{DataLink, Endianness, TsResolution};
use pcap_parser::{Block as Parsed, PcapBlockOwned, PcapError};

use super::*;

fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.cast_unsigned())
}

fn nanos(duration: Duration) -> Option<i64> {
    i64::try_from(duration.as_nanos()).ok()
}

/// Decodes a pcapng file with pcap-file.
fn read_with_pcap_file(file: &[u8]) -> Vec<OwnedPacket> {
    let mut reader = PcapNgReader::new(file).unwrap();
    let mut packets = Vec::new();
    while let Some(next) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = next.unwrap() {
            let comments = packet.options.iter().filter_map(|option| match option {
                EnhancedPacketOption::Comment(text) => Some(text.to_string()),
                _ => None,
            });
            packets.push(OwnedPacket {
                nanos: nanos(packet.timestamp),
                interface: packet.interface_id as usize,
                captured: packet.data.to_vec(),
                original_len: packet.original_len,
                comments: comments.collect(),
            });
        }
    }
    packets
}

/// Decodes packet data and original lengths with pcap-parser, for both formats.
fn read_with_pcap_parser(file: &[u8]) -> Vec<(Vec<u8>, u32)> {
    const BUFFER_BYTES: usize = 1 << 20;
    let mut reader = pcap_parser::create_reader(BUFFER_BYTES, file).unwrap();
    let mut packets = Vec::new();
    loop {
        match reader.next() {
            Ok((len, block)) => {
                match block {
                    PcapBlockOwned::Legacy(packet) => packets.push((packet.data.to_vec(), packet.origlen)),
                    PcapBlockOwned::NG(Parsed::EnhancedPacket(packet)) => {
                        packets.push((packet.data[..packet.caplen as usize].to_vec(), packet.origlen));
                    }
                    _ => {}
                }
                reader.consume(len);
            }
            Err(PcapError::Eof) => return packets,
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The packet data and original lengths, for comparison with pcap-parser.
fn data_and_lens(packets: &[OwnedPacket]) -> Vec<(Vec<u8>, u32)> {
    packets.iter().map(|packet| (packet.captured.clone(), packet.original_len)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn other_libraries_read_our_files(packets in prop::collection::vec(any_packet(), 0..20)) {
        let file = write(Format::Pcapng, &two_interfaces(), &packets);
        prop_assert_eq!(read_with_pcap_file(&file), packets.clone());
        prop_assert_eq!(read_with_pcap_parser(&file), data_and_lens(&packets));

        // A pcap file has one interface.
        let pcap_packets: Vec<OwnedPacket> =
            packets.into_iter().map(|packet| OwnedPacket { interface: 0, ..packet }).collect();
        let file = write(Format::Pcap, &two_interfaces()[..1], &pcap_packets);
        prop_assert_eq!(read_with_pcap_parser(&file), data_and_lens(&pcap_packets));
        let mut reader = PcapReader::new(&file[..]).unwrap();
        for packet in &pcap_packets {
            let read = reader.next_packet().unwrap().unwrap();
            prop_assert_eq!((nanos(read.timestamp), read.orig_len), (packet.nanos, packet.original_len));
            prop_assert_eq!(&read.data[..], &packet.captured);
        }
        prop_assert!(reader.next_packet().is_none());
    }

    #[test]
    fn we_read_files_of_other_libraries(
        packets in prop::collection::vec(any_packet(), 0..20),
        is_big_endian in any::<bool>(),
    ) {
        let endianness = if is_big_endian { Endianness::Big } else { Endianness::Little };
        let header = PcapHeader {
            endianness,
            ts_resolution: TsResolution::NanoSecond,
            datalink: DataLink::ETHERNET,
            ..PcapHeader::default()
        };
        let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
        for packet in &packets {
            let (time, len) = (duration(packet.nanos.unwrap()), packet.original_len);
            writer.write_packet(&PcapPacket::new(time, len, &packet.captured)).unwrap();
        }
        // A pcap file has one interface and no comments.
        let pcap_packets: Vec<OwnedPacket> =
            packets.iter().map(|packet| OwnedPacket { interface: 0, comments: vec![], ..packet.clone() }).collect();
        prop_assert_eq!(read(&writer.into_writer()[..]).packets, pcap_packets);

        let section = SectionHeaderBlock { endianness, ..SectionHeaderBlock::default() };
        let mut writer = PcapNgWriter::with_section_header(Vec::new(), section).unwrap();
        for link_type in [DataLink::ETHERNET, DataLink::RAW] {
            let mut interface = InterfaceDescriptionBlock::new(link_type, 0);
            interface.options.push(InterfaceDescriptionOption::IfTsResol(9));
            writer.write_pcapng_block(interface).unwrap();
        }
        for packet in &packets {
            let mut block = EnhancedPacketBlock::default();
            block.interface_id = u32::try_from(packet.interface).unwrap();
            block.timestamp = duration(packet.nanos.unwrap());
            block.original_len = packet.original_len;
            block.data = Cow::Borrowed(&packet.captured);
            block.options =
                packet.comments.iter().map(|text| EnhancedPacketOption::Comment(Cow::Borrowed(text))).collect();
            writer.write_pcapng_block(block).unwrap();
        }
        let contents = read(&writer.into_inner()[..]);
        prop_assert_eq!(contents.packets, packets);
        prop_assert!(contents.notes.is_empty(), "{:?}", contents.notes);
    }
}

#[test]
fn pcap_parser_reads_real_captures_alike() {
    for name in real::NAMES {
        let file = std::fs::read(real::path(name)).unwrap();
        assert_eq!(data_and_lens(&read(&file[..]).packets), read_with_pcap_parser(&file), "{name}");
    }
}
