//! Colour, where it is wanted: on a terminal, unless `NO_COLOR` is set. (no-color.org)

use std::fmt;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use switchboard_encap::diagnostic::Severity;

/// Whether to colour what is written to `to`.
pub(crate) fn is_wanted(to: &impl IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// When to colour, as asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Wherever it goes
    Always,
    /// Not at all
    Never,
}

impl When {
    /// Whether to colour what is written to `to`.
    pub(crate) fn is_wanted(self, to: &impl IsTerminal) -> bool {
        match self {
            Self::Auto => is_wanted(to),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// The colour that compilers give a severity.
pub(crate) fn of(severity: Severity) -> Style {
    match severity {
        Severity::Error => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
        Severity::Note => AnsiColor::Cyan.on_default().bold(),
    }
}

/// `text` in `style`, or plain.
pub(crate) fn paint(text: impl fmt::Display, style: Style, coloured: bool) -> impl fmt::Display {
    let style = if coloured { style } else { Style::new() };
    fmt::from_fn(move |f| write!(f, "{style}{text}{style:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paint_is_there_only_where_wanted() {
        assert_eq!(paint("error", of(Severity::Error), true).to_string(), "\u{1b}[1m\u{1b}[31merror\u{1b}[0m");
        assert_eq!(paint("error", of(Severity::Error), false).to_string(), "error");
    }
}
