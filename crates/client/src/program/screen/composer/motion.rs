//! Where the cursor goes in a text. All positions are boundaries of grapheme clusters.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

/// The boundary at a position, or the next one after it.
pub(super) fn snap(text: &str, at: usize) -> usize {
    let mut cursor = GraphemeCursor::new(at, text.len(), true);
    if cursor.is_boundary(text, 0).unwrap_or(true) {
        return at;
    }
    cursor.next_boundary(text, 0).ok().flatten().unwrap_or(text.len())
}

pub(super) fn next_cluster(text: &str, at: usize) -> usize {
    GraphemeCursor::new(at, text.len(), true).next_boundary(text, 0).ok().flatten().unwrap_or(text.len())
}

pub(super) fn previous_cluster(text: &str, at: usize) -> usize {
    GraphemeCursor::new(at, text.len(), true).prev_boundary(text, 0).ok().flatten().unwrap_or(0)
}

/// The end of the word at the cursor or after it.
pub(super) fn next_word(text: &str, at: usize) -> usize {
    let end = text.unicode_word_indices().map(|(start, word)| start + word.len()).find(|&end| end > at);
    snap(text, end.unwrap_or(text.len()))
}

/// The start of the word before the cursor.
pub(super) fn previous_word(text: &str, at: usize) -> usize {
    let start = text.unicode_word_indices().map(|(start, _)| start).take_while(|&start| start < at).last();
    snap_back(text, start.unwrap_or(0))
}

/// The start of the characters without white space before the cursor, and of the white space after them.
pub(super) fn previous_blank(text: &str, at: usize) -> usize {
    let word = text[..at].trim_end();
    let start = word.char_indices().rev().find(|(_, c)| c.is_whitespace());
    snap_back(text, start.map_or(0, |(start, c)| start + c.len_utf8()))
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |lf| lf + 1)
}

/// The LF that ends the line, or the end of the text.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |lf| at + lf)
}

/// The boundary at a position, or the last one before it.
fn snap_back(text: &str, at: usize) -> usize {
    let mut cursor = GraphemeCursor::new(at, text.len(), true);
    if cursor.is_boundary(text, 0).unwrap_or(true) {
        return at;
    }
    cursor.prev_boundary(text, 0).ok().flatten().unwrap_or(0)
}
