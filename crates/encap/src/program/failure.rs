//! Why a command did not come to its end, and what the shell is told then.

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
use super::output::{is_stdout, shown};

/// A file could not be read or written.
const EXIT_IO: u8 = 3;

/// Whoever read standard output has enough: what a shell says of a program that SIGPIPE ended.
const EXIT_PIPE: u8 = 128 + 13;

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file could not be read.
    #[error("cannot read {}: {error}", sanitize(file))]
    Read { file: String, error: io::Error },
    /// A file is no capture, or one that is damaged.
    #[error("cannot read {}: {error}{}", sanitize(file), hint(error))]
    Capture { file: String, error: ReadError },
    /// A capture is too much to be compared.
    #[error("{} cannot be compared: {error}", sanitize(file))]
    Compare { file: String, error: RecordingError },
    /// A CSV was given where a capture is wanted.
    #[error(
        "{} is no capture: what was captured is compared, as `encap send FILE.csv -o CAPTURE` writes it",
        sanitize(file)
    )]
    NotCaptured { file: String },
    /// A capture was given where flags say how to make one.
    #[error("{} is a capture: how frames are made can be said of a CSV of messages only", sanitize(file))]
    NotMade { file: String },
    /// A capture has fewer frames than that.
    #[error("{} has {frames} frames: there is no frame {number}", sanitize(file))]
    NoSuchFrame { file: String, number: u64, frames: u64 },
    /// A file could not be written.
    #[error("cannot write {}: {error}", shown(Path::new(file)))]
    WriteFile { file: String, error: io::Error },
    /// An interface could not be listened to.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Live(#[from] LiveError),
    /// A capture has no such conversation.
    #[error("{} has no {transport} conversation {number}: encap analyze lists them", sanitize(file))]
    NoConversation { file: String, transport: Transport, number: u64 },
    /// A capture has nothing that is a chat.
    #[error("there is no chat in {}: encap analyze lists what there is", sanitize(file))]
    NoChat { file: String },
    /// The input would be overwritten.
    #[error("{} is the file that is read: write to another", sanitize(file))]
    Overwrite { file: String },
    /// A name has no address.
    #[cfg(target_os = "linux")]
    #[error("cannot find {}: {why}. Write the server as HOST:PORT", sanitize(host))]
    NoSuchHost { host: String, why: String },
    /// A file was another one when it was read again.
    #[error("{} changed while it was read, so nothing was written: build it again", sanitize(file))]
    Changed { file: String },
    /// A capture could not be written.
    #[error("{}: {error}", shown(Path::new(file)))]
    WriteCapture { file: String, error: WriteError },
    /// What was to be said could not be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Whoever gives messages where a capture is wanted is told how to make one of them.
const fn hint(error: &ReadError) -> &'static str {
    match error {
        ReadError::NotACapture { .. } => "; of a CSV of messages, make one: encap build FILE.csv -o FILE.pcapng",
        _ => "",
    }
}

impl Failure {
    /// Why a recording into `file` did not go on.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_recording(error: RecordError, file: &Path) -> Self {
        match error {
            RecordError::Live(error) => Self::Live(error),
            RecordError::Write(error) => Self::WriteCapture { file: file.display().to_string(), error },
        }
    }

    /// Says why on standard error. Whoever closed the pipe that is written to needs no word (`encap … | head`).
    pub(crate) fn report(self) -> ExitCode {
        if self.is_closed_pipe() {
            return ExitCode::from(EXIT_PIPE);
        }
        report(format_args!("encap: {self}"));
        ExitCode::from(EXIT_IO)
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
