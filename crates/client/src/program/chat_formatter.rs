//! How things look to a person.
//!
//! `Elias: hi` is what somebody said; a line that begins with `*` is news, one that begins with `!` is trouble. All that
//! came from the server is made safe here, and nowhere later.

use std::env;
use std::fmt;
use std::io::{IsTerminal as _, stdout};

use anstyle::{AnsiColor, Effects, Style};
use switchboard_protocol::commands::{Argument, VERBS};
use switchboard_protocol::sanitize;

use super::args::ColorChoice;
use super::user_line::LOCAL_COMMANDS;

/// The colours of names: each name keeps its own, and none is that of trouble.
const NAME_COLORS: [AnsiColor; 5] =
    [AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Blue, AnsiColor::Magenta, AnsiColor::Cyan];

/// Whether to colour, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChatFormatter {
    colored: bool,
}

impl ChatFormatter {
    /// What `--color`, `NO_COLOR` (<https://no-color.org>) and the terminal ask for.
    pub(crate) fn new(color: Option<ColorChoice>) -> Self {
        let is_wanted = || {
            let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
            !no_color && !dumb && stdout().is_terminal()
        };
        Self {
            colored: match color.unwrap_or(ColorChoice::Auto) {
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => is_wanted(),
            },
        }
    }

    /// What somebody said.
    pub(crate) fn message(self, from: &str, text: &str) -> String {
        format!("{}: {}", self.name(from), sanitize(text))
    }

    /// News, in words of our own; what a server said goes in by way of [`ChatFormatter::name`] or [`sanitize`].
    pub(crate) fn notice(self, notice: impl fmt::Display) -> String {
        format!("{} {notice}", self.paint(Style::new().effects(Effects::DIMMED), "*"))
    }

    /// Trouble. The words before the first `: ` are the code, where there is one.
    pub(crate) fn error(self, error: impl fmt::Display) -> String {
        let error = error.to_string();
        let red = AnsiColor::Red.on_default();
        match error.split_once(": ") {
            Some((code, sentence)) if code.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
                format!("{} {}: {}", self.paint(red, "!"), self.paint(red.bold(), code), sanitize(sentence))
            }
            _ => format!("{} {}", self.paint(red, "!"), sanitize(&error)),
        }
    }

    /// A name.
    pub(crate) fn name(self, name: &str) -> String {
        let sum: usize = name.bytes().map(usize::from).sum();
        let color = NAME_COLORS[sum % NAME_COLORS.len()];
        self.paint(color.on_default().bold(), &sanitize(name))
    }

    /// What `/help` shows.
    pub(crate) fn help(self) -> String {
        let bold = Style::new().bold();
        let verbs = VERBS.iter().map(|verb| {
            let argument = match verb.argument {
                Argument::None => "",
                Argument::Name => " NAME",
                Argument::Text => " TEXT",
            };
            (format!("{}{argument}", verb.word), verb.about)
        });
        let slashes = LOCAL_COMMANDS.iter().map(|&(word, about)| (word.to_owned(), about));
        let rows =
            verbs.chain(slashes).map(|(usage, about)| self.paint(bold, &format!("  {usage:<14}")) + about + "\n");
        let rest = "In a chat, anything else is said to the other side; //x says /x, and MSG who says who.\n\
            Tab completes, the arrows recall, Ctrl-C forgets the line.";
        rows.collect::<String>() + rest
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.colored { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_there_is_no_escape_and_nothing_that_steers_gets_in() {
        let formatter = ChatFormatter { colored: false };
        let cases = [
            (formatter.message("Elias", "hi"), "Elias: hi"),
            (formatter.message("El\u{202e}ias", "\u{1b}[2Jhi"), r"El\u{202e}ias: \u{1b}[2Jhi"),
            (formatter.notice("You left the chat."), "* You left the chat."),
            (formatter.error("NAME_TAKEN: Somebody has it."), "! NAME_TAKEN: Somebody has it."),
            (formatter.error("cannot reach a:1: \u{9b}no"), r"! cannot reach a:1: \u{9b}no"),
        ];
        for (line, expected) in cases {
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn with_colour_the_only_escapes_are_ours() {
        let formatter = ChatFormatter { colored: true };
        assert_eq!(
            formatter.error("NAME_TAKEN: no"),
            "\u{1b}[31m!\u{1b}[0m \u{1b}[1m\u{1b}[31mNAME_TAKEN\u{1b}[0m: no"
        );
        let message = formatter.message("Elias\u{1b}[2J", "hi");
        assert!(message.contains(r"Elias\u{1b}[2J"), "{message:?}");
        assert_eq!(formatter.name("Elias"), formatter.name("Elias"));
    }
}
