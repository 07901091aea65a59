//! The input with its prompt, and the question or hint above it.

use ratatui_core::layout::{Position, Rect};

use super::canvas::Canvas;
use super::sidebar;
use super::theme::Theme;
use crate::program::screen::app::App;
use crate::program::screen::text::{fit, layout};

/// The maximum part of the columns that the prompt takes.
const PROMPT_PART: u16 = 3;

/// The prompt names the conversation that gets the text.
fn prompt(app: &App, columns: u16) -> String {
    let title = sidebar::title(&app.current, app.current());
    let row = fit(title, (columns / PROMPT_PART).max(1), app.preferences.reorders);
    format!("{}> ", row.text)
}

fn prompt_columns(app: &App, columns: u16) -> u16 {
    let title = sidebar::title(&app.current, app.current());
    fit(title, (columns / PROMPT_PART).max(1), app.preferences.reorders).width + 2
}

/// The columns of the text.
pub(super) fn text_width(app: &App, columns: u16) -> u16 {
    columns.saturating_sub(prompt_columns(app, columns)).max(1)
}

/// The rows of the whole draft.
pub(super) fn height(app: &App, columns: u16) -> u16 {
    let rows = app.current().draft.composer.rows(text_width(app, columns), app.preferences.reorders).rows;
    u16::try_from(rows.len()).unwrap_or(u16::MAX).max(1)
}

/// Draws the input. Returns where the cursor is.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, canvas: &mut Canvas<'_>) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let columns = prompt_columns(app, area.width).min(area.width);
    canvas.words(area.x, area.y, columns, &prompt(app, area.width), theme.strong());
    let text_columns = text_width(app, area.width);
    let rows = app.current().draft.composer.rows(text_columns, app.preferences.reorders);
    // The row of the cursor is in view.
    let height = usize::from(area.height);
    let first = (rows.row + 1).saturating_sub(height);
    for (row, y) in rows.rows.iter().skip(first).take(height).zip(area.y..) {
        canvas.row(area.x + columns, y, text_columns, row, theme.text());
    }
    let y = area.y + u16::try_from(rows.row - first).unwrap_or(0);
    let x = (area.x + columns + rows.column).min(area.right().saturating_sub(1));
    Some(Position::new(x, y))
}

/// The question or hint.
fn notice(app: &App) -> Option<(&str, bool)> {
    let question = app.question.as_ref().map(|question| (&*question.text, true));
    question.or_else(|| app.hint.as_deref().map(|hint| (hint, false)))
}

/// The rows of the question or hint.
pub(super) fn notice_height(app: &App, columns: u16) -> u16 {
    let rows = notice(app).map_or(0, |(text, _)| layout(text, columns, app.preferences.reorders).len());
    u16::try_from(rows).unwrap_or(u16::MAX)
}

/// Draws the question or hint.
pub(super) fn draw_notice(app: &App, theme: Theme, area: Rect, canvas: &mut Canvas<'_>) {
    let Some((text, is_question)) = notice(app) else { return };
    let style = if is_question { theme.mention() } else { theme.quiet() };
    for (row, y) in layout(text, area.width, app.preferences.reorders).iter().zip(area.y..area.bottom()) {
        canvas.row(area.x, y, area.width, row, style);
    }
}
