//! Round trips through our reader and writer, and comparisons with other programs.

mod blocks;
mod damage;
mod oracles;
mod real;
mod records;

use std::io::{self, Read};

use proptest::prelude::*;

use super::*;
use crate::short_reads::ShortReads;
use crate::time::Timestamp;
use crate::wire::LinkType;

/// A packet with owned data.
#[derive(Clone, Debug, Eq, PartialEq)]
struct OwnedPacket {
    nanos: Option<i64>,
    interface: usize,
    captured: Vec<u8>,
    original_len: u32,
    comments: Vec<String>,
}

/// The decoded contents of a file.
#[derive(Debug)]
struct FileContents {
    packets: Vec<OwnedPacket>,
    interfaces: Vec<Interface>,
    notes: Vec<CaptureNoteKind>,
    section: Section,
    error: Option<ReadError>,
    buffer_len: usize,
}

/// Reads a file to its end or first error.
fn read(file: impl Read) -> FileContents {
    let mut packets = Vec::new();
    let mut reader = Reader::new(file).unwrap();
    let error = loop {
        match reader.next_packet() {
            Ok(None) => break None,
            Err(error) => break Some(error),
            Ok(Some(packet)) => {
                packets.push(OwnedPacket {
                    nanos: packet.time.map(Timestamp::as_nanos),
                    interface: packet.interface,
                    captured: packet.captured.to_vec(),
                    original_len: packet.original_len,
                    comments: packet.comments().map(String::from).collect(),
                });
                assert_eq!(packet.number, packets.len() as u64);
                assert!(packet.captured.len() <= packet.original_len as usize);
                let link_type = packet.link_type;
                assert_eq!(link_type, reader.interfaces()[packets.last().unwrap().interface].link_type);
            }
        }
    };
    assert!(matches!(reader.next_packet(), Ok(None)), "no packet follows the end of the file or an error");
    FileContents {
        packets,
        interfaces: reader.interfaces().to_vec(),
        notes: reader.notes().list().iter().map(|note| note.kind).collect(),
        section: reader.section().clone(),
        error,
        buffer_len: reader.buffer_len(),
    }
}

/// Writes packets to a file.
fn write(format: Format, interfaces: &[Interface], packets: &[OwnedPacket]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), format, FileMetadata::default(), interfaces).unwrap();
    for packet in packets {
        let comments: Vec<&str> = packet.comments.iter().map(String::as_str).collect();
        let record = Record {
            time: Timestamp::from_nanos(packet.nanos.unwrap()),
            interface: packet.interface,
            captured: &packet.captured,
            original_len: packet.original_len,
            comments: &comments,
        };
        writer.write(&record).unwrap();
    }
    writer.finish(&[]).unwrap()
}

prop_compose! {
    /// A packet that both formats can hold, except for its comments.
    fn any_packet()(
        nanos in 0_i64..4_294_967_296_000_000_000,
        captured in prop::collection::vec(any::<u8>(), 0..200),
        cut_len in 0_u32..100,
        interface in 0_usize..2,
        comments in prop::collection::vec(".{0,20}", 0..3),
    ) -> OwnedPacket {
        let original_len = u32::try_from(captured.len()).unwrap() + cut_len;
        OwnedPacket { nanos: Some(nanos), interface, captured, original_len, comments }
    }
}

/// Two interfaces; the first has all fields that the writer supports.
fn two_interfaces() -> [Interface; 2] {
    let mut first = Interface::new(LinkType::ETHERNET);
    first.snap_len = 65_535;
    first.name = Some("eth0".to_owned());
    first.description = Some("the first".to_owned());
    first.filter = Some("tcp port 8080".to_owned());
    first.os = Some("Linux".to_owned());
    [first, Interface::new(LinkType::RAW)]
}

