//! pcapng files assembled block by block.
//!
//! The numbers are those of the specification, independent of the reader's constants. Blocks: 1 interface description,
//! 2 obsolete packet, 3 simple packet, 5 interface statistics, 6 enhanced packet. Options: 1 comment, 2 interface name,
//! 9 resolution, 14 time offset.

use super::*;

/// Assembles blocks in one byte order.
struct FileBuilder {
    order: ByteOrder,
    file: Vec<u8>,
}

impl FileBuilder {
    fn new(order: ByteOrder) -> Self {
        Self { order, file: Vec::new() }
    }

    fn u16(&self, number: u16) -> [u8; 2] {
        if self.order == ByteOrder::Little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    fn u32(&self, number: u32) -> [u8; 4] {
        if self.order == ByteOrder::Little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    /// Adds a block, with padding after the body.
    fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let body = [body, &[0; 3][..body.len().next_multiple_of(4) - body.len()]].concat();
        let len = self.u32(u32::try_from(body.len()).unwrap() + 12);
        self.file.extend([&self.u32(kind)[..], &len, &body, &len].concat());
        self
    }

    /// Encodes an option, with padding.
    fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let len = self.u16(u16::try_from(value.len()).unwrap());
        [&self.u16(code)[..], &len, value, &[0; 3][..value.len().next_multiple_of(4) - value.len()]].concat()
    }

    /// Adds a section header. A section length of `u64::MAX` means that the length is unknown.
    fn section(self, len: u64) -> Self {
        let [high, low] = [len >> 32, len & 0xffff_ffff].map(|half| self.u32(u32::try_from(half).unwrap()));
        let len = if self.order == ByteOrder::Little { [low, high] } else { [high, low] };
        let body = [&self.u32(0x1a2b_3c4d)[..], &self.u16(1), &self.u16(0), &len.concat()].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    /// Adds an interface description with options, as code and value.
    fn interface(self, link_type: u16, snap_len: u32, options: &[(u16, &[u8])]) -> Self {
        let options: Vec<u8> = options.iter().flat_map(|(code, value)| self.option(*code, value)).collect();
        let body = [&self.u16(link_type)[..], &[0; 2], &self.u32(snap_len), &options].concat();
        self.block(1, &body)
    }

    /// Adds an enhanced packet with encoded options.
    fn packet(self, interface: u32, units: u64, data: &[u8], options: &[u8]) -> Self {
        let len = u32::try_from(data.len()).unwrap();
        let [high, low] = [units >> 32, units & 0xffff_ffff].map(|half| self.u32(u32::try_from(half).unwrap()));
        let words = [self.u32(interface), high, low, self.u32(len), self.u32(len)].concat();
        let padding = vec![0; data.len().next_multiple_of(4) - data.len()];
        self.block(6, &[&words, data, &padding, options].concat())
    }

    /// Changes the bytes so far.
    fn modify(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.file);
        self
    }
}

/// Adds a damaged block to a file.
type AddDamagedBlock = fn(FileBuilder) -> FileBuilder;

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

fn captured(contents: &FileContents) -> Vec<&[u8]> {
    contents.packets.iter().map(|packet| &packet.captured[..]).collect()
}

/// A file with one Ethernet interface and no packets.
fn empty_file(order: ByteOrder) -> FileBuilder {
    FileBuilder::new(order).section(u64::MAX).interface(1, 0, &[])
}

#[test]
fn times_use_the_resolution_of_their_interface() {
    // Resolutions: 9 is nanoseconds, 0x94 is 2⁻²⁰ s, 3 is milliseconds, 0 is seconds.
    for order in ORDERS {
        let offset = if order == ByteOrder::Little { 10_i64.to_le_bytes() } else { 10_i64.to_be_bytes() };
        let builder = FileBuilder::new(order)
            .section(u64::MAX)
            .interface(1, 0, &[])
            .interface(1, 0, &[(9, &[9])])
            .interface(1, 0, &[(9, &[0x94])])
            .interface(1, 0, &[(9, &[3]), (14, &offset)])
            .interface(1, 0, &[(9, &[0])]);
        let builder = builder
            .packet(0, 0x1_0000_0002, b"", &[])
            .packet(1, 0x1_0000_0002, b"", &[])
            .packet(2, 3 << 19, b"", &[])
            .packet(3, 1_500, b"", &[])
            .packet(4, u64::MAX, b"", &[]);
        let contents = read(&builder.file[..]);
        let nanos: Vec<_> = contents.packets.iter().map(|packet| packet.nanos).collect();
        assert_eq!(
            nanos,
            [Some(4_294_967_298_000), Some(4_294_967_298), Some(1_500_000_000), Some(11_500_000_000), None]
        );
        assert_eq!(contents.notes, [CaptureNoteKind::TimeOutOfRange]);
    }
}

