//! The pieces of a line that cells can show: grapheme clusters, spaces and escapes.

use std::ops::Range;

use ratatui_core::buffer::CellWidth as _;
use switchboard_protocol::is_display_control;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

/// Maximum characters of a cluster in one cell. The longest emoji have 10. The Stream-Safe Text Format (UAX #15 §13)
/// allows 30 marks after a character. The escapes of further marks take cells, so no text grows over its neighbours.
const CLUSTER_MAX_CHARS: usize = 32;

/// Distance of tab stops, in cells. Eight would leave little of a narrow conversation to indented code.
pub(crate) const TAB_STOP: usize = 4;

/// A part of a line that a row never splits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Piece<'t> {
    /// The part of the text that this piece shows. An escape and a tab are several pieces: the first one has the range
    /// of the character, and the others are empty and at its end.
    pub(super) range: Range<usize>,
    /// The text of the piece. Its first character is never a control, and never a mark without a base.
    pub(super) shown: &'t str,
    /// Width in cells, at least 1.
    pub(super) width: u16,
    pub(super) kind: PieceKind,
}

/// How a piece behaves at the end of a row, and in which direction it is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PieceKind {
    Text,
    /// A row can end after it.
    Space,
    /// One of the spaces that stand for a tab.
    Tab,
    /// A character of an escape: it is read from left to right, and has no direction of its own.
    Escape,
}

impl Piece<'_> {
    /// Whether the piece continues the escape or tab of the piece before it.
    pub(super) fn is_continuation(&self) -> bool {
        self.range.is_empty()
    }

    pub(super) fn is_space(&self) -> bool {
        matches!(self.kind, PieceKind::Space | PieceKind::Tab)
    }
}

/// Appends the pieces of a line without LF. The line begins at the offset `start` of the text.
pub(super) fn push_pieces<'t>(line: &'t str, start: usize, pieces: &mut Vec<Piece<'t>>) {
    let mut column = 0;
    // A mark can be without a base at the start of a line, and after an escape.
    let mut is_after_base = false;
    let mut rest = line;
    while let Some(cluster) = first_cluster(rest) {
        let at = start + line.len() - rest.len();
        rest = &rest[cluster.len()..];
        let first = pieces.len();
        if cluster == "\t" {
            let spaces = TAB_STOP - column % TAB_STOP;
            push_characters(at..at + 1, std::iter::repeat_n(' ', spaces), PieceKind::Tab, pieces);
        } else {
            let shown = if is_after_base || !joins("a", cluster) { showable(cluster) } else { "" };
            if !shown.is_empty() {
                let kind = if is_space(shown) { PieceKind::Space } else { PieceKind::Text };
                pieces.push(Piece { range: at..at + shown.len(), shown, width: shown.cell_width(), kind });
            }
            for (offset, c) in cluster[shown.len()..].char_indices() {
                let at = at + shown.len() + offset;
                push_characters(at..at + c.len_utf8(), c.escape_unicode(), PieceKind::Escape, pieces);
            }
        }
        is_after_base = pieces.last().is_some_and(|piece| piece.kind != PieceKind::Escape);
        column += pieces[first..].iter().map(|piece| usize::from(piece.width)).sum::<usize>();
    }
}

/// The first grapheme cluster of a text that begins at the boundary of a cluster.
fn first_cluster(text: &str) -> Option<&str> {
    match text.as_bytes() {
        [] => None,
        // Fast path: nothing joins two characters of printable ASCII.
        [b' '..=b'~', b' '..=b'~', ..] | [b' '..=b'~'] => text.get(..1),
        _ => text.graphemes(true).next(),
    }
}

/// Appends ASCII characters, each a piece, that stand for the character at `range`.
fn push_characters(
    range: Range<usize>,
    characters: impl Iterator<Item = char>,
    kind: PieceKind,
    pieces: &mut Vec<Piece<'_>>,
) {
    for (number, c) in characters.enumerate() {
        let range = if number == 0 { range.clone() } else { range.end..range.end };
        pieces.push(Piece { range, shown: ascii(c), width: 1, kind });
    }
}

/// The beginning of a cluster that a cell can show. Empty if that is nothing: a control, or a mark without a base.
fn showable(cluster: &str) -> &str {
    if matches!(cluster.as_bytes(), [b' '..=b'~']) {
        return cluster;
    }
    let end = cluster
        .char_indices()
        .enumerate()
        .find(|&(number, (_, c))| number == CLUSTER_MAX_CHARS || is_invisible(c))
        .map_or(cluster.len(), |(_, (at, _))| at);
    let shown = &cluster[..end];
    if shown.is_empty() || shown.cell_width() == 0 { "" } else { shown }
}

/// Whether two clusters are one cluster when they are neighbours.
pub(super) fn joins(before: &str, after: &str) -> bool {
    // Fast path: Latin, Hebrew and Arabic letters join no cluster that begins with a base.
    let is_letter = |c| matches!(c, '\u{20}'..='\u{2ff}' | '\u{5d0}'..='\u{5ea}' | '\u{620}'..='\u{64a}');
    if before.is_empty() || (before.ends_with(is_letter) && after.starts_with(is_letter)) {
        return false;
    }
    let both = format!("{before}{after}");
    !GraphemeCursor::new(before.len(), both.len(), true).is_boundary(&both, 0).unwrap_or(true)
}

/// Whether a character is never shown, also after a base: a display control, or a format control of the Egyptian
/// hieroglyphs, to which terminals give different widths.
fn is_invisible(c: char) -> bool {
    is_display_control(c) || matches!(c, '\u{13430}'..='\u{1343f}')
}

/// Whether a cluster is a space at which a line can be broken. (UAX #14, classes SP and BA) A space with a mark is none.
fn is_space(cluster: &str) -> bool {
    let mut characters = cluster.chars();
    match (characters.next(), characters.next()) {
        // These spaces keep their neighbours together.
        (Some('\u{a0}' | '\u{2007}' | '\u{202f}') | None, _) | (_, Some(_)) => false,
        (Some(c), None) => c.is_whitespace(),
    }
}

/// A printable ASCII character as a text.
fn ascii(c: char) -> &'static str {
    const PRINTABLE: &str =
        " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
    let at = PRINTABLE.find(c).unwrap_or_default();
    &PRINTABLE[at..=at]
}
