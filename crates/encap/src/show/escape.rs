//! Makes bytes and texts of a capture safe to display.

use std::fmt::Write as _;

use switchboard_protocol::sanitize_with;

/// Decodes at most `max_bytes` bytes as UTF-8. Terminal control characters and invalid bytes become escapes. Returns
/// the text and the number of omitted bytes.
pub(crate) fn text(bytes: &[u8], max_bytes: usize) -> (String, usize) {
    let shown = &bytes[..bytes.len().min(max_bytes)];
    let mut out = String::with_capacity(shown.len());
    for chunk in shown.utf8_chunks() {
        out.push_str(&sanitize_with(chunk.valid(), |c, out| {
            let _ = write!(out, "{}", c.escape_default());
        }));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    (out, bytes.len() - shown.len())
}

/// A byte in the ASCII column of a dump: a dot if it is not printable.
pub(super) fn ascii(byte: u8) -> char {
    if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' }
}

/// Hexadecimal, separated by spaces.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(3 * bytes.len());
    for (i, byte) in bytes.iter().enumerate() {
        let _ = write!(out, "{}{byte:02x}", if i > 0 { " " } else { "" });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_invalid_utf8_are_escaped() {
        let table = [
            (&b"GET / HTTP/1.1\r\n"[..], r"GET / HTTP/1.1\r\n"),
            (b"\x1b[2Jhi\xff", r"\u{1b}[2Jhi\xff"),
            ("שלום \u{202e}abc".as_bytes(), r"שלום \u{202e}abc"),
        ];
        for (given, expected) in table {
            assert_eq!(text(given, 100), (expected.into(), 0));
        }
        assert_eq!(text(b"hello", 3), ("hel".into(), 2));
        // Cut inside a character: its remaining bytes are escaped.
        assert_eq!(text("é".as_bytes(), 1), (r"\xc3".into(), 1));
    }

    #[test]
    fn ascii_column_has_only_printable_characters() {
        assert!((0..=255).map(ascii).all(|c| c.is_ascii_graphic() || c == ' '));
    }
}
