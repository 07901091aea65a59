//! The colours of drawings.
//!
//! A drawing carries the colours of a light page in its own attributes, so that it stands alone in any program. The
//! style sheet of a page overrides them, for example in dark mode. Marks also differ by shape, for readers who see no
//! colours.

use maud::{Markup, html};

use crate::analyze::Side;

/// A colour, named by its use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SvgColor {
    /// Text, and the line of acknowledgments.
    Text,
    /// Axes, frame numbers and other guides.
    Faint,
    /// Grids.
    Grid,
    /// Segments of the client.
    Client,
    /// Segments of the server.
    Server,
    /// Payload.
    Payload,
    /// Retransmissions, resets and other events.
    Alert,
}

impl SvgColor {
    /// The CSS class, and the colour on a light page.
    const fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("ink", "#1b1b1f"),
            Self::Faint => ("ink-faint", "#5a5a63"),
            Self::Grid => ("ink-line", "#c9c9d1"),
            Self::Client => ("ink-client", "#2456b8"),
            Self::Server => ("ink-server", "#1f7a2c"),
            Self::Payload => ("ink-payload", "#9c2a7d"),
            Self::Alert => ("ink-mark", "#b3261e"),
        }
    }

    /// A group of `marks` in which `currentColor` is this colour.
    #[must_use]
    pub fn group(self, marks: &Markup) -> Markup {
        let (class, colour) = self.parts();
        html! { g class=(class) color=(colour) { (marks) } }
    }
}

/// The colour of a side's segments.
#[must_use]
pub const fn side_color(side: Side) -> SvgColor {
    match side {
        Side::Client => SvgColor::Client,
        Side::Server => SvgColor::Server,
    }
}
