//! The notes of a reader, and the values that replace unreadable fields.

use std::ops::Range;

use super::{CaptureNoteKind, CaptureNotes, FileOffset, Interface, TEXT_MAX_BYTES};
use crate::time::Timestamp;

/// Collects notes about the block or record being read. Supplies a replacement for each unreadable value.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) notes: CaptureNotes,
    /// Offset of the block or record in the file.
    offset: u64,
    /// Remaining budget for texts, in bytes of memory.
    text_budget: usize,
}

/// The decoded fields of a packet. Ranges are offsets in the block body or record.
#[derive(Debug)]
pub(super) struct PacketFields {
    pub(super) time: Option<Timestamp>,
    /// Index among the interfaces of the file.
    pub(super) interface: usize,
    pub(super) captured: Range<usize>,
    pub(super) original_len: u32,
    pub(super) options: Range<usize>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { notes: CaptureNotes::default(), offset: 0, text_budget: TEXT_MAX_BYTES }
    }

    /// Sets the file offset for the notes that follow.
    #[inline]
    pub(super) const fn set_offset(&mut self, offset: u64) {
        self.offset = offset;
    }

    #[cold]
    pub(super) fn note(&mut self, kind: CaptureNoteKind) {
        self.notes.add(FileOffset { offset: self.offset }, kind);
    }

    /// Decodes a text. If the budget is used up, adds a note and returns `None`.
    pub(super) fn text(&mut self, value: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(value);
        // Empty texts use memory too, and a block can hold millions of them.
        if let Some(remaining) = self.text_budget.checked_sub(size_of::<String>() + text.len()) {
            self.text_budget = remaining;
            Some(text.into_owned())
        } else {
            self.note(CaptureNoteKind::TooMuchText);
            None
        }
    }

    /// Converts a packet time with the resolution and offset of its interface. If the result is out of range, adds a
    /// note and returns `None`.
    #[inline]
    pub(super) fn timestamp(&mut self, interface: &Interface, units: u64) -> Option<Timestamp> {
        let time = interface.resolution.timestamp(units, interface.time_offset_secs);
        if time.is_none() {
            self.note(CaptureNoteKind::TimeOutOfRange);
        }
        time
    }

    /// Checks the lengths of a packet, and notes contradictions. Returns the original length, raised to the captured
    /// length if it is smaller.
    #[inline]
    pub(super) fn original_len(&mut self, interface: &Interface, captured_len: u32, original_len: u32) -> u32 {
        if interface.snap_len != 0 && captured_len > interface.snap_len {
            self.note(CaptureNoteKind::LongerThanSnapLen { captured_len, snap_len: interface.snap_len });
        }
        if original_len < captured_len {
            self.note(CaptureNoteKind::OriginalShorter { captured_len, original_len });
        }
        original_len.max(captured_len)
    }
}
