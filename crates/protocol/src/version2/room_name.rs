//! Names of rooms: `#lab`. (`protocol.md` §13.3)

use std::fmt;

use crate::limits::USERNAME_MAX_CHARS;
use crate::username::{Username, UsernameError};

/// Why a name is not a room's. The message is for the user who chose the name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RoomNameError {
    /// The name does not begin with `#`.
    #[error("name of a room does not begin with '#': write #{{name}}")]
    MissingHash,
    /// The name has more than 32 characters, with its `#`.
    #[error("name of a room has {chars} characters: send {USERNAME_MAX_CHARS} at most, with its '#'")]
    TooLong {
        /// The number of characters, or that of the folded form.
        chars: usize,
    },
    /// The name has a `;`, which separates the tags of a record.
    #[error("name of a room has ';' at character {at}: use letters, digits, '_', '-' or '.'")]
    Semicolon {
        /// Its position in characters, counted from 1 at the `#`.
        at: usize,
    },
    /// The rest of the name, after its `#`, breaks a rule of names.
    #[error("after the '#', the {0}")]
    Rest(UsernameError),
}

/// A valid name of a room: `#` and 1 to 31 characters, with its folded form.
///
/// Two names are equal if their folded forms are equal.
///
/// ```
/// use switchboard_protocol::version2::RoomName;
///
/// let lab = RoomName::new("#Lab")?;
/// assert_eq!((lab.as_str(), lab.folded()), ("#Lab", "#lab"));
/// # Ok::<(), switchboard_protocol::version2::RoomNameError>(())
/// ```
#[derive(Clone)]
pub struct RoomName {
    /// The spelling, followed by the folded form if it differs. Both begin with `#`.
    spelling_and_folded: Box<str>,
    /// The length of the spelling in bytes.
    spelling_len: usize,
}

impl RoomName {
    /// Checks `name`, which begins with `#`, and folds it.
    pub fn new(name: &str) -> Result<Self, RoomNameError> {
        let mut buffer = String::with_capacity(2 * name.len());
        buffer.push_str(name);
        Self::fold_into(name, &mut buffer)?;
        if &buffer[name.len()..] == name {
            buffer.truncate(name.len());
        }
        Ok(Self { spelling_and_folded: buffer.into_boxed_str(), spelling_len: name.len() })
    }

    /// Checks `name` and appends its folded form, with `#`, to `folded`.
    ///
    /// For an ASCII name, the only possible allocation is the growth of `folded`.
    pub fn fold_into(name: &str, folded: &mut String) -> Result<(), RoomNameError> {
        let rest = name.strip_prefix('#').ok_or(RoomNameError::MissingHash)?;
        // The full-width semicolon folds to a plain one.
        if let Some(before) = name.chars().position(|c| matches!(c, ';' | '；')) {
            return Err(RoomNameError::Semicolon { at: before + 1 });
        }
        let start = folded.len();
        folded.push('#');
        let result = Username::fold_into(rest, folded).map_err(RoomNameError::from).and_then(|()| {
            let chars = name.chars().count().max(folded[start..].chars().count());
            if chars > USERNAME_MAX_CHARS { Err(RoomNameError::TooLong { chars }) } else { Ok(()) }
        });
        if result.is_err() {
            folded.truncate(start);
        }
        result
    }

    /// The name in its creator's spelling, with `#`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.spelling_and_folded[..self.spelling_len]
    }

    /// The folded form with `#`, by which names are compared.
    #[must_use]
    pub fn folded(&self) -> &str {
        match &self.spelling_and_folded[self.spelling_len..] {
            "" => self.as_str(),
            folded => folded,
        }
    }
}

impl From<UsernameError> for RoomNameError {
    fn from(error: UsernameError) -> Self {
        match error {
            UsernameError::TooLong { chars } => Self::TooLong { chars: chars + 1 },
            other => Self::Rest(other),
        }
    }
}

impl PartialEq for RoomName {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for RoomName {}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomName({:?})", self.as_str())
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_any_script_are_valid_after_the_hash() {
        let cases = [
            ("#lab", "#lab"),
            ("#Lab", "#lab"),
            ("#Ｌａｂ", "#lab"),
            ("#מעבדה", "#מעבדה"),
            ("#实验室", "#实验室"),
            ("#c#", "#c#"),
            ("#7", "#7"),
            ("#1234567890123456789012345678901", "#1234567890123456789012345678901"),
        ];
        for (given, folded) in cases {
            let name = RoomName::new(given).unwrap_or_else(|error| panic!("{given:?}: {error}"));
            assert_eq!((name.as_str(), name.folded()), (given, folded), "given {given:?}");
        }
        assert_eq!(RoomName::new("#LAB"), RoomName::new("#lab"));
    }

    #[test]
    fn invalid_names_report_their_error() {
        let rest = |found, at| RoomNameError::Rest(UsernameError::Forbidden { found, at });
        let cases = [
            ("lab", RoomNameError::MissingHash),
            ("", RoomNameError::MissingHash),
            ("＃lab", RoomNameError::MissingHash),
            ("#", RoomNameError::Rest(UsernameError::Empty)),
            ("##lab", rest('#', 1)),
            ("#@lab", rest('@', 1)),
            ("#a,b", rest(',', 2)),
            ("#a:b", rest(':', 2)),
            ("#a b", rest(' ', 2)),
            ("#a;b", RoomNameError::Semicolon { at: 3 }),
            ("#a；b", RoomNameError::Semicolon { at: 3 }),
            ("#*", RoomNameError::Rest(UsernameError::NoLetterOrDigit)),
            ("#12345678901234567890123456789012", RoomNameError::TooLong { chars: 33 }),
            ("#123456789012345678901234567890123", RoomNameError::TooLong { chars: 34 }),
        ];
        for (given, expected) in cases {
            assert_eq!(RoomName::new(given), Err(expected), "given {given:?}");
            let mut folded = "before".to_owned();
            assert!(RoomName::fold_into(given, &mut folded).is_err());
            assert_eq!(folded, "before", "a refused name leaves nothing, given {given:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_a_hash_and_a_username(name in "\\PC{1,34}") {
            let rest = name.strip_prefix('#').unwrap_or(&name);
            let spelling = format!("#{rest}");
            match (RoomName::new(&spelling), Username::new(rest)) {
                (Ok(room), Ok(user)) => {
                    prop_assert_eq!(room.folded(), format!("#{}", user.folded()));
                    prop_assert!(!room.folded().contains([';', ' ']));
                }
                (Ok(room), Err(error)) => prop_assert!(false, "{room}: {error}"),
                (Err(_), _) => {}
            }
        }

        #[test]
        fn folding_is_idempotent(rest in "\\PC{1,32}") {
            if let Ok(room) = RoomName::new(&format!("#{rest}")) {
                let again = RoomName::new(room.folded());
                prop_assert_eq!(again.as_ref().map(RoomName::folded), Ok(room.folded()));
            }
        }
    }
}
