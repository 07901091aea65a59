//! The two dialects: the syntaxes in which commands and replies are written.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::parse_error::ParseError;
use crate::received_bytes::RawLine;
use crate::reply::Reply;

pub mod commands;
pub mod line;

/// A syntax for commands and replies. Each listener has one; the core of the server is independent of it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `REGISTER`, `CONNECT`, `MSG`, …: TCP port 12345.
    Commands,
    /// A name on the first line, then `name: message`: TCP port 8080.
    Line,
}

/// Whether a session goes on after a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum AfterReply {
    /// The session goes on.
    KeepOpen,
    /// The reply is the last: the server closes the session after it.
    Close,
}

impl Dialect {
    /// The default TCP port.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Commands => 12345,
            Self::Line => 8080,
        }
    }

    /// Parses one line without its LF. A blank line gives `Ok(None)`, except where a name is expected.
    ///
    /// `is_registered` tells whether the session has a name. In the line dialect, the line of a session without a name
    /// is parsed as the name, and later lines as messages.
    pub fn parse<'a>(
        self,
        line: impl Into<RawLine<'a>>,
        is_registered: bool,
        text_max_bytes: usize,
    ) -> Result<Option<Command<'a>>, ParseError> {
        match self {
            Self::Commands => commands::parse(line, text_max_bytes),
            Self::Line if is_registered => line::parse(line, text_max_bytes),
            Self::Line => line::parse_name(line).map(Some),
        }
    }

    /// Appends `reply` to `out` as one line with its LF, or nothing if the dialect does not have this reply.
    #[inline]
    pub fn encode(self, reply: &Reply<'_>, out: &mut Vec<u8>) -> AfterReply {
        match self {
            Self::Commands => {
                commands::encode(reply, out);
                AfterReply::KeepOpen
            }
            Self::Line => line::encode(reply, out),
        }
    }

    /// Appends the reply to a line that did not parse. `is_registered` is the same as for [`Dialect::parse`].
    pub fn encode_error(self, error: &ParseError, is_registered: bool, out: &mut Vec<u8>) -> AfterReply {
        match self {
            Self::Line if !is_registered => line::encode_name_error(error, out),
            Self::Commands | Self::Line => self.encode(&error.code().into(), out),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Commands => "commands",
            Self::Line => "line",
        })
    }
}
