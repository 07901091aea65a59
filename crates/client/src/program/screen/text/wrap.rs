//! Breaks a line into rows, at words where possible.

use std::ops::Range;

use super::piece::{Piece, PieceKind};

/// The parts of a line, as the search for breaks sees them.
pub(super) trait Parts {
    fn len(&self) -> usize;
    /// Width of a part in cells.
    fn width(&self, index: usize) -> usize;
    fn is_space(&self, index: usize) -> bool;
    /// Whether a row can end before a part although there is no space.
    fn breaks_before(&self, index: usize) -> bool;
}

/// Printable ASCII: each byte has a cell.
impl Parts for [u8] {
    fn len(&self) -> usize {
        self.len()
    }

    fn width(&self, _: usize) -> usize {
        1
    }

    fn is_space(&self, index: usize) -> bool {
        self[index] == b' '
    }

    fn breaks_before(&self, _: usize) -> bool {
        false
    }
}

impl Parts for [Piece<'_>] {
    fn len(&self) -> usize {
        self.len()
    }

    fn width(&self, index: usize) -> usize {
        self[index].width.into()
    }

    fn is_space(&self, index: usize) -> bool {
        self[index].is_space()
    }

    /// Ideographs, kana and emoji are written without spaces. Punctuation stays with the text to which it belongs.
    fn breaks_before(&self, index: usize) -> bool {
        let (before, after) = (&self[index - 1], &self[index]);
        (before.width > 1 || after.width > 1)
            && before.kind == PieceKind::Text
            && after.kind == PieceKind::Text
            && !before.shown.starts_with(is_opening)
            && !after.shown.starts_with(is_closing)
    }
}

/// Returns the parts of each row: at least one row, in order. Spaces at the end of a row that do not fit are in no row.
/// A part that is wider than `width` has a row of its own.
pub(super) fn wrap<P: Parts + ?Sized>(parts: &P, width: u16) -> Vec<Range<usize>> {
    let width = usize::from(width.max(1));
    let mut rows = Vec::new();
    let mut start = 0;
    let mut used = 0;
    // Where the current row can end, and the width of the parts from there to the current one.
    let mut candidate: Option<(usize, usize)> = None;
    let mut has_text = false;
    for index in 0..parts.len() {
        let part = parts.width(index);
        if parts.is_space(index) {
            // Spaces hang over the end of a row.
            used += part;
            if let Some((_, since)) = &mut candidate {
                *since += part;
            }
            continue;
        }
        let is_after_space = index > start && parts.is_space(index - 1);
        if has_text && index > start && (is_after_space || parts.breaks_before(index)) {
            candidate = Some((index, 0));
        }
        if used + part > width && index > start {
            let (end, since) = candidate.take().unwrap_or((index, 0));
            rows.push(trimmed(parts, start..end, width));
            (start, used) = (end, since);
            if used + part > width && index > start {
                rows.push(trimmed(parts, start..index, width));
                (start, used) = (index, 0);
            }
        }
        has_text = true;
        used += part;
        if let Some((_, since)) = &mut candidate {
            *since += part;
        }
    }
    rows.push(trimmed(parts, start..parts.len(), width));
    rows
}

/// Drops the spaces at the end of a row that do not fit.
fn trimmed<P: Parts + ?Sized>(parts: &P, mut row: Range<usize>, width: usize) -> Range<usize> {
    let mut used: usize = row.clone().map(|index| parts.width(index)).sum();
    while used > width && !row.is_empty() && parts.is_space(row.end - 1) {
        row.end -= 1;
        used -= parts.width(row.end);
    }
    row
}

/// Whether a character begins a quotation or a bracket: no row ends after it.
fn is_opening(c: char) -> bool {
    "([{«‹“‘（［｛｟「『【〈《〔〖〘〚｢".contains(c)
}

/// Whether a character ends something, or belongs to the character before it: no row begins with it. These are the
/// closing brackets and marks, the small kana and the sign of a long vowel.
fn is_closing(c: char) -> bool {
    ")]}»›”’,.;:!?%…、。，．：；！？％）］｝｠」』】〉》〕〗〙〛｣｡､・ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ"
        .contains(c)
}
