//! Checked message text: without control characters except tabs, so it cannot control its reader's terminal.
//! (`protocol.md` §2.3 and §4.1)

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::received_bytes::{RawLine, as_printable_ascii};

/// Why a text is invalid. The message is for the user who wrote the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TextError {
    /// The line is not UTF-8.
    #[error("byte {at} is not UTF-8: set your terminal to UTF-8")]
    NotUtf8 {
        /// The position of the first invalid byte in its line, counted from 1.
        at: usize,
    },
    /// The text has a control character (Unicode category Cc) other than tab.
    #[error("byte {at} begins the control character {found:?}: only a tab may be sent")]
    Control {
        /// The first such character.
        found: char,
        /// The position of its first byte in the line or text, counted from 1.
        at: usize,
    },
    /// The text exceeds its limit.
    #[error("message has {bytes} bytes: send {max_bytes} at most, or send it in parts")]
    TooLong {
        /// The length in bytes.
        bytes: usize,
        /// The limit in bytes.
        max_bytes: usize,
    },
}

/// A checked text: UTF-8 without control characters, except tabs.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// Checks that `text` has at most `max_bytes` bytes, and no control characters except tabs.
    pub fn new(text: &'a str, max_bytes: usize) -> Result<Self, TextError> {
        if text.len() > max_bytes {
            return Err(TextError::TooLong { bytes: text.len(), max_bytes });
        }
        check_controls(text)?;
        Ok(Self(Cow::Borrowed(text)))
    }

    /// Checks only the length of `text`: a part of a line that [`checked_line`] has checked.
    pub(crate) fn from_checked(text: &'a str, max_bytes: usize) -> Result<Self, TextError> {
        if text.len() > max_bytes {
            return Err(TextError::TooLong { bytes: text.len(), max_bytes });
        }
        debug_assert_eq!(check_controls(text), Ok(()));
        Ok(Self(Cow::Borrowed(text)))
    }

    /// The text as a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Copies a borrowed text, so that it can be sent across a channel.
    #[must_use]
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<Cow<'_, str>> for Text<'_> {
    type Error = TextError;

    /// Does not check the length, because its limit is a setting of the server.
    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        check_controls(&text)?;
        Ok(Self(Cow::Owned(text.into_owned())))
    }
}

impl From<Text<'_>> for String {
    fn from(text: Text<'_>) -> Self {
        text.0.into_owned()
    }
}

/// Trims the white space around a line. Checks that the trimmed line is UTF-8 without control characters except tabs.
#[inline]
pub(crate) fn checked_line(line: RawLine<'_>) -> Result<&str, TextError> {
    match line {
        // Fast path: printable ASCII has no control characters, and its only white space is the space.
        RawLine::Ascii(text) => Ok(text.trim_ascii()),
        RawLine::Bytes(bytes) => checked_bytes(bytes),
    }
}

fn checked_bytes(line: &[u8]) -> Result<&str, TextError> {
    if let Some(text) = as_printable_ascii(line.trim_ascii()) {
        return Ok(text);
    }
    let untrimmed = std::str::from_utf8(line).map_err(|error| TextError::NotUtf8 { at: error.valid_up_to() + 1 })?;
    let trimmed = untrimmed.trim();
    check_controls(trimmed).map_err(|error| match error {
        TextError::Control { found, at } => TextError::Control { found, at: at + leading_white_space_bytes(untrimmed) },
        other => other,
    })?;
    Ok(trimmed)
}

/// The number of bytes of white space at the start of `text`.
fn leading_white_space_bytes(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// Checks that `text` has no control characters except tabs.
fn check_controls(text: &str) -> Result<(), TextError> {
    match text.char_indices().find(|&(_, c)| c.is_control() && c != '\t') {
        Some((offset, found)) => Err(TextError::Control { found, at: offset + 1 }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_rejected_and_all_scripts_are_accepted() {
        let control = |found, at| Err(TextError::Control { found, at });
        let cases = [
            ("hello", Ok(())),
            ("", Ok(())),
            ("tab\tis fine", Ok(())),
            ("שלום, مرحبا, 你好 👋🏽", Ok(())),
            ("nul\0", control('\0', 4)),
            ("\u{1b}[31mred", control('\u{1b}', 1)),
            ("del\u{7f}", control('\u{7f}', 4)),
            ("é\u{9b}31m", control('\u{9b}', 3)),
            ("carriage\rreturn", control('\r', 9)),
        ];
        for (given, expected) in cases {
            assert_eq!(Text::new(given, 64).map(|_| ()), expected, "given {given:?}");
        }
    }

    #[test]
    fn longer_text_than_the_limit_is_rejected() {
        assert!(Text::new("12345678", 8).is_ok());
        assert_eq!(Text::new("123456789", 8), Err(TextError::TooLong { bytes: 9, max_bytes: 8 }));
    }

    #[test]
    fn white_space_around_a_line_is_trimmed_before_the_check() {
        let cases: &[(&[u8], Result<&str, TextError>)] = &[
            (b"PING", Ok("PING")),
            (b"  PING \r", Ok("PING")),
            (b"\x0b\x0c\t", Ok("")),
            (b" \x01x", Err(TextError::Control { found: '\u{1}', at: 2 })),
            (b"ab\xff", Err(TextError::NotUtf8 { at: 3 })),
            (b"A\rB", Err(TextError::Control { found: '\r', at: 2 })),
            // The decoder never yields this line, but other callers may pass it.
            (b"A\nB", Err(TextError::Control { found: '\n', at: 2 })),
        ];
        for (given, expected) in cases {
            assert_eq!(checked_line((*given).into()), *expected, "given {:?}", given.escape_ascii().to_string());
        }
    }

    #[test]
    fn json_round_trips_and_deserializing_checks_the_text() {
        let text = Text::new("a \"quoted\" word", 64).expect("a valid text");
        let json = serde_json::to_string(&text).expect("it serialises");
        assert_eq!(serde_json::from_str::<Text<'_>>(&json).expect("it parses"), text);
        assert!(serde_json::from_str::<Text<'_>>(r#""\u0007""#).is_err());
    }
}
