//! Pastes of terminals that do not mark them.
//!
//! The keys of such a paste arrive together. If text follows an Enter in the same batch of keys, the Enter ends a pasted
//! line and is no key.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::input::TerminalEvent;

/// Replaces keys that arrived together by pastes, where they have several lines.
pub(super) fn mark(events: Vec<TerminalEvent>) -> Vec<TerminalEvent> {
    let mut marked = Vec::with_capacity(events.len());
    let mut run = Run::default();
    for event in events {
        if let Some(c) = typed_char(&event) {
            run.push(c, event);
        } else {
            run.end(&mut marked);
            marked.push(event);
        }
    }
    run.end(&mut marked);
    marked
}

/// The character that a key types, or LF for a line end. `None` for all other events.
pub(super) fn typed_char(event: &TerminalEvent) -> Option<char> {
    let TerminalEvent::Key(KeyEvent { code, modifiers, .. }) = event else { return None };
    match code {
        KeyCode::Enter if modifiers.is_empty() => Some('\n'),
        // LF, in raw mode.
        KeyCode::Char('j') if *modifiers == KeyModifiers::CONTROL => Some('\n'),
        KeyCode::Tab if modifiers.is_empty() => Some('\t'),
        KeyCode::Char(c) if KeyModifiers::SHIFT.contains(*modifiers) => Some(*c),
        _ => None,
    }
}

/// Keys that type characters, one after the other.
#[derive(Default)]
struct Run {
    keys: Vec<TerminalEvent>,
    text: String,
    /// Whether a line end has other characters behind it.
    is_paste: bool,
    ends_in_cr: bool,
}

impl Run {
    fn push(&mut self, c: char, key: TerminalEvent) {
        self.is_paste |= c != '\n' && self.text.contains('\n');
        let is_cr = c == '\n' && matches!(key, TerminalEvent::Key(KeyEvent { code: KeyCode::Enter, .. }));
        // CR LF is one line end.
        if c != '\n' || is_cr || !self.ends_in_cr {
            self.text.push(c);
        }
        self.ends_in_cr = is_cr;
        self.keys.push(key);
    }

    fn end(&mut self, events: &mut Vec<TerminalEvent>) {
        let Self { keys, text, is_paste, .. } = std::mem::take(self);
        if is_paste {
            events.push(TerminalEvent::Paste(text));
        } else {
            events.extend(keys);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(c: char) -> TerminalEvent {
        TerminalEvent::Key(match c {
            '\r' => KeyEvent::from(KeyCode::Enter),
            '\n' => KeyEvent::new(KeyCode::Char('j'), KeyModifiers::CONTROL),
            '\t' => KeyEvent::from(KeyCode::Tab),
            '^' => KeyEvent::from(KeyCode::Up),
            c => KeyEvent::from(KeyCode::Char(c)),
        })
    }

    fn keys(text: &str) -> Vec<TerminalEvent> {
        text.chars().map(key).collect()
    }

    #[test]
    fn lines_that_arrive_at_once_are_a_paste() {
        for (typed, pasted) in [
            ("/quit\rhi", "/quit\nhi"),
            ("a\r\r\tb\r", "a\n\n\tb\n"),
            ("a\r\nb\r\n", "a\nb\n"),
            ("a\nb\n\n", "a\nb\n\n"),
            ("\ra", "\na"),
        ] {
            assert_eq!(mark(keys(typed)), [TerminalEvent::Paste(pasted.to_owned())], "{typed:?}");
        }
        assert_eq!(mark(keys("a\rb^c\r")), [vec![TerminalEvent::Paste("a\nb".to_owned())], keys("^c\r")].concat());
    }

    #[test]
    fn a_line_that_is_typed_fast_is_no_paste() {
        for typed in ["", "hi", "hi\r", "hi\r\r", "hi\r^", "hi\r^ho"] {
            assert_eq!(mark(keys(typed)), keys(typed), "{typed:?}");
        }
    }
}
