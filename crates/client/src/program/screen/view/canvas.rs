//! Writes checked text into the buffer of a frame.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;

use crate::program::screen::text::{Row, fit};

/// The buffer of a frame.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    /// Whether right-to-left text is put in display order.
    pub(super) reorders: bool,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, reorders: bool) -> Self {
        Self { buffer, reorders }
    }

    /// Writes a row of a layout, within `columns` cells. Returns the column after it.
    pub(super) fn row(&mut self, x: u16, y: u16, columns: u16, row: &Row, style: Style) -> u16 {
        self.words(
            x.saturating_add(row.start_column(columns)),
            y,
            columns.saturating_sub(row.start_column(columns)),
            &row.text,
            style,
        )
    }

    /// Writes a text of others in one row of at most `columns` cells: sanitized, and cut with `…`.
    pub(super) fn fit(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        let row = fit(text, columns, self.reorders);
        self.words(x, y, columns, &row.text, style)
    }

    /// Writes a text of the program.
    pub(super) fn words(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        if !self.is_inside(x, y) {
            return x;
        }
        self.buffer.set_stringn(x, y, text, usize::from(columns), style).0
    }

    /// Fills an area with one character.
    pub(super) fn fill(&mut self, area: Rect, symbol: char, style: Style) {
        let line = String::from(symbol).repeat(usize::from(area.width));
        for y in area.y..area.bottom() {
            self.words(area.x, y, area.width, &line, style);
        }
    }

    /// Draws a box with a title, empties it, and returns the area inside.
    pub(super) fn bordered(&mut self, area: Rect, title: &str, style: Style) -> Rect {
        if area.width < 4 || area.height < 3 {
            self.fill(area, ' ', Style::new());
            return area;
        }
        self.fill(area, ' ', Style::reset());
        let line = "─".repeat(usize::from(area.width - 2));
        self.words(area.x, area.y, area.width, &format!("┌{line}┐"), style);
        self.words(area.x, area.bottom() - 1, area.width, &format!("└{line}┘"), style);
        for y in area.y + 1..area.bottom() - 1 {
            self.words(area.x, y, 1, "│", style);
            self.words(area.right() - 1, y, 1, "│", style);
        }
        self.fit(area.x + 2, area.y, area.width - 4, &format!(" {title} "), style);
        Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
    }

    fn is_inside(&self, x: u16, y: u16) -> bool {
        self.buffer.area.contains((x, y).into())
    }
}
