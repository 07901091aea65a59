//! Usernames: their rules, spelling and comparison.
//!
//! A name is shown in its owner's spelling and compared by its *folded* form: the result of the profile
//! `UsernameCaseMapped` (RFC 8265 §3.3). So `noy`, `Noy` and a full-width `Ｎｏｙ` are the same name. (`protocol.md` §3)

use std::borrow::Cow;
use std::fmt;

use precis_core::Error as PrecisError;
use precis_core::profile::PrecisFastInvocation as _;
use precis_profiles::UsernameCaseMapped;
use serde::{Deserialize, Serialize};
use unicode_normalization::char::is_combining_mark;

use crate::limits::{USERNAME_MAX_BYTES, USERNAME_MAX_CHARS};

/// Why a name is invalid. The message is for the user who chose the name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UsernameError {
    /// The name has no characters.
    #[error("name is empty: send 1 to {USERNAME_MAX_CHARS} characters")]
    Empty,
    /// The name has more than [`USERNAME_MAX_CHARS`] characters.
    #[error("name has {chars} characters: send {USERNAME_MAX_CHARS} at most")]
    TooLong {
        /// The number of characters.
        chars: usize,
    },
    /// The name has a character that is forbidden, in all names or at this position.
    #[error("name has {found:?} at character {at}: use letters, digits, '_', '-' or '.'")]
    Forbidden {
        /// The first forbidden character.
        found: char,
        /// Its position in characters, counted from 1.
        at: usize,
    },
    /// All characters are punctuation, symbols or combining marks. A client would print such a name like its own words.
    #[error("name has no letter and no digit: use at least one")]
    NoLetterOrDigit,
    /// The name mixes letters of both directions in a forbidden way (the Bidi Rule, RFC 5893 §2).
    #[error("name mixes right-to-left and left-to-right letters: use letters of one direction")]
    MixedDirections,
}

/// A valid name of 1 to [`USERNAME_MAX_CHARS`] characters, with its folded form. All characters are safe to display.
///
/// Two names are equal if their folded forms are equal.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Username {
    /// The spelling, followed by the folded form if it differs. One buffer saves an allocation per name.
    spelling_and_folded: Box<str>,
    /// The length of the spelling in bytes.
    spelling_len: usize,
}

impl Username {
    /// Checks `name` and folds it.
    ///
    /// ```
    /// use switchboard_protocol::Username;
    ///
    /// let noy = Username::new("Noy")?;
    /// assert_eq!((noy.as_str(), noy.folded()), ("Noy", "noy"));
    /// assert_eq!(noy, Username::new("NOY")?);
    /// # Ok::<(), switchboard_protocol::UsernameError>(())
    /// ```
    pub fn new(name: &str) -> Result<Self, UsernameError> {
        let mut buffer = String::with_capacity(2 * name.len());
        buffer.push_str(name);
        Self::fold_into(name, &mut buffer)?;
        if &buffer[name.len()..] == name {
            buffer.truncate(name.len());
        }
        Ok(Self { spelling_and_folded: buffer.into_boxed_str(), spelling_len: name.len() })
    }

    /// Checks `name` and appends its folded form to `folded`.
    ///
    /// For an ASCII name, the only possible allocation is the growth of `folded`.
    pub fn fold_into(name: &str, folded: &mut String) -> Result<(), UsernameError> {
        check_protocol_rules(name)?;
        if name.is_ascii() {
            // Fast path: the ASCII characters that passed the check are all in the IdentifierClass (RFC 8264 §4.2.1),
            // so the profile only maps them to lower case.
            let start = folded.len();
            folded.push_str(name);
            folded[start..].make_ascii_lowercase();
            return Ok(());
        }
        let enforced = enforce(name).map_err(|error| username_error(name, &error))?;
        // The folded form must be a valid name, too, and folding must not change it again. For example, a full-width
        // comma folds to a plain comma, and some letters fold to letters that are newer than the profile's tables.
        let refolds_to_itself = |text: &str| enforce(text).is_ok_and(|refolded| refolded == text);
        let folded_rules = check_protocol_rules(&enforced);
        if folded_rules.is_err() || !refolds_to_itself(&enforced) {
            let is_forbidden = |&(c, at): &(char, usize)| {
                !enforce(c.encode_utf8(&mut [0; 4])).is_ok_and(|folded| {
                    let forbidden = folded.chars().zip(at..).find(|&(c, at)| is_forbidden_at(c, at));
                    forbidden.is_none() && refolds_to_itself(&folded)
                })
            };
            return Err(match (name.chars().zip(1..).find(is_forbidden), folded_rules) {
                (Some((found, at)), _) => UsernameError::Forbidden { found, at },
                (None, Err(UsernameError::NoLetterOrDigit)) => UsernameError::NoLetterOrDigit,
                // Each character alone is valid, so folding has made the name too long.
                (None, _) => UsernameError::TooLong { chars: enforced.chars().count() },
            });
        }
        folded.push_str(&enforced);
        Ok(())
    }

