//! The number of colours that the terminal shows.

use std::env;

use crate::program::args::ColorChoice;

/// The colours that the view may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ColorDepth {
    /// No colours. Bold, dim, underlined and reversed text is allowed.
    None,
    /// The 16 colours of the terminal's theme.
    Ansi16,
    /// The 256 colours of xterm: the 16 of the theme, a cube of 216, and 24 greys.
    Ansi256,
}

impl ColorDepth {
    /// Decides by `--color`, `NO_COLOR` (<https://no-color.org>), `TERM` and `COLORTERM`.
    pub(crate) fn detect(choice: Option<ColorChoice>) -> Self {
        let variable = |name| env::var(name).unwrap_or_default();
        let depth = if cfg!(windows) { Self::Ansi256 } else { Self::of(&variable("TERM"), &variable("COLORTERM")) };
        match choice.unwrap_or(ColorChoice::Auto) {
            ColorChoice::Never => Self::None,
            ColorChoice::Sixteen => Self::Ansi16,
            ColorChoice::Always if depth == Self::None => Self::Ansi16,
            ColorChoice::Auto if !variable("NO_COLOR").is_empty() => Self::None,
            ColorChoice::Always | ColorChoice::Auto => depth,
        }
    }

    /// The colours of a type of terminal.
    fn of(term: &str, colorterm: &str) -> Self {
        let kind = term.split('-').next().unwrap_or_default();
        if matches!(colorterm, "truecolor" | "24bit" | "yes")
            || ["256color", "direct", "truecolor"].iter().any(|suffix| term.ends_with(suffix))
            || matches!(kind, "kitty" | "alacritty" | "foot" | "ghostty" | "wezterm" | "contour")
            || term == "xterm-kitty"
            || term == "xterm-ghostty"
        {
            Self::Ansi256
        } else if matches!(kind, "" | "dumb" | "vt52" | "vt100" | "vt102" | "vt220" | "vt320") || term.ends_with("-m") {
            Self::None
        } else {
            Self::Ansi16
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_follows_the_type_of_the_terminal() {
        let cases = [
            ("xterm-256color", "", ColorDepth::Ansi256),
            ("xterm", "truecolor", ColorDepth::Ansi256),
            ("xterm-kitty", "", ColorDepth::Ansi256),
            ("tmux-256color", "", ColorDepth::Ansi256),
            ("xterm-direct", "", ColorDepth::Ansi256),
            ("foot", "", ColorDepth::Ansi256),
            ("xterm", "", ColorDepth::Ansi16),
            ("linux", "", ColorDepth::Ansi16),
            ("screen", "", ColorDepth::Ansi16),
            ("vt100", "", ColorDepth::None),
            ("linux-m", "", ColorDepth::None),
            ("", "", ColorDepth::None),
        ];
        for (term, colorterm, expected) in cases {
            assert_eq!(ColorDepth::of(term, colorterm), expected, "{term:?}, {colorterm:?}");
        }
    }

    #[test]
    fn the_option_has_priority() {
        assert_eq!(ColorDepth::detect(Some(ColorChoice::Never)), ColorDepth::None);
        assert_ne!(ColorDepth::detect(Some(ColorChoice::Always)), ColorDepth::None);
        assert_eq!(ColorDepth::detect(Some(ColorChoice::Sixteen)), ColorDepth::Ansi16);
    }
}