#[test]
fn each_section_has_its_byte_order_and_interfaces() {
    let little =
        FileBuilder::new(ByteOrder::Little).section(u64::MAX).interface(1, 0, &[]).packet(0, 1, b"little", &[]);
    let big = FileBuilder::new(ByteOrder::Big).section(100).interface(101, 0, &[(9, &[9])]).packet(0, 1, b"big", &[]);
    let no_interface = FileBuilder::new(ByteOrder::Little).section(u64::MAX).packet(0, 1, b"no interface", &[]);
    let contents = read(&[little.file, big.file, no_interface.file].concat()[..]);
    assert_eq!(captured(&contents), [&b"little"[..], b"big"]);
    let interfaces_and_times: Vec<_> = contents.packets.iter().map(|packet| (packet.interface, packet.nanos)).collect();
    assert_eq!(interfaces_and_times, [(0, Some(1_000)), (1, Some(1))]);
    assert_eq!(contents.interfaces.iter().map(|i| i.link_type.0).collect::<Vec<_>>(), [1, 101]);
    assert_eq!(contents.notes, [CaptureNoteKind::UnknownInterface { block: BlockType::ENHANCED_PACKET, interface: 0 }]);
}

#[test]
fn blocks_without_packets_are_skipped_with_a_note() {
    for order in ORDERS {
        let mut builder = FileBuilder::new(order).section(u64::MAX).interface(197, 0, &[]);
        for kind in [4, 10, 0xbad, 0x4000_0bad, 9, 0x1234_5678, 4] {
            builder = builder.block(kind, &[1, 2, 3, 4, 5, 6, 7, 8]);
        }
        let contents = read(&builder.packet(0, 0, b"still read", &[]).file[..]);
        assert_eq!(captured(&contents), [b"still read"]);
        assert_eq!(contents.interfaces[0].link_type, LinkType(197), "an unsupported link type, ERF, is still read");
        let kinds = [4, 10, 0xbad, 0x4000_0bad, 9, 0x1234_5678].map(|kind| CaptureNoteKind::Skipped(BlockType(kind)));
        assert_eq!(contents.notes, kinds);
    }
}

#[test]
fn obsolete_and_simple_packets_are_read() {
    for order in ORDERS {
        let builder = FileBuilder::new(order).section(u64::MAX).interface(1, 4, &[]);
        // The interface has a snapshot length of 4.
        let simple = [&builder.u32(7)[..], b"abcd"].concat();
        // Time (high and low), captured and original length. The interface and the drop count come before.
        let words = [0, 5, 3, 9].map(|word| builder.u32(word)).concat();
        let obsolete = [&builder.u16(0)[..], &builder.u16(77), &words, b"old\0"].concat();
        let contents = read(&builder.block(3, &simple).block(2, &obsolete).file[..]);
        assert_eq!(captured(&contents), [&b"abcd"[..], b"old"], "the snapshot length limits a simple packet");
        let times_and_lens: Vec<_> =
            contents.packets.iter().map(|packet| (packet.nanos, packet.original_len)).collect();
        assert_eq!(times_and_lens, [(None, 7), (Some(5_000), 9)]);
        assert!(contents.notes.is_empty() && contents.error.is_none());
    }
}

