//! The start screen: which server, and under which name.

use ratatui_core::layout::{Position, Rect};
use ratatui_core::terminal::Frame;

use super::canvas::Canvas;
use super::theme::Theme;
use crate::program::screen::start::rows::{Row, RowKind};
use crate::program::screen::start::{Question, StartScreen};
use crate::program::screen::text::{fit, layout};

/// The width of the text, in cells.
const COLUMNS_MAX: u16 = 76;

/// Draws the start screen.
pub(crate) fn draw_start(start: &StartScreen, theme: Theme, reorders: bool, frame: &mut Frame<'_>) {
    let whole = frame.area();
    let mut canvas = Canvas::new(frame.buffer_mut(), reorders);
    let columns = whole.width.min(COLUMNS_MAX);
    let x = (whole.width - columns) / 2;
    let area = Rect::new(x, whole.height.min(8) / 4, columns, whole.height.saturating_sub(whole.height.min(8) / 4));
    let mut y = area.y;
    canvas.words(x, y, columns, "switchboard", theme.strong());
    y += 2;
    let question = match start.question() {
        Question::Server => "Which server? Choose one, or type an address or a link.".to_owned(),
        Question::Name { server } => format!("Your name on {server}?"),
    };
    canvas.fit(x, y, columns, &question, theme.text());
    y += 1;
    canvas.words(x, y, 2, "> ", theme.strong());
    // The end of a long input is in view: the cursor is there.
    let input = layout(start.input(), columns.saturating_sub(3).max(1), reorders);
    let mut cursor = Position::new(x + 2, y);
    if let Some(row) = input.last() {
        canvas.row(x + 2, y, columns.saturating_sub(2), row, theme.text());
        cursor.x = if row.is_rtl { x + columns.saturating_sub(row.width + 1) } else { x + 2 + row.width };
    }
    y += 1;
    if let Some(problem) = start.problem() {
        for row in layout(problem, columns, reorders) {
            canvas.row(x, y, columns, &row, theme.error());
            y += 1;
        }
    }
    y += 1;
    let rows = start.rows();
    // The last two rows have the failure of the search and the keys.
    let height = usize::from(area.bottom().saturating_sub(y + 2)).max(1);
    let selected = rows.iter().position(|row| row.is_selected).unwrap_or(0);
    for row in rows.iter().skip((selected + 1).saturating_sub(height)).take(height) {
        draw_row(row, theme, Rect::new(x, y, columns, 1), &mut canvas);
        y += 1;
    }
    if let Some(failure) = start.discovery_failure() {
        canvas.fit(x, y, columns, failure, theme.quiet());
    }
    let keys = match start.question() {
        Question::Server => "↑ ↓ choose · Enter: connect · Ctrl-C: end",
        Question::Name { .. } => "Enter: go on · Esc: back · Ctrl-C: end",
    };
    canvas.words(x, whole.bottom().saturating_sub(1), columns, keys, theme.quiet());
    frame.set_cursor_position(cursor);
}

fn draw_row(row: &Row, theme: Theme, area: Rect, canvas: &mut Canvas<'_>) {
    let style = if row.is_selected { theme.selected() } else { theme.text() };
    let quiet = if row.is_selected { style } else { theme.quiet() };
    canvas.fill(area, ' ', style);
    let about = match row.kind {
        RowKind::ThisMachine { answers: Some(false) } => "no server runs here",
        RowKind::ThisMachine { .. } => "this machine",
        RowKind::Known => "known",
        RowKind::Found => "on this network",
        RowKind::Typed => "as typed",
    };
    let tls = if row.has_tls { ", TLS" } else { "" };
    let name = row.name.as_ref().map_or(String::new(), |name| format!(" as {name}"));
    // A server without a name of its own has its address as the title.
    let title = if row.title == row.address { String::new() } else { format!("{} · ", row.title) };
    let about_columns = (area.width / 3).max(22).min(area.width);
    let title_columns = area.width - about_columns;
    let text = fit(&format!("{title}{}{name}", row.address), title_columns.saturating_sub(2), canvas.reorders);
    canvas.words(area.x + 1, area.y, title_columns, &text.text, style);
    canvas.fit(area.x + title_columns, area.y, about_columns, &format!("{about}{tls}"), quiet);
}
