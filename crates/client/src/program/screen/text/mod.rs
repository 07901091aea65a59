//! Text for a grid of cells: rows of a width, in the order in which a terminal shows them.
//!
//! ```text
//! text ──lines──▶ pieces ──▶ wrap ──▶ rows in logical order ──▶ bidi ──▶ rows in display order
//! ```
//!
//! A piece is a grapheme cluster that has cells of its own, or one character of an escape such as `\u{202e}`. So no
//! text moves the cursor, hides a character, or changes the order of the text beside it. Positions are byte offsets in
//! the text as it was given. Arabic letters are not joined here: that is the work of the terminal.

mod bidi;
mod cursor;
mod layout;
mod mirror;
mod piece;
#[cfg(test)]
mod tests;
mod wrap;

pub(crate) use bidi::is_rtl;
pub(crate) use cursor::{CursorRows, cursor, offset_at};
pub(crate) use layout::{Row, fit, layout};
pub(crate) use piece::TAB_STOP;
#[cfg(test)]
pub(crate) use tests::properties::text as text_of_all_kinds;
