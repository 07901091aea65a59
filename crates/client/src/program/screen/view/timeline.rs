//! The messages of the current conversation.
//!
//! Only the rows on the screen are made, from the lowest one upward. So a conversation of 100,000 messages costs no more
//! than a short one.

use std::collections::VecDeque;

use ratatui_core::layout::Rect;

use super::areas::Areas;
use super::canvas::Canvas;
use super::theme::Theme;
use super::timeline_row::{RowKind, RowMaker, TimelineRow};
use crate::program::screen::app::App;
use crate::program::screen::conversation::Scroll;
use crate::program::screen::terminal::ColorDepth;
use crate::program::screen::text::fit;
use crate::program::screen::timeline::Place;

/// A row, and where it belongs: the entry and its number among the rows of the entry. `None`: below all entries.
type PlacedRow = (Option<(Place, usize)>, TimelineRow);

fn maker(app: &App, theme: Theme, width: u16) -> RowMaker<'_> {
    RowMaker {
        conversation: app.current(),
        preferences: &app.preferences,
        theme,
        own_name: app.own_name(),
        shows_wire: app.shows_wire,
        width,
    }
}

/// Draws the messages.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, canvas: &mut Canvas<'_>) {
    if area.is_empty() {
        return;
    }
    let maker = maker(app, theme, area.width);
    let mut rows = rows_above(&maker, app.current().scroll, usize::from(area.height));
    // The author and the time of the topmost message may be above the screen.
    if let Some((Some((place, 0)), row)) = rows.front_mut()
        && row.author.is_none()
    {
        maker.add_head(*place, row);
    }
    // A short conversation stands at the bottom, beside the input.
    let missing = usize::from(area.height) - rows.len().min(usize::from(area.height));
    let first_y = area.y + u16::try_from(missing).unwrap_or(0);
    for ((_, row), y) in rows.iter().zip(first_y..area.bottom()) {
        draw_row(&maker, row, area, y, canvas);
    }
}

fn draw_row(maker: &RowMaker<'_>, row: &TimelineRow, area: Rect, y: u16, canvas: &mut Canvas<'_>) {
    let quiet = maker.theme.quiet();
    let text_column = maker.text_column();
    match row.kind {
        RowKind::Rule => {
            canvas.fill(Rect::new(area.x, y, area.width, 1), '─', row.style);
            let x = area.x + (area.width.saturating_sub(row.text.width + 2)) / 2;
            canvas.words(x, y, area.width, &format!(" {} ", row.text.text), row.style);
        }
        RowKind::Wide => {
            let mut x = area.x;
            if let Some((author, style)) = &row.author {
                x = canvas.fit(x, y, area.width, author, *style);
            }
            if let Some(time) = &row.time {
                canvas.words(x + 1, y, area.right().saturating_sub(x + 1), time, quiet);
            }
        }
        RowKind::Text => {
            if maker.has_columns() {
                let time_columns = maker.time_columns();
                if let Some(time) = &row.time {
                    canvas.words(area.x, y, time_columns, time, quiet);
                }
                let (author_x, author_columns) = (area.x + time_columns + 1, text_column - time_columns - 5);
                if let Some((author, style)) = &row.author {
                    let row = fit(author, author_columns, canvas.reorders);
                    canvas.words(author_x + author_columns - row.width, y, author_columns, &row.text, *style);
                }
                let mark = if row.mark.is_empty() { "│" } else { row.mark };
                canvas.words(area.x + text_column - 3, y, 2, mark, quiet);
            } else {
                canvas.words(area.x, y, 2, row.mark, quiet);
            }
            canvas.row(area.x + text_column, y, area.width.saturating_sub(text_column), &row.text, row.style);
        }
    }
}

