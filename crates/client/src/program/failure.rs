//! How the program ends when it does not end well.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use rustyline::error::ReadlineError;
use switchboard_bench::Error as Bench;
use switchboard_client::{ConnectionError, Error};
use tokio::time::timeout;

/// Why the program stops. Each kind has the exit code that `--help` lists.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server refused something, and what it said was printed.
    #[error("the server refused something")]
    Refusals,
    /// The command line or the input cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The line dialect was asked for, and the port speaks the other.
    #[error("{addr} does not speak the line dialect (it began with WELCOME): leave out --dialect line")]
    WrongDialect {
        /// The server's address.
        addr: String,
    },
    /// The address names no host, and may have been meant as a name.
    #[error("{error}, or --name {name} if that is who you are")]
    NoSuchHost {
        /// What the library says.
        error: Error,
        /// What was given as an address.
        name: String,
    },
    /// No answer came in time.
    #[error("no answer within {}: the server may be busy; --timeout sets how long to wait", humantime::format_duration(*.0))]
    TimedOut(Duration),
    /// A signal, which is given by its number.
    #[error("ended by signal {0}")]
    Signalled(i32),
    /// The library says why.
    #[error(transparent)]
    Client(#[from] Error),
    /// A load could not be made.
    #[error(transparent)]
    Bench(#[from] Bench),
    /// Messages went wrong under load, and the report says how.
    #[error("messages were lost, reordered, duplicated, changed, or acknowledged wrongly")]
    Faults,
    /// Standard input or output failed.
    #[error("cannot read input or write output: {0}")]
    Io(#[from] io::Error),
}

impl Failure {
    /// Says why on standard error, and gives the exit code. A reader that went away (`switchboard who | head -1`) is no
    /// failure.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Refusals | Self::Signalled(_) => {}
            _ => {
                use io::Write as _;
                // Nowhere is left to say that standard error is closed.
                let _ = writeln!(io::stderr(), "switchboard: {self}");
            }
        }
        ExitCode::from(self.code())
    }

    /// Where there is no such host, says how to give what was given as a name.
    pub(crate) fn with_hint(self, name_for_addr: Option<&str>) -> Self {
        match (self, name_for_addr) {
            (Self::Client(error @ Error::Resolve { .. }), Some(name)) => {
                Self::NoSuchHost { error, name: name.to_owned() }
            }
            (failure, _) => failure,
        }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Refusals | Self::Faults => 1,
            Self::Usage(_) => 2,
            Self::WrongDialect { .. } | Self::NoSuchHost { .. } => 3,
            Self::TimedOut(_) => 4,
            Self::Io(_) => 5,
            // As a shell has it.
            Self::Signalled(signal) => 128 + u8::try_from(*signal).unwrap_or(0),
            Self::Bench(error) => match error {
                Bench::Refused { .. } => 1,
                Bench::Usage(_) | Bench::Files { .. } | Bench::Process { .. } => 2,
                Bench::Connect { .. } | Bench::Closed { .. } => 3,
                Bench::Silent { .. } => 4,
                Bench::Io(_) => 5,
            },
            Self::Client(error) => match error {
                Error::Refused { .. } | Error::RefusedWithUnknownCode { .. } => 1,
                Error::Name(_) | Error::Text(_) | Error::Blank => 2,
                Error::ConnectTimeout { .. } | Error::WelcomeTimeout { .. } => 4,
                _ => 3,
            },
        }
    }
}

impl From<ConnectionError> for Failure {
    fn from(closed: ConnectionError) -> Self {
        Self::Client(Error::Closed(closed))
    }
}

impl From<ReadlineError> for Failure {
    fn from(error: ReadlineError) -> Self {
        Self::Io(io::Error::other(error))
    }
}

/// The answer to one command, or that there was none within `limit`.
pub(crate) async fn within<T>(limit: Duration, asked: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    let answered = timeout(limit, asked).await.map_err(|_| Failure::TimedOut(limit))?;
    Ok(answered?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_place_of_the_server_is_noticed() {
        let failure = || {
            let source = io::Error::other("no such host");
            Failure::Client(Error::Resolve { addr: "Noy:12345".to_owned(), source })
        };
        let plain = "cannot find Noy:12345: no such host. Write the address as HOST:PORT";
        assert_eq!(failure().with_hint(None).to_string(), plain);
        let hinted = failure().with_hint(Some("Noy"));
        assert_eq!((hinted.to_string(), hinted.code()), (format!("{plain}, or --name Noy if that is who you are"), 3));
        assert_eq!(Failure::Refusals.with_hint(Some("Noy")).code(), 1);
    }
}
