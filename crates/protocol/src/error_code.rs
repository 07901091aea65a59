//! Error codes: what went wrong, as one word that programs match on and one sentence that a person reads.
//! (`protocol.md` §6)

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Declares the codes once: variant, word on the wire, sentence.
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

            /// The code as it stands on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $wire,)* }
            }

            /// What happened and how to mend it, for the person who is told.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(ErrorCode::$variant => $sentence,)* }
            }
        }
    };
}

codes! {
    /// The first word is no verb.
    UnknownCommand = "UNKNOWN_COMMAND", "No such command: use REGISTER, CONNECT, MSG, DISCONNECT, PING or WHO.";
    /// The verb needs something after it.
    MissingArgument = "MISSING_ARGUMENT", "Something is missing: REGISTER and CONNECT need a name, MSG needs a text.";
    /// The line passed its limit; its rest is skipped.
    LineTooLong = "LINE_TOO_LONG", "That line was too long and was dropped: send it in parts.";
    /// The message passed its limit.
    TextTooLong = "TEXT_TOO_LONG", "That message was too long and was not sent: send it in parts.";
    /// The line is not UTF-8, or holds a control character other than tab.
    InvalidText = "INVALID_TEXT", "That line was dropped: send UTF-8 without control characters other than tab.";
    /// The name breaks a rule.
    InvalidName = "INVALID_NAME",
        "That name cannot be had: use 1 to 32 letters, digits, '_', '-' or '.', of any script, without spaces.";
    /// Somebody else has the name.
    NameTaken = "NAME_TAKEN", "Somebody else has that name: choose another.";
    /// This session has a name already.
    AlreadyRegistered = "ALREADY_REGISTERED", "You have a name already: open another session for another name.";
    /// This session has no name yet.
    NotRegistered = "NOT_REGISTERED", "You have no name yet: REGISTER a name first.";
    /// Nobody has the name that was asked for.
    UserNotFound = "USER_NOT_FOUND", "Nobody here has that name: WHO lists who is here.";
    /// One of the two is in a chat.
    UserBusy = "USER_BUSY", "One of you is in a chat already: DISCONNECT first, or try again later.";
    /// There is no chat to speak in.
    NotConnected = "NOT_CONNECTED", "You are in no chat: CONNECT to somebody first.";
    /// A session asked to chat with itself, or wrote to itself.
    SelfConnect = "SELF_CONNECT", "That is you: choose somebody else.";
    /// Line dialect: no colon, so no target.
    InvalidFormat = "INVALID_FORMAT", "No colon: write name: message.";
    /// Line dialect: nothing before the colon.
    InvalidTarget = "INVALID_TARGET", "No name before the colon: write name: message.";
    /// The first bytes are those of another protocol. The session is closed.
    WrongProtocol = "WRONG_PROTOCOL", "This port takes lines of chat.";
    /// Nobody registered in time. The session is closed.
    RegisterTimeout = "REGISTER_TIMEOUT", "No name was registered in time: connect again.";
    /// The server holds as many sessions as it may. The session is closed.
    ServerFull = "SERVER_FULL", "The server is full: try again later.";
    /// This address holds as many sessions as it may. The session is closed.
    TooManySessions = "TOO_MANY_SESSIONS", "Your address has too many sessions open: close one first.";
    /// The server is being stopped. The session is closed.
    ServerShutdown = "SERVER_SHUTDOWN", "The server is shutting down: connect again later.";
}

impl ErrorCode {
    /// Whether a server that says this closes the session after it. Such an `ERROR` may come at any time, so it never
    /// answers a request. (`protocol.md` §4.4)
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

/// A word that is no error code here: the server is newer, or another.
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
    fn every_code_is_read_back_as_itself() {
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