#[test]
fn comments_are_read_among_other_options() {
    for order in ORDERS {
        let builder = empty_file(order);
        // Option 0 is the end of the list.
        let options = [
            builder.option(2, &[0, 0, 0, 1]),
            builder.option(1, b"first"),
            builder.option(4, &[0; 8]),
            builder.option(1, b"second \xff"),
            builder.option(3, &[2, 1, 2, 3, 4, 5]),
            builder.option(0, &[]),
            b"not an option: after the end".to_vec(),
        ];
        let contents = read(&builder.packet(0, 0, b"data!", &options.concat()).file[..]);
        assert_eq!(contents.packets[0].comments, ["first", "second \u{fffd}"]);
        assert!(contents.notes.is_empty(), "{:?}", contents.notes);
    }
}

#[test]
fn damaged_block_with_a_valid_length_is_skipped() {
    use CaptureNoteKind as Note;

    let enhanced_packet = BlockType::ENHANCED_PACKET;
    for order in ORDERS {
        let damaged_file = |add: AddDamagedBlock| add(empty_file(order)).packet(0, 0, b"after", &[]).file;
        let overrunning_packet = |builder: FileBuilder| {
            // Both lengths are 9 bytes.
            let words = [0, 0, 0, 9, 9].map(|word| builder.u32(word)).concat();
            builder.block(6, &[&words[..], b"8 bytes!"].concat())
        };
        let overrunning_option = |builder: FileBuilder| {
            let options = [builder.option(1, b"kept"), builder.option(1, b"lost")[..4].to_vec()].concat();
            let statistics = [&builder.u32(0)[..], &[0; 8], &options].concat();
            builder.block(5, &statistics)
        };
        let cases: [(AddDamagedBlock, CaptureNoteKind); 8] = [
            (
                |builder| builder.block(6, &[0; 16]),
                Note::BlockTooShort { block: enhanced_packet, needed: 20, found: 16 },
            ),
            (
                |builder| builder.block(3, &[]),
                Note::BlockTooShort { block: BlockType::SIMPLE_PACKET, needed: 4, found: 0 },
            ),
            (
                |builder| builder.block(1, &[0; 4]),
                Note::BlockTooShort { block: BlockType::INTERFACE_DESCRIPTION, needed: 8, found: 4 },
            ),
            (overrunning_packet, Note::PacketOverrunsBlock { captured_len: 9, room: 8 }),
            (
                |builder| builder.packet(1, 0, b"lost", &[]),
                Note::UnknownInterface { block: enhanced_packet, interface: 1 },
            ),
            (overrunning_option, Note::OptionOverrunsBlock(BlockType::INTERFACE_STATISTICS)),
            (
                |builder| builder.interface(1, 0, &[(9, &[6, 6])]),
                Note::OptionLength { block: BlockType::INTERFACE_DESCRIPTION, code: 9, needed: 1, found: 2 },
            ),
            (
                |builder| builder.packet(u32::MAX, 0, b"lost", &[]),
                Note::UnknownInterface { block: enhanced_packet, interface: u32::MAX },
            ),
        ];
        for (add, note) in cases {
            let contents = read(&damaged_file(add)[..]);
            assert_eq!(captured(&contents), [b"after"], "{note:?}");
            assert!(contents.notes.contains(&note), "{note:?} is not in {:?}", contents.notes);
            assert!(contents.error.is_none());
        }
    }
}

#[test]
fn differing_and_unpadded_block_lengths_are_tolerated() {
    let builder = empty_file(ByteOrder::Little).packet(0, 0, b"abcde", &[]);
    let trailer_at = builder.file.len() - 4;
    let file = builder.modify(|file| file[trailer_at] = 99).packet(0, 0, b"after", &[]).file;
    let contents = read(&file[..]);
    assert_eq!(captured(&contents), [b"abcde", b"after"]);
    assert_eq!(contents.notes, [CaptureNoteKind::LengthsDiffer { leading: 40, trailing: 99 }]);

    // Both length fields of the block say 37 instead of 40: they exclude the padding after the five data bytes.
    let mut file = empty_file(ByteOrder::Little).packet(0, 0, b"abcde", &[]).file;
    let end = file.len();
    file[end - 4] = 37;
    file[end - 36] = 37;
    let contents = read(&[file, FileBuilder::new(ByteOrder::Little).packet(0, 0, b"after", &[]).file].concat()[..]);
    assert_eq!(captured(&contents), [b"abcde", b"after"]);
    assert_eq!(contents.notes, [CaptureNoteKind::LengthNotPadded { len: 37 }]);
}

