//! How the program ends when it does not end well.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use rustyline::error::ReadlineError;
use switchboard_bench::Error as BenchError;
use switchboard_client::{ConnectionError, Error};
use tokio::time::timeout;

/// Why the program stops. Each kind has the exit code that `--help` lists.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The server refused something, and what it said was printed.
    #[error("the server refused something")]
    Refused,
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
    UnknownHost {
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
    Bench(#[from] BenchError),
    /// Messages went wrong under load, and the report says how.
    #[error("messages were lost, reordered, duplicated, changed, or acknowledged wrongly")]
    LoadFaults,
    /// Standard input or output failed.
    #[error("cannot read input or write output: {0}")]
    Io(#[from] io::Error),
}

impl CliError {
    /// Says why on standard error, and gives the exit code. A reader that went away (`switchboard who | head -1`) is no
    /// failure.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Refused | Self::Signalled(_) => {}
            _ => {
                use io::Write as _;
                // Nowhere is left to say that standard error is closed.
                let _ = writeln!(io::stderr(), "switchboard: {self}");
            }
        }
        ExitCode::from(self.exit_code())
    }

    /// Where there is no such host, says how to give what was given as a name.
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
            Self::Refused | Self::LoadFaults => 1,
            Self::Usage(_) => 2,
            Self::WrongDialect { .. } | Self::UnknownHost { .. } => 3,
            Self::TimedOut(_) => 4,
            Self::Io(_) => 5,
            // As a shell has it.
            Self::Signalled(signal) => 128 + u8::try_from(*signal).unwrap_or(0),
            Self::Bench(error) => match error {
                BenchError::Refused { .. } => 1,
                BenchError::Usage(_) | BenchError::Files { .. } | BenchError::Process { .. } => 2,
                BenchError::Connect { .. } | BenchError::Closed { .. } => 3,
                BenchError::Silent { .. } => 4,
                BenchError::Io(_) => 5,
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

impl From<ConnectionError> for CliError {
    fn from(closed: ConnectionError) -> Self {
        Self::Client(Error::Closed(closed))
    }
}

impl From<ReadlineError> for CliError {
    fn from(error: ReadlineError) -> Self {
        Self::Io(io::Error::other(error))
    }
}

/// The answer to one command, or that there was none within `limit`.
pub(crate) async fn with_timeout<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, CliError> {
    let answered = timeout(limit, asked).await.map_err(|_| CliError::TimedOut(limit))?;
    Ok(answered?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_place_of_the_server_is_noticed() {
        let failure = || {
            let source = io::Error::other("no such host");
            CliError::Client(Error::Resolve { addr: "Noy:12345".to_owned(), source })
        };
        let plain = "cannot find Noy:12345: no such host. Write the address as HOST:PORT";
        assert_eq!(failure().with_hint(None).to_string(), plain);
        let hinted = failure().with_hint(Some("Noy"));
        assert_eq!(
            (hinted.to_string(), hinted.exit_code()),
            (format!("{plain}, or --name Noy if that is who you are"), 3)
        );
        assert_eq!(CliError::Refused.with_hint(Some("Noy")).exit_code(), 1);
    }
}
