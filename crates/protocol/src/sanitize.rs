//! Makes untrusted text safe for a terminal. (`protocol.md` §12)
//!
//! A terminal executes escape sequences, which can move the cursor or change the window title. A bidirectional override
//! can make one name look like another. This module replaces every such character by an escape such as `\u{202e}`. A
//! library that strips ANSI sequences is not enough: it leaves DEL, the C1 controls and the overrides in place. The
//! joiners U+200C and U+200D are not replaced, because emoji and Persian need them.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_normalization::char::is_combining_mark;

/// Whether `c` is a *display control*: it changes how other text is displayed.
///
/// These are the control characters (C0 except tab, DEL, C1), the directional marks, embeddings, overrides and isolates
/// (UAX #9 §2), the line and paragraph separators, the deprecated format characters U+206A to U+206F, the byte order
/// mark, interlinear annotation characters and tag characters.
#[must_use]
pub fn is_display_control(c: char) -> bool {
    match c {
        '\t' => false,
        '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => true,
        _ => c.is_control(),
    }
}

/// Replaces every display control (see [`is_display_control`]) in `text` by an escape: `\u{…}`.
///
/// ```
/// use switchboard_protocol::sanitize;
///
/// assert_eq!(sanitize("\u{1b}[2J"), r"\u{1b}[2J");
/// ```
#[must_use]
pub fn sanitize(text: &str) -> Cow<'_, str> {
    sanitize_with(text, |c, out| {
        let _ = write!(out, "{}", c.escape_unicode());
    })
}

/// Replaces every display control (see [`is_display_control`]) in `text` by the output of `escape`.
#[must_use]
pub fn sanitize_with(text: &str, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.chars().any(is_display_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_display_control(c) { escape(c, &mut out) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Like [`sanitize`], for text at the start of a line. The first character is also escaped if it is `mark`, with which
/// the program begins its own lines, or a combining mark, which a terminal draws over the character before it.
///
/// ```
/// use switchboard_protocol::sanitize_start;
///
/// assert_eq!(sanitize_start("* Connected", '*'), r"\u{2a} Connected");
/// ```
#[must_use]
pub fn sanitize_start(text: &str, mark: char) -> Cow<'_, str> {
    match text.chars().next() {
        Some(first) if first == mark || is_combining_mark(first) => {
            let rest = &text[first.len_utf8()..];
            Cow::Owned(format!("{}{}", first.escape_unicode(), sanitize(rest)))
        }
        _ => sanitize(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn display_controls_are_escaped_and_text_is_kept() {
        let cases = [
            ("hello", "hello"),
            ("tab\tstays", "tab\tstays"),
            ("\u{1b}[31mred\u{1b}[0m", r"\u{1b}[31mred\u{1b}[0m"),
            ("\0\u{7}\u{8}\r\n", r"\u{0}\u{7}\u{8}\u{d}\u{a}"),
            ("\u{7f}\u{80}\u{9b}31m\u{9f}", r"\u{7f}\u{80}\u{9b}31m\u{9f}"),
            ("\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}", r"\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}"),
            ("\u{2066}\u{2067}\u{2068}\u{2069}", r"\u{2066}\u{2067}\u{2068}\u{2069}"),
            ("\u{200e}\u{200f}\u{61c}", r"\u{200e}\u{200f}\u{61c}"),
            ("\u{2028}\u{2029}\u{feff}", r"\u{2028}\u{2029}\u{feff}"),
            ("\u{e0001}\u{e0041}\u{e007f}", r"\u{e0001}\u{e0041}\u{e007f}"),
            ("👩\u{200d}👩\u{200d}👧 می\u{200c}خواهم", "👩\u{200d}👩\u{200d}👧 می\u{200c}خواهم"),
            ("שלום, مرحبا, 你好, e\u{301} \u{a0}", "שלום, مرحبا, 你好, e\u{301} \u{a0}"),
            (r"\u{202e}", r"\u{202e}"),
        ];
        for (given, expected) in cases {
            assert_eq!(sanitize(given), expected, "given {given:?}");
        }
    }

    #[test]
    fn the_mark_and_combining_marks_are_escaped_at_the_start_only() {
        let cases = [
            ("Noy", "Noy"),
            ("", ""),
            (":: Connected", r"\u{3a}: Connected"),
            ("a:\u{301}", "a:\u{301}"),
            ("\u{301}Noy", r"\u{301}Noy"),
            ("\u{940}\u{202e}", r"\u{940}\u{202e}"),
        ];
        for (given, expected) in cases {
            assert_eq!(sanitize_start(given, ':'), expected, "given {given:?}");
        }
    }

    /// Text with many display controls.
    fn text() -> impl Strategy<Value = String> {
        let c = prop_oneof![
            any::<char>(),
            prop::char::range('\0', '\u{ff}'),
            prop::char::range('\u{2000}', '\u{206f}'),
            prop::char::range('\u{e0000}', '\u{e0080}'),
        ];
        prop::collection::vec(c, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn sanitized_text_has_no_display_control(text in text()) {
            prop_assert!(!sanitize(&text).chars().any(is_display_control));
        }

        #[test]
        fn text_without_display_controls_is_unchanged(text in text()) {
            let text: String = text.chars().filter(|&c| !is_display_control(c)).collect();
            prop_assert_eq!(sanitize(&text), &*text);
        }
    }
}