#[test]
fn invalid_block_length_ends_the_file() {
    let read_with = |builder: FileBuilder, bytes: &[u8]| read(&[&builder.file, bytes].concat()[..]);
    let one_packet = || empty_file(ByteOrder::Little).packet(0, 0, b"before", &[]);
    let at = one_packet().file.len();
    for (bytes, message) in [
        (
            [6, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0],
            format!("at byte {at}: a block has 8 bytes, fewer than the minimum of 12: the file is damaged from here"),
        ),
        (
            [6, 0, 0, 0, 4, 0, 0, 1, 0, 0, 0, 0],
            format!("at byte {at}: 16777220 bytes in one block, more than 16777216: the file is damaged from here"),
        ),
        (
            [0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1, 2, 3, 4],
            format!(
                "at byte {at}: a section has the byte-order magic 01 02 03 04: it should be 1a 2b 3c 4d or the reverse"
            ),
        ),
    ] {
        let contents = read_with(one_packet(), &bytes);
        assert_eq!(captured(&contents), [b"before"]);
        assert_eq!(contents.error.unwrap().to_string(), message);
    }
}

#[test]
fn truncated_file_gives_all_complete_packets() {
    let builder = empty_file(ByteOrder::Big).packet(0, 0, b"first", &[]);
    let first_end = builder.file.len();
    let file = builder.packet(0, 0, b"second", &[]).file;
    for len in first_end..file.len() {
        let contents = read(&file[..len]);
        assert_eq!(captured(&contents), [b"first"]);
        assert!(contents.error.is_none());
        let found = (len - first_end) as u64;
        // With fewer than 12 bytes of a block, its length is not known yet.
        let needed = if found < 12 { 12 } else { (file.len() - first_end) as u64 };
        let notes = if found == 0 { vec![] } else { vec![CaptureNoteKind::Truncated { needed, found }] };
        assert_eq!(contents.notes, notes);
    }
}

#[test]
fn interfaces_and_notes_are_bounded() {
    let mut builder = FileBuilder::new(ByteOrder::Little).section(u64::MAX);
    let name = [b'n'; 1000];
    for _ in 0..INTERFACES_MAX + 2 {
        builder = builder.interface(1, 0, &[(2, &name)]);
    }
    // Each unknown block type is a note of its own.
    for kind in 1000..1000 + 2 * u32::try_from(NOTES_MAX).unwrap() {
        builder = builder.block(kind, &[]);
    }
    let mut reader = Reader::new(&builder.file[..]).unwrap();
    assert!(reader.next_packet().unwrap().is_none());
    assert_eq!(reader.interfaces().len(), INTERFACES_MAX);
    let text_len: usize = reader.interfaces().iter().flat_map(|interface| &interface.name).map(String::len).sum();
    assert!(text_len <= TEXT_MAX_BYTES, "{text_len}");
    assert_eq!(reader.notes().list().len(), NOTES_MAX);
    assert_eq!(reader.notes().left_out(), NOTES_MAX as u64 + 2);
    let first = reader.notes().list()[0].to_string();
    let left_out = INTERFACES_MAX - TEXT_MAX_BYTES / (name.len() + size_of::<String>());
    assert!(first.contains(&format!("are longer than 1048576 bytes together: left out ({left_out} times)")), "{first}");
}

#[test]
fn empty_texts_are_bounded_too() {
    let builder = FileBuilder::new(ByteOrder::Little);
    let options = builder.option(1, b"").repeat(500_000);
    let body = [&builder.u32(0x1a2b_3c4d)[..], &builder.u16(1), &builder.u16(0), &[0xff; 8], &options].concat();
    let contents = read(&builder.block(0x0a0d_0d0a, &body).interface(1, 0, &[]).packet(0, 0, b"read", &[]).file[..]);
    assert_eq!(captured(&contents), [b"read"]);
    assert!(contents.section.comments.len() * size_of::<String>() <= TEXT_MAX_BYTES);
    assert_eq!(contents.notes, [CaptureNoteKind::TooMuchText]);
}
