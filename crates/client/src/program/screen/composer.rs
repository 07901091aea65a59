//! The draft: a text of several lines with a cursor, edited with the keys of readline and Emacs.
//!
//! One step of the cursor is a grapheme cluster, one character for a reader. Positions are byte offsets.

mod clean;
mod marked_text;
mod motion;
#[cfg(test)]
mod tests;
mod undo;

use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use self::clean::clean;
use self::marked_text::MarkedText;
pub(crate) use self::marked_text::Origin;
use self::undo::{Edit, UndoLog};
use super::text::{self, CursorRows};

/// Maximum bytes of a draft: the longest texts of 17 messages. Longer texts are files.
pub(crate) const TEXT_MAX_BYTES: usize = 64 * 1024;

/// The draft of a conversation. It needs no memory on the heap until something is typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Composer {
    text: MarkedText,
    /// A boundary of grapheme clusters.
    cursor: usize,
    /// The column that Up and Down go to, while only they are pressed.
    wanted_column: Option<u16>,
    /// The text that was cut last.
    cut: MarkedText,
    /// The direction of the last key, if that key has cut text: the next cut continues it.
    cutting: Option<Direction>,
    undo: UndoLog,
}

/// Whether a text was inserted as a whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub(crate) enum Inserted {
    Whole,
    /// The draft is full: the end of the text is missing.
    Truncated,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Direction {
    Back,
    Forward,
}

