//! Errors that prevent a run or end it early.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// The error that ended a run without a report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Invalid arguments. The text names the argument to change.
    #[error("{0}")]
    Usage(String),
    /// A connection could not be opened.
    #[error("cannot connect to {addr}, after {open} sessions: {source}{}", connect_hint(source))]
    Connect {
        /// The server's address.
        addr: SocketAddr,
        /// Connections opened before this one.
        open: usize,
        /// The system's error.
        source: io::Error,
    },
    /// The limit of open files of this process is too low for the sessions.
    #[error(
        "{sessions} sessions need {needed} open files, and this process may have {allowed}: raise `ulimit -Hn`, or use \
         fewer sessions"
    )]
    Files {
        /// Sessions of the workload.
        sessions: usize,
        /// Open files that they need.
        needed: u64,
        /// Open files that the hard limit allows.
        allowed: u64,
    },
    /// The server refused a request, or sent a frame that a correct run never gets.
    #[error("the server said {text:?} to session {session} of {sessions}{}", remedy(text))]
    Refused {
        /// The text of the server's frame.
        text: String,
        /// The session's number, from 0.
        session: usize,
        /// Number of sessions.
        sessions: usize,
    },
    /// The server closed a session before its end.
    #[error("the server closed session {session} of {sessions}: its log says why{}", cause(source.as_ref()))]
    Closed {
        /// The session's number, from 0.
        session: usize,
        /// Number of sessions.
        sessions: usize,
        /// The error of the connection. `None` if the server closed it cleanly.
        source: Option<io::Error>,
    },
    /// TLS or the WebSocket failed: the server speaks no TLS, shows a certificate that is not accepted, or opens no
    /// WebSocket.
    #[error("no session at this port: {source}")]
    Transport {
        /// The error of the layer.
        source: io::Error,
    },
    /// No session made progress within the timeout.
    #[error("the server sent nothing for {waited:?} while {sessions} sessions waited {waiting_for}")]
    Silent {
        /// The words that complete the sentence "the sessions waited …", such as "to be opened".
        waiting_for: &'static str,
        /// Number of sessions that waited.
        sessions: usize,
        /// The timeout.
        waited: Duration,
    },
    /// The server's process cannot be inspected in `/proc`.
    #[error("cannot look at process {pid}: {source}. Give the id of the server's process, on this machine")]
    Process {
        /// The process id.
        pid: u32,
        /// The system's error.
        source: io::Error,
    },
    /// Another system call failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The end of the error's sentence: a likely reason or remedy. Empty if there is none.
fn connect_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ". Is a server listening there?",
        io::ErrorKind::AddrNotAvailable => {
            ". No local port is left: wait a minute for those in TIME_WAIT, or use fewer sessions"
        }
        _ => "",
    }
}

/// The end of the error's sentence: the error of the connection, if it has one.
fn cause(source: Option<&io::Error>) -> String {
    source.map(|source| format!(" ({source})")).unwrap_or_default()
}

/// The end of the error's sentence: the server setting to change after the refusal `text`. Empty if there is none.
fn remedy(text: &str) -> &'static str {
    let has_any = |parts: [&str; 2]| parts.iter().any(|part| text.contains(part));
    if has_any(["SERVER_FULL", "server is full"]) {
        ": start it with more --max-sessions (and with --outbox-bytes to match, if it asks for that)"
    } else if has_any(["TOO_MANY_SESSIONS", "too many sessions"]) {
        ": start it with more --max-sessions-per-address"
    } else if has_any(["REGISTER_TIMEOUT", "registered in time"]) {
        ": start it with a longer --register-timeout, or open fewer sessions"
    } else if has_any(["TEXT_TOO_LONG", "message was too long"]) {
        ": use a smaller --size, or start it with more --text-bytes"
    } else if has_any(["LINE_TOO_LONG", "line was too long"]) {
        ": use a smaller --size, or start it with more --line-bytes"
    } else if text.starts_with("Invalid username") {
        ": this port speaks the line dialect, not the commands dialect"
    } else if text == "WELCOME" {
        ": this port speaks the commands dialect, not the line dialect"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_their_remedy() {
        let refused = |text: &str| Error::Refused { text: text.to_owned(), session: 100, sessions: 200 };
        let cases = [
            (refused("ERROR SERVER_FULL"), "start it with more --max-sessions "),
            (refused("The server is full: try again later."), "start it with more --max-sessions "),
            (refused("ERROR TOO_MANY_SESSIONS"), "start it with more --max-sessions-per-address"),
            (refused("ERROR TEXT_TOO_LONG"), "more --text-bytes"),
            (Error::Files { sessions: 30_000, needed: 30_064, allowed: 20_000 }, "raise `ulimit -Hn`"),
            (
                Error::Connect {
                    addr: ([127, 0, 0, 1], 1).into(),
                    open: 0,
                    source: io::ErrorKind::ConnectionRefused.into(),
                },
                "Is a server listening there?",
            ),
        ];
        for (error, expected) in cases {
            let error = error.to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
