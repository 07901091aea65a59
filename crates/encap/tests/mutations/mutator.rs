//! Mutates files: flips bits, changes lengths, and removes, repeats or splices pieces.

use fastrand::Rng;

use super::seeds::Seed;

/// Maximum number of changes to a file.
const CHANGES_MAX: usize = 8;
/// Critical lengths for readers: zero, off by one, and near the limits of integer types.
const NUMBERS: [u32; 12] = [0, 1, 3, 8, 11, 12, 28, 0xffff, 0x00ff_ffff, 0x0100_0000, 0x7fff_ffff, u32::MAX];
/// Texts that are special to parsers.
const WORDS: [&str; 16] = [
    "\"",
    "\"\"",
    ",",
    ";",
    "\n",
    "\r\n",
    "\r",
    "\\r\\n",
    "\\x",
    "\u{feff}",
    "\u{202e}",
    "-1",
    "99999999999999999999",
    "::1",
    "MSG ",
    ": ",
];

/// Applies 1 to [`CHANGES_MAX`] random changes to a file. `others` are files from which pieces are taken.
pub(crate) fn mutate(file: &mut Vec<u8>, others: &[Seed], rng: &mut Rng) {
    for _ in 0..rng.usize(1..=CHANGES_MAX) {
        change(file, others, rng);
    }
}

fn change(file: &mut Vec<u8>, others: &[Seed], rng: &mut Rng) {
    let at = rng.usize(..=file.len());
    let piece = |rng: &mut Rng| at..at + rng.usize(..=64).min(file.len() - at);
    match rng.u8(..10) {
        0 => flip(file, at, rng),
        1 => set(file, at, &[rng.u8(..)]),
        // The length fields of captures are aligned to four bytes and have either byte order.
        2 => set(file, at / 4 * 4, &rng.choice(NUMBERS).unwrap_or_default().to_le_bytes()),
        3 => set(file, at / 4 * 4, &rng.choice(NUMBERS).unwrap_or_default().to_be_bytes()),
        // Ports, checksums and lengths in packets have two bytes.
        4 => set(file, at / 2 * 2, &rng.u16(..).to_be_bytes()),
        5 if rng.u8(..4) == 0 => file.truncate(at),
        5 | 6 => drop(file.drain(piece(rng))),
        7 => {
            let word = rng.choice(WORDS).unwrap_or_default();
            insert(file, at, word.as_bytes());
        }
        8 => {
            let repeated = file[piece(rng)].repeat(rng.usize(1..=8));
            insert(file, rng.usize(..=file.len()), &repeated);
        }
        _ => splice(file, at, &others[rng.usize(..others.len())].bytes, rng),
    }
}

fn flip(file: &mut [u8], at: usize, rng: &mut Rng) {
    if let Some(byte) = file.get_mut(at) {
        *byte ^= 1 << rng.u8(..8);
    }
}

/// Overwrites the bytes from `at` on. Bytes beyond the end of the file are ignored.
fn set(file: &mut [u8], at: usize, bytes: &[u8]) {
    file.iter_mut().skip(at).zip(bytes).for_each(|(byte, new)| *byte = *new);
}

fn insert(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    drop(file.splice(at..at, bytes.iter().copied()));
}

/// Replaces the end of the file by the end of another file, or inserts a piece of the other file.
fn splice(file: &mut Vec<u8>, at: usize, other: &[u8], rng: &mut Rng) {
    let from = rng.usize(..=other.len());
    if rng.bool() {
        file.truncate(at);
        file.extend_from_slice(&other[from..]);
    } else {
        let to = from + rng.usize(..=256).min(other.len() - from);
        insert(file, at, &other[from..to]);
    }
}
