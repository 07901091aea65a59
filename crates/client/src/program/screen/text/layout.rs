//! The rows of a text.

use std::ops::Range;

use unicode_bidi::Level;

use super::bidi;
use super::piece::{Piece, PieceKind, joins, push_pieces};
use super::wrap::wrap;

/// Separates two clusters that would become one because they are neighbours only on the screen.
const SEPARATOR: char = '\u{200c}';

/// One row on the screen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Row {
    /// The text from the left to the right. Each of its grapheme clusters has cells of its own, and none is a control.
    pub(crate) text: String,
    /// The part of the given text that the row shows. The end of a row and the start of the next one differ by the LF
    /// and the spaces that are not shown.
    pub(crate) range: Range<usize>,
    /// Width in cells. At most the width of the layout, unless the row is one cluster that is wider.
    pub(crate) width: u16,
    /// Whether the row belongs to the right edge. Never in logical order.
    pub(crate) is_rtl: bool,
}

impl Row {
    /// The column of the first cell, in an area of `width` cells.
    pub(crate) fn start_column(&self, width: u16) -> u16 {
        if self.is_rtl { width.saturating_sub(self.width) } else { 0 }
    }
}

/// Breaks a text into rows of at most `width` cells: at least one row for each line.
///
/// The rows are in display order if `reorder`, and in logical order otherwise, for terminals that reorder text by
/// themselves. Each line has the direction of its first strong character; a line without one has that of the text.
pub(crate) fn layout(text: &str, width: u16, reorder: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in lines(text, reorder) {
        rows.extend(line.wrap(width).into_iter().map(|parts| line.row(parts)));
    }
    rows
}

/// Returns the first line of a text as one row of at most `width` cells. A row that is cut ends with `…`.
pub(crate) fn fit(text: &str, width: u16, reorder: bool) -> Row {
    const CUT: Piece<'static> = Piece { range: 0..0, shown: "…", width: 1, kind: PieceKind::Text };
    let (first, is_cut) = match text.split_once('\n') {
        Some((first, _)) => (first, true),
        None => (text, false),
    };
    let mut line = PieceLine::new(first, 0, bidi::is_rtl(first).unwrap_or_default(), reorder);
    let width = usize::from(width);
    let total: usize = line.pieces.iter().map(|piece| usize::from(piece.width)).sum();
    if is_cut || total > width {
        let mut used = 0;
        let fitting = line.pieces.iter().take_while(|piece| {
            used += usize::from(piece.width);
            used < width
        });
        let end = fitting.count();
        line.pieces.truncate(end);
        if width > 0 {
            let at = line.pieces.last().map_or(0, |piece| piece.range.end);
            line.pieces.push(Piece { range: at..at, ..CUT });
        }
        line.resolve(reorder);
    }
    line.row(0..line.pieces.len()).to_row()
}

/// Returns the lines of a text, in order.
pub(super) fn lines(text: &str, reorder: bool) -> impl Iterator<Item = Line<'_>> {
    let text_is_rtl = reorder && !text.is_ascii() && bidi::is_rtl(text).unwrap_or_default();
    let mut next = 0;
    text.split('\n').map(move |line| {
        let start = next;
        next += line.len() + 1;
        if !text_is_rtl && line.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            Line::Ascii { text: line, start }
        } else {
            let is_rtl = bidi::is_rtl(line).unwrap_or(text_is_rtl);
            Line::Pieces(PieceLine::new(line, start, is_rtl, reorder))
        }
    })
}

/// One line of a text. A row is a range of its parts, which are bytes or pieces.
pub(super) enum Line<'t> {
    /// Only printable ASCII, which needs neither pieces nor levels.
    Ascii {
        text: &'t str,
        start: usize,
    },
    Pieces(PieceLine<'t>),
}

