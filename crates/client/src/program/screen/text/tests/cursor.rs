use super::*;

/// Row and column of the cursor at `|` in a text.
fn cursor_at(marked: &str, width: u16, reorder: bool) -> (usize, u16) {
    let offset = marked.find('|').expect("a mark");
    let rows = cursor(&marked.replacen('|', "", 1), offset, width, reorder);
    (rows.row, rows.column)
}

#[test]
fn cursor_covers_the_cell_of_the_next_character() {
    let cases = [
        ("|", 10, (0, 0)),
        ("|hello", 10, (0, 0)),
        ("hello|", 10, (0, 5)),
        // Rows are one cell narrower than the area.
        ("abcdef|", 7, (0, 6)),
        ("abcdefg|", 7, (1, 1)),
        ("hello| world", 7, (0, 5)),
        ("hello |world", 7, (1, 0)),
        ("hello     | world", 8, (0, 7)),
        ("one\n|two", 10, (1, 0)),
        ("one|\ntwo", 10, (0, 3)),
        ("one\n|", 10, (1, 0)),
        ("你|好", 10, (0, 2)),
        ("👩‍👩‍👧|x", 10, (0, 2)),
        // From right to left.
        ("|שלום", 10, (0, 9)),
        ("ש|לום", 10, (0, 8)),
        ("שלום|", 10, (0, 5)),
        // Mixed: the row is "abc םולש def".
        ("abc |שלום def", 20, (0, 7)),
        ("abc שלו|ם def", 20, (0, 4)),
        ("abc שלום| def", 20, (0, 8)),
        ("abc שלום|", 20, (0, 8)),
        // Mixed: the row is "abc םולש", at the right edge.
        ("שלום |abc", 10, (0, 2)),
        ("שלום| abc", 10, (0, 5)),
        ("שלום abc|", 10, (0, 1)),
        // An escape is one step.
        ("a|\u{202e}b", 20, (0, 1)),
        ("a\u{202e}|b", 20, (0, 9)),
        // No room.
        ("ab|", 1, (1, 0)),
        ("ab|", 0, (1, 0)),
        ("ש|ל", 1, (1, 0)),
    ];
    for (marked, width, expected) in cases {
        assert_eq!(cursor_at(marked, width, true), expected, "{marked:?} in {width} cells");
    }
    assert_eq!(cursor_at("ש|לום", 10, false), (0, 1));
}

#[test]
fn a_cell_beside_a_row_belongs_to_its_end() {
    let cases = [
        ("hello", 0, 9, Some(5)),
        ("hello", 1, 0, None),
        ("hello world", 0, 6, Some(5)),
        ("hello world", 1, 6, Some(11)),
        // Without a space, the end of a row is the start of the next one.
        ("abcdefgh", 0, 6, Some(5)),
        ("שלום", 0, 0, Some(8)),
        ("שלום", 0, 6, Some(0)),
    ];
    for (text, row, column, expected) in cases {
        assert_eq!(offset_at(text, row, column, 7, true), expected, "{text:?}, row {row}, column {column}");
    }
}
