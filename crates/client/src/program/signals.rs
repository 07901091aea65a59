//! Handles the signals that terminate the program.
//!
//! The handlers let the editor restore the terminal and save the history before the program ends.

use std::io;
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};
#[cfg(unix)]
use std::time::Duration;

#[cfg(unix)]
use tokio::time::Instant;

use super::cli_error::CliError;

/// Handlers for SIGHUP, SIGINT and SIGTERM. Install them before the editor starts: while a line is being edited, the
/// editor replaces the SIGINT handler, and afterwards it restores the earlier handler.
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
        loop {
            tokio::select! {
                _ = hangup.recv() => return *hangup_number,
                // An own interrupt arrives here if the editor ended its line just before.
                _ = interrupt.recv() => if !is_own_interrupt() { return *interrupt_number },
                _ = terminate.recv() => return *terminate_number,
            }
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

/// Whether [`interrupt_editor`] works on this system.
pub(crate) const CAN_INTERRUPT_EDITOR: bool = cfg!(unix);

/// The time limit for the delivery of an own SIGINT to [`TerminationSignals`]. A later SIGINT is not our own.
#[cfg(unix)]
const OWN_INTERRUPT_MAX_AGE: Duration = Duration::from_secs(1);

/// When [`interrupt_editor`] last sent SIGINT.
#[cfg(unix)]
static OWN_INTERRUPT_AT: Mutex<Option<Instant>> = Mutex::new(None);

/// Sends SIGINT to this thread, so the signal has arrived when this function returns. The signal ends the line that the
/// editor is editing, between two keys, so no input is lost.
pub(crate) fn interrupt_editor() {
    #[cfg(unix)]
    {
        *OWN_INTERRUPT_AT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGINT);
    }
}

/// Whether a SIGINT that arrives now at [`TerminationSignals`] is one of [`interrupt_editor`].
#[cfg(unix)]
fn is_own_interrupt() -> bool {
    let sent_at = *OWN_INTERRUPT_AT.lock().unwrap_or_else(PoisonError::into_inner);
    sent_at.is_some_and(|at| at.elapsed() < OWN_INTERRUPT_MAX_AGE)
}
