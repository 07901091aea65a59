//! The errors that end the program, with their exit codes.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use switchboard_bench::Error as BenchError;
use switchboard_client::{ConnectionError, Error, KeyHash};
use tokio::time::timeout;

/// Why the program fails. `--help` lists the exit codes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The server refused a request. The program has already printed the reply.
    #[error("the server refused a request")]
    Refused,
    /// The command line or the input is invalid.
    #[error("{0}")]
    Usage(String),
    /// The user asked for the line dialect, but the port has the commands dialect.
    #[error("{addr} does not speak the line dialect (its first line is WELCOME): leave out --dialect line")]
    WrongDialect { addr: String },
    /// The server accepted the connection, but did not answer to the name of the line dialect.
    #[error(
        "{addr} accepted the connection but did not answer to the name within {}. It may be the port of \
         another program",
        humantime::format_duration(*limit)
    )]
    SilentServer { addr: String, limit: Duration },
    /// The server of the line dialect speaks another protocol.
    #[error("{addr} is not a Switchboard server: it answered \"{line}\"")]
    OtherProtocol {
        addr: String,
        /// The start of the first line, sanitized.
        line: String,
    },
    /// The address does not resolve, but it is a valid username: the user may have omitted `--name`.
    #[error("{error}, or --name {name} if that is who you are")]
    UnknownHost {
        error: Error,
        /// The argument that was given as the address.
        name: String,
    },
    /// The user left the chat before `send` sent the message.
    #[error("{user} left the chat before the message was sent: try again later")]
    UserLeft { user: String },
    /// The chat changed while the message of `send` was in flight.
    #[error("{user} left the chat, and {other} opened one: the message may have reached {other} instead")]
    OtherPeer { user: String, other: String },
    /// No answer arrived in time.
    #[error(
        "no answer within {}: the server may be busy; --timeout sets how long to wait",
        humantime::format_duration(*.0)
    )]
    TimedOut(Duration),
    /// No answer to a message arrived in time. The outbox file keeps the message.
    #[error(
        "no answer within {}: the message is kept, and the next command of this device sends it again",
        humantime::format_duration(*.0)
    )]
    Unanswered(Duration),
    /// The device has no token for its account, or a token that is not valid any more.
    #[error("{source} If the account {name} is yours, log in first: switchboard login --name {name}")]
    NotLoggedIn {
        /// The name, sanitized.
        name: String,
        source: Error,
    },
    /// The server refused a request, and the command line has a remedy.
    #[error("{source} {hint}")]
    Hinted {
        source: Error,
        /// Sentences, sanitized.
        hint: String,
    },
    /// The server has another key than at the first contact.
    #[error(
        "{error}. If the new key is right, open the new link of the server, or remove its line from {}",
        .file.display()
    )]
    OtherKey {
        error: Error,
        /// The file with the keys of known servers.
        file: PathBuf,
    },
    /// The server has another key than its link says, and this user has not met it with the key of the link.
    #[error(
        "THE KEY OF {addr} IS NOT THE EXPECTED ONE. The link may be mistyped or out of date, or somebody may be listening \
         in. The link has {of_link}, the server has {found}. Nothing was sent, and no known key has changed. Compare the \
         link with the one of the operator"
    )]
    OtherKeyThanLink { addr: String, of_link: KeyHash, found: KeyHash },
    /// A signal ended the program. The value is its number.
    #[error("ended by signal {0}")]
    Signalled(i32),
    /// The client library failed.
    #[error(transparent)]
    Client(#[from] Error),
    /// The load generator failed.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// The load generator found message faults. Its report counts them.
    #[error("messages were lost, reordered, duplicated, changed, or acknowledged wrongly")]
    LoadFaults,
    /// Standard input or output failed.
    #[error("cannot read input or write output: {0}")]
    Io(#[from] io::Error),
}

impl CliError {
    /// Prints the error to standard error and returns the exit code. A closed standard output, as in
    /// `switchboard who | head -1`, counts as success.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Refused | Self::Signalled(_) => {}
            _ => {
                use io::Write as _;
                // A failed write to standard error cannot be reported anywhere.
                let _ = writeln!(io::stderr(), "switchboard: {self}");
            }
        }
        ExitCode::from(self.exit_code())
    }

    /// If the host is unknown and its address could be a username (`addr_as_name`), adds a hint to use `--name`.
    pub(crate) fn with_hint(self, addr_as_name: Option<&str>) -> Self {
        match (self, addr_as_name) {
            (Self::Client(error @ Error::Resolve { .. }), Some(name)) => {
                Self::UnknownHost { error, name: name.to_owned() }
            }
            (failure, _) => failure,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Refused
            | Self::LoadFaults
            | Self::UserLeft { .. }
            | Self::OtherPeer { .. }
            | Self::NotLoggedIn { .. } => 1,
            Self::Usage(_) => 2,
            Self::WrongDialect { .. }
            | Self::OtherProtocol { .. }
            | Self::UnknownHost { .. }
            | Self::OtherKey { .. }
            | Self::OtherKeyThanLink { .. } => 3,
            Self::TimedOut(_) | Self::Unanswered(_) | Self::SilentServer { .. } => 4,
            Self::Io(_) => 5,
            // Shells use the same exit code for a program that a signal ended.
            Self::Signalled(signal) => 128 + u8::try_from(*signal).unwrap_or(0),
            Self::Bench(error) => match error {
                BenchError::Refused { .. } => 1,
                BenchError::Usage(_) | BenchError::Files { .. } | BenchError::Process { .. } => 2,
                BenchError::Connect { .. } | BenchError::Closed { .. } | BenchError::Transport { .. } => 3,
                BenchError::Silent { .. } => 4,
                BenchError::Io(_) => 5,
            },
            Self::Client(error) | Self::Hinted { source: error, .. } => exit_code_of(error),
        }
    }
}

