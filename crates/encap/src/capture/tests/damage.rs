//! Damaged files: reading them does not panic, needs bounded memory, and ends.

use super::*;

/// Reads a file, and checks the invariants that hold for any file.
fn check_invariants(file: &[u8]) -> Result<(), TestCaseError> {
    if Reader::new(file).is_ok() {
        let contents = read(file);
        let captured: usize = contents.packets.iter().map(|packet| packet.captured.len()).sum();
        prop_assert!(captured <= file.len(), "each byte belongs to at most one packet");
        // A truncation is noted even if the list is full.
        prop_assert!(contents.notes.len() <= NOTES_MAX + 1);
        prop_assert!(contents.buffer_len <= limits::READ_BUFFER_BYTES.max(2 * file.len()), "{}", contents.buffer_len);
        // Each note has a text.
        let texts: String = contents.notes.iter().map(ToString::to_string).collect();
        prop_assert!(texts.is_empty() == contents.notes.is_empty());
    }
    Ok(())
}

/// One change to a file. The first value is the offset, modulo the length of the file.
#[derive(Clone, Debug)]
enum FileDamage {
    /// Replaces a byte.
    Set(usize, u8),
    /// Inverts the bit with this index.
    Flip(usize, u8),
    /// Replaces an aligned 32-bit number.
    Number(usize, u32),
    /// Truncates the file.
    Cut(usize),
    /// Removes this many bytes.
    Remove(usize, usize),
    /// Appends a copy of this many bytes.
    Repeat(usize, usize),
}

fn damage() -> impl Strategy<Value = FileDamage> {
    let at = any::<usize>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| FileDamage::Set(at, byte)),
        (at(), 0_u8..8).prop_map(|(at, bit)| FileDamage::Flip(at, bit)),
        (at(), prop_oneof![Just(0), Just(u32::MAX), Just(BLOCK_MAX_BYTES), 0..100_u32, any::<u32>()])
            .prop_map(|(at, number)| FileDamage::Number(at, number)),
        at().prop_map(FileDamage::Cut),
        (at(), 1_usize..64).prop_map(|(at, count)| FileDamage::Remove(at, count)),
        (at(), 1_usize..256).prop_map(|(at, count)| FileDamage::Repeat(at, count)),
    ]
}

fn apply(file: &mut Vec<u8>, damages: &[FileDamage]) {
    for damage in damages {
        damage_once(file, damage);
    }
}

fn damage_once(file: &mut Vec<u8>, damage: &FileDamage) {
    if file.is_empty() {
        return;
    }
    let len = file.len();
    let range = |at: usize, count: usize| at % len..(at % len + count).min(len);
    match *damage {
        FileDamage::Set(at, byte) => file[at % len] = byte,
        FileDamage::Flip(at, bit) => file[at % len] ^= 1 << bit,
        // Most integers are aligned to four bytes.
        FileDamage::Number(at, number) => {
            let range = range(at / 4 * 4, 4);
            let bytes = number.to_le_bytes();
            file[range.clone()].copy_from_slice(&bytes[..range.len()]);
        }
        FileDamage::Cut(at) => file.truncate(at % len),
        FileDamage::Remove(at, count) => drop(file.drain(range(at, count))),
        FileDamage::Repeat(at, count) => {
            let copy = file[range(at, count)].to_vec();
            file.extend(copy);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_read_without_panic(start in 0_usize..5, bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        // Nothing, a pcap header, or a pcapng section header, the latter two in both byte orders.
        let start: &[u8] = [
            &[][..],
            &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0],
            &[0xa1, 0xb2, 0xcd, 0x34, 0, 2, 0, 4],
            &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0],
            &[0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0],
        ][start];
        check_invariants(&[start, &bytes].concat())?;
    }

    #[test]
    fn damaged_real_captures_are_read_without_panic(
        file_index in 0..real::NAMES.len(),
        damages in prop::collection::vec(damage(), 1..12),
    ) {
        let mut file = std::fs::read(real::path(real::NAMES[file_index])).unwrap();
        apply(&mut file, &damages);
        check_invariants(&file)?;
    }

    #[test]
    fn damaged_files_of_our_writer_are_read_without_panic(
        packets in prop::collection::vec(any_packet(), 1..10),
        damages in prop::collection::vec(damage(), 1..12),
    ) {
        let mut file = write(Format::Pcapng, &two_interfaces(), &packets);
        apply(&mut file, &damages);
        check_invariants(&file)?;
    }
}

#[test]
fn large_length_field_does_not_grow_the_buffer() {
    let mut file = write(Format::Pcapng, &two_interfaces(), &[]);
    // The start of an enhanced packet block with the maximum length.
    file.extend([6, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    let contents = read(&file[..]);
    assert_eq!(contents.notes, [CaptureNoteKind::Truncated { needed: u64::from(BLOCK_MAX_BYTES), found: 12 }]);
    assert_eq!(contents.buffer_len, limits::READ_BUFFER_BYTES);
}

#[test]
fn memory_is_independent_of_file_length() {
    let packet =
        OwnedPacket { nanos: Some(1), interface: 0, captured: vec![7; 1000], original_len: 1000, comments: vec![] };
    for format in [Format::Pcap, Format::Pcapng] {
        let file = write(format, &two_interfaces()[..1], &vec![packet.clone(); 3000]);
        let contents = read(&file[..]);
        assert_eq!(contents.packets.len(), 3000);
        assert_eq!(contents.buffer_len, limits::READ_BUFFER_BYTES);
    }
}
