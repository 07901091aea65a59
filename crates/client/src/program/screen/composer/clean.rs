//! Text from a clipboard, made fit for a draft.

use std::fmt::Write as _;

use super::super::text::TAB_STOP;
use super::Inserted;

/// Returns a text without control characters, and at most `room` bytes of it, cut between two characters.
///
/// Line ends (CR LF, CR, LF, and the separators of Unicode) become LF. A tab becomes spaces. Another control character
/// becomes an escape such as `\u{1b}`: it is visible, and the sender decides about it. Format characters stay, since
/// some languages need them; the screen shows those that are dangerous.
pub(super) fn clean(text: &str, room: usize) -> (String, Inserted) {
    let mut out = String::with_capacity(text.len().min(room));
    let mut characters = text.chars().peekable();
    let mut column = 0;
    while let Some(c) = characters.next() {
        let before = out.len();
        match c {
            '\r' => {
                characters.next_if_eq(&'\n');
                out.push('\n');
            }
            '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            '\t' => out.extend(std::iter::repeat_n(' ', TAB_STOP - column % TAB_STOP)),
            _ if c.is_control() => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            _ => out.push(c),
        }
        if out.len() > room {
            out.truncate(before);
            return (out, Inserted::Truncated);
        }
        column = if out.ends_with('\n') { 0 } else { column + out[before..].chars().count() };
    }
    (out, Inserted::Whole)
}