fn exit_code_of(error: &Error) -> u8 {
    match error {
        Error::Refused { .. } | Error::RefusedWithUnknownCode { .. } | Error::TooManyUnanswered { .. } => 1,
        Error::Name(_)
        | Error::Text(_)
        | Error::Blank
        | Error::NotAWord { .. }
        | Error::Request(_)
        | Error::ChangesSession { .. }
        | Error::Signer { .. }
        | Error::Link(_) => 2,
        Error::ConnectTimeout { .. } | Error::WelcomeTimeout { .. } | Error::LoginTimeout { .. } => 4,
        Error::Unreachable { failed, .. }
            if failed.iter().all(|attempt| attempt.source.kind() == io::ErrorKind::TimedOut) =>
        {
            4
        }
        Error::Outbox { .. } => 5,
        Error::Ended(reason) => exit_code_of(reason),
        _ => 3,
    }
}

impl From<ConnectionError> for CliError {
    fn from(closed: ConnectionError) -> Self {
        Self::Client(Error::Closed(closed))
    }
}

/// Waits at most `limit` for the answer to a command.
pub(crate) async fn with_timeout<T>(
    limit: Duration,
    command: impl Future<Output = Result<T, Error>>,
) -> Result<T, CliError> {
    let answer = timeout(limit, command).await.map_err(|_| CliError::TimedOut(limit))?;
    Ok(answer?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_host_that_is_a_valid_name_gets_a_hint() {
        let failure = || {
            let source = io::Error::other("no such host");
            CliError::Client(Error::Resolve { addr: "Noy:12345".to_owned(), source })
        };
        let message = "cannot find Noy:12345: no such host. Write the address as HOST:PORT";
        assert_eq!(failure().with_hint(None).to_string(), message);
        let hinted = failure().with_hint(Some("Noy"));
        assert_eq!(
            (hinted.to_string(), hinted.exit_code()),
            (format!("{message}, or --name Noy if that is who you are"), 3)
        );
        assert_eq!(CliError::Refused.with_hint(Some("Noy")).exit_code(), 1);
    }
}
