//! Why a session ended.

use std::fmt;

use switchboard_protocol::ErrorCode;

/// Why a session ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CloseReason {
    /// The client ended it.
    Quit,
    /// The connection broke.
    Reset,
    /// What waited for it reached its bound, or it read nothing of it for too long.
    SlowConsumer,
    /// It took no name in time.
    RegisterTimeout,
    /// The dialect ends a session after this refusal.
    Refused,
    /// It spoke another protocol.
    WrongProtocol,
    /// The server is being stopped.
    Shutdown,
}

impl CloseReason {
    /// The code that the client is told before the end, where it is told one.
    #[must_use]
    pub const fn code(self) -> Option<ErrorCode> {
        match self {
            Self::RegisterTimeout => Some(ErrorCode::RegisterTimeout),
            Self::Shutdown => Some(ErrorCode::ServerShutdown),
            // It knows (it ended it, or was told why when it was refused), or it does not read.
            Self::Quit | Self::Reset | Self::SlowConsumer | Self::Refused | Self::WrongProtocol => None,
        }
    }

    /// One word for a log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Reset => "reset",
            Self::SlowConsumer => "slow consumer",
            Self::RegisterTimeout => "register timeout",
            Self::Refused => "refused",
            Self::WrongProtocol => "wrong protocol",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
