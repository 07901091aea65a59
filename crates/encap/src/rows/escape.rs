//! Decodes escape sequences in messages.

/// Decodes `\r`, `\n`, `\t`, `\0`, `\\`, `\"` and `\xHH`.
///
/// # Errors
///
/// The byte offset of the first unknown escape.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, usize> {
    let mut remaining = text.as_bytes();
    let mut bytes = Vec::with_capacity(remaining.len());
    while let Some(at) = memchr::memchr(b'\\', remaining) {
        bytes.extend_from_slice(&remaining[..at]);
        let (byte, len) = decode_escape(&remaining[at + 1..]).ok_or(text.len() - remaining.len() + at)?;
        bytes.push(byte);
        remaining = &remaining[at + 1 + len..];
    }
    bytes.extend_from_slice(remaining);
    Ok(bytes)
}

/// Decodes the escape sequence at the start of `after_backslash`. Returns the byte and the length of the sequence.
fn decode_escape(after_backslash: &[u8]) -> Option<(u8, usize)> {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match *after_backslash {
        [b'r', ..] => Some((b'\r', 1)),
        [b'n', ..] => Some((b'\n', 1)),
        [b't', ..] => Some((b'\t', 1)),
        [b'0', ..] => Some((b'\0', 1)),
        [byte @ (b'\\' | b'"'), ..] => Some((byte, 1)),
        [b'x', high, low, ..] => Some((hex(high)? << 4 | hex(low)?, 3)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_escapes_are_decoded_and_others_are_errors() {
        let cases: [(&str, Result<&[u8], usize>); 12] = [
            ("", Ok(b"")),
            ("plain", Ok(b"plain")),
            (r"GET / HTTP/1.1\r\n\r\n", Ok(b"GET / HTTP/1.1\r\n\r\n")),
            (r"\t\0\\\x", Err(6)),
            (r#"\"\\n"#, Ok(b"\"\\n")),
            (r"\x00\xfF\x7f", Ok(b"\0\xff\x7f")),
            (r"é\xC3\xA9", Ok("éé".as_bytes())),
            (r"C:\dir", Err(2)),
            (r"end\", Err(3)),
            (r"\xg0", Err(0)),
            (r"\x0é", Err(0)),
            (r"\é", Err(0)),
        ];
        for (given, expected) in cases {
            assert_eq!(unescape(given), expected.map(<[u8]>::to_vec), "given {given:?}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_has_an_escape(bytes: Vec<u8>) {
            let text = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<Vec<_>>().concat();
            prop_assert_eq!(unescape(&text), Ok(bytes));
        }
    }
}
