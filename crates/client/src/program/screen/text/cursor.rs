//! The place of the cursor in the rows of a text, and the place in a text of a cell.
//!
//! The cursor covers the cell of the character that follows it. At the end of a row, it is beside the last cell: on the
//! right, or on the left of a row from right to left.

use std::ops::Range;

use super::layout::{Line, PieceRow, Row, lines};

/// The rows of a text that is edited.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct CursorRows {
    pub(crate) rows: Vec<Row>,
    /// The row of the cursor.
    pub(crate) row: usize,
    /// The column of the cursor in the area. The start of each row is at [`Row::start_column`].
    pub(crate) column: u16,
}

/// Breaks a text into rows for an area of `width` cells, and finds the cursor, which is at the byte `offset`.
///
/// The rows are one cell narrower than the area, so that the cursor has a cell after the end of each row.
pub(crate) fn cursor(text: &str, offset: usize, width: u16, reorder: bool) -> CursorRows {
    let mut found = CursorRows::default();
    for line in lines(text, reorder) {
        for parts in line.wrap(row_width(width)) {
            let row = line.row(parts.clone());
            if row.range.start <= offset {
                found.row = found.rows.len();
                found.column = line.column(parts, offset, width);
            }
            found.rows.push(row);
        }
    }
    found
}

/// Returns the byte offset in a text at which the cursor is in a cell, or near it. The rows are those of [`cursor`].
/// `None`: there is no such row.
pub(crate) fn offset_at(text: &str, row: usize, column: u16, width: u16, reorder: bool) -> Option<usize> {
    let mut first = 0;
    for line in lines(text, reorder) {
        let rows = line.wrap(row_width(width));
        if let Some(parts) = rows.get(row - first) {
            let offset = line.offset(parts.clone(), column, width);
            // The end of a row can be the start of the next one, where the cursor would be.
            let next = rows.get(row - first + 1).map(|next| line.row(next.clone()).range.start);
            return Some(if next == Some(offset) { line.last_start(parts.clone()) } else { offset });
        }
        first += rows.len();
    }
    None
}

/// The width of the rows in an area.
fn row_width(width: u16) -> u16 {
    width.saturating_sub(1).max(1)
}

impl Line<'_> {
    /// The column of the cursor in a row, in an area of `width` cells.
    fn column(&self, parts: Range<usize>, offset: usize, width: u16) -> u16 {
        let column = match self {
            Self::Ascii { start, .. } => {
                u16::try_from(offset.min(start + parts.end) - start - parts.start).unwrap_or(u16::MAX)
            }
            Self::Pieces(line) => line.row(parts).column(offset, width),
        };
        column.min(width.saturating_sub(1))
    }

    /// The offset of the part of a row that covers a column.
    fn offset(&self, parts: Range<usize>, column: u16, width: u16) -> usize {
        match self {
            Self::Ascii { start, .. } => start + parts.end.min(parts.start + usize::from(column)),
            Self::Pieces(line) => line.row(parts).offset(column, width),
        }
    }

    /// The offset of the last character of a row.
    fn last_start(&self, parts: Range<usize>) -> usize {
        match self {
            Self::Ascii { start, .. } => start + parts.end.saturating_sub(1).max(parts.start),
            Self::Pieces(line) => {
                let row = line.row(parts);
                row.pieces.last().map_or(row.range.start, |_| row.character_start(row.pieces.len() - 1))
            }
        }
    }
}

impl PieceRow<'_, '_> {
    /// The column of the first cell, in an area of `width` cells.
    fn start_column(&self, width: u16) -> u16 {
        if self.is_rtl { width.saturating_sub(self.width()) } else { 0 }
    }

    fn column(&self, offset: usize, width: u16) -> u16 {
        let start = self.start_column(width);
        let at_cursor = |index: &usize| {
            let piece = &self.pieces[*index];
            piece.range.start >= offset && !piece.is_continuation()
        };
        match (0..self.pieces.len()).find(at_cursor) {
            Some(at) => {
                let before = self.order.iter().take_while(|&&index| index != at);
                before.fold(start, |column, &index| column.saturating_add(self.pieces[index].width))
            }
            None if self.is_rtl => start.saturating_sub(1),
            None => start.saturating_add(self.width()),
        }
    }

    fn offset(&self, column: u16, width: u16) -> usize {
        let mut left = self.start_column(width);
        if column < left {
            return self.range.end;
        }
        for &index in &self.order {
            left = left.saturating_add(self.pieces[index].width);
            if column < left {
                return self.character_start(index);
            }
        }
        if self.is_rtl { self.range.start } else { self.range.end }
    }

    /// The offset of the character that contains a piece.
    fn character_start(&self, index: usize) -> usize {
        let first = self.pieces[..=index].iter().rev().find(|piece| !piece.is_continuation());
        first.map_or(self.range.start, |piece| piece.range.start)
    }
}
