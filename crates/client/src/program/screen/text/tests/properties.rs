use proptest::prelude::*;
use ratatui_core::buffer::{Buffer, Cell, CellWidth as _};
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;
use switchboard_protocol::is_display_control;
use unicode_segmentation::UnicodeSegmentation as _;

use super::super::layout::{Line, PieceLine, lines};
use super::*;

/// Texts in which characters of all kinds meet.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => "[a-z]{1,6}",
        6 => Just(" ".to_owned()),
        1 => "[ \t\u{3000}\u{a0}]{1,4}",
        1 => Just("\n".to_owned()),
        5 => "[א-ת]{1,5}",
        2 => "[ء-ي]{1,4}",
        2 => "[0-9٠-٩]{1,3}",
        2 => r"[()\[\]{}<>«»,.:/+-]",
        3 => "[一-龥。、「」]{1,3}",
        2 => "(👩|👧|❤|🚀|👍|🏽|🏴|\u{200d}|\u{fe0f}|🇮|🇱|1\u{20e3})",
        2 => "[\u{300}\u{301}\u{5b0}\u{64b}\u{93e}\u{94d}\u{200c}ﾞ]",
        1 => "[ᄀ각ᆨᅡकषि\u{600}\u{70f}\u{d4e}\u{115f}]",
        1 => "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{ad}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{feff}\u{e0061}\u{e007f}]",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn rows_show_all_but_line_ends_and_spaces(text in text(), width in 0_u16..40, reorder: bool) {
        let rows = layout(&text, width, reorder);
        let mut end = 0;
        let mut line_ends = 0;
        for row in &rows {
            let gap = &text[end..row.range.start];
            prop_assert!(gap.chars().all(char::is_whitespace), "not shown: {:?}", gap);
            line_ends += gap.matches('\n').count();
            prop_assert!(!text[row.range.clone()].contains('\n'), "{:?}", row);
            end = row.range.end;
        }
        prop_assert!(text[end..].chars().all(|c| c.is_whitespace() && c != '\n'), "not shown: {:?}", &text[end..]);
        prop_assert_eq!(line_ends, text.matches('\n').count());
    }

    #[test]
    fn a_row_fits_unless_it_is_one_cluster(text in text(), width in 0_u16..12, reorder: bool) {
        for row in layout(&text, width, reorder) {
            let clusters = row.text.graphemes(true).count();
            prop_assert!(row.width <= width.max(1) || clusters == 1, "{:?}", row);
        }
    }

    /// The grid has the same idea of clusters and widths, and no character is hidden or dropped.
    #[test]
    fn a_row_is_drawn_in_its_width(text in text(), width in 1_u16..40, reorder: bool) {
        for row in layout(&text, width, reorder) {
            prop_assert!(!row.text.contains(is_display_control), "{:?}", row);
            let mut grid = Buffer::filled(Rect::new(0, 0, row.width + 2, 1), Cell::new("#"));
            let (end, _) = grid.set_stringn(0, 0, &row.text, usize::MAX, Style::new());
            prop_assert_eq!(end, row.width, "{:?}", &row);
            let mut drawn = String::new();
            let mut column = 0;
            while column < end {
                let symbol = grid[(column, 0)].symbol();
                drawn.push_str(symbol);
                column += symbol.cell_width();
            }
            prop_assert_eq!(drawn, row.text);
        }
    }

    /// Reordering changes the order within rows, and nothing else.
    #[test]
    fn both_orders_have_the_same_rows(text in text(), width in 0_u16..40) {
        let shown = layout(&text, width, true);
        let logical = layout(&text, width, false);
        prop_assert_eq!(shown.len(), logical.len());
        for (shown, logical) in shown.iter().zip(&logical) {
            prop_assert_eq!((&shown.range, shown.width), (&logical.range, logical.width));
            prop_assert_eq!(characters(&shown.text), characters(&logical.text));
        }
    }

    #[test]
    fn ascii_is_laid_out_like_other_text(text in "[ -~\n]{0,60}", width in 0_u16..20) {
        for line in lines(&text, true) {
            let fast: Vec<Row> = line.wrap(width).into_iter().map(|parts| line.row(parts)).collect();
            let start = fast[0].range.start;
            let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
            let slow = Line::Pieces(PieceLine::new(&text[start..end], start, false, true));
            let slow: Vec<Row> = slow.wrap(width).into_iter().map(|parts| slow.row(parts)).collect();
            prop_assert_eq!(fast, slow);
        }
    }

    #[test]
    fn fit_fits(text in text(), width in 0_u16..20, reorder: bool) {
        let row = fit(&text, width, reorder);
        prop_assert!(row.width <= width);
        prop_assert!(!row.text.contains(is_display_control), "{:?}", row);
    }
}

proptest! {
    // Each case tries every place of its text.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cell_of_the_cursor_leads_back_to_it(text in text(), width in 12_u16..40, reorder: bool) {
        let boundaries = text.grapheme_indices(true).map(|(at, _)| at).chain([text.len()]);
        for offset in boundaries {
            let found = cursor(&text, offset, width, reorder);
            prop_assert!(found.column < width);
            let row = &found.rows[found.row];
            let is_hidden = offset > row.range.end;
            if row.width < width && !is_hidden {
                let back = offset_at(&text, found.row, found.column, width, reorder);
                prop_assert_eq!(back, Some(offset), "row {:?}", row);
            }
        }
    }

    #[test]
    fn every_cell_has_an_offset(text in text(), width in 0_u16..20, reorder: bool) {
        let rows = cursor(&text, 0, width, reorder).rows;
        for (number, row) in rows.iter().enumerate() {
            for column in 0..=width {
                let offset = offset_at(&text, number, column, width, reorder).expect("the row is there");
                prop_assert!((row.range.start..=row.range.end).contains(&offset));
            }
        }
        prop_assert_eq!(offset_at(&text, rows.len(), 0, width, reorder), None);
    }
}

/// The characters of a row, sorted, with both halves of a mirrored pair alike, and without separators.
fn characters(row: &str) -> Vec<char> {
    let image = |c: char| c.min(super::super::mirror::mirrored(c));
    let mut characters: Vec<char> = row.chars().filter(|&c| c != '\u{200c}').map(image).collect();
    characters.sort_unstable();
    characters
}
