//! A frame, or a list of frames, as one HTML page that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Line, View};

/// A page.
#[must_use]
pub fn page(title: &str, body: &Markup) -> Markup {
    html! { (DOCTYPE) html lang="en" { head { title { (title) } } body { (body) } } }
}

/// A frame in full.
#[must_use]
pub fn frame(view: &View<'_>) -> Markup {
    html! { p { (view.number) } }
}

/// A frame in full, folded under its one line.
#[must_use]
pub fn folded(view: &View<'_>) -> Markup {
    frame(view)
}

/// A list.
#[must_use]
pub fn list(lines: &[Line], articles: &[Markup], more: bool) -> Markup {
    html! { p { (lines.len()) (more) } @for article in articles { (article) } (PreEscaped("")) }
}
