//! What lies over the chat.

use ratatui_core::layout::{Position, Rect};

use super::canvas::Canvas;
use super::theme::Theme;
use crate::program::screen::app::App;
use crate::program::screen::help;
use crate::program::screen::overlay::{
    LineInput, NameForm, Overlay, Palette, PaletteRow, PasswordForm, PasswordPurpose, Search, SearchState,
};
use crate::program::screen::text::layout;

/// The maximum size of a box, in cells.
const BOX_COLUMNS_MAX: u16 = 76;
const BOX_ROWS_MAX: u16 = 30;

/// Draws the overlay. Returns where the cursor is.
pub(super) fn draw(
    app: &App,
    overlay: &Overlay,
    theme: Theme,
    whole: Rect,
    canvas: &mut Canvas<'_>,
) -> Option<Position> {
    match overlay {
        Overlay::Palette(palette) => Some(draw_palette(palette, theme, whole, canvas)),
        Overlay::Search(search) => Some(draw_search(app, search, theme, whole, canvas)),
        Overlay::Password(form) => Some(draw_password(form, theme, whole, canvas)),
        Overlay::Name(form) => Some(draw_name(form, theme, whole, canvas)),
        Overlay::Help { first_row } => {
            draw_help(*first_row, theme, whole, canvas);
            None
        }
    }
}

/// A box in the middle of the screen.
fn middle(whole: Rect, rows: u16) -> Rect {
    let (width, height) = (whole.width.min(BOX_COLUMNS_MAX), whole.height.min(rows).min(BOX_ROWS_MAX));
    Rect::new((whole.width - width) / 2, (whole.height - height) / 2, width, height)
}

/// Draws an input of one line. Returns the cursor. A long text is cut at its beginning.
fn draw_input(input: &LineInput, theme: Theme, area: Rect, canvas: &mut Canvas<'_>) -> Position {
    let columns = area.width.max(1);
    canvas.words(area.x, area.y, 2, "> ", theme.strong());
    let text_columns = columns.saturating_sub(2).max(1);
    let rows = input.composer().rows(text_columns, canvas.reorders);
    if let Some(row) = rows.rows.get(rows.row) {
        canvas.row(area.x + 2, area.y, text_columns, row, theme.text());
    }
    Position::new((area.x + 2 + rows.column).min(area.right().saturating_sub(1)), area.y)
}

/// The first row of a list in which the selected one is in view.
fn first_of(selected: usize, rows: usize) -> usize {
    (selected + 1).saturating_sub(rows.max(1))
}

fn draw_palette(palette: &Palette, theme: Theme, whole: Rect, canvas: &mut Canvas<'_>) -> Position {
    let inside = canvas.bordered(middle(whole, 20), "Jump to a room or a person", theme.quiet());
    let cursor = draw_input(&palette.input, theme, Rect { height: 1, ..inside }, canvas);
    let n_rows = usize::from(inside.height.saturating_sub(1));
    let first = first_of(palette.selected, n_rows);
    for ((index, row), y) in palette.rows.iter().enumerate().skip(first).take(n_rows).zip(inside.y + 1..) {
        let style = if index == palette.selected { theme.selected() } else { theme.text() };
        if index == palette.selected {
            canvas.fill(Rect::new(inside.x, y, inside.width, 1), ' ', style);
        }
        let about = match row {
            PaletteRow::Conversation { n_unread: 0, .. } => String::new(),
            PaletteRow::Conversation { n_unread, .. } => format!("{n_unread} unread"),
            PaletteRow::Room { topic, .. } if topic.is_empty() => "a room".to_owned(),
            PaletteRow::Room { topic, .. } => topic.clone(),
            PaletteRow::Person(_) => "is connected".to_owned(),
            PaletteRow::NewRoom(_) => "enter this room".to_owned(),
        };
        let x = canvas.fit(inside.x + 1, y, inside.width.saturating_sub(2), row.title(), style);
        let about_style = if index == palette.selected { style } else { theme.quiet() };
        canvas.fit(x + 2, y, inside.right().saturating_sub(x + 3), &about, about_style);
    }
    if palette.rows.is_empty() {
        canvas.words(inside.x + 1, inside.y + 1, inside.width, "Nothing has this name.", theme.quiet());
    }
    cursor
}

