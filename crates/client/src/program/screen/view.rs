//! Draws the chat, as a function of its state.
//!
//! All text comes through [`layout`](super::text::layout()) or [`fit`](super::text::fit()): no control character reaches
//! the terminal.

mod areas;
mod canvas;
mod input;
mod members;
mod overlay;
mod sidebar;
mod start;
mod status;
#[cfg(test)]
mod tests;
pub(crate) mod theme;
mod timeline;
mod timeline_row;

use ratatui_core::terminal::Frame;

use self::areas::Areas;
use self::canvas::Canvas;
pub(crate) use self::start::draw_start;
use self::theme::Theme;
pub(crate) use self::timeline::{first_place, scrolled};
use super::app::App;

/// Draws a frame.
pub(crate) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>) {
    let areas = Areas::of(app);
    let mut canvas = Canvas::new(frame.buffer_mut(), app.preferences.reorders);
    sidebar::draw(app, theme, areas.sidebar, &mut canvas);
    status::draw_title(app, theme, areas.title, &mut canvas);
    timeline::draw(app, theme, areas.timeline, &mut canvas);
    members::draw(app, theme, areas.members, &mut canvas);
    input::draw_notice(app, theme, areas.notice, &mut canvas);
    let cursor = input::draw(app, theme, areas.input, &mut canvas);
    status::draw(app, theme, areas.status, &mut canvas);
    let cursor = match &app.overlay {
        Some(overlay) => overlay::draw(app, overlay, theme, areas.whole, &mut canvas),
        None => cursor,
    };
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// The columns and rows of the timeline.
pub(crate) fn timeline_size(app: &App) -> (u16, u16) {
    let area = Areas::of(app).timeline;
    (area.width, area.height)
}

/// The columns of the text in the input, and its rows.
pub(crate) fn input_size(app: &App) -> (u16, u16) {
    let area = Areas::of(app).input;
    (input::text_width(app, area.width), area.height)
}
