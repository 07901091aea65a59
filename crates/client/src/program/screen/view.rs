//! Draws the chat.

use super::app::App;
use super::conversation::Scroll;
use super::timeline::Place;

/// The columns and rows of the timeline.
pub(crate) fn timeline_size(app: &App) -> (u16, u16) {
    app.size
}

/// The columns and rows of the input.
pub(crate) fn input_size(app: &App) -> (u16, u16) {
    app.size
}

/// Where the view is after it has moved by so many rows: up if negative.
pub(crate) fn scrolled(app: &App, _rows: isize) -> Scroll {
    app.current().scroll
}

/// The place of the row that is so many rows above the first one on the screen, or the first place.
pub(crate) fn first_place(_app: &App, _rows_above: usize) -> Place {
    Place::default()
}
