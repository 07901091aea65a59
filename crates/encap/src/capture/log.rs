//! What is noted while a file is read, and where.

use std::ops::Range;

use super::{Interface, NoteKind, Notes, TEXT_MAX_BYTES};
use crate::time::Timestamp;

/// Takes notes about the block or record that is being read, and says what stands for a value that cannot.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) notes: Notes,
    /// Where the block or record begins.
    offset: u64,
    /// How many bytes of text may still be kept.
    text_room: usize,
}

/// A packet in a block's body, or a record: its values, and where in there its bytes are.
#[derive(Debug)]
pub(super) struct PacketFields {
    pub(super) time: Option<Timestamp>,
    pub(super) interface: usize,
    pub(super) captured: Range<usize>,
    pub(super) original_len: u32,
    pub(super) options: Range<usize>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { notes: Notes::default(), offset: 0, text_room: TEXT_MAX_BYTES }
    }

    /// From now on, notes are about what begins here.
    #[inline]
    pub(super) const fn at(&mut self, offset: u64) {
        self.offset = offset;
    }

    #[cold]
    pub(super) fn note(&mut self, kind: NoteKind) {
        self.notes.add(self.offset, kind);
    }

    /// A text to keep, if there is room.
    pub(super) fn text(&mut self, value: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(value);
        // An empty text takes memory too, and a block has room for millions of them.
        if let Some(rest) = self.text_room.checked_sub(size_of::<String>() + text.len()) {
            self.text_room = rest;
            Some(text.into_owned())
        } else {
            self.note(NoteKind::TooMuchText);
            None
        }
    }

    /// A packet's time by its interface's clock.
    #[inline]
    pub(super) fn timestamp(&mut self, interface: &Interface, units: u64) -> Option<Timestamp> {
        let time = interface.resolution.timestamp(units, interface.time_offset_secs);
        if time.is_none() {
            self.note(NoteKind::TimeOutOfRange);
        }
        time
    }

    /// A packet's original length, which is not less than what was captured of it.
    #[inline]
    pub(super) fn original_len(&mut self, interface: &Interface, captured_len: u32, original_len: u32) -> u32 {
        if interface.snap_len != 0 && captured_len > interface.snap_len {
            self.note(NoteKind::LongerThanSnapLen { captured_len, snap_len: interface.snap_len });
        }
        if original_len < captured_len {
            self.note(NoteKind::OriginalShorter { captured_len, original_len });
        }
        original_len.max(captured_len)
    }
}
