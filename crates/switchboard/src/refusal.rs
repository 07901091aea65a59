//! The reasons for which a command is refused.

use switchboard_protocol::ErrorCode;

/// Why a command was refused. A refused command changes no state, with one exception: a message closes the sessions
/// that had no room for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Another session has the name.
    NameTaken,
    /// The session is already registered.
    AlreadyRegistered,
    /// The session is not registered yet.
    NotRegistered,
    /// No session has the name.
    UserNotFound,
    /// The session or the addressed user is already in a chat.
    UserBusy,
    /// The session is in no chat.
    NotConnected,
    /// The session addressed itself.
    SelfConnect,
}

impl Refusal {
    /// The code of the `ERROR` line.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NameTaken => ErrorCode::NameTaken,
            Self::AlreadyRegistered => ErrorCode::AlreadyRegistered,
            Self::NotRegistered => ErrorCode::NotRegistered,
            Self::UserNotFound => ErrorCode::UserNotFound,
            Self::UserBusy => ErrorCode::UserBusy,
            Self::NotConnected => ErrorCode::NotConnected,
            Self::SelfConnect => ErrorCode::SelfConnect,
        }
    }
}
