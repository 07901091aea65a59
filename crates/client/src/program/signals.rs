//! Handles the signals that terminate the program.
//!
//! The handlers let the editor restore the terminal and save the history before the program ends.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

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
                _ = interrupt.recv() => if !take_own_interrupt() { return *interrupt_number },
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

/// The number of signals of [`interrupt_editor`] that nobody has received yet.
static OWN_INTERRUPTS: AtomicU32 = AtomicU32::new(0);

/// Sends SIGINT to this process. The signal ends the line that the editor is editing, between two keys, so no input is
/// lost.
pub(crate) fn interrupt_editor() {
    #[cfg(unix)]
    {
        OWN_INTERRUPTS.fetch_add(1, Ordering::SeqCst);
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT);
    }
}

/// Whether a received SIGINT is one of [`interrupt_editor`]. Call this once for each received SIGINT.
pub(crate) fn take_own_interrupt() -> bool {
    OWN_INTERRUPTS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |number| number.checked_sub(1)).is_ok()
}
