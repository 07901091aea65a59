//! Formats messages, notices and errors for a terminal.
//!
//! A message is `Elias: hi`. A notice begins with `::`, and an error begins with `:!`. No message begins with a colon,
//! so no user can write a line that looks like one of the program: no valid name has a colon, and a name of another
//! server that begins with a colon is escaped. Text from the server is sanitized here; later code prints it unchanged.

use std::env;
use std::fmt;
use std::io::{IsTerminal as _, stdout};

use anstyle::{AnsiColor, Effects, Style};
use switchboard_protocol::commands::{Argument, VERBS};
use switchboard_protocol::{sanitize, sanitize_start};

use super::args::ColorChoice;
use super::user_line::LOCAL_COMMANDS;

/// The colours of names. A name always has the same colour. Red is reserved for errors.
const NAME_COLORS: [AnsiColor; 5] =
    [AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Blue, AnsiColor::Magenta, AnsiColor::Cyan];

/// The first character of the program's own lines.
const OWN_MARK: char = ':';
/// The mark of a notice.
const NOTICE_MARK: &str = "::";
/// The mark of an error.
const ERROR_MARK: &str = ":!";

/// Formats lines, with or without colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChatFormatter {
    has_color: bool,
}

impl ChatFormatter {
    /// Decides on colour by `--color`, `NO_COLOR` (<https://no-color.org>) and the terminal.
    pub(crate) fn new(color: Option<ColorChoice>) -> Self {
        let is_supported = || {
            let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
            !no_color && !is_dumb && stdout().is_terminal()
        };
        Self {
            has_color: match color.unwrap_or(ColorChoice::Auto) {
                // The lines use no other colours than these sixteen.
                ColorChoice::Always | ColorChoice::Sixteen => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => is_supported(),
            },
        }
    }

    /// Formats a chat message.
    pub(crate) fn message(self, from: &str, text: &str) -> String {
        format!("{}: {}", self.name(from), sanitize(text))
    }

    /// Formats a notice. The caller sanitizes text from the server with [`ChatFormatter::name`] or [`sanitize`].
    pub(crate) fn notice(self, notice: impl fmt::Display) -> String {
        format!("{} {notice}", self.paint(Style::new().effects(Effects::DIMMED), NOTICE_MARK))
    }

    /// Formats an error. If the text begins with an error code and `: `, the code is highlighted.
    pub(crate) fn error(self, error: impl fmt::Display) -> String {
        let error = error.to_string();
        let red = AnsiColor::Red.on_default();
        match error.split_once(": ") {
            Some((code, sentence)) if code.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
                format!("{} {}: {}", self.paint(red, ERROR_MARK), self.paint(red.bold(), code), sanitize(sentence))
            }
            _ => format!("{} {}", self.paint(red, ERROR_MARK), sanitize(&error)),
        }
    }

    /// Formats a username.
    pub(crate) fn name(self, name: &str) -> String {
        let sum: usize = name.bytes().map(usize::from).sum();
        let color = NAME_COLORS[sum % NAME_COLORS.len()];
        self.paint(color.on_default().bold(), &plain_name(name))
    }

    /// The text of `/help`.
    pub(crate) fn help(self) -> String {
        let verbs = VERBS.iter().map(|verb| {
            let argument = match verb.argument {
                Argument::None => "",
                Argument::Name => " NAME",
                Argument::Text => " TEXT",
            };
            (format!("{}{argument}", verb.word), verb.about)
        });
        let local_commands = LOCAL_COMMANDS.iter().map(|&(word, about)| (word.to_owned(), about));
        let footer = "In a chat, all other lines are sent to the peer in the prompt.\n\
            Pasted text is sent as messages, even if it looks like a command.\n\
            To send /x, type //x. To send the word who, type MSG who.\n\
            Tab completes, the arrow keys recall earlier lines, Ctrl-C clears the line.";
        self.commands(verbs.chain(local_commands)) + footer
    }

    /// Formats commands, each with its description, as one line each.
    pub(crate) fn commands(self, commands: impl Iterator<Item = (String, &'static str)>) -> String {
        let bold = Style::new().bold();
        commands.map(|(usage, about)| self.paint(bold, &format!("  {usage:<16}")) + about + "\n").collect()
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.has_color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// Formats a username without colour.
pub(crate) fn plain_name(name: &str) -> String {
    sanitize_start(name, OWN_MARK).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_colour_have_no_escape_sequences() {
        let formatter = ChatFormatter { has_color: false };
        let cases = [
            (formatter.message("Elias", "hi"), "Elias: hi"),
            (formatter.message("El\u{202e}ias", "\u{1b}[2Jhi"), r"El\u{202e}ias: \u{1b}[2Jhi"),
            (formatter.notice("You left the chat."), ":: You left the chat."),
            (formatter.error("NAME_TAKEN: Somebody has it."), ":! NAME_TAKEN: Somebody has it."),
            (formatter.error("cannot reach a:1: \u{9b}no"), r":! cannot reach a:1: \u{9b}no"),
        ];
        for (line, expected) in cases {
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn lines_with_colour_have_no_escape_sequences_of_the_server() {
        let formatter = ChatFormatter { has_color: true };
        assert_eq!(
            formatter.error("NAME_TAKEN: no"),
            "\u{1b}[31m:!\u{1b}[0m \u{1b}[1m\u{1b}[31mNAME_TAKEN\u{1b}[0m: no"
        );
        let message = formatter.message("Elias\u{1b}[2J", "hi");
        assert!(message.contains(r"Elias\u{1b}[2J"), "{message:?}");
        assert_eq!(formatter.name("Elias"), formatter.name("Elias"));
    }
}
