//! The order in which a row of mixed directions is shown. (UAX #9)
//!
//! The levels are those of the whole line, and each row of it is reordered by itself. An escape counts as one neutral
//! character, and its characters stay in their order. So a direction control has no effect.

use std::borrow::Cow;

use switchboard_protocol::is_display_control;
use unicode_bidi::{BidiClass, BidiInfo, Level, ParagraphBidiInfo, bidi_class};

use super::mirror::mirrored;
use super::piece::{Piece, PieceKind};

/// Stands for an escape in the text whose levels are computed: a neutral character.
const NEUTRAL: char = '\u{fffc}';

/// The first character of Unicode that is read from right to left.
const FIRST_RTL: char = '\u{590}';

/// The direction of a text: that of its first strong character. `None`: it has none, such as a number.
pub(crate) fn is_rtl(text: &str) -> Option<bool> {
    text.chars().find_map(|c| match direction_class(c) {
        BidiClass::L => Some(false),
        BidiClass::R | BidiClass::AL => Some(true),
        _ => None,
    })
}

/// Whether display order and logical order of a text can differ.
pub(super) fn needs_reordering(text: &str) -> bool {
    text.chars().any(|c| c >= FIRST_RTL && matches!(direction_class(c), BidiClass::R | BidiClass::AL | BidiClass::AN))
}

/// The class of a character as it is shown: a control is an escape.
fn direction_class(c: char) -> BidiClass {
    match c {
        'A'..='Z' | 'a'..='z' => BidiClass::L,
        _ if is_display_control(c) => BidiClass::ON,
        _ => bidi_class(c),
    }
}

/// Returns the level of each piece of a line whose direction is `is_rtl`.
pub(super) fn levels(pieces: &[Piece<'_>], is_rtl: bool) -> Vec<Level> {
    let base = base_level(is_rtl);
    let mut text = String::new();
    let starts: Vec<usize> = pieces
        .iter()
        .map(|piece| {
            let start = text.len();
            match piece.kind {
                PieceKind::Escape if piece.is_continuation() => return start - NEUTRAL.len_utf8(),
                PieceKind::Escape => text.push(NEUTRAL),
                PieceKind::Text | PieceKind::Space | PieceKind::Tab => text.push_str(piece.shown),
            }
            start
        })
        .collect();
    let resolved = ParagraphBidiInfo::new(&text, Some(base)).levels;
    let level = |(piece, start): (&Piece<'_>, usize)| {
        let level = resolved[start];
        if piece.kind == PieceKind::Escape && level.is_rtl() { left_to_right_inside(level) } else { level }
    };
    pieces.iter().zip(starts).map(level).collect()
}

/// Returns the indices of a row's pieces in the order in which they are shown, from the left.
pub(super) fn display_order(pieces: &[Piece<'_>], levels: &[Level], is_rtl: bool) -> Vec<usize> {
    let mut levels = levels.to_vec();
    // Rule L1: spaces at the end of a row are at its end also on the screen.
    let trailing = pieces.iter().rev().take_while(|piece| piece.is_space()).count();
    let end = levels.len() - trailing;
    levels[end..].fill(base_level(is_rtl));
    BidiInfo::reorder_visual(&levels)
}

/// The text of a piece at a level: its first character is mirrored from right to left.
pub(super) fn shown_at<'t>(piece: &Piece<'t>, level: Level) -> Cow<'t, str> {
    if level.is_ltr() {
        return Cow::Borrowed(piece.shown);
    }
    let mut rest = piece.shown.chars();
    match rest.next().map(|c| (c, mirrored(c))) {
        Some((c, image)) if image != c => Cow::Owned(format!("{image}{}", rest.as_str())),
        _ => Cow::Borrowed(piece.shown),
    }
}

fn base_level(is_rtl: bool) -> Level {
    if is_rtl { Level::rtl() } else { Level::ltr() }
}

fn left_to_right_inside(level: Level) -> Level {
    level.new_explicit_next_ltr().unwrap_or(level)
}
