//! Why a run could not be made, or had to be given up.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The server does not take a connection.
    #[error("cannot connect to {addr}, after {open} sessions: {source}{}", connect_hint(source))]
    Connect {
        /// The server.
        addr: SocketAddr,
        /// How many sessions there had been by then.
        open: usize,
        /// Why.
        source: io::Error,
    },
    /// More sessions than this process may have open files.
    #[error(
        "{sessions} sessions need {needed} open files, and this process may have {allowed}: raise `ulimit -Hn`, or use fewer sessions"
    )]
    Files {
        /// The sessions that were asked for.
        sessions: usize,
        /// The files that they need.
        needed: u64,
        /// The files that there may be.
        allowed: u64,
    },
    /// The server said that it will not.
    #[error("the server said {text:?} to session {session} of {sessions}{}", remedy(text))]
    Refused {
        /// What it text.
        text: String,
        /// Which session.
        session: usize,
        /// Of how many.
        sessions: usize,
    },
    /// The server closed a session that was to last.
    #[error("the server closed session {session} of {sessions}: its log says why{}", cause(source.as_ref()))]
    Closed {
        /// Which session.
        session: usize,
        /// Of how many.
        sessions: usize,
        /// How the connection ended, if it broke.
        source: Option<io::Error>,
    },
    /// Nothing came for too long.
    #[error("nothing came for {waited:?} while {sessions} sessions waited {waiting_for}")]
    Silent {
        /// What for.
        waiting_for: &'static str,
        /// How many waited.
        sessions: usize,
        /// How long.
        waited: Duration,
    },
    /// The server's process cannot be looked at.
    #[error("cannot look at process {pid}: {source}. Give the server's own process, on this machine")]
    Process {
        /// The process.
        pid: u32,
        /// Why not.
        source: io::Error,
    },
    /// The system refused something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn connect_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ". Is a server listening there?",
        io::ErrorKind::AddrNotAvailable => {
            ". No local port is left: wait a minute for those in TIME_WAIT, or use fewer sessions"
        }
        _ => "",
    }
}

fn cause(source: Option<&io::Error>) -> String {
    source.map(|source| format!(" ({source})")).unwrap_or_default()
}

/// What to do about a refusal: which setting of the server stands in the way.
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
        ": it speaks the line dialect, not the commands dialect"
    } else if text == "WELCOME" {
        ": it speaks the commands dialect, not the line dialect"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_a_remedy() {
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
