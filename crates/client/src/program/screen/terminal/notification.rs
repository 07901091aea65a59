//! Notifications on the desktop, by escape sequences of the terminal.
//!
//! | terminal | sequence |
//! |---|---|
//! | `iTerm2`, kitty | OSC 9 |
//! | foot, Ghostty, `WezTerm`, Contour, urxvt with its extension, GNOME Terminal of some distributions | OSC 777 |
//! | tmux | either, for the terminal around it, if tmux has `allow-passthrough on` |
//! | all others | ignore OSC 777 |
//!
//! The bell is the fallback for a terminal that shows none: most terminals and window managers mark a window that rings.

use std::env;

use switchboard_protocol::sanitize;

/// The longest title, in characters: an account's or room's name fits.
const TITLE_MAX_CHARS: usize = 80;

/// The longest body, in characters. A desktop shows about two lines.
const BODY_MAX_CHARS: usize = 200;

/// How the terminal takes notifications.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotificationProtocol {
    sequence: Sequence,
    /// Whether tmux must pass the sequence to the terminal around it.
    is_in_tmux: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sequence {
    Osc9,
    Osc777,
}

impl NotificationProtocol {
    /// The protocol of the terminal that the environment names. `None` if it has none for sure.
    pub(super) fn of_environment() -> Option<Self> {
        let variable = |name| env::var(name).unwrap_or_default();
        let programs = [variable("TERM_PROGRAM"), variable("LC_TERMINAL")];
        Self::of(&variable("TERM"), &programs, env::var_os("TMUX").is_some())
    }

    fn of(term: &str, programs: &[String], is_in_tmux: bool) -> Option<Self> {
        // The console of Linux has no desktop, and GNU screen passes nothing on.
        if matches!(term, "linux" | "screen") && !is_in_tmux {
            return None;
        }
        let is_iterm = programs.iter().any(|program| program.starts_with("iTerm"));
        let sequence = if is_iterm || term == "xterm-kitty" { Sequence::Osc9 } else { Sequence::Osc777 };
        Some(Self { sequence, is_in_tmux })
    }

    /// Encodes a notification. `title` and `body` may be any text.
    pub(super) fn encode(self, title: &str, body: &str) -> String {
        // A semicolon would end the title. In OSC 9, it could also begin another command of the terminal.
        let title = clean(title, TITLE_MAX_CHARS).replace(';', ",");
        let body = clean(body, BODY_MAX_CHARS);
        let sequence = match self.sequence {
            Sequence::Osc9 => format!("\x1b]9;{title}: {body}\x07"),
            Sequence::Osc777 => format!("\x1b]777;notify;{title};{body}\x07"),
        };
        if self.is_in_tmux { format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b")) } else { sequence }
    }
}

/// Replaces control characters, and shortens the text.
fn clean(text: &str, max_chars: usize) -> String {
    let start: String = text.chars().take(max_chars).collect();
    sanitize(&start).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(term: &str, program: &str, is_in_tmux: bool) -> NotificationProtocol {
        NotificationProtocol::of(term, &[program.to_owned()], is_in_tmux).expect("the terminal shows notifications")
    }

    #[test]
    fn each_terminal_gets_its_sequence() {
        let cases = [
            (protocol("foot", "", false), "\x1b]777;notify;#lab;hi\x07"),
            (protocol("xterm-256color", "iTerm.app", false), "\x1b]9;#lab: hi\x07"),
            (protocol("xterm-kitty", "", false), "\x1b]9;#lab: hi\x07"),
            (protocol("screen", "tmux", true), "\x1bPtmux;\x1b\x1b]777;notify;#lab;hi\x07\x1b\\"),
        ];
        for (protocol, expected) in cases {
            assert_eq!(protocol.encode("#lab", "hi"), expected);
        }
        assert_eq!(NotificationProtocol::of("linux", &[], false), None);
    }

    #[test]
    fn no_text_ends_the_sequence_or_is_too_long() {
        for (term, is_in_tmux) in [("foot", false), ("xterm-kitty", false), ("screen", true)] {
            let protocol = protocol(term, "", is_in_tmux);
            let hostile = "4;\x07\x1b\\\x1b]0;title\x07\u{9c}\u{202e}\n".repeat(100);
            let (encoded, plain) = (protocol.encode(&hostile, &hostile), protocol.encode("", ""));
            let controls = |text: &str| text.chars().filter(|c| c.is_control()).count();
            assert_eq!(controls(&encoded), controls(&plain), "{encoded:?}");
            assert!(!encoded.contains('\u{202e}') && !encoded.contains("]9;4;"), "{encoded:?}");
            // One character becomes at most ten, such as `\u{10ffff}`.
            assert!(encoded.len() <= plain.len() + 10 * (TITLE_MAX_CHARS + BODY_MAX_CHARS), "{}", encoded.len());
        }
    }
}
