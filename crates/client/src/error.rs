//! The errors of commands and of connection attempts.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use switchboard_protocol::version2::InvalidRequest;
use switchboard_protocol::{ErrorCode, JoinLinkError, KeyHash, TextError, UsernameError};

use crate::connection_error::ConnectionError;

/// Why a command or the connection failed. The message tells a user the problem, its place and its remedy. Text from
/// the server is sanitized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address does not resolve to a host.
    #[error("cannot find {addr}: {}. Write the address as HOST:PORT", reason(source))]
    Resolve {
        /// The address as given.
        addr: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// The TCP connection was refused or failed.
    #[error("cannot reach {addr}: {}. {}", reason(source), remedy(source))]
    Connect {
        /// The address as given.
        addr: String,
        /// The socket's error.
        source: io::Error,
    },
    /// The TCP connection was neither accepted nor refused in time.
    #[error(
        "cannot reach {addr}: no answer within {}. Is the address right? Does a firewall block the port?",
        format_limit(*limit)
    )]
    ConnectTimeout {
        /// The address as given.
        addr: String,
        /// The time limit.
        limit: Duration,
    },
    /// The host has several addresses, and no TCP connection to any of them succeeded.
    #[error("cannot reach {addr}: {}. {}", reasons(failed, *limit), remedy_for_all(failed))]
    Unreachable {
        /// The address as given.
        addr: String,
        /// The time limit.
        limit: Duration,
        /// The attempts, at least two.
        failed: Vec<FailedAttempt>,
    },
    /// The link to a server is not valid.
    #[error(transparent)]
    Link(#[from] JoinLinkError),
    /// The TLS handshake failed.
    #[error(
        "no TLS with {addr}: {reason}. Is this the port for TLS? A plain port has an address without switchboard://"
    )]
    Handshake {
        /// The address.
        addr: String,
        /// The reason.
        reason: String,
    },
    /// The server has another key than the expected one: it is another server, or its key was replaced.
    #[error(
        "THE KEY OF {addr} IS NOT THE EXPECTED ONE. Somebody may be listening in, or the server has a new key. \
         Expected {expected}, found {found}. Nothing was sent. Ask the operator of the server"
    )]
    OtherKey {
        /// The address.
        addr: String,
        /// The key of the link.
        expected: KeyHash,
        /// The key that the server has shown.
        found: KeyHash,
    },
    /// No authority vouches for the server, and the link names no key.
    #[error(
        "{addr} is unknown: {reason}. If its key {key} is the one that the server has logged, add ?key={key} to the link"
    )]
    UnknownKey {
        /// The address.
        addr: String,
        /// The key that the server has shown.
        key: KeyHash,
        /// What the authorities say.
        reason: String,
    },
    /// The server accepted the connection, but sent no line in time.
    #[error(
        "{addr} accepted the connection but sent no WELCOME within {}. \
         It may be the port of a server that waits for a request, such as HTTP or redis, \
         or a port of the line dialect (to chat there: --dialect line)",
        format_limit(*limit)
    )]
    WelcomeTimeout {
        /// The address as given.
        addr: String,
        /// The time limit.
        limit: Duration,
    },
    /// The first line is not `WELCOME`.
    #[error("{addr} is not a Switchboard server: its first line is \"{line}\", not WELCOME")]
    UnexpectedGreeting {
        /// The address as given.
        addr: String,
        /// The start of the first line, sanitized.
        line: String,
    },
    /// The server answered `ERROR`.
    #[error("{code}: {}", detail.as_deref().unwrap_or(code.sentence()))]
    Refused {
        /// The reason as a code.
        code: ErrorCode,
        /// The server's text after the code, if any.
        detail: Option<String>,
    },
    /// The server answered `ERROR` with a code unknown to this version.
    #[error(
        "{code}: {}",
        detail.as_deref().unwrap_or("the server refused, for a reason that this version does not know")
    )]
    RefusedWithUnknownCode {
        /// The unknown code.
        code: String,
        /// The server's text after the code, if any.
        detail: Option<String>,
    },
    /// The server's reply belongs to another command.
    #[error("the server answered \"{answer}\", which does not answer {verb}")]
    UnexpectedAnswer {
        /// The verb of the command.
        verb: &'static str,
        /// The reply, sanitized.
        answer: String,
    },
    /// The name is invalid and was not sent.
    #[error(transparent)]
    Name(#[from] UsernameError),
    /// The text is invalid or too long and was not sent.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The line is blank and was not sent, because a server does not answer blank lines.
    #[error("nothing to send: the text is blank")]
    Blank,
    /// The server does not speak version 2 of the protocol.
    #[error("{addr} does not speak version 2 of the protocol, which has accounts and conversations")]
    NoVersion2 {
        /// The address as given.
        addr: String,
    },
    /// The server did not answer the login in time.
    #[error("{addr} did not answer the login within {}", format_limit(*limit))]
    LoginTimeout {
        /// The address as given.
        addr: String,
        /// The time limit.
        limit: Duration,
    },
    /// The challenge of a login was not signed.
    #[error("cannot log in with the key: {source}")]
    Signer {
        /// The error of the signer.
        source: io::Error,
    },
    /// The target of a request is not one word.
    #[error("\"{word}\" is not a conversation: write #ROOM, a name, or @ID")]
    NotAWord {
        /// The target as given, sanitized.
        word: String,
    },
    /// The line is not a request of version 2.
    #[error(transparent)]
    Request(#[from] InvalidRequest),
    /// The request was not sent, because it would change the state of the session behind its back.
    #[error("{verb} is not sent as a line: {instead}")]
    ChangesSession {
        /// The verb of the request.
        verb: &'static str,
        /// The method for it, or the reason.
        instead: &'static str,
    },
    /// The message was not sent, because the session is not in a chat with this user any more.
    #[error("the chat with {name} is over: the message was not sent")]
    ChatIsOver {
        /// The name, sanitized.
        name: String,
    },
    /// The session has this conversation open already.
    #[error("{target} is open already in this session")]
    AlreadyOpen {
        /// The conversation.
        target: String,
    },
    /// The message was not sent, because too many earlier ones are unanswered.
    #[error("{max} messages of this conversation are unanswered: try again later")]
    TooManyUnanswered {
        /// The limit.
        max: usize,
    },
    /// The outbox file failed. The message was not sent.
    #[error("the outbox file failed: {source}")]
    Outbox {
        /// The error of the file.
        source: io::Error,
    },
    /// The connection was lost after the request was sent and before its answer. It may or may not have had an effect.
    #[error("no answer came before the connection was lost, so the outcome is unknown: {reason}")]
    OutcomeUnknown {
        /// Why the connection was lost.
        reason: ConnectionError,
    },
    /// The session or the conversation has ended for this reason.
    #[error(transparent)]
    Ended(std::sync::Arc<Error>),
    /// The connection ended, before or after the command was sent.
    #[error(transparent)]
    Closed(#[from] ConnectionError),
}

/// A failed attempt to connect to one of the addresses of a host.
#[derive(Debug)]
pub struct FailedAttempt {
    /// The address.
    pub address: SocketAddr,
    /// The socket's error. The kind is [`io::ErrorKind::TimedOut`] if the server did not answer in time, or if no time
    /// was left to try this address.
    pub source: io::Error,
}

impl FailedAttempt {
    /// The failure of an address for which no time was left.
    pub(crate) fn not_tried(address: SocketAddr) -> Self {
        Self { address, source: io::Error::new(io::ErrorKind::TimedOut, "not tried") }
    }
}

/// The addresses of failed attempts, each with its reason.
fn reasons(failed: &[FailedAttempt], limit: Duration) -> String {
    let reasons = failed.iter().map(|FailedAttempt { address, source }| match source.kind() {
        // An error with a text of its own is from `FailedAttempt::not_tried`.
        io::ErrorKind::TimedOut if source.get_ref().is_none() => {
            format!("{address}: no answer within {}", format_limit(limit))
        }
        _ => format!("{address}: {}", reason(source)),
    });
    reasons.collect::<Vec<_>>().join(", ")
}

/// Advice for the user, shown after the reasons.
fn remedy_for_all(failed: &[FailedAttempt]) -> &'static str {
    let unusual = failed.iter().find(|attempt| attempt.source.kind() != io::ErrorKind::ConnectionRefused);
    unusual.or(failed.first()).map_or("", |attempt| remedy(&attempt.source))
}

/// Returns the error's message. For common kinds of errors it leaves out the system's error number.
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

/// Advice for the user, shown after the reason.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "Is the server running? Start it with: switchboard-server",
        _ => "Is the address right, and is the network up?",
    }
}

fn format_limit(limit: Duration) -> impl std::fmt::Display {
    humantime::format_duration(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_problem_its_place_and_its_remedy() {
        let addr = || "127.0.0.1:12345".to_owned();
        let limit = Duration::from_secs(10);
        let cases = [
            (
                Error::Connect { addr: addr(), source: io::Error::from(io::ErrorKind::ConnectionRefused) },
                "cannot reach 127.0.0.1:12345: connection refused. \
                 Is the server running? Start it with: switchboard-server",
            ),
            (
                Error::ConnectTimeout { addr: addr(), limit },
                "cannot reach 127.0.0.1:12345: no answer within 10s. \
                 Is the address right? Does a firewall block the port?",
            ),
            (
                Error::WelcomeTimeout { addr: addr(), limit },
                "127.0.0.1:12345 accepted the connection but sent no WELCOME within 10s. \
                 It may be the port of a server that waits for a request, such as HTTP or redis, \
                 or a port of the line dialect (to chat there: --dialect line)",
            ),
            (
                Error::Refused { code: ErrorCode::NameTaken, detail: None },
                "NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.",
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
