//! Handles the signals that terminate the program.
//!
//! The handlers let the editor restore the terminal and save the history before the program ends.

use std::io;

use super::cli_error::CliError;

/// Handlers for SIGHUP, SIGINT and SIGTERM. Install them before the editor starts: the editor replaces the SIGINT
/// handler while a line is being edited, and restores it afterwards.
#[derive(Debug)]
pub(crate) struct TerminationSignals {
    #[cfg(unix)]
    caught: [(i32, tokio::signal::unix::Signal); 3],
}

#[cfg(unix)]
impl TerminationSignals {
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let catch = |kind: SignalKind| Ok::<_, io::Error>((kind.as_raw_value(), signal(kind)?));
        let caught = [catch(SignalKind::hangup())?, catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?];
        Ok(Self { caught })
    }

    /// Waits for the next signal and returns its number.
    async fn next(&mut self) -> i32 {
        let [(hup, hangup), (int, interrupt), (term, terminate)] = &mut self.caught;
        tokio::select! {
            _ = hangup.recv() => *hup,
            _ = interrupt.recv() => *int,
            _ = terminate.recv() => *term,
        }
    }
}

#[cfg(not(unix))]
impl TerminationSignals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) -> i32 {
        std::future::pending().await
    }
}

impl TerminationSignals {
    /// Runs `session` until it ends or a signal arrives.
    pub(crate) async fn run_until_signal(
        &mut self,
        session: impl Future<Output = Result<(), CliError>>,
    ) -> Result<(), CliError> {
        tokio::select! {
            ended = session => ended,
            signal = self.next() => Err(CliError::Signalled(signal)),
        }
    }
}

/// Sends SIGINT to this process, which ends the editor's current line.
pub(crate) fn interrupt_editor() {
    #[cfg(unix)]
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT);
}
