//! Colours and styles by their meaning.

use ratatui_core::style::{Color, Modifier, Style};

use super::super::terminal::ColorDepth;
use crate::program::screen::conversation_id::fold;

/// The colours of names in a terminal of 16 colours. A name always has the same colour. Red is reserved for errors.
const NAME_COLORS: [Color; 5] = [Color::Green, Color::Yellow, Color::Blue, Color::Magenta, Color::Cyan];

/// The colours of names in a terminal of 256 colours: readable on a dark and on a light background.
const NAME_COLORS_256: [u8; 10] = [31, 35, 64, 67, 97, 100, 130, 133, 137, 166];

/// The styles of a terminal.
///
/// The methods take `self` so that each style can depend on the terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    depth: ColorDepth,
}

#[expect(clippy::unused_self, reason = "whether a style depends on the terminal is up to the theme")]
impl Theme {
    pub(crate) fn new(depth: ColorDepth) -> Self {
        Self { depth }
    }

    /// The style of a name.
    pub(crate) fn name(self, name: &str) -> Style {
        let sum: usize = fold(name).bytes().map(usize::from).sum();
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match self.depth {
            ColorDepth::None => bold,
            ColorDepth::Ansi16 => bold.fg(NAME_COLORS[sum % NAME_COLORS.len()]),
            ColorDepth::Ansi256 => bold.fg(Color::Indexed(NAME_COLORS_256[sum % NAME_COLORS_256.len()])),
        }
    }

    /// The user's own name.
    pub(crate) fn own_name(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Times, borders, and what matters less.
    pub(crate) fn quiet(self) -> Style {
        match self.depth {
            ColorDepth::Ansi256 => Style::new().fg(Color::Indexed(245)),
            _ => Style::new().add_modifier(Modifier::DIM),
        }
    }

    pub(crate) fn text(self) -> Style {
        Style::new()
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn error(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// A message that names the user, and counts of such messages.
    pub(crate) fn mention(self) -> Style {
        self.colored(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// The line above unread messages.
    pub(crate) fn unread(self) -> Style {
        self.colored(Color::Red)
    }

    /// A selected row.
    pub(crate) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The status line and the title.
    pub(crate) fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn colored(self, color: Color) -> Style {
        match self.depth {
            ColorDepth::None => Style::new(),
            _ => Style::new().fg(color),
        }
    }
}
