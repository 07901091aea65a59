//! Which of the two ways of writing a listener speaks.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::parse_error::ParseError;
use crate::received_bytes::RawLine;
use crate::reply::Reply;

pub mod commands;
pub mod line;

/// A way of writing commands and replies. A listener speaks one; the switchboard behind it knows neither.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// `REGISTER`, `CONNECT`, `MSG`, …: TCP port 12345.
    Commands,
    /// A name on the first line, then `name: message`: TCP port 8080.
    Line,
}

/// What becomes of a session once a reply has been said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum AfterReply {
    /// It goes on.
    KeepOpen,
    /// It is closed: what was said was the last word.
    Close,
}

impl Dialect {
    /// Where its servers listen, unless told otherwise.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Commands => 12345,
            Self::Line => 8080,
        }
    }

    /// `addr` with the dialect's port where it has none. An IPv6 address may stand without brackets if it has no port.
    ///
    /// ```
    /// use switchboard_protocol::Dialect;
    ///
    /// assert_eq!(Dialect::Commands.with_port("chat.example"), "chat.example:12345");
    /// assert_eq!(Dialect::Line.with_port("::1"), "[::1]:8080");
    /// assert_eq!(Dialect::Line.with_port("[::1]:7000"), "[::1]:7000");
    /// ```
    #[must_use]
    pub fn with_port(self, addr: &str) -> String {
        let port = self.port();
        let is_bare_ipv6 = addr.matches(':').count() > 1 && !addr.starts_with('[');
        if is_bare_ipv6 {
            format!("[{addr}]:{port}")
        } else if addr.ends_with(']') || !addr.contains(':') {
            format!("{addr}:{port}")
        } else {
            addr.to_owned()
        }
    }

    /// Reads one line, without its LF. `Ok(None)` is a blank line, which asks for nothing.
    ///
    /// The line dialect reads its first line as a name, so it has to know whether the session is `registered`.
    pub fn parse<'a>(
        self,
        line: impl Into<RawLine<'a>>,
        registered: bool,
        text_max_bytes: usize,
    ) -> Result<Option<Command<'a>>, ParseError> {
        match self {
            Self::Commands => commands::parse(line, text_max_bytes),
            Self::Line if registered => line::parse(line, text_max_bytes),
            Self::Line => line::parse_name(line).map(Some),
        }
    }

    /// Appends `reply` to `out`, as one line or as nothing.
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

    /// Appends the answer to a line that could not be read.
    pub fn encode_error(self, error: &ParseError, registered: bool, out: &mut Vec<u8>) -> AfterReply {
        match self {
            Self::Line if !registered => line::encode_name_error(error, out),
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
