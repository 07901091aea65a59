use super::*;

/// Pairs of lines: as stored, and as shown.
const PAIRS: &str = include_str!("bidi.txt");

#[test]
fn order_is_that_of_fribidi() {
    let mut lines = PAIRS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut pairs = 0;
    while let (Some(stored), Some(expected)) = (lines.next(), lines.next()) {
        assert_eq!(shown(stored, 200), [expected], "{stored:?}");
        pairs += 1;
    }
    assert!(pairs >= 60, "only {pairs} pairs");
}

/// The whole line decides the levels. Each row is then reordered by itself.
#[test]
fn rows_of_a_line_keep_its_direction() {
    let rows = layout("שלום hello עולם", 6, true);
    let texts: Vec<&str> = rows.iter().map(|row| &*row.text).collect();
    assert_eq!(texts, [" םולש", " hello", "םלוע"]);
    assert!(rows.iter().all(|row| row.is_rtl), "{rows:?}");
    assert_eq!(rows[0].start_column(10), 5);

    // The spaces at the end of a row are at its end on the screen.
    assert_eq!(shown("abc שלום עולם", 9), ["abc םולש ", "םלוע"]);

    // A pair of brackets in two rows: both are mirrored.
    assert_eq!(shown("(אב גד)", 4), [" \u{5d1}\u{5d0})", "(\u{5d3}\u{5d2}"]);
}

#[test]
fn a_line_without_letters_has_the_direction_of_the_text() {
    let rows = layout("שלום\n123\nhello", 10, true);
    assert_eq!(rows.iter().map(|row| row.is_rtl).collect::<Vec<_>>(), [true, true, false]);
    let rows = layout("123\nשלום", 10, true);
    assert_eq!(rows.iter().map(|row| row.is_rtl).collect::<Vec<_>>(), [true, true]);
    let rows = layout("123\n", 10, true);
    assert!(rows.iter().all(|row| !row.is_rtl), "{rows:?}");
}

#[test]
fn rows_stay_in_logical_order_for_terminals_that_reorder() {
    let rows = layout("שלום (1)", 10, false);
    assert_eq!(rows[0].text, "שלום (1)");
    assert!(!rows[0].is_rtl);
}

#[test]
fn direction_controls_are_shown_and_have_no_effect() {
    let cases = [
        // An override, and an embedding: their text stays in its order.
        ("ab\u{202e}cd", r"ab\u{202e}cd"),
        ("\u{200f}hello", r"\u{200f}hello"),
        // The characters of an escape stay in order from right to left, and count as one neutral character.
        ("\u{200e}שלום", r"םולש\u{200e}"),
        ("אב\u{202d}גד", r"דג\u{202d}בא"),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text, 80), [expected], "{text:?}");
    }
}

/// Reordering makes neighbours of clusters that would be one cluster on the screen.
#[test]
fn clusters_stay_apart_in_display_order() {
    let text = "א👧👩\u{200d}";
    let row = &layout(text, 80, true)[0];
    assert_eq!(row.text, "👩\u{200d}\u{200c}👧א");
    assert_eq!(row.width, 5);
}
