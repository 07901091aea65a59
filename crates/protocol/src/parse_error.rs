//! Why a line is no command.

use crate::error_code::ErrorCode;
use crate::line_decoder::LineTooLong;
use crate::text::TextError;
use crate::username::UsernameError;

/// A line that asks for nothing we can do. The session carries on after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseError {
    /// It did not end in time.
    #[error(transparent)]
    LineTooLong(#[from] LineTooLong),
    /// It holds bytes that do not travel on.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Commands dialect: the first word is no verb.
    #[error("no such command: use REGISTER, CONNECT, MSG, DISCONNECT, PING or WHO")]
    UnknownCommand,
    /// Commands dialect: the verb stands alone.
    #[error("{verb} needs {needs} after it")]
    MissingArgument {
        /// Which verb.
        verb: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// The name breaks a rule.
    #[error(transparent)]
    Name(#[from] UsernameError),
    /// Line dialect: no colon.
    #[error("no colon: write name: message")]
    MissingColon,
    /// Line dialect: nothing before the colon.
    #[error("no name before the colon: write name: message")]
    MissingTarget,
}

impl ParseError {
    /// The code that its `ERROR` line carries.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::LineTooLong(_) => ErrorCode::LineTooLong,
            Self::Text(TextError::TooLong { .. }) => ErrorCode::TextTooLong,
            Self::Text(TextError::NotUtf8 { .. } | TextError::Control { .. }) => ErrorCode::InvalidText,
            Self::UnknownCommand => ErrorCode::UnknownCommand,
            Self::MissingArgument { .. } => ErrorCode::MissingArgument,
            Self::Name(_) => ErrorCode::InvalidName,
            Self::MissingColon => ErrorCode::InvalidFormat,
            Self::MissingTarget => ErrorCode::InvalidTarget,
        }
    }
}
