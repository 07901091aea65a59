//! Notes of a reader: skipped and repaired blocks.

use std::{fmt, mem};

use super::{BlockType, INTERFACES_MAX, NOTES_MAX, TEXT_MAX_BYTES};
use crate::diagnostic::{Diagnostic, Diagnostics, Kind};

/// A note on a capture file: a skipped or repaired block.
type CaptureNote = Diagnostic<CaptureNoteKind>;

/// The notes on one capture file. Notes that differ only in lengths merge.
pub type CaptureNotes = Diagnostics<CaptureNoteKind, NOTES_MAX>;

impl CaptureNotes {
    /// The notes as text, one per line. If the list leaves out notes, a last line gives their number.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let left_out = (self.left_out() > 0).then(|| format!("{} further notes are left out", self.left_out()));
        self.list().iter().map(ToString::to_string).chain(left_out)
    }
}

/// The place of a note: the start of a block or record.
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

/// The reasons for a note. The reader continues after each of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts document the variants and their fields")]
pub enum CaptureNoteKind {
    /// A block of a type without packets, or of an unknown type.
    #[error("skipped: {0}")]
    Skipped(BlockType),
    /// The file ends inside a block or record. `needed` is the length of the block in bytes, or of the block's header
    /// if the file ends inside the header.
    #[error("the file is cut short: its last block needs {needed} bytes, but only {found} are left")]
    Truncated { needed: u64, found: u64 },
    #[error("{block} has {found} bytes where its fields need {needed}: skipped")]
    BlockTooShort { block: BlockType, needed: usize, found: usize },
    #[error("a packet of {captured_len} bytes in a block with room for {room}: skipped")]
    PacketOverrunsBlock { captured_len: u32, room: usize },
    /// `interface` is the index in the section.
    #[error("{block} of interface {interface}, which no earlier block describes: skipped")]
    UnknownInterface { block: BlockType, interface: u32 },
    #[error("a block has the lengths {leading} at its start and {trailing} at its end: the first is used")]
    LengthsDiffer { leading: u32, trailing: u32 },
    #[error("a block length of {len} is not a multiple of 4: rounded up")]
    LengthNotPadded { len: u32 },
    #[error("an option is longer than its {0}: this option and the following ones are left out")]
    OptionOverrunsBlock(BlockType),
    #[error("option {code} of {block} has {found} bytes, not {needed}: left out")]
    OptionLength { block: BlockType, code: u16, needed: usize, found: usize },
    /// The reader uses the captured length for both.
    #[error("a packet has more captured bytes ({captured_len}) than its original length ({original_len})")]
    OriginalShorter { captured_len: u32, original_len: u32 },
    /// The reader returns all captured bytes.
    #[error("a packet has more captured bytes ({captured_len}) than the snap length of its interface ({snap_len})")]
    LongerThanSnapLen { captured_len: u32, snap_len: u32 },
    /// The range of times is that of 64-bit nanoseconds since 1970.
    #[error("a time more than 292 years from 1970: left out")]
    TimeOutOfRange,
    #[error("more than {INTERFACES_MAX} interfaces: the packets of the others are skipped")]
    TooManyInterfaces,
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

    /// A full list still takes a truncation, which is the last problem of its file.
    fn is_always_listed(&self) -> bool {
        matches!(self, Self::Truncated { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_that_differ_in_lengths_merge() {
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
