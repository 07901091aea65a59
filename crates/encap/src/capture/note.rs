//! What a reader saw in a file beside its packets.

use std::{fmt, mem};

use super::{BlockType, INTERFACES_MAX, NOTES_MAX, TEXT_MAX_BYTES};

/// One thing that a reader went past or put right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Note {
    /// Where it was seen first, in bytes from the beginning of the file: the beginning of the block or record.
    pub offset: u64,
    /// What was seen.
    pub kind: NoteKind,
    /// How many times.
    pub count: u64,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.kind)?;
        if self.count > 1 {
            write!(f, " ({} times)", self.count)?;
        }
        Ok(())
    }
}

/// What a reader may see in a file that does not keep it from reading on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoteKind {
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

impl NoteKind {
    /// Whether it is the same remark, whatever its lengths are.
    fn is_like(&self, other: &Self) -> bool {
        match self {
            Self::Skipped(_)
            | Self::UnknownInterface { .. }
            | Self::OptionLength { .. }
            | Self::BlockTooShort { .. }
            | Self::OptionOverrunsBlock(_) => self == other,
            _ => mem::discriminant(self) == mem::discriminant(other),
        }
    }
}

/// The notes about one file: the first [`NOTES_MAX`] different ones, the same only once.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    list: Vec<Note>,
    left_out: u64,
}

impl Notes {
    /// The notes, in the order in which they were first taken.
    #[must_use]
    pub fn list(&self) -> &[Note] {
        &self.list
    }

    /// How many times something was seen for which the list had no room.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn add(&mut self, offset: u64, kind: NoteKind) {
        if let Some(note) = self.list.iter_mut().find(|note| note.kind.is_like(&kind)) {
            note.count += 1;
        } else if self.list.len() < NOTES_MAX || matches!(kind, NoteKind::Truncated { .. }) {
            // A file is cut short once: there is always room to say so.
            self.list.push(Note { offset, kind, count: 1 });
        } else {
            self.left_out += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_remark_whatever_the_lengths_are() {
        let mut notes = Notes::default();
        for captured_len in 21..60 {
            notes.add(captured_len.into(), NoteKind::LongerThanSnapLen { captured_len, snap_len: 20 });
            notes.add(captured_len.into(), NoteKind::OriginalShorter { captured_len, original_len: 0 });
        }
        for block in [BlockType::SIMPLE_PACKET, BlockType::ENHANCED_PACKET] {
            notes.add(0, NoteKind::Skipped(block));
        }
        let counts: Vec<u64> = notes.list().iter().map(|note| note.count).collect();
        assert_eq!(counts, [39, 39, 1, 1]);
    }
}