impl Composer {
    pub(crate) fn text(&self) -> &str {
        self.text.text()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// The byte offset of the cursor.
    #[cfg(test)]
    fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether any part of the first word was pasted. Such a text is never a command.
    pub(crate) fn is_pasted_start(&self) -> bool {
        self.text.is_pasted_start()
    }

    /// The rows of the text and the place of the cursor, in an area of `width` cells.
    pub(crate) fn rows(&self, width: u16, reorder: bool) -> CursorRows {
        text::cursor(self.text(), self.cursor, width, reorder)
    }

    /// Takes the text, and leaves nothing to undo. Cut text can be inserted again.
    pub(crate) fn take(&mut self) -> String {
        let taken = std::mem::take(self);
        self.cut = taken.cut;
        taken.text.into_text()
    }

    /// Replaces the whole text, and moves the cursor to its end. Undo brings the replaced text back.
    pub(crate) fn set(&mut self, text: &str, origin: Origin) -> Inserted {
        self.begin_edit();
        self.replace_cleaned(0..self.text().len(), text, origin)
    }

    /// Inserts pasted text at the cursor. Line ends become LF, tabs become spaces, and other control characters become
    /// visible escapes, since a text without them could mean something else.
    pub(crate) fn paste(&mut self, text: &str) -> Inserted {
        self.begin_edit();
        self.replace_cleaned(self.cursor..self.cursor, text, Origin::Pasted)
    }

    /// The characters without white space before the cursor.
    pub(crate) fn word_before_cursor(&self) -> &str {
        let before = &self.text()[..self.cursor];
        before.rfind(char::is_whitespace).map_or(before, |at| before[at..].trim_start())
    }

    /// Replaces the last `bytes` bytes before the cursor by a completion, as if it was typed.
    pub(crate) fn replace_before_cursor(&mut self, bytes: usize, with: &str) -> Inserted {
        self.begin_edit();
        let start = motion::snap(self.text(), self.text().floor_char_boundary(self.cursor.saturating_sub(bytes)));
        self.replace_cleaned(start.min(self.cursor)..self.cursor, with, Origin::Typed)
    }

    /// Handles a key in an area of `width` cells. Returns whether the draft uses the key: it does not use Enter, nor Up
    /// in the first row and Down in the last one, nor Ctrl-D in an empty draft.
    pub(crate) fn key(&mut self, key: KeyEvent, width: u16) -> bool {
        let foreign = KeyModifiers::SUPER | KeyModifiers::HYPER | KeyModifiers::META;
        if key.kind == KeyEventKind::Release || key.modifiers.intersects(foreign) {
            return false;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char(c) => self.char_key(c, control, alt),
            KeyCode::Enter if alt || key.modifiers.contains(KeyModifiers::SHIFT) => self.type_char('\n'),
            KeyCode::Backspace if alt || control => self.cut_to(motion::previous_word, Direction::Back),
            KeyCode::Backspace => self.delete_to(motion::previous_cluster),
            KeyCode::Delete if alt || control => self.cut_to(motion::next_word, Direction::Forward),
            KeyCode::Delete => self.delete_to(motion::next_cluster),
            KeyCode::Left | KeyCode::Right => {
                // In a line from right to left, the next character is on the left.
                let forward = (key.code == KeyCode::Right) != self.is_line_rtl();
                self.go(match (forward, control || alt) {
                    (true, false) => motion::next_cluster,
                    (true, true) => motion::next_word,
                    (false, false) => motion::previous_cluster,
                    (false, true) => motion::previous_word,
                })
            }
            KeyCode::Home if control => self.go(|_, _| 0),
            KeyCode::End if control => self.go(|text, _| text.len()),
            KeyCode::Home => self.go(motion::line_start),
            KeyCode::End => self.go(motion::line_end),
            KeyCode::Up if !control && !alt => self.go_to_row(Direction::Back, width),
            KeyCode::Down if !control && !alt => self.go_to_row(Direction::Forward, width),
            _ => false,
        }
    }

    fn char_key(&mut self, c: char, control: bool, alt: bool) -> bool {
        match (control, alt, c.to_ascii_lowercase()) {
            // Windows reports AltGr as Ctrl and Alt.
            (true, true, c) if c.is_ascii_alphanumeric() => false,
            (false, false, _) | (true, true, _) => self.type_char(c),
            (true, false, 'a') => self.go(motion::line_start),
            (true, false, 'e') => self.go(motion::line_end),
            (true, false, 'b') => self.go(motion::previous_cluster),
            (true, false, 'f') => self.go(motion::next_cluster),
            (true, false, 'd') => !self.is_empty() && self.delete_to(motion::next_cluster),
            (true, false, 'h') => self.delete_to(motion::previous_cluster),
            (true, false, 'j') => self.type_char('\n'),
            (true, false, 'w') => self.cut_to(motion::previous_blank, Direction::Back),
            (true, false, 'u') => self.cut_to(to_line_start, Direction::Back),
            (true, false, 'k') => self.cut_to(to_line_end, Direction::Forward),
            (true, false, 'y') => self.yank(),
            (true, false, 't') => self.transpose(),
            // Terminals report Ctrl-_ in these ways.
            (true, false, '_' | '/' | '7') => self.undo(),
            (false, true, 'b') => self.go(motion::previous_word),
            (false, true, 'f') => self.go(motion::next_word),
            (false, true, 'd') => self.cut_to(motion::next_word, Direction::Forward),
            (false, true, '<') => self.go(|_, _| 0),
            (false, true, '>') => self.go(|text, _| text.len()),
            _ => false,
        }
    }

    /// Types a character. A control character is not typed.
    fn type_char(&mut self, c: char) -> bool {
        self.wanted_column = None;
        self.cutting = None;
        if self.text().len() + c.len_utf8() > TEXT_MAX_BYTES || (c.is_control() && c != '\n') {
            return true;
        }
        let at = self.cursor;
        let edit = self.replace(at..at, &MarkedText::new(c.to_string(), Origin::Typed));
        self.undo.push_typed(edit, c);
        true
    }

    fn go(&mut self, motion: impl FnOnce(&str, usize) -> usize) -> bool {
        self.begin_edit();
        self.cursor = motion(self.text(), self.cursor);
        true
    }

    fn go_to_row(&mut self, direction: Direction, width: u16) -> bool {
        // The rows as the reader sees them. Terminals that reorder text by themselves show nearly the same.
        let CursorRows { rows, row, column } = self.rows(width, true);
        let column = self.wanted_column.unwrap_or(column);
        let offset = |row| text::offset_at(self.text(), row, column, width, true);
        // A row that shows only a part of an escape has no place for the cursor.
        let reached = match direction {
            Direction::Back => (0..row).rev().filter_map(offset).find(|&offset| offset < self.cursor),
            Direction::Forward => (row + 1..rows.len()).filter_map(offset).find(|&offset| offset > self.cursor),
        };
        let Some(offset) = reached else { return false };
        let cursor = motion::snap(self.text(), offset);
        self.go(|_, _| cursor);
        self.wanted_column = Some(column);
        true
    }

    fn delete_to(&mut self, motion: impl FnOnce(&str, usize) -> usize) -> bool {
        self.begin_edit();
        let range = self.range_to(motion);
        if !range.is_empty() {
            let edit = self.replace(range, &MarkedText::default());
            self.undo.push(edit);
        }
        true
    }

    /// Removes text that Ctrl-Y inserts again.
    fn cut_to(&mut self, motion: impl FnOnce(&str, usize) -> usize, direction: Direction) -> bool {
        let continues = self.cutting == Some(direction);
        self.begin_edit();
        let range = self.range_to(motion);
        if range.is_empty() {
            return true;
        }
        let edit = self.replace(range, &MarkedText::default());
        if !continues {
            self.cut = MarkedText::default();
        }
        let at = if direction == Direction::Back { 0 } else { self.cut.text().len() };
        self.cut.replace(at..at, &edit.removed);
        self.cutting = Some(direction);
        self.undo.push(edit);
        true
    }

    /// Inserts the text that was cut last, if there is room for all of it.
    fn yank(&mut self) -> bool {
        self.begin_edit();
        let has_room = self.text().len() + self.cut.text().len() <= TEXT_MAX_BYTES;
        if has_room && !self.cut.text().is_empty() {
            let cut = self.cut.clone();
            let edit = self.replace(self.cursor..self.cursor, &cut);
            self.undo.push(edit);
        }
        true
    }

    /// Exchanges the characters before and after the cursor, or the last two of a line at its end.
    fn transpose(&mut self) -> bool {
        self.begin_edit();
        let text = self.text();
        let line = motion::line_start(text, self.cursor)..motion::line_end(text, self.cursor);
        let middle = if self.cursor == line.end { motion::previous_cluster(text, self.cursor) } else { self.cursor };
        if middle > line.start && middle < line.end {
            let range = motion::previous_cluster(text, middle)..motion::next_cluster(text, middle);
            let mut exchanged = self.text.clone();
            let first = exchanged.replace(range.start..middle, &MarkedText::default());
            let at = range.end - first.text().len();
            exchanged.replace(at..at, &first);
            let exchanged = exchanged.replace(range.clone(), &MarkedText::default());
            let edit = self.replace(range, &exchanged);
            self.undo.push(edit);
        }
        true
    }

    fn undo(&mut self) -> bool {
        self.begin_edit();
        if let Some(edit) = self.undo.pop() {
            self.text.replace(edit.inserted, &edit.removed);
            self.cursor = edit.cursor;
        }
        true
    }

    /// Ends the sequences of keys that continue each other: typed words, cuts, and Up and Down.
    fn begin_edit(&mut self) {
        self.undo.close();
        self.cutting = None;
        self.wanted_column = None;
    }

    /// The text between the cursor and a place to which a motion leads.
    fn range_to(&self, motion: impl FnOnce(&str, usize) -> usize) -> Range<usize> {
        let to = motion(self.text(), self.cursor);
        self.cursor.min(to)..self.cursor.max(to)
    }

    /// Replaces a part of the text by cleaned text, as much of it as there is room for.
    fn replace_cleaned(&mut self, range: Range<usize>, with: &str, origin: Origin) -> Inserted {
        let room = TEXT_MAX_BYTES - (self.text().len() - range.len());
        let (with, inserted) = clean(with, room);
        if !range.is_empty() || !with.is_empty() {
            let edit = self.replace(range, &MarkedText::new(with, origin));
            self.undo.push(edit);
        }
        inserted
    }

    /// Replaces a part of the text, and moves the cursor to the end of the new part.
    fn replace(&mut self, range: Range<usize>, with: &MarkedText) -> Edit {
        let inserted = range.start..range.start + with.text().len();
        let removed = self.text.replace(range, with);
        let edit = Edit { inserted, removed, cursor: self.cursor };
        // The new part can join the character after it, such as a mark that had no base.
        self.cursor = motion::snap(self.text(), edit.inserted.end);
        edit
    }

    fn is_line_rtl(&self) -> bool {
        let line = motion::line_start(self.text(), self.cursor)..motion::line_end(self.text(), self.cursor);
        text::is_rtl(&self.text()[line]).or_else(|| text::is_rtl(self.text())).unwrap_or_default()
    }
}

/// The start of the line. At the start: the LF before it, as the next cut.
fn to_line_start(text: &str, at: usize) -> usize {
    let start = motion::line_start(text, at);
    if start == at { motion::previous_cluster(text, at) } else { start }
}

/// The end of the line. At the end: the start of the next line, as the next cut.
fn to_line_end(text: &str, at: usize) -> usize {
    let end = motion::line_end(text, at);
    if end == at { motion::next_cluster(text, at) } else { end }
}
