//! Error codes: one word for programs and one sentence for people. (`protocol.md` §6)

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Declares each code in one row: variant, word on the wire, sentence.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $wire:literal, $sentence:literal;)*) => {
        /// The code of an `ERROR` line.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Deserialize, Serialize)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $wire)] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of `protocol.md` §6.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $wire,)* }
            }

            /// One sentence for a person: the problem and its remedy.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(ErrorCode::$variant => $sentence,)* }
            }
        }
    };
}

codes! {
    /// The first word is not a verb.
    UnknownCommand = "UNKNOWN_COMMAND", "No such command: use REGISTER, CONNECT, MSG, DISCONNECT, PING or WHO.";
    /// The verb lacks its argument.
    MissingArgument = "MISSING_ARGUMENT", "Something is missing: REGISTER and CONNECT need a name, MSG needs a text.";
    /// The line exceeds its limit. The server skips the rest of it.
    LineTooLong = "LINE_TOO_LONG", "That line was too long and was dropped: send it in parts.";
    /// The message exceeds its limit.
    TextTooLong = "TEXT_TOO_LONG", "That message was too long and was not sent: send it in parts.";
    /// The line is not UTF-8, or holds a control character other than tab.
    InvalidText = "INVALID_TEXT", "That line was dropped: send UTF-8 without control characters other than tab.";
    /// The name violates the rules of [`Username`](crate::Username).
    InvalidName = "INVALID_NAME",
        "That name cannot be had: use 1 to 32 letters, digits, '_', '-' or '.', of any script, without spaces.";
    /// Another user has the name.
    NameTaken = "NAME_TAKEN", "Somebody else has that name, or one that looks like it: choose another.";
    /// This session has a name already.
    AlreadyRegistered = "ALREADY_REGISTERED", "You have a name already: open another session for another name.";
    /// This session has no name yet.
    NotRegistered = "NOT_REGISTERED", "You have no name yet: REGISTER a name first.";
    /// No user has the requested name.
    UserNotFound = "USER_NOT_FOUND", "Nobody here has that name: WHO lists who is here.";
    /// The session or the requested user is already in a chat.
    UserBusy = "USER_BUSY", "One of you is in a chat already: DISCONNECT first, or try again later.";
    /// This session is not in a chat.
    NotConnected = "NOT_CONNECTED", "You are in no chat: CONNECT to somebody first.";
    /// The target is the session itself.
    SelfConnect = "SELF_CONNECT", "That is you: choose somebody else.";
    /// Line dialect: the line has no colon.
    InvalidFormat = "INVALID_FORMAT", "No colon: write name: message.";
    /// Line dialect: the text before the colon is empty.
    InvalidTarget = "INVALID_TARGET", "No name before the colon: write name: message.";
    /// The first bytes belong to another protocol. The server closes the session.
    WrongProtocol = "WRONG_PROTOCOL", "This port takes lines of chat.";
    /// The session did not register in time. The server closes it.
    RegisterTimeout = "REGISTER_TIMEOUT", "No name was registered in time: connect again.";
    /// The server has reached its session limit. It closes the session.
    ServerFull = "SERVER_FULL", "The server is full: try again later.";
    /// The client's address has reached its session limit. The server closes the session.
    TooManySessions = "TOO_MANY_SESSIONS", "Your address has too many sessions open: close one first.";
    /// The server is shutting down. It closes the session.
    ServerShutdown = "SERVER_SHUTDOWN", "The server is shutting down: connect again later.";
}

impl ErrorCode {
    /// Whether the server closes the session, in both dialects, after an `ERROR` with this code. Such an `ERROR` may
    /// come at any time, and never answers a request. (`protocol.md` §4.4)
    #[must_use]
    pub const fn ends_session(self) -> bool {
        matches!(
            self,
            Self::WrongProtocol
                | Self::RegisterTimeout
                | Self::ServerFull
                | Self::TooManySessions
                | Self::ServerShutdown
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The word is not an error code of this protocol version. The server is newer, or it is another program.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an error code of this version of the protocol")]
pub struct UnknownErrorCode;

impl FromStr for ErrorCode {
    type Err = UnknownErrorCode;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word).ok_or(UnknownErrorCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip_through_their_word() {
        for &code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
            assert!(code.sentence().ends_with('.'), "{code}: a sentence ends in a full stop");
        }
    }

    #[test]
    fn five_codes_end_a_session() {
        let ending: Vec<_> =
            ErrorCode::ALL.iter().filter(|code| code.ends_session()).map(|code| code.as_str()).collect();
        let expected = ["WRONG_PROTOCOL", "REGISTER_TIMEOUT", "SERVER_FULL", "TOO_MANY_SESSIONS", "SERVER_SHUTDOWN"];
        assert_eq!(ending, expected);
    }
}
