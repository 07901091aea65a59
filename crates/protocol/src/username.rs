//! Names: who is who, and how a name is shown.
//!
//! A name is shown as its owner typed it and compared by its *folded* form, the `UsernameCaseMapped` profile of
//! RFC 8265 §3.3: `noy` is `Noy`, and a full-width `Ｎｏｙ` is too. (`protocol.md` §3)

use std::borrow::Cow;
use std::fmt;

use precis_core::Error as PrecisError;
use precis_core::profile::PrecisFastInvocation as _;
use precis_profiles::UsernameCaseMapped;
use serde::{Deserialize, Serialize};

use crate::limits::{USERNAME_MAX_BYTES, USERNAME_MAX_CHARS};

/// Why a name was not accepted. The text goes to the person who chose it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UsernameError {
    /// Nothing but white space.
    #[error("name is empty: send 1 to {USERNAME_MAX_CHARS} characters")]
    Empty,
    /// More than [`USERNAME_MAX_CHARS`] characters.
    #[error("name has {chars} characters: send {USERNAME_MAX_CHARS} at most")]
    TooLong {
        /// How many it has.
        chars: usize,
    },
    /// A character that no name may hold, or not at this place.
    #[error("name has {found:?} at character {at}: use letters, digits, '_', '-' or '.'")]
    Forbidden {
        /// The character.
        found: char,
        /// Its place, counted from 1.
        at: usize,
    },
    /// Each character may be in a name, but not in this order (the Bidi rule, RFC 5893 §2).
    #[error("name mixes right-to-left and left-to-right letters: use letters of one direction")]
    MixedDirections,
}

/// A name that was checked: 1 to [`USERNAME_MAX_CHARS`] characters that are safe to show, and their folded form.
///
/// Two names are equal when their folded forms are.
#[derive(Clone, Deserialize, Serialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct Username {
    /// The spelling, and after it the folded form where that is another one: one allocation a name.
    both: Box<str>,
    /// Where the spelling ends, in bytes.
    shown_len: usize,
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
        let mut both = String::with_capacity(2 * name.len());
        both.push_str(name);
        Self::fold_into(name, &mut both)?;
        if &both[name.len()..] == name {
            both.truncate(name.len());
        }
        Ok(Self { both: both.into_boxed_str(), shown_len: name.len() })
    }

    /// Appends the folded form of `name` to `folded`: what decides whether two names are one.
    ///
    /// For an ASCII name it allocates nothing beyond what `folded` lacks in room.
    pub fn fold_into(name: &str, folded: &mut String) -> Result<(), UsernameError> {
        check_shape(name)?;
        if name.is_ascii() {
            // Each ASCII character that passed the check is in the IdentifierClass (RFC 8264 §4.2.1), so lower case is
            // all that is left to do.
            let start = folded.len();
            folded.push_str(name);
            folded[start..].make_ascii_lowercase();
            return Ok(());
        }
        let enforced = enforce(name).map_err(|error| explain(name, &error))?;
        // A full-width comma folds to a plain one, and some letters to letters that are newer than the profile's tables:
        // what a name folds to has to be a name as well.
        let is_name = |text: &str| check_shape(text).is_ok() && enforce(text).is_ok_and(|again| again == text);
        if !is_name(&enforced) {
            let is_forbidden = |c: &char| !enforce(c.encode_utf8(&mut [0; 4])).is_ok_and(|folded| is_name(&folded));
            return Err(match name.chars().zip(1..).find(|(c, _)| is_forbidden(c)) {
                Some((found, at)) => UsernameError::Forbidden { found, at },
                None => UsernameError::TooLong { chars: enforced.chars().count() },
            });
        }
        folded.push_str(&enforced);
        Ok(())
    }

    /// The name as its owner typed it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.both[..self.shown_len]
    }

    /// The form that decides equality.
    #[must_use]
    pub fn folded(&self) -> &str {
        match &self.both[self.shown_len..] {
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

/// What the dialects need of every name, beyond RFC 8265: `,` parts the names of `USERS`, `:` parts name from text, and
/// a leading `#` or `@` is kept for what later versions put there.
fn check_shape(name: &str) -> Result<(), UsernameError> {
    let mut chars = 0;
    for found in name.chars() {
        chars += 1;
        let reserved = matches!(found, ',' | ':') || (chars == 1 && matches!(found, '#' | '@'));
        if reserved || found.is_whitespace() || found.is_control() {
            return Err(UsernameError::Forbidden { found, at: chars });
        }
    }
    match chars {
        0 => Err(UsernameError::Empty),
        chars if chars > USERNAME_MAX_CHARS || name.len() > USERNAME_MAX_BYTES => Err(UsernameError::TooLong { chars }),
        _ => Ok(()),
    }
}

/// Applies the profile. The library maps case one character at a time; RFC 8264 §5.2.3 has the operation of Unicode,
/// which knows that a sigma at the end of a word is another letter.
fn enforce(name: &str) -> Result<String, PrecisError> {
    UsernameCaseMapped::prepare(name)?;
    UsernameCaseMapped::enforce(name.to_lowercase()).map(Cow::into_owned)
}

/// Puts the library's refusal into words for the person who chose `name`.
fn explain(name: &str, error: &PrecisError) -> UsernameError {
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
    fn names_of_any_script_are_taken() {
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
        ];
        for (given, folded) in cases {
            let name = Username::new(given).unwrap_or_else(|error| panic!("{given:?}: {error}"));
            assert_eq!((name.as_str(), name.folded()), (given, folded), "given {given:?}");
        }
    }

    #[test]
    fn what_may_not_be_in_a_name_is_named_with_its_place() {
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
            // A Cherokee capital, whose small letter is newer than the profile's tables.
            ("aᎠ", forbidden('Ꭰ', 2)),
            ("＃room", forbidden('＃', 1)),
            ("bell\u{7}", forbidden('\u{7}', 5)),
            ("c1\u{9b}", forbidden('\u{9b}', 3)),
            ("rlo\u{202e}", forbidden('\u{202e}', 4)),
            ("isolate\u{2066}", forbidden('\u{2066}', 8)),
            ("zero\u{200b}width", forbidden('\u{200b}', 5)),
            ("nb\u{a0}sp", forbidden('\u{a0}', 3)),
            ("smile😀", forbidden('😀', 6)),
            ("נוa", UsernameError::MixedDirections),
            ("123456789012345678901234567890123", UsernameError::TooLong { chars: 33 }),
        ];
        for (given, expected) in cases {
            assert_eq!(Username::new(given), Err(expected), "given {given:?}");
        }
    }

    #[test]
    fn a_hash_or_at_sign_inside_a_name_is_a_letter_like_others() {
        assert!(Username::new("c#").is_ok());
        assert!(Username::new("noy@home").is_ok());
    }

    #[test]
    fn json_is_the_spelling_and_reading_it_checks_it() {
        let noy = Username::new("Noy").expect("a good name");
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
        fn the_short_way_for_ascii_agrees_with_the_library(name in "[!-~]{1,32}") {
            if let Ok(folded) = fold(&name) {
                prop_assert_eq!(folded, UsernameCaseMapped::enforce(&*name).expect("the library takes it too"));
            }
        }

        #[test]
        fn folding_twice_changes_nothing(name in "\\PC{1,32}") {
            if let Ok(folded) = fold(&name) {
                prop_assert_eq!(fold(&folded), Ok(folded));
            }
        }

        #[test]
        fn no_input_panics(name in any::<String>()) {
            let _ = Username::new(&name);
        }
    }
}
