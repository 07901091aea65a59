//! pcap files assembled byte by byte.

use super::*;

type Put32 = fn(u32) -> [u8; 4];
const ORDERS: [Put32; 2] = [u32::to_le_bytes, u32::to_be_bytes];

fn file(put: Put32, magic: u32, link_type: u32, record: &[&[u8]]) -> Vec<u8> {
    let version = if put(1)[0] == 1 { [2, 0, 4, 0] } else { [0, 2, 0, 4] };
    let head = [put(magic), version, put(0), put(0), put(100), put(link_type)].concat();
    [head, record.concat()].concat()
}

#[test]
fn magic_numbers_are_detected_in_both_byte_orders() {
    for put in ORDERS {
        for (magic, more, nanos) in
            [(0xa1b2_c3d4, 0, 5_000_007_000), (0xa1b2_3c4d, 0, 5_000_000_007), (0xa1b2_cd34, 8, 5_000_007_000)]
        {
            let record: [&[u8]; 6] = [&put(5), &put(7), &put(3), &put(60), &[9; 8][..more], b"abc"];
            let contents = read(&file(put, magic, 0xf000_0001, &record)[..]);
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
fn files_that_are_no_captures_report_why() {
    let put = u32::to_le_bytes;
    let good = file(put, 0xa1b2_c3d4, 1, &[]);
    let mut old = good.clone();
    old[4] = 1;
    for (file, message) in [
        (vec![], "the file has 0 bytes: a capture has at least a header"),
        (vec![0xa1; 3], "the file has 3 bytes: a capture has at least a header"),
        (b"msg_id,app".to_vec(), "not a capture: it begins with 6d 73 67 5f where pcap and pcapng have a magic number"),
        (good[..23].to_vec(), "the file ends after 23 bytes: the header of pcap has 24"),
        (old, "at byte 0: pcap version 1.4 is not supported: only 2.x is"),
    ] {
        assert_eq!(Reader::new(&file[..]).unwrap_err().to_string(), message);
    }
}

#[test]
fn odd_lengths_are_noted_and_an_excessive_one_ends_the_file() {
    let put = u32::to_le_bytes;
    let long = [1; 101];
    let records: [&[u8]; 15] = [
        &put(0),
        &put(0),
        &put(3),
        &put(2),
        b"abc", // fewer bytes on the wire than captured
        &put(0),
        &put(0),
        &put(101),
        &put(200),
        &long, // longer than the snapshot length
        &put(0),
        &put(0),
        &put(0x0100_0001),
        &put(3),
        b"abc",
    ];
    let contents = read(&file(put, 0xa1b2_c3d4, 1, &records)[..]);
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
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    let file = file(u32::to_le_bytes, 0xa1b2_c3d4, 1, &[]);
    let contents = read((&file[..]).chain(Broken));
    assert_eq!(contents.error.unwrap().to_string(), "cannot read on at byte 24: unplugged");
}