/// The rows from the lowest one on the screen upward, at most `count`. If there are fewer, rows below it follow.
fn rows_above(maker: &RowMaker<'_>, scroll: Scroll, count: usize) -> VecDeque<PlacedRow> {
    let timeline = &maker.conversation.timeline;
    let mut rows = VecDeque::new();
    let push_front = |rows: &mut VecDeque<PlacedRow>, place: Option<Place>, made: Vec<TimelineRow>| {
        for (index, row) in made.into_iter().enumerate().rev() {
            if rows.len() < count {
                rows.push_front((place.map(|place| (place, index)), row));
            }
        }
    };
    let before = match scroll {
        Scroll::End => {
            push_front(&mut rows, None, maker.outgoing());
            None
        }
        Scroll::At { place, row } => {
            if let Some(entry) = timeline.get(place) {
                let mut made = maker.entry(place, entry);
                made.truncate(row + 1);
                push_front(&mut rows, Some(place), made);
            }
            Some(place)
        }
    };
    let earlier = match before {
        Some(place) => timeline.range(..place),
        None => timeline.range(..Place::end()),
    };
    for (place, entry) in earlier.rev() {
        if rows.len() >= count {
            break;
        }
        push_front(&mut rows, Some(place), maker.entry(place, entry));
    }
    if let Scroll::At { place, row } = scroll
        && rows.len() < count
    {
        rows.extend(rows_below(maker, place, row, count - rows.len()));
    }
    rows
}

/// The rows below a row, at most `count`.
fn rows_below(maker: &RowMaker<'_>, place: Place, row: usize, count: usize) -> Vec<PlacedRow> {
    let mut rows: Vec<PlacedRow> = Vec::new();
    for (at, entry) in maker.conversation.timeline.range(place..) {
        let first = if at == place { row + 1 } else { 0 };
        let made = maker.entry(at, entry).into_iter().enumerate().skip(first);
        rows.extend(made.map(|(index, row)| (Some((at, index)), row)));
        if rows.len() >= count {
            break;
        }
    }
    if rows.len() < count {
        rows.extend(maker.outgoing().into_iter().map(|row| (None, row)));
    }
    rows.truncate(count);
    rows
}

/// A maker of rows whose styles nobody sees.
fn measuring_maker(app: &App) -> (RowMaker<'_>, usize) {
    let area = Areas::of(app).timeline;
    (maker(app, Theme::new(ColorDepth::None), area.width), usize::from(area.height.max(1)))
}

/// Where the view is after it has moved by so many rows: up if negative.
pub(crate) fn scrolled(app: &App, rows: isize) -> Scroll {
    let (maker, height) = measuring_maker(app);
    let scroll = app.current().scroll;
    let distance = rows.unsigned_abs();
    if rows <= 0 {
        // A scrolled view ends with an entry: the messages on their way are below it.
        let n_outgoing = if scroll == Scroll::End { maker.outgoing().len() } else { 0 };
        let above = rows_above(&maker, scroll, height + distance + n_outgoing);
        // The first row never leaves the top of the screen.
        let lowest = above.len().saturating_sub(1 + distance).max(height.min(above.len()).saturating_sub(1));
        if above.len() <= height && scroll == Scroll::End {
            return Scroll::End;
        }
        let lowest = above.iter().take(lowest + 1).rev().find_map(|(place, _)| *place);
        return lowest.map_or(scroll, |(place, row)| Scroll::At { place, row });
    }
    let Scroll::At { place, row } = scroll else { return Scroll::End };
    let below = rows_below(&maker, place, row, distance + 1);
    if below.len() <= distance {
        return Scroll::End;
    }
    match below[distance - 1] {
        (Some((place, row)), _) => Scroll::At { place, row },
        (None, _) => Scroll::End,
    }
}

/// The place of the row that is so many rows above the first one on the screen, or the first place.
pub(crate) fn first_place(app: &App, rows_above_screen: usize) -> Place {
    let (maker, height) = measuring_maker(app);
    let rows = rows_above(&maker, app.current().scroll, height + rows_above_screen);
    rows.iter().find_map(|(place, _)| place.map(|(place, _)| place)).unwrap_or_default()
}