    /// The name in its owner's spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.spelling_and_folded[..self.spelling_len]
    }

    /// The folded form, by which names are compared.
    #[must_use]
    pub fn folded(&self) -> &str {
        match &self.spelling_and_folded[self.spelling_len..] {
            "" => self.as_str(),
            folded => folded,
        }
    }
}

impl PartialEq for Username {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for Username {}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Username({:?})", self.as_str())
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl TryFrom<Cow<'_, str>> for Username {
    type Error = UsernameError;

    fn try_from(name: Cow<'_, str>) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<Username> for String {
    fn from(name: Username) -> Self {
        name.as_str().to_owned()
    }
}

/// Checks the rules that this protocol adds to RFC 8265. They limit the length, and forbid white space, control
/// characters, `,` (it separates the names of `USERS`), `:` (it separates name and text), and at the start `#` or `@`
/// (both are reserved for later versions) or a combining mark (a terminal draws it over the character before it). They
/// require a letter or digit.
fn check_protocol_rules(name: &str) -> Result<(), UsernameError> {
    let mut chars = 0;
    let mut has_letter_or_digit = false;
    for found in name.chars() {
        chars += 1;
        if is_forbidden_at(found, chars) {
            return Err(UsernameError::Forbidden { found, at: chars });
        }
        has_letter_or_digit = has_letter_or_digit || is_letter_or_digit(found);
    }
    match chars {
        0 => Err(UsernameError::Empty),
        chars if chars > USERNAME_MAX_CHARS || name.len() > USERNAME_MAX_BYTES => Err(UsernameError::TooLong { chars }),
        _ if !has_letter_or_digit => Err(UsernameError::NoLetterOrDigit),
        _ => Ok(()),
    }
}

/// Whether no name may have `c` as its character number `at`, counted from 1.
fn is_forbidden_at(c: char, at: usize) -> bool {
    let is_forbidden_start = at == 1 && (matches!(c, '#' | '@') || (!c.is_ascii() && is_combining_mark(c)));
    matches!(c, ',' | ':') || is_forbidden_start || c.is_whitespace() || c.is_control()
}

/// Whether `c` is a letter or digit. Unicode counts some combining marks as alphabetic, but they are neither.
fn is_letter_or_digit(c: char) -> bool {
    c.is_ascii_alphanumeric() || (!c.is_ascii() && c.is_alphanumeric() && !is_combining_mark(c))
}

/// Applies the profile. The library maps case one character at a time, but RFC 8264 §5.2.3 requires Unicode's
/// `toLowerCase`, which maps a sigma at the end of a word to a final sigma. So the case is mapped here first.
fn enforce(name: &str) -> Result<String, PrecisError> {
    UsernameCaseMapped::prepare(name)?;
    UsernameCaseMapped::enforce(name.to_lowercase()).map(Cow::into_owned)
}

/// Converts the error that the library reported for `name`.
fn username_error(name: &str, error: &PrecisError) -> UsernameError {
    match error {
        PrecisError::BadCodepoint(info) => {
            let found = name.chars().nth(info.position).or_else(|| char::from_u32(info.cp));
            UsernameError::Forbidden { found: found.unwrap_or(char::REPLACEMENT_CHARACTER), at: info.position + 1 }
        }
        PrecisError::Invalid | PrecisError::Unexpected(_) => UsernameError::MixedDirections,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_any_script_are_valid() {
        let cases = [
            ("Noy", "noy"),
            ("a", "a"),
            ("R2-D2_v.2", "r2-d2_v.2"),
            ("Ｎｏｙ", "noy"),
            ("Zoë", "zoë"),
            ("ZOE\u{308}", "zoë"),
            ("Στέλιος", "στέλιος"),
            ("ΣΤΈΛΙΟΣ", "στέλιος"),
            ("Иван", "иван"),
            ("נוי", "נוי"),
            ("نوي", "نوي"),
            ("小明", "小明"),
            ("ﾉｲ", "ノイ"),
            ("12345678901234567890123456789012", "12345678901234567890123456789012"),
            ("_bot", "_bot"),
            ("*7", "*7"),
            // A combining mark after the first character.
            ("_\u{301}a", "_\u{301}a"),
            ("ไทย", "ไทย"),
        ];
        for (given, folded) in cases {
            let name = Username::new(given).unwrap_or_else(|error| panic!("{given:?}: {error}"));
            assert_eq!((name.as_str(), name.folded()), (given, folded), "given {given:?}");
        }
    }

    #[test]
    fn an_invalid_name_reports_the_character_and_its_position() {
        let forbidden = |found, at| UsernameError::Forbidden { found, at };
        let cases = [
            ("", UsernameError::Empty),
            ("two words", forbidden(' ', 4)),
            ("tab\there", forbidden('\t', 4)),
            ("a,b", forbidden(',', 2)),
            ("a:b", forbidden(':', 2)),
            ("#room", forbidden('#', 1)),
            ("@noy", forbidden('@', 1)),
            ("a，b", forbidden('，', 2)),
            ("a：b", forbidden('：', 2)),
            // A Cherokee capital letter, whose small letter is newer than the profile's tables.
            ("aᎠ", forbidden('Ꭰ', 2)),
            ("＃room", forbidden('＃', 1)),
            ("_a\u{301}，b", forbidden('，', 4)),
            ("a＃，", forbidden('，', 3)),
            ("bell\u{7}", forbidden('\u{7}', 5)),
            ("c1\u{9b}", forbidden('\u{9b}', 3)),
            ("rlo\u{202e}", forbidden('\u{202e}', 4)),
            ("isolate\u{2066}", forbidden('\u{2066}', 8)),
            ("zero\u{200b}width", forbidden('\u{200b}', 5)),
            ("nb\u{a0}sp", forbidden('\u{a0}', 3)),
            ("smile😀", forbidden('😀', 6)),
            ("נוa", UsernameError::MixedDirections),
            ("*", UsernameError::NoLetterOrDigit),
            ("_-.", UsernameError::NoLetterOrDigit),
            ("_\u{301}", UsernameError::NoLetterOrDigit),
            ("\u{301}", forbidden('\u{301}', 1)),
            ("\u{301}Noy", forbidden('\u{301}', 1)),
            // A vowel sign of Devanagari, which Unicode counts as alphabetic, too.
            ("\u{940}", forbidden('\u{940}', 1)),
            ("_\u{940}", UsernameError::NoLetterOrDigit),
            // The half-width voicing mark folds to a combining mark.
            ("ﾞノイ", forbidden('ﾞ', 1)),
            ("123456789012345678901234567890123", UsernameError::TooLong { chars: 33 }),
        ];
        for (given, expected) in cases {
            assert_eq!(Username::new(given), Err(expected), "given {given:?}");
        }
    }

    #[test]
    fn hash_and_at_sign_are_valid_after_the_first_character() {
        assert!(Username::new("c#").is_ok());
        assert!(Username::new("noy@home").is_ok());
    }

    #[test]
    fn json_is_the_spelling_and_deserializing_checks_the_name() {
        let noy = Username::new("Noy").expect("a valid name");
        assert_eq!(serde_json::to_string(&noy).expect("it serialises"), r#""Noy""#);
        assert_eq!(serde_json::from_str::<Username>(r#""Noy""#).expect("it parses"), noy);
        assert!(serde_json::from_str::<Username>(r#""a,b""#).is_err());
    }

    fn fold(name: &str) -> Result<String, UsernameError> {
        let mut folded = String::new();
        Username::fold_into(name, &mut folded).map(|()| folded)
    }

    proptest! {
        #[test]
        fn the_ascii_fast_path_agrees_with_the_library(name in "[!-~]{1,32}") {
            if let Ok(folded) = fold(&name) {
                prop_assert_eq!(folded, UsernameCaseMapped::enforce(&*name).expect("the library accepts it too"));
            }
        }

        #[test]
        fn folding_is_idempotent(name in "\\PC{1,32}") {
            if let Ok(folded) = fold(&name) {
                prop_assert_eq!(fold(&folded), Ok(folded));
            }
        }

        #[test]
        fn no_name_makes_the_check_panic(name in any::<String>()) {
            let _ = Username::new(&name);
        }
    }
}
