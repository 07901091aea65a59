//! The edits of a draft that can be undone.

use std::collections::VecDeque;
use std::ops::Range;

use super::marked_text::MarkedText;

/// Maximum steps to undo. A step is a typed word or one other edit.
const STEPS_MAX: usize = 200;
/// Maximum bytes of removed text: the longest draft, four times.
const REMOVED_MAX_BYTES: usize = 4 * super::TEXT_MAX_BYTES;

/// The edits, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct UndoLog {
    edits: VecDeque<Edit>,
    removed_bytes: usize,
    /// Whether the last edit is typed text that the next typed character continues.
    is_open: bool,
}

/// One edit: it has replaced `removed` by the text that is now at `inserted`.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) inserted: Range<usize>,
    pub(super) removed: MarkedText,
    /// The cursor before the edit.
    pub(super) cursor: usize,
}

impl UndoLog {
    pub(super) fn push(&mut self, edit: Edit) {
        self.is_open = false;
        self.removed_bytes += edit.removed.text().len();
        self.edits.push_back(edit);
        while self.edits.len() > STEPS_MAX || self.removed_bytes > REMOVED_MAX_BYTES {
            let Some(oldest) = self.edits.pop_front() else { break };
            self.removed_bytes -= oldest.removed.text().len();
        }
    }

    /// Adds a typed character. A word and the space after it are one step.
    pub(super) fn push_typed(&mut self, edit: Edit, c: char) {
        match self.edits.back_mut() {
            Some(last) if self.is_open && last.inserted.end == edit.inserted.start => {
                last.inserted.end = edit.inserted.end;
            }
            _ => self.push(edit),
        }
        self.is_open = !c.is_whitespace();
    }

    /// Ends the step of typed text.
    pub(super) fn close(&mut self) {
        self.is_open = false;
    }

    pub(super) fn pop(&mut self) -> Option<Edit> {
        let edit = self.edits.pop_back()?;
        self.is_open = false;
        self.removed_bytes -= edit.removed.text().len();
        Some(edit)
    }
}
