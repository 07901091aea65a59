//! Why a command was not carried out. The state is as it was before.

use switchboard_protocol::Code;

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
    pub const fn code(self) -> Code {
        match self {
            Self::NameTaken => Code::NameTaken,
            Self::AlreadyRegistered => Code::AlreadyRegistered,
            Self::NotRegistered => Code::NotRegistered,
            Self::UserNotFound => Code::UserNotFound,
            Self::UserBusy => Code::UserBusy,
            Self::NotConnected => Code::NotConnected,
            Self::SelfConnect => Code::SelfConnect,
        }
    }
}
