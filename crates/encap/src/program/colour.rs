//! Colours for terminals, unless `NO_COLOR` is set (<https://no-color.org>).

use std::fmt;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use switchboard_encap::diagnostic::Severity;

/// Whether output to `to` is coloured by default.
pub(crate) fn is_wanted(to: &impl IsTerminal) -> bool {
    to.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The values of `--color`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum ColourChoice {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl ColourChoice {
    /// Whether output to `to` is coloured.
    pub(crate) fn is_wanted(self, to: &impl IsTerminal) -> bool {
        match self {
            Self::Auto => is_wanted(to),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// The style of a severity: the colours that compilers use.
pub(crate) fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Error => AnsiColor::Red.on_default().bold(),
        Severity::Warning => AnsiColor::Yellow.on_default().bold(),
        Severity::Note => AnsiColor::Cyan.on_default().bold(),
    }
}

/// `text` in `style` if `coloured`, and plain otherwise.
pub(crate) fn paint(text: impl fmt::Display, style: Style, coloured: bool) -> impl fmt::Display {
    let style = if coloured { style } else { Style::new() };
    fmt::from_fn(move |f| write!(f, "{style}{text}{style:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_styled_only_if_coloured() {
        assert_eq!(
            paint("error", severity_style(Severity::Error), true).to_string(),
            "\u{1b}[1m\u{1b}[31merror\u{1b}[0m"
        );
        assert_eq!(paint("error", severity_style(Severity::Error), false).to_string(), "error");
    }
}
