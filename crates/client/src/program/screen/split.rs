//! Splits a text into messages that the protocol can carry.

/// The mark of a line end within one message: a message has no line ends.
const LINE_END_MARK: &str = " ⏎ ";

/// Splits a line into parts of at most `max_bytes` bytes, at spaces where possible.
pub(crate) fn split_long(line: &str, max_bytes: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = line;
    while rest.len() > max_bytes {
        let limit = rest.floor_char_boundary(max_bytes);
        // A part should not be tiny, only because a space stands near its beginning.
        let at = rest[..limit].rfind(' ').filter(|at| *at >= limit / 2).unwrap_or(limit);
        let (part, after) = rest.split_at(at);
        parts.push(part.trim_end().to_owned());
        rest = after.trim_start_matches(' ');
    }
    parts.push(rest.to_owned());
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Joins lines to one message, if it has at most `max_bytes` bytes.
pub(crate) fn one_message_of_lines(lines: &[String], max_bytes: usize) -> Option<String> {
    let message = lines.join(LINE_END_MARK);
    (message.len() <= max_bytes).then_some(message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_line_is_split_at_words() {
        assert_eq!(split_long("short", 10), ["short"]);
        assert_eq!(split_long("one two three four", 10), ["one two", "three four"]);
        assert_eq!(split_long("abcdefghijklmno", 10), ["abcdefghij", "klmno"]);
        assert_eq!(split_long("a bcdefghijklmno", 10), ["a bcdefghi", "jklmno"]);
        assert_eq!(split_long("שלום עולם", 9), ["שלום", "עולם"]);
        assert_eq!(one_message_of_lines(&["a".to_owned(), "b".to_owned()], 10).as_deref(), Some("a ⏎ b"));
        assert_eq!(one_message_of_lines(&["a".to_owned(), "b".to_owned()], 6), None);
    }

    proptest! {
        #[test]
        fn parts_have_all_words_and_fit(line in "\\PC{0,200}", max_bytes in 8_usize..40) {
            let parts = split_long(&line, max_bytes);
            prop_assert!(parts.iter().all(|part| part.len() <= max_bytes && !part.trim().is_empty()));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&parts.concat()), letters(&line));
        }
    }
}