impl Line<'_> {
    /// Returns the parts of each row: at least one row.
    pub(super) fn wrap(&self, width: u16) -> Vec<Range<usize>> {
        match self {
            Self::Ascii { text, .. } => wrap(text.as_bytes(), width),
            Self::Pieces(line) => wrap(&line.pieces[..], width),
        }
    }

    pub(super) fn row(&self, parts: Range<usize>) -> Row {
        match self {
            Self::Ascii { text, start } => Row {
                text: text[parts.clone()].to_owned(),
                range: start + parts.start..start + parts.end,
                width: cells(parts.len()),
                is_rtl: false,
            },
            Self::Pieces(line) => line.row(parts).to_row(),
        }
    }
}

/// A line and the levels of its pieces.
pub(super) struct PieceLine<'t> {
    pub(super) start: usize,
    pub(super) pieces: Vec<Piece<'t>>,
    /// The level of each piece. `None`: the row is shown in logical order.
    levels: Option<Vec<Level>>,
    is_rtl: bool,
}

impl<'t> PieceLine<'t> {
    /// A line that begins at the offset `start` of its text.
    pub(super) fn new(line: &'t str, start: usize, is_rtl: bool, reorder: bool) -> Self {
        let mut pieces = Vec::with_capacity(line.len());
        push_pieces(line, start, &mut pieces);
        let reorder = reorder && (is_rtl || bidi::needs_reordering(line));
        let mut line = Self { start, pieces, levels: None, is_rtl: is_rtl && reorder };
        line.resolve(reorder);
        line
    }

    /// Computes the levels of the pieces.
    fn resolve(&mut self, reorder: bool) {
        self.levels = reorder.then(|| bidi::levels(&self.pieces, self.is_rtl));
    }

    /// The row that has these pieces.
    pub(super) fn row(&self, row: Range<usize>) -> PieceRow<'_, 't> {
        let pieces = &self.pieces[row.clone()];
        let levels = self.levels.as_ref().map(|levels| &levels[row.clone()]);
        let order = match levels {
            Some(levels) => bidi::display_order(pieces, levels, self.is_rtl),
            None => (0..pieces.len()).collect(),
        };
        let at = self.pieces.get(row.start).map_or(self.end(), |piece| piece.range.start);
        let range = at..pieces.last().map_or(at, |piece| piece.range.end);
        PieceRow { pieces, levels, order, range, is_rtl: self.is_rtl }
    }

    /// The offset of the line's end.
    fn end(&self) -> usize {
        self.pieces.last().map_or(self.start, |piece| piece.range.end)
    }
}

/// A row and the display order of its pieces.
pub(super) struct PieceRow<'l, 't> {
    pub(super) pieces: &'l [Piece<'t>],
    levels: Option<&'l [Level]>,
    /// Indices of `pieces`, from the left.
    pub(super) order: Vec<usize>,
    pub(super) range: Range<usize>,
    pub(super) is_rtl: bool,
}

impl PieceRow<'_, '_> {
    pub(super) fn width(&self) -> u16 {
        cells(self.pieces.iter().map(|piece| usize::from(piece.width)).sum())
    }

    fn to_row(&self) -> Row {
        let mut text = String::with_capacity(self.range.len());
        let mut before: Option<usize> = None;
        let mut last_cluster = 0;
        for &index in &self.order {
            let piece = &self.pieces[index];
            let level = self.levels.map_or(Level::ltr(), |levels| levels[index]);
            let shown = bidi::shown_at(piece, level);
            let is_next = before.is_some_and(|before| before + 1 == index)
                && matches!(piece.kind, PieceKind::Text | PieceKind::Space);
            if !is_next && joins(&text[last_cluster..], &shown) {
                text.push(SEPARATOR);
            }
            last_cluster = text.len();
            text.push_str(&shown);
            before = Some(index);
        }
        Row { text, range: self.range.clone(), width: self.width(), is_rtl: self.is_rtl }
    }
}

/// A number of cells. No terminal is wider than `u16::MAX`.
fn cells(width: usize) -> u16 {
    u16::try_from(width).unwrap_or(u16::MAX)
}
