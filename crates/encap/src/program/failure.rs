//! Why a command did not come to its end, and what the shell is told then.

use std::io;
use std::process::ExitCode;

use switchboard_encap::capture::WriteError;
use switchboard_protocol::show;

/// A file could not be read or written.
const EXIT_IO: u8 = 3;

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file could not be read.
    #[error("cannot read {}: {error}", show::safe(file))]
    Read { file: String, error: io::Error },
    /// A file could not be made.
    #[error("cannot write {}: {error}", show::safe(file))]
    Create { file: String, error: io::Error },
    /// The input would be overwritten.
    #[error("{} is the file of rows: write the capture to another", show::safe(file))]
    Overwrite { file: String },
    /// A capture could not be written.
    #[error("{}: {error}", show::safe(file))]
    Capture { file: String, error: WriteError },
    /// What was to be said could not be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

impl Failure {
    /// Says why on standard error. Whoever closed the pipe that is written to needs no word (`encap … | head`).
    pub(crate) fn report(self) -> ExitCode {
        match &self {
            Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            _ => eprintln!("encap: {self}"),
        }
        ExitCode::from(EXIT_IO)
    }
}
