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
    /// The operator has ended the session. The server closes it.
    Kicked = "KICKED", "The operator has closed this session: ask the operator before you connect again.";
    /// The name, the account or the address is banned. The server closes the session.
    Banned = "BANNED", "You are banned from this server: ask its operator.";
    /// Version 2: the tags before the verb are invalid.
    InvalidTag = "INVALID_TAG", "The tags before the command are not valid: write @n= and a number, then a space.";
    /// Version 2: an argument is not as the verb needs it.
    InvalidArgument = "INVALID_ARGUMENT", "That command does not take such an argument: look at its form.";
    /// Version 2: the name violates the rules of names of rooms.
    InvalidRoom = "INVALID_ROOM", "That cannot be a room's name: use '#' and 1 to 31 letters, digits, '_', '-' or '.'.";
    /// Version 2: the request needs an account.
    NotLoggedIn = "NOT_LOGGED_IN", "That needs an account: LOGIN to yours, or CLAIM your name.";
    /// Version 2: the session has an account already.
    AlreadyLoggedIn = "ALREADY_LOGGED_IN",
        "You are logged in already: open another session for another account or device.";
    /// Version 2: the secret is wrong, or nobody has the account. The two cases look the same.
    LoginFailed = "LOGIN_FAILED", "The name or its proof is wrong: check both, and try again.";
    /// Version 2: a secret may not travel over this connection.
    NotSecure = "NOT_SECURE", "This connection is not encrypted, so it takes no secrets: connect over TLS.";
    /// Version 2: the same device has logged in elsewhere. The server closes the session.
    Displaced = "DISPLACED", "This device has logged in elsewhere: give each device its own name.";
    /// Version 2: the device or its account has been removed. The server closes the session.
    Revoked = "REVOKED", "This device is no longer part of the account: LOGIN again.";
    /// Version 2: the account has no such device.
    DeviceNotFound = "DEVICE_NOT_FOUND", "Your account has no device of that name: DEVICES lists them.";
    /// Version 2: there is no such room, or the client may not know of it.
    RoomNotFound = "ROOM_NOT_FOUND", "There is no such room: ROOMS lists the rooms, and JOIN makes one.";
    /// Version 2: the request is for members only.
    NotAMember = "NOT_A_MEMBER",
        "Only members of that room may do that: an account becomes one by JOIN, if the room admits it.";
    /// Version 2: the settings of the room or the client's standing do not allow it.
    NotAllowed = "NOT_ALLOWED", "You may not do that there: in a room, its owner decides who may.";
    /// Version 2: a moderator of the room has muted the client.
    Muted = "MUTED", "A moderator of that room has muted you: read on, and ask when you may write again.";
    /// Version 2: the room is in slow mode, and the client has just written.
    TooSoon = "TOO_SOON", "That room is in slow mode: wait a little before your next message.";
    /// Version 2: the conversation is not open in this session.
    NotOpen = "NOT_OPEN", "That conversation is not open here: OPEN it first.";
    /// Version 2: the conversation has no such record.
    RecordNotFound = "RECORD_NOT_FOUND", "That conversation has no record of this number: HISTORY lists them.";
    /// Version 2: the number `n` is too old or was skipped, so that nobody knows whether the message was stored.
    Stale = "STALE", "That number is too old, or it was skipped: send the message with a new one.";
    /// Version 2: the store failed, so the outcome is unknown.
    Unavailable = "UNAVAILABLE", "The server cannot do that now: try again later, and send a message with the same number.";
    /// Version 2: the address of the client, or somebody who tries the same name, has tried too often.
    TryLater = "TRY_LATER", "That was tried too often: wait a minute, then try again.";
    /// Version 2: the disk is full.
    StoreFull = "STORE_FULL", "The server has no room to store that: try again later.";
    /// Version 2: the account or guest may not store more.
    QuotaFull = "QUOTA_FULL", "You have stored as much as you may: try again later, or ask the operator.";
    /// Version 2: the server has as many accounts as it may.
    TooManyAccounts = "TOO_MANY_ACCOUNTS", "The server takes no more accounts: ask the operator.";
    /// Version 2: the account has as many devices as it may.
    TooManyDevices = "TOO_MANY_DEVICES", "Your account has too many devices: REVOKE one first.";
    /// Version 2: the server has as many rooms as it may, or the account is a member of as many.
    TooManyRooms = "TOO_MANY_ROOMS", "There are too many rooms: LEAVE one first, or ask the operator.";
    /// Version 2: the room has as many members as it may.
    RoomFull = "ROOM_FULL", "That room is full, or its list of invited or banned people is: remove somebody first.";
    /// Version 2: the session has as many open conversations as it may.
    TooManyOpen = "TOO_MANY_OPEN", "You have too many conversations open: CLOSE one first.";
    /// Version 2: the server has as many watching sessions as it may.
    TooManyWatchers = "TOO_MANY_WATCHERS", "Too many sessions watch who comes and goes: try again later.";
    /// Version 2: the account has blocked as many others as it may.
    TooManyBlocked = "TOO_MANY_BLOCKED", "You have blocked too many people: UNBLOCK one first.";
    /// Version 2: the server has as many bans as it may.
    TooManyBans = "TOO_MANY_BANS", "The server has too many bans: UNBAN somebody first.";
    /// Version 2: this server does not offer the request.
    NotSupported = "NOT_SUPPORTED", "This server does not have that capability: HELLO_OK lists those that it has.";
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
                | Self::Kicked
                | Self::Banned
                | Self::Displaced
                | Self::Revoked
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
    fn the_specification_lists_every_code_with_its_sentence() {
        let specification = include_str!("../../../docs/protocol.md");
        let (_, chapter) = specification.split_once("\n## 6. Error codes\n").expect("the chapter about codes");
        let (chapter, _) = chapter.split_once("\n## ").expect("the next chapter");
        let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let listed: Vec<_> = rows
            .map(|(code, row)| {
                let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
                let [.., ends_session, sentence] = cells[..] else { panic!("{code}: a row of four cells or more") };
                (code, ends_session.trim_matches([' ', '|']) == "yes", sentence.trim_start_matches("| "))
            })
            .collect();
        let expected: Vec<_> =
            ErrorCode::ALL.iter().map(|code| (code.as_str(), code.ends_session(), code.sentence())).collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn some_codes_end_a_session() {
        let ending: Vec<_> =
            ErrorCode::ALL.iter().filter(|code| code.ends_session()).map(|code| code.as_str()).collect();
        let expected = [
            "WRONG_PROTOCOL",
            "REGISTER_TIMEOUT",
            "SERVER_FULL",
            "TOO_MANY_SESSIONS",
            "SERVER_SHUTDOWN",
            "KICKED",
            "BANNED",
            "DISPLACED",
            "REVOKED",
        ];
        assert_eq!(ending, expected);
    }
}
