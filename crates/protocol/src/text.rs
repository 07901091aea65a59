//! Message text: what may be said, and what never travels on to another person's terminal. (`protocol.md` §4)

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::received_bytes::{RawLine, printable};

/// Why a text was not accepted. The sentence goes to the person who wrote it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TextError {
    /// Not UTF-8.
    #[error("byte {at} is not UTF-8: set your terminal to UTF-8")]
    NotUtf8 {
        /// The place of the first such byte in its line, counted from 1.
        at: usize,
    },
    /// A control character (Unicode class Cc) other than tab.
    #[error("byte {at} begins the control character {found:?}: only a tab may be sent")]
    Control {
        /// The character.
        found: char,
        /// The place of its first byte, counted from 1.
        at: usize,
    },
    /// More bytes than a message may have.
    #[error("message has {bytes} bytes: send {max_bytes} at most, or send it in parts")]
    TooLong {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        max_bytes: usize,
    },
}

/// A text that was checked: UTF-8 without control characters other than tab.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// Checks `text` against the rules and a bound in bytes.
    pub fn new(text: &'a str, max_bytes: usize) -> Result<Self, TextError> {
        if text.len() > max_bytes {
            return Err(TextError::TooLong { bytes: text.len(), max_bytes });
        }
        check_controls(text)?;
        Ok(Self(Cow::Borrowed(text)))
    }

    /// The text of a line that [`checked_line`] has let through.
    pub(crate) fn from_checked(text: &'a str, max_bytes: usize) -> Result<Self, TextError> {
        if text.len() > max_bytes {
            return Err(TextError::TooLong { bytes: text.len(), max_bytes });
        }
        debug_assert_eq!(check_controls(text), Ok(()));
        Ok(Self(Cow::Borrowed(text)))
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, owning its bytes, to cross a channel.
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

/// The line as text, without the white space around it, or why no part of it may be used.
#[inline]
pub(crate) fn checked_line(line: RawLine<'_>) -> Result<&str, TextError> {
    match line {
        // What most lines are: all that could be wrong is ruled out, and white space is a space.
        RawLine::Ascii(text) => Ok(text.trim_ascii()),
        RawLine::Bytes(bytes) => checked_bytes(bytes),
    }
}

fn checked_bytes(line: &[u8]) -> Result<&str, TextError> {
    if let Some(text) = printable(line.trim_ascii()) {
        return Ok(text);
    }
    let text = std::str::from_utf8(line).map_err(|error| TextError::NotUtf8 { at: error.valid_up_to() + 1 })?;
    let trimmed = text.trim();
    check_controls(trimmed).map_err(|error| match error {
        TextError::Control { found, at } => TextError::Control { found, at: at + leading_bytes(text) },
        other => other,
    })?;
    Ok(trimmed)
}

/// How many bytes of white space a line begins with.
fn leading_bytes(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

fn check_controls(text: &str) -> Result<(), TextError> {
    match text.char_indices().find(|&(_, c)| c.is_control() && c != '\t') {
        Some((before, found)) => Err(TextError::Control { found, at: before + 1 }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_refused_and_scripts_are_not() {
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
            ("12345678901234567", Err(TextError::TooLong { bytes: 17, max_bytes: 16 })),
        ];
        for (given, expected) in cases {
            let max_bytes = if given.len() == 17 { 16 } else { 64 };
            assert_eq!(Text::new(given, max_bytes).map(|_| ()), expected, "given {given:?}");
        }
    }

    #[test]
    fn white_space_around_a_line_goes_before_it_is_checked() {
        let cases: &[(&[u8], Result<&str, TextError>)] = &[
            (b"PING", Ok("PING")),
            (b"  PING \r", Ok("PING")),
            (b"\x0b\x0c\t", Ok("")),
            (b" \x01x", Err(TextError::Control { found: '\u{1}', at: 2 })),
            (b"ab\xff", Err(TextError::NotUtf8 { at: 3 })),
            (b"A\rB", Err(TextError::Control { found: '\r', at: 2 })),
            // Whoever has a line from elsewhere than the decoder may have this in it.
            (b"A\nB", Err(TextError::Control { found: '\n', at: 2 })),
        ];
        for (given, expected) in cases {
            assert_eq!(checked_line((*given).into()), *expected, "given {:?}", given.escape_ascii().to_string());
        }
    }

    #[test]
    fn json_is_the_text_and_reading_it_checks_it() {
        let text = Text::new("a \"quoted\" word", 64).expect("a good text");
        let json = serde_json::to_string(&text).expect("it serialises");
        assert_eq!(serde_json::from_str::<Text<'_>>(&json).expect("it parses"), text);
        assert!(serde_json::from_str::<Text<'_>>(r#""\u0007""#).is_err());
    }
}
