//! Why a command was not carried out. The state is as it was before.

use switchboard_protocol::ErrorCode;

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Somebody else has the name.
    NameTaken,
    /// The session has a name already.
    AlreadyRegistered,
    /// The session has no name yet.
    NotRegistered,
    /// Nobody has the name.
    UserNotFound,
    /// One of the two is in a chat.
    UserBusy,
    /// The session is in no chat.
    NotConnected,
    /// The other side would be the session itself.
    SelfConnect,
}

impl Refusal {
    /// The code that its `ERROR` line carries.
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
