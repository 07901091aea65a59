//! pcap files assembled byte by byte.

use super::*;

/// Encodes a 32-bit number in one byte order.
type EncodeU32 = fn(u32) -> [u8; 4];
const ORDERS: [EncodeU32; 2] = [u32::to_le_bytes, u32::to_be_bytes];

/// A pcap file with a snapshot length of 100, whose records are the concatenated `parts`.
fn file(encode: EncodeU32, magic: u32, link_type: u32, parts: &[&[u8]]) -> Vec<u8> {
    let version = if encode(1)[0] == 1 { [2, 0, 4, 0] } else { [0, 2, 0, 4] };
    let head = [encode(magic), version, encode(0), encode(0), encode(100), encode(link_type)].concat();
    [head, parts.concat()].concat()
}

#[test]
fn magic_numbers_are_detected_in_both_byte_orders() {
    for encode in ORDERS {
        // The third magic number has record headers with eight more bytes.
        for (magic, extra_len, nanos) in
            [(0xa1b2_c3d4, 0, 5_000_007_000), (0xa1b2_3c4d, 0, 5_000_000_007), (0xa1b2_cd34, 8, 5_000_007_000)]
        {
            // Seconds, fraction, captured length, original length, extra bytes, captured bytes. In the file header,
            // only the lower half of the number 0xf000_0001 is the link type.
            let record: [&[u8]; 6] = [&encode(5), &encode(7), &encode(3), &encode(60), &[9; 8][..extra_len], b"abc"];
            let contents = read(&file(encode, magic, 0xf000_0001, &record)[..]);
            let packet = OwnedPacket {
                nanos: Some(nanos),
                interface: 0,
                captured: b"abc".to_vec(),
                original_len: 60,
                comments: vec![],
            };
            assert_eq!(contents.packets, [packet], "{magic:#x}");
            assert_eq!(contents.interfaces[0].link_type, LinkType::ETHERNET);
            assert!(contents.notes.is_empty() && contents.error.is_none());
        }
    }
}

#[test]
fn unreadable_header_is_reported_with_its_reason() {
    let encode = u32::to_le_bytes;
    let good = file(encode, 0xa1b2_c3d4, 1, &[]);
    let mut old_version = good.clone();
    old_version[4] = 1;
    for (file, message) in [
        (vec![], "the file has 0 bytes: a capture has at least a header"),
        (vec![0xa1; 3], "the file has 3 bytes: a capture has at least a header"),
        (b"msg_id,app".to_vec(), "not a capture: it begins with 6d 73 67 5f where pcap and pcapng have a magic number"),
        (good[..23].to_vec(), "the file ends after 23 bytes: the header of pcap has 24"),
        (old_version, "at byte 0: pcap version 1.4 is not supported: only 2.x is"),
    ] {
        assert_eq!(Reader::new(&file[..]).unwrap_err().to_string(), message);
    }
}

#[test]
fn contradictory_lengths_are_noted_and_an_excessive_length_stops_reading() {
    let encode = u32::to_le_bytes;
    let long = [1; 101];
    let records: [&[u8]; 15] = [
        &encode(0),
        &encode(0),
        &encode(3),
        &encode(2),
        b"abc", // fewer bytes on the wire than captured
        &encode(0),
        &encode(0),
        &encode(101),
        &encode(200),
        &long, // longer than the snapshot length
        &encode(0),
        &encode(0),
        &encode(0x0100_0001),
        &encode(3),
        b"abc", // the captured length is one byte more than the maximum
    ];
    let contents = read(&file(encode, 0xa1b2_c3d4, 1, &records)[..]);
    let lens: Vec<_> = contents.packets.iter().map(|packet| (packet.captured.len(), packet.original_len)).collect();
    assert_eq!(lens, [(3, 3), (101, 200)]);
    assert_eq!(
        contents.notes,
        [
            CaptureNoteKind::OriginalShorter { captured_len: 3, original_len: 2 },
            CaptureNoteKind::LongerThanSnapLen { captured_len: 101, snap_len: 100 },
        ]
    );
    let message = "at byte 160: 16777217 bytes in one block, more than 16777216: the file is damaged from here";
    assert_eq!(contents.error.unwrap().to_string(), message);
}

#[test]
fn io_error_reports_its_offset() {
    struct FailingReader;
    impl Read for FailingReader {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    let file = file(u32::to_le_bytes, 0xa1b2_c3d4, 1, &[]);
    let contents = read((&file[..]).chain(FailingReader));
    assert_eq!(contents.error.unwrap().to_string(), "reading failed at byte 24: unplugged");
}