proptest! {
    #[test]
    fn written_packets_are_read_back(packets in prop::collection::vec(any_packet(), 0..40), read_len in 1_usize..100) {
        let interfaces = two_interfaces();
        let file = write(Format::Pcapng, &interfaces, &packets);
        prop_assert_eq!(&file, &write(Format::Pcapng, &interfaces, &packets), "the same packets give the same bytes");
        let contents = read(ShortReads(&file, read_len));
        prop_assert_eq!(&contents.packets, &packets);
        prop_assert_eq!(&contents.interfaces[..], &interfaces[..]);
        prop_assert!(contents.notes.is_empty() && contents.error.is_none(), "{:?}", contents);
        prop_assert_eq!(contents.section.application.as_deref(), Some("encap"));

        // A pcap file has one interface and no comments.
        let pcap_packets: Vec<OwnedPacket> =
            packets.into_iter().map(|packet| OwnedPacket { interface: 0, comments: Vec::new(), ..packet }).collect();
        let file = write(Format::Pcap, &interfaces[..1], &pcap_packets);
        let contents = read(ShortReads(&file, read_len));
        prop_assert_eq!(contents.packets, pcap_packets);
        prop_assert!(contents.notes.is_empty() && contents.error.is_none());
    }
}

#[test]
fn section_texts_and_statistics_round_trip() {
    let metadata = FileMetadata { os: Some("Linux 6.18"), comments: &["synthesised", "from a table"] };
    let mut writer = Writer::new(Vec::new(), Format::Pcapng, metadata, &two_interfaces()).unwrap();
    writer.flush().unwrap();
    let counts = Statistics { received: 1_u64 << 40, dropped: 3 };
    let contents = read(&writer.finish(&[counts]).unwrap()[..]);
    assert_eq!(contents.section.os.as_deref(), Some("Linux 6.18"));
    assert_eq!(contents.section.comments, ["synthesised", "from a table"]);
    assert_eq!((contents.interfaces[0].received, contents.interfaces[0].dropped), (Some(1 << 40), Some(3)));
    assert_eq!((contents.interfaces[1].received, contents.interfaces[1].dropped), (None, None));
}

#[test]
fn unrepresentable_packets_are_refused_and_leave_the_file_intact() {
    let good =
        Record { time: Timestamp::from_nanos(1), interface: 0, captured: &[1, 2], original_len: 2, comments: &[] };
    let long_text = "x".repeat(65_536);
    let long_comments = [long_text.as_str()];
    let nanos = Timestamp::from_nanos;
    for (format, bad, message) in [
        (
            Format::Pcap,
            Record { time: nanos(-1), ..good },
            "a time of -1 ns since 1970 is outside the range of pcap: from 1970 to 2106",
        ),
        (
            Format::Pcap,
            Record { time: nanos(1 << 62), ..good },
            "a time of 4611686018427387904 ns since 1970 is outside the range of pcap: from 1970 to 2106",
        ),
        (
            Format::Pcapng,
            Record { time: nanos(-1), ..good },
            "a time of -1 ns since 1970 is outside the range of pcapng: from 1970 on",
        ),
        (
            Format::Pcapng,
            Record { interface: 1, ..good },
            "a packet of interface 1, counted from 0: the file describes only 1",
        ),
        (
            Format::Pcapng,
            Record { original_len: 1, ..good },
            "2 captured bytes of a packet of 1 bytes: at most 1 can be written",
        ),
        (
            Format::Pcap,
            Record { captured: &[0; 97], original_len: 97, ..good },
            "97 captured bytes of a packet of 97 bytes: at most 96 can be written",
        ),
        (
            Format::Pcapng,
            Record { comments: &long_comments, ..good },
            "a name or comment of 65536 bytes: at most 65535 fit",
        ),
    ] {
        let interface = Interface { snap_len: 96, ..Interface::new(LinkType::ETHERNET) };
        let mut writer = Writer::new(Vec::new(), format, FileMetadata::default(), &[interface]).unwrap();
        assert_eq!(writer.write(&bad).unwrap_err().to_string(), message);
        writer.write(&good).unwrap();
        let contents = read(&writer.finish(&[]).unwrap()[..]);
        assert_eq!(contents.packets.len(), 1, "{message}");
    }
    let error = Writer::new(Vec::new(), Format::Pcap, FileMetadata::default(), &two_interfaces()).unwrap_err();
    assert_eq!(error.to_string(), "a pcap file has exactly one interface, not 2: write pcapng");
}