fn draw_search(app: &App, search: &Search, theme: Theme, whole: Rect, canvas: &mut Canvas<'_>) -> Position {
    let place = if search.is_everywhere { "all conversations" } else { &search.target };
    let title = format!("Search in {place}");
    let inside = canvas.bordered(middle(whole, BOX_ROWS_MAX), &title, theme.quiet());
    let cursor = draw_input(&search.input, theme, Rect { height: 1, ..inside }, canvas);
    let n_hits = search.hits.len();
    let state = match &search.state {
        SearchState::Local if search.input.text().is_empty() => {
            "Enter: ask the server · Tab: here or everywhere · Esc: close".to_owned()
        }
        SearchState::Local => {
            format!("{n_hits} in the messages that are here · Enter: ask the server · Tab: everywhere")
        }
        SearchState::Asked(_) => "The server is searching …".to_owned(),
        SearchState::Answered { has_more: true, .. } => {
            format!("{n_hits} found, and there may be older ones · Enter: go there")
        }
        SearchState::Answered { .. } if n_hits == 0 => "Nothing was found.".to_owned(),
        SearchState::Answered { .. } => format!("{n_hits} found, newest first · Enter: go there"),
    };
    canvas.fit(inside.x, inside.y + 1, inside.width, &state, theme.quiet());
    let n_rows = usize::from(inside.height.saturating_sub(2));
    let first = first_of(search.selected, n_rows);
    for ((index, hit), y) in search.hits.iter().enumerate().skip(first).take(n_rows).zip(inside.y + 2..) {
        let is_selected = index == search.selected;
        let style = |style| if is_selected { theme.selected() } else { style };
        if is_selected {
            canvas.fill(Rect::new(inside.x, y, inside.width, 1), ' ', theme.selected());
        }
        let when = app.preferences.local_time.date_and_time(hit.at_millis);
        let mut x = canvas.words(inside.x, y, inside.width, &when, style(theme.quiet()));
        if search.is_everywhere {
            x = canvas.fit(x + 1, y, 14.min(inside.right().saturating_sub(x + 1)), &hit.target, style(theme.strong()));
        }
        x = canvas.fit(
            x + 1,
            y,
            14.min(inside.right().saturating_sub(x + 1)),
            &hit.author,
            style(theme.name(&hit.author)),
        );
        canvas.fit(x + 1, y, inside.right().saturating_sub(x + 1), &hit.text, style(theme.text()));
    }
    cursor
}

fn draw_password(form: &PasswordForm, theme: Theme, whole: Rect, canvas: &mut Canvas<'_>) -> Position {
    let title = match &form.purpose {
        PasswordPurpose::LogIn { name } => format!("Password of {name}"),
        PasswordPurpose::Claim { first: None } => "A password for your new account".to_owned(),
        PasswordPurpose::Claim { first: Some(_) } => "The same password again".to_owned(),
    };
    let keys = match form.purpose {
        PasswordPurpose::LogIn { .. } => "Enter: log in · Esc: close",
        PasswordPurpose::Claim { .. } => "Enter: go on · Esc: close",
    };
    let inside = draw_form(&title, form.message.as_deref(), keys, theme, whole, canvas);
    let columns = usize::from(inside.width.saturating_sub(3));
    let marks = "•".repeat(form.n_chars().min(columns));
    let x = canvas.words(inside.x, inside.y, inside.width, &format!("> {marks}"), theme.text());
    Position::new(x.min(inside.right().saturating_sub(1)), inside.y)
}

fn draw_name(form: &NameForm, theme: Theme, whole: Rect, canvas: &mut Canvas<'_>) -> Position {
    let keys = "Enter: be a guest · Tab: log in to the account of this name · Esc: close";
    let inside = draw_form("Your name", form.message.as_deref(), keys, theme, whole, canvas);
    draw_input(&form.input, theme, Rect { height: 1, ..inside }, canvas)
}

/// Draws the box of a form: a row for its input, its message and its keys. Returns the inside.
fn draw_form(
    title: &str,
    message: Option<&str>,
    keys: &str,
    theme: Theme,
    whole: Rect,
    canvas: &mut Canvas<'_>,
) -> Rect {
    let columns = middle(whole, 1).width.saturating_sub(2).max(1);
    let message = message.map_or_else(Vec::new, |message| layout(message, columns, canvas.reorders));
    let keys = layout(keys, columns, canvas.reorders);
    // The input and the two edges.
    let n_rows = u16::try_from(3 + message.len() + keys.len()).unwrap_or(BOX_ROWS_MAX);
    let inside = canvas.bordered(middle(whole, n_rows), title, theme.quiet());
    let message = message.iter().map(|row| (row, theme.error()));
    let keys = keys.iter().map(|row| (row, theme.quiet()));
    for ((row, style), y) in message.chain(keys).zip(inside.y + 1..inside.bottom()) {
        canvas.row(inside.x, y, inside.width, row, style);
    }
    inside
}

fn draw_help(first_row: usize, theme: Theme, whole: Rect, canvas: &mut Canvas<'_>) {
    let inside = canvas.bordered(middle(whole, BOX_ROWS_MAX), "Help: ↑ ↓ scroll, Esc closes", theme.quiet());
    let lines = help::lines();
    let first = first_row.min(lines.len().saturating_sub(usize::from(inside.height)));
    for (line, y) in lines.iter().skip(first).zip(inside.y..inside.bottom()) {
        match line {
            help::HelpLine::Heading(text) => {
                canvas.words(inside.x + 1, y, inside.width, text, theme.strong());
            }
            help::HelpLine::Pair { key, about } => {
                canvas.words(inside.x + 1, y, 22, key, theme.text());
                canvas.fit(inside.x + 24, y, inside.width.saturating_sub(25), about, theme.quiet());
            }
        }
    }
}
