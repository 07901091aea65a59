//! What a reader saw in a file beside its packets.

use std::{fmt, mem};

use super::{BlockType, INTERFACES_MAX, NOTES_MAX, TEXT_MAX_BYTES};
use crate::diagnostic::{Diagnostic, Diagnostics, Kind};

/// A note on a capture file: a skipped or repaired block.
pub type CaptureNote = Diagnostic<CaptureNoteKind>;

/// The notes on one capture file. Notes that differ only in lengths merge.
pub type CaptureNotes = Diagnostics<CaptureNoteKind, NOTES_MAX>;

/// The start of a block or record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileOffset {
    /// Bytes from the beginning of the file.
    pub offset: u64,
}

/// `at byte 24`
impl fmt::Display for FileOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.offset)
    }
}

/// What a reader may see in a file that does not keep it from reading on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CaptureNoteKind {
    /// A block of a kind that gives no packets here.
    #[error("skipped: {0}")]
    Skipped(BlockType),
    /// The file ends inside a block or record: what was whole before it was given.
    #[error("the file is cut short: {needed} bytes were to come, {found} are there")]
    Truncated {
        /// The length of the block or record, as far as it is known.
        needed: u64,
        /// What the file still has of it.
        found: u64,
    },
    /// A block too short for its own fields; skipped.
    #[error("{block} has {found} bytes where its fields need {needed}: skipped")]
    BlockTooShort {
        /// Which kind.
        block: BlockType,
        /// What its fields need, in bytes.
        needed: usize,
        /// What it has.
        found: usize,
    },
    /// A packet longer than its block; skipped.
    #[error("a packet of {captured_len} bytes in a block with room for {room}: skipped")]
    PacketOverrunsBlock {
        /// The packet's captured length, in bytes.
        captured_len: u32,
        /// What the block has.
        room: usize,
    },
    /// A block of an interface that its section does not describe, or not so that it can be read; skipped.
    #[error("{block} of interface {interface}, which no block before it describes: skipped")]
    UnknownInterface {
        /// Which kind.
        block: BlockType,
        /// The interface's number in its section.
        interface: u32,
    },
    /// The two lengths of a block differ; the first was taken.
    #[error(
        "the length at the end of a block, {trailing}, is not the one at its beginning, {leading}, which was taken"
    )]
    LengthsDiffer {
        /// At the beginning, in bytes.
        leading: u32,
        /// At the end.
        trailing: u32,
    },
    /// A block length that is no multiple of four; it was taken as one without its padding.
    #[error("a block length of {len}, no multiple of 4: its padding was added")]
    LengthNotPadded {
        /// As the file gives it, in bytes.
        len: u32,
    },
    /// An option longer than its block; it and those after it are left out.
    #[error("an option is longer than its {0}: it and the ones after it are left out")]
    OptionOverrunsBlock(BlockType),
    /// An option of another length than its type has; left out.
    #[error("option {code} of {block} has {found} bytes, not {needed}: left out")]
    OptionLength {
        /// Which kind of block.
        block: BlockType,
        /// The option's code.
        code: u16,
        /// The length of its type, in bytes.
        needed: usize,
        /// The length that it has.
        found: usize,
    },
    /// More captured than there was on the wire; the larger number was taken for both.
    #[error("a packet of which more bytes were captured ({captured_len}) than it had ({original_len})")]
    OriginalShorter {
        /// What the file has of it, in bytes.
        captured_len: u32,
        /// What it is said to have had.
        original_len: u32,
    },
    /// More captured than the interface is said to keep; all of it was given.
    #[error("a packet of more bytes ({captured_len}) than its interface keeps ({snap_len})")]
    LongerThanSnapLen {
        /// What the file has of it, in bytes.
        captured_len: u32,
        /// What the interface is said to keep.
        snap_len: u32,
    },
    /// A moment that nanoseconds since 1970 in 64 bits do not reach; the packet has no time.
    #[error("a time more than 292 years from 1970: left out")]
    TimeOutOfRange,
    /// More interfaces than are kept; the packets of the others are skipped.
    #[error("more than {INTERFACES_MAX} interfaces: the packets of the others are skipped")]
    TooManyInterfaces,
    /// More words about sections and interfaces than are kept.
    #[error("the texts of sections and interfaces are longer than {TEXT_MAX_BYTES} bytes together: left out")]
    TooMuchText,
}

impl Kind for CaptureNoteKind {
    type Place = FileOffset;

    fn merges(listed: &CaptureNote, other: &CaptureNote) -> bool {
        match listed.kind {
            Self::Skipped(_)
            | Self::UnknownInterface { .. }
            | Self::OptionLength { .. }
            | Self::BlockTooShort { .. }
            | Self::OptionOverrunsBlock(_) => listed.kind == other.kind,
            _ => mem::discriminant(&listed.kind) == mem::discriminant(&other.kind),
        }
    }

    /// A file is cut short once, and the list always says so.
    fn is_always_listed(&self) -> bool {
        matches!(self, Self::Truncated { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_remark_whatever_the_lengths_are() {
        let mut notes = CaptureNotes::default();
        for captured_len in 21..60 {
            notes.add(
                FileOffset { offset: captured_len.into() },
                CaptureNoteKind::LongerThanSnapLen { captured_len, snap_len: 20 },
            );
            notes.add(
                FileOffset { offset: captured_len.into() },
                CaptureNoteKind::OriginalShorter { captured_len, original_len: 0 },
            );
        }
        for block in [BlockType::SIMPLE_PACKET, BlockType::ENHANCED_PACKET] {
            notes.add(FileOffset { offset: 0 }, CaptureNoteKind::Skipped(block));
        }
        let counts: Vec<u64> = notes.list().iter().map(|note| note.count).collect();
        assert_eq!(counts, [39, 39, 1, 1]);
    }
}
