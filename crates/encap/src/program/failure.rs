//! Failures of a subcommand, and their exit codes.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use switchboard_encap::analyze::Transport;
#[cfg(target_os = "linux")]
use switchboard_encap::capture::live::{LiveError, RecordError};
use switchboard_encap::capture::{ReadError, WriteError};
use switchboard_encap::compare::RecordingError;
use switchboard_protocol::sanitize;

use super::diagnostics::report;
use super::output::{display_name, is_stdout};

/// Exit code of a failure: in most cases, a file could not be read or written.
const EXIT_FAILURE: u8 = 3;

/// Exit code if the reader of standard output closed it. A shell gives this code for a program that SIGPIPE ended.
const EXIT_PIPE: u8 = 128 + 13;

/// The reason why a subcommand failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot read {}: {error}", sanitize(file))]
    Read { file: String, error: io::Error },
    /// The file is not a capture, or is damaged.
    #[error("cannot read {}: {error}{}", sanitize(file), hint(error))]
    Capture { file: String, error: ReadError },
    #[error("{} cannot be compared: {error}", sanitize(file))]
    Compare { file: String, error: RecordingError },
    /// The file is a CSV of messages where a capture is needed.
    #[error("{} is not a capture: give one that `encap send FILE.csv -o CAPTURE` wrote", sanitize(file))]
    NotACapture { file: String },
    /// The file is a capture, but the command line has flags that apply only to a CSV.
    #[error("{} is a capture: flags for building frames need a CSV of messages", sanitize(file))]
    BuildFlagsForCapture { file: String },
    #[error("{} has {frames} frames: there is no frame {number}", sanitize(file))]
    NoSuchFrame { file: String, number: u64, frames: u64 },
    #[error("cannot write {}: {error}", display_name(Path::new(file)))]
    WriteFile { file: String, error: io::Error },
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error("{} has no {transport} conversation {number}: encap analyze lists them", sanitize(file))]
    NoConversation { file: String, transport: Transport, number: u64 },
    #[error("there is no chat in {}: encap analyze lists the conversations", sanitize(file))]
    NoChat { file: String },
    /// The output is the input file.
    #[error("{} is the input file: write to another file", sanitize(file))]
    Overwrite { file: String },
    /// The host name has no address.
    #[cfg(target_os = "linux")]
    #[error("cannot find {}: {reason}. Write the server as HOST:PORT", sanitize(host))]
    NoSuchHost { host: String, reason: String },
    /// The program reads the file twice, and the file changed in between.
    #[error("{} changed while it was read, so nothing was written: run the command again", sanitize(file))]
    Changed { file: String },
    #[error("{}: {error}", display_name(Path::new(file)))]
    WriteCapture { file: String, error: WriteError },
    /// Standard output could not be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Advice after the error. A file that is not a capture may be a CSV of messages.
const fn hint(error: &ReadError) -> &'static str {
    match error {
        ReadError::NotACapture { .. } => "; build one from a CSV of messages: encap build FILE.csv -o FILE.pcapng",
        _ => "",
    }
}

impl Failure {
    /// Converts the error of a live capture into `file`.
    #[cfg(target_os = "linux")]
    pub(crate) fn from_record_error(error: RecordError, file: &Path) -> Self {
        match error {
            RecordError::Live(error) => Self::Live(error),
            RecordError::Write(error) => Self::WriteCapture { file: file.display().to_string(), error },
        }
    }

    /// Reports the failure and returns the exit code. A closed pipe is normal (`encap … | head`) and not reported.
    pub(crate) fn report(self) -> ExitCode {
        if self.is_closed_pipe() {
            return ExitCode::from(EXIT_PIPE);
        }
        report(format_args!("encap: {self}"));
        ExitCode::from(EXIT_FAILURE)
    }

    fn is_closed_pipe(&self) -> bool {
        let (file, error) = match self {
            Self::Write(error) => return error.kind() == io::ErrorKind::BrokenPipe,
            Self::WriteFile { file, error } | Self::WriteCapture { file, error: WriteError::Io(error) } => {
                (file, error)
            }
            _ => return false,
        };
        is_stdout(Path::new(file)) && error.kind() == io::ErrorKind::BrokenPipe
    }
}
