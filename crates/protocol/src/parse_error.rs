//! The reasons for which a line is not a command.

use crate::error_code::ErrorCode;
use crate::line_decoder::LineTooLong;
use crate::text::TextError;
use crate::username::UsernameError;

/// Why a line is not a valid command. The session goes on, except after an invalid first line of the line dialect.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseError {
    /// The line exceeds its limit.
    #[error(transparent)]
    LineTooLong(#[from] LineTooLong),
    /// The line is not UTF-8, has a control character, or its text is too long.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Commands dialect: the first word is not a verb.
    #[error("no such command: use REGISTER, CONNECT, MSG, DISCONNECT, PING or WHO")]
    UnknownCommand,
    /// Commands dialect: the verb lacks its argument.
    #[error("{verb} needs {needs} after it")]
    MissingArgument {
        /// The verb in capitals.
        verb: &'static str,
        /// The missing argument with its article, such as `a name`.
        needs: &'static str,
    },
    /// The name is invalid.
    #[error(transparent)]
    Name(#[from] UsernameError),
    /// Line dialect: the line has no colon.
    #[error("no colon: write name: message")]
    MissingColon,
    /// Line dialect: the text before the colon is empty.
    #[error("no name before the colon: write name: message")]
    MissingTarget,
}

impl ParseError {
    /// The code of the `ERROR` line that reports this error.
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
