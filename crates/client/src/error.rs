//! Why something was not done.

use std::io;
use std::time::Duration;

use switchboard_protocol::{ErrorCode, TextError, UsernameError};

use crate::connection_error::ConnectionError;

/// Why a command, or the connection itself, failed. The text is for the person who asked: what happened, where, and
/// how to mend it. What a server said is made safe to show before it gets in here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address names no host.
    #[error("cannot find {addr}: {}. Write the address as HOST:PORT", reason(source))]
    Resolve {
        /// As it was given.
        addr: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nothing takes connections there.
    #[error("cannot reach {addr}: {}. {}", reason(source), remedy(source))]
    Connect {
        /// As it was given.
        addr: String,
        /// What the system said.
        source: io::Error,
    },
    /// Neither taken nor refused in time.
    #[error("cannot reach {addr}: no answer within {}. Is the address right, and no firewall between?", shown(*limit))]
    ConnectTimeout {
        /// As it was given.
        addr: String,
        /// The time that was given.
        limit: Duration,
    },
    /// The connection was taken, and then nothing was said.
    #[error("{addr} took the connection but sent no WELCOME within {}. Is it a port of the other dialect, or of another program?", shown(*limit))]
    WelcomeTimeout {
        /// As it was given.
        addr: String,
        /// The time that was given.
        limit: Duration,
    },
    /// The first line was another one.
    #[error("{addr} is no Switchboard server: it began with \"{line}\" and not with WELCOME")]
    UnexpectedGreeting {
        /// As it was given.
        addr: String,
        /// What it said.
        line: String,
    },
    /// The server answered `ERROR`.
    #[error("{code}: {}", detail.as_deref().unwrap_or(code.sentence()))]
    Refused {
        /// Why, for a program.
        code: ErrorCode,
        /// The server's own sentence, where it sent one.
        detail: Option<String>,
    },
    /// The server answered `ERROR` with a code that this version does not know.
    #[error("{code}: {}", detail.as_deref().unwrap_or("the server refused, for a reason that this version does not know"))]
    RefusedWithUnknownCode {
        /// The code.
        code: String,
        /// The server's own sentence, where it sent one.
        detail: Option<String>,
    },
    /// The server answered something else than was asked.
    #[error("the server answered \"{got}\", which does not answer {asked}")]
    UnexpectedAnswer {
        /// The verb that was sent.
        asked: &'static str,
        /// What came.
        got: String,
    },
    /// The name was not sent: it breaks a rule.
    #[error(transparent)]
    Name(#[from] UsernameError),
    /// The line was not sent: it holds what no line may hold, or too much of it.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The line was not sent: a server does not answer a blank one.
    #[error("nothing to send: the text is blank")]
    Blank,
    /// The connection is over, before or after the command was sent.
    #[error(transparent)]
    Closed(#[from] ConnectionError),
}

/// What the system said, without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::PermissionDenied => error.kind().to_string(),
        _ => error.to_string(),
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "Is the server running? Start it with: switchboard-server",
        _ => "Is the address right, and the network up?",
    }
}

fn shown(limit: Duration) -> impl std::fmt::Display {
    humantime::format_duration(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_where_and_how_to_mend_it() {
        let addr = || "127.0.0.1:12345".to_owned();
        let limit = Duration::from_secs(10);
        let cases = [
            (
                Error::Connect { addr: addr(), source: io::Error::from(io::ErrorKind::ConnectionRefused) },
                "cannot reach 127.0.0.1:12345: connection refused. Is the server running? Start it with: switchboard-server",
            ),
            (
                Error::ConnectTimeout { addr: addr(), limit },
                "cannot reach 127.0.0.1:12345: no answer within 10s. Is the address right, and no firewall between?",
            ),
            (
                Error::WelcomeTimeout { addr: addr(), limit },
                "127.0.0.1:12345 took the connection but sent no WELCOME within 10s. Is it a port of the other dialect, or of another program?",
            ),
            (
                Error::Refused { code: ErrorCode::NameTaken, detail: None },
                "NAME_TAKEN: Somebody else has that name: choose another.",
            ),
            (
                Error::Refused { code: ErrorCode::NameTaken, detail: Some("since noon".to_owned()) },
                "NAME_TAKEN: since noon",
            ),
            (
                Error::Closed(ConnectionError::ClosedWithCode { code: ErrorCode::ServerShutdown, detail: None }),
                "the server closed the connection: SERVER_SHUTDOWN: The server is shutting down: connect again later.",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(error.to_string(), expected);
        }
    }
}
