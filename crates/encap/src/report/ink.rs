//! The colours of drawings.
//!
//! A drawing has the colours of a light page in its own attributes, so that it stands alone in any program; a page's style
//! sheet overrules them, and so gives it those of the dark. Each mark has a shape of its own beside its colour.

use maud::{Markup, html};

use crate::analyze::Side;

/// What is drawn, which gives it its colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ink {
    /// Words and what they are about.
    Ink,
    /// What helps to read the rest.
    Faint,
    /// Grids.
    Line,
    /// What the client sends.
    Client,
    /// What the server sends.
    Server,
    /// What is carried.
    Payload,
    /// What a reader should look at.
    Mark,
}

impl Ink {
    /// Its name as a CSS class, and its colour on a light page.
    const fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Ink => ("ink", "#1b1b1f"),
            Self::Faint => ("ink-faint", "#5a5a63"),
            Self::Line => ("ink-line", "#c9c9d1"),
            Self::Client => ("ink-client", "#2456b8"),
            Self::Server => ("ink-server", "#1f7a2c"),
            Self::Payload => ("ink-payload", "#9c2a7d"),
            Self::Mark => ("ink-mark", "#b3261e"),
        }
    }

    /// What is in it, in this colour: as `currentColor`.
    #[must_use]
    pub fn group(self, inside: &Markup) -> Markup {
        let (class, colour) = self.parts();
        html! { g class=(class) color=(colour) { (inside) } }
    }
}

/// What a side sends.
#[must_use]
pub const fn ink_of(side: Side) -> Ink {
    match side {
        Side::Client => Ink::Client,
        Side::Server => Ink::Server,
    }
}
