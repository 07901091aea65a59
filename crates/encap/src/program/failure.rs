//! Why a command did not come to its end, and what the shell is told then.

use std::io;
use std::process::ExitCode;

use switchboard_encap::analyze::Transport;
#[cfg(target_os = "linux")]
use switchboard_encap::capture::live::RecordError;
use switchboard_encap::capture::{ReadError, WriteError};
use switchboard_encap::compare::RecordingError;
use switchboard_protocol::show;

/// A file could not be read or written.
const EXIT_IO: u8 = 3;

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file could not be read.
    #[error("cannot read {}: {error}", show::safe(file))]
    Read { file: String, error: io::Error },
    /// A file is no capture, or one that is damaged.
    #[error("cannot read {}: {error}{}", show::safe(file), hint(error))]
    Capture { file: String, error: ReadError },
    /// A capture is too much to be compared.
    #[error("{} cannot be compared: {error}", show::safe(file))]
    Compare { file: String, error: RecordingError },
    /// A CSV was given where a capture is wanted.
    #[error(
        "{} is no capture: what was captured is compared, as `encap send FILE.csv -o CAPTURE` writes it",
        show::safe(file)
    )]
    NotCaptured { file: String },
    /// A capture was given where flags say how to make one.
    #[error("{} is a capture: how frames are made can be said of a CSV of messages only", show::safe(file))]
    NotMade { file: String },
    /// A capture has fewer frames than that.
    #[error("{} has {frames} frames: there is no frame {number}", show::safe(file))]
    NoSuchFrame { file: String, number: u64, frames: u64 },
    /// A file could not be written.
    #[error("cannot write {}: {error}", show::safe(file))]
    WriteFile { file: String, error: io::Error },
    /// An interface could not be listened to, or its frames not be written.
    #[cfg(target_os = "linux")]
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A capture has no such conversation.
    #[error("{} has no {transport} conversation {number}: encap analyze lists them", show::safe(file))]
    NoConversation { file: String, transport: Transport, number: u64 },
    /// A capture that has to be read twice comes through a pipe.
    #[error("{} cannot be read twice, as a report needs: put the capture in a file first", show::safe(file))]
    ReadTwice { file: String },
    /// The capture would be overwritten.
    #[error("{} is the capture: write the page to another file", show::safe(file))]
    OverwriteCapture { file: String },
    /// The input would be overwritten.
    #[error("{} is the file of rows: write the capture to another", show::safe(file))]
    Overwrite { file: String },
    /// A capture could not be written.
    #[error("{}: {error}", show::safe(file))]
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
    /// Says why on standard error. Whoever closed the pipe that is written to needs no word (`encap … | head`).
    pub(crate) fn report(self) -> ExitCode {
        match &self {
            Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            _ => eprintln!("encap: {self}"),
        }
        ExitCode::from(EXIT_IO)
    }
}
