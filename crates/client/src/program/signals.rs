//! Handles the signals that terminate the program.
//!
//! The handlers let the program restore the terminal before it ends.

use std::io;

use super::cli_error::CliError;

/// Handlers for SIGHUP, SIGINT and SIGTERM. Install them before the program changes a mode of the terminal.
#[derive(Debug)]
pub(crate) struct TerminationSignals {
    /// Each signal's number, and the stream that yields an item when the signal arrives.
    #[cfg(unix)]
    caught: [(i32, tokio::signal::unix::Signal); 3],
}

#[cfg(unix)]
impl TerminationSignals {
    /// Installs the handlers.
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let catch = |kind: SignalKind| Ok::<_, io::Error>((kind.as_raw_value(), signal(kind)?));
        let caught = [catch(SignalKind::hangup())?, catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?];
        Ok(Self { caught })
    }

    /// Waits for the next signal and returns its number.
    async fn next(&mut self) -> i32 {
        let [(hangup_number, hangup), (interrupt_number, interrupt), (terminate_number, terminate)] = &mut self.caught;
        tokio::select! {
            _ = hangup.recv() => *hangup_number,
            _ = interrupt.recv() => *interrupt_number,
            _ = terminate.recv() => *terminate_number,
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
            result = session => result,
            signal = self.next() => Err(CliError::Signalled(signal)),
        }
    }
}
