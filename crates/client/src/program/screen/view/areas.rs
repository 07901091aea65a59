//! Where each part of the chat is on the screen.

use ratatui_core::layout::Rect;

use super::input;
use crate::program::screen::app::App;

/// The width of a terminal in which the list of conversations has room beside the text.
const SIDEBAR_FROM_COLUMNS: u16 = 64;

/// The width of a terminal in which the list of members has room, too.
const MEMBERS_FROM_COLUMNS: u16 = 100;

/// The width of each of the two lists, with its border.
const LIST_COLUMNS: u16 = 20;

/// The maximum height of the input: a third of the screen.
const INPUT_PART: u16 = 3;

/// The areas of the parts. An area without room is empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Areas {
    pub(super) whole: Rect,
    pub(super) sidebar: Rect,
    pub(super) title: Rect,
    pub(super) timeline: Rect,
    pub(super) members: Rect,
    /// A question or a hint, above the input.
    pub(super) notice: Rect,
    pub(super) input: Rect,
    pub(super) status: Rect,
}

impl Areas {
    /// The areas for the present state: a long draft takes more rows.
    pub(super) fn of(app: &App) -> Self {
        let (columns, rows) = app.size;
        let whole = Rect::new(0, 0, columns, rows);
        let sidebar_columns = if columns >= SIDEBAR_FROM_COLUMNS { LIST_COLUMNS } else { 0 };
        let has_members = columns >= MEMBERS_FROM_COLUMNS && !app.current().members.is_empty();
        let members_columns = if has_members { LIST_COLUMNS } else { 0 };
        let main_columns = columns - sidebar_columns - members_columns;

        // The rows are given in the order of their importance: input, status, notice, title, timeline.
        let mut free = rows;
        let mut take = |wanted: u16| {
            let taken = wanted.min(free);
            free -= taken;
            taken
        };
        let status_rows = u16::from(rows > 1);
        let input_columns = columns - sidebar_columns;
        let input_rows = take(input::height(app, input_columns).min((rows / INPUT_PART).max(1)));
        let status_rows = take(status_rows);
        let notice_rows = take(input::notice_height(app, input_columns).min(rows / INPUT_PART));
        let title_rows = take(u16::from(rows > 5));
        let timeline_rows = free;

        let x = sidebar_columns;
        let mut y = 0;
        let mut below = |height: u16, width: u16| {
            let area = Rect::new(x, y, width, height);
            y += height;
            area
        };
        let title = below(title_rows, input_columns);
        let timeline = below(timeline_rows, main_columns);
        let notice = below(notice_rows, input_columns);
        let input = below(input_rows, input_columns);
        let status = Rect::new(0, input.bottom(), columns, status_rows);
        let sidebar = Rect::new(0, 0, sidebar_columns, rows - status_rows);
        let members = Rect::new(x + main_columns, timeline.y, members_columns, timeline.height);
        Self { whole, sidebar, title, timeline, members, notice, input, status }
    }
}
