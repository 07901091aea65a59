mod bidi;
mod cursor;
pub(crate) mod properties;

use super::*;

/// The rows of a text in display order.
fn shown(text: &str, width: u16) -> Vec<String> {
    layout(text, width, true).into_iter().map(|row| row.text).collect()
}

#[test]
fn rows_end_between_words() {
    let cases: [(&str, u16, &[&str]); 24] = [
        ("", 10, &[""]),
        ("hello", 10, &["hello"]),
        ("hello world", 11, &["hello world"]),
        ("hello world", 10, &["hello ", "world"]),
        ("hello world", 5, &["hello", "world"]),
        ("hello   world", 7, &["hello  ", "world"]),
        ("two\nlines\n", 10, &["two", "lines", ""]),
        ("\n", 10, &["", ""]),
        ("    code", 10, &["    code"]),
        ("  longword", 5, &["  lon", "gword"]),
        ("see https://example.org/a/long/path now", 12, &["see ", "https://exam", "ple.org/a/lo", "ng/path now"]),
        ("abc", 1, &["a", "b", "c"]),
        ("a b", 1, &["a", "b"]),
        ("a\u{a0}b c", 3, &["a\u{a0}b", "c"]),
        ("a\tb", 10, &["a   b"]),
        ("\tb", 10, &["    b"]),
        // Ideographs need no spaces, and a full stop stays with its sentence.
        ("你好世界", 4, &["你好", "世界"]),
        ("你好。世界", 4, &["你", "好。", "世界"]),
        ("你好", 1, &["你", "好"]),
        ("hi 你好", 4, &["hi ", "你好"]),
        // Emoji: a family, a skin, a flag, a sign as emoji, a key.
        ("👩‍👩‍👧👍🏽🇮🇱❤️1️⃣", 4, &["👩‍👩‍👧👍🏽", "🇮🇱❤️", "1️⃣"]),
        ("👩‍👩‍👧👍🏽", 1, &["👩‍👩‍👧", "👍🏽"]),
        ("e\u{301}e\u{301}e\u{301}", 2, &["e\u{301}e\u{301}", "e\u{301}"]),
        ("ｶﾞｶﾞ", 3, &["ｶﾞ", "ｶﾞ"]),
    ];
    for (text, width, expected) in cases {
        assert_eq!(shown(text, width), expected, "{text:?} in {width} cells");
    }
}

#[test]
fn characters_without_a_cell_are_escaped() {
    let cases = [
        ("\u{1b}[2J", r"\u{1b}[2J"),
        ("a\r", r"a\u{d}"),
        ("\u{202e}evil", r"\u{202e}evil"),
        // A mark without a base, at the start and after an escape.
        ("\u{301}a", r"\u{301}a"),
        ("\u{200b}\u{301}", r"\u{200b}\u{301}"),
        ("\u{93e}", r"\u{93e}"),
        // Characters that nobody sees.
        ("a\u{ad}b\u{200b}c\u{2060}d\u{3164}e", r"a\u{ad}b\u{200b}c\u{2060}d\u{3164}e"),
        ("🏴\u{e0067}\u{e007f}", r"🏴\u{e0067}\u{e007f}"),
        // Joiners in a cluster stay: emoji and Persian need them.
        ("👩‍🚀 e\u{301}", "👩‍🚀 e\u{301}"),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text, 80), [expected], "{text:?}");
    }
    let marks = format!("a{}", "\u{301}".repeat(33));
    assert_eq!(shown(&marks, 80), [format!("a{}{}", "\u{301}".repeat(31), r"\u{301}\u{301}")]);
}

#[test]
fn fit_is_one_row_of_the_width() {
    let cases = [
        ("lab", 5, "lab"),
        ("laboratory", 5, "labo…"),
        ("lab", 3, "lab"),
        ("lab", 1, "…"),
        ("lab", 0, ""),
        ("", 0, ""),
        ("two\nlines", 20, "two…"),
        ("你好世界", 4, "你…"),
        ("שלום עולם", 5, "…םולש"),
        ("\u{202e}x", 6, r"\u{20…"),
    ];
    for (text, width, expected) in cases {
        assert_eq!(fit(text, width, true).text, expected, "{text:?} in {width} cells");
    }
}
