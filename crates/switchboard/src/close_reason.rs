//! The reasons for which a session ends.

use std::fmt;

use switchboard_protocol::ErrorCode;

/// Why a session ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CloseReason {
    /// The client closed the connection.
    Quit,
    /// The connection broke.
    Reset,
    /// The client did not read: its outbox is full, or made no progress for too long.
    SlowConsumer,
    /// The session did not register in time.
    RegisterTimeout,
    /// The client received a refusal after which its dialect closes the session.
    Refused,
    /// The client speaks another protocol, such as HTTP.
    WrongProtocol,
    /// Another session has logged in as the device of this one.
    Displaced,
    /// The device or the account of the session was removed.
    Revoked,
    /// An operator has ended the session.
    Kicked,
    /// The name, the account or the address is banned.
    Banned,
    /// The server is stopping.
    Shutdown,
}

impl CloseReason {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::Quit,
        Self::Reset,
        Self::SlowConsumer,
        Self::RegisterTimeout,
        Self::Refused,
        Self::WrongProtocol,
        Self::Displaced,
        Self::Revoked,
        Self::Kicked,
        Self::Banned,
        Self::Shutdown,
    ];

    /// The code of the last `ERROR` that the server sends to the session, or `None` if it sends none.
    #[must_use]
    pub const fn code(self) -> Option<ErrorCode> {
        match self {
            Self::RegisterTimeout => Some(ErrorCode::RegisterTimeout),
            Self::Displaced => Some(ErrorCode::Displaced),
            Self::Revoked => Some(ErrorCode::Revoked),
            Self::Kicked => Some(ErrorCode::Kicked),
            Self::Banned => Some(ErrorCode::Banned),
            Self::Shutdown => Some(ErrorCode::ServerShutdown),
            // The client has left, has received the reason already, or does not read.
            Self::Quit | Self::Reset | Self::SlowConsumer | Self::Refused | Self::WrongProtocol => None,
        }
    }

    /// The reason as a log shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Reset => "reset",
            Self::SlowConsumer => "slow consumer",
            Self::RegisterTimeout => "register timeout",
            Self::Refused => "refused",
            Self::WrongProtocol => "wrong protocol",
            Self::Displaced => "displaced",
            Self::Revoked => "revoked",
            Self::Kicked => "kicked",
            Self::Banned => "banned",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
