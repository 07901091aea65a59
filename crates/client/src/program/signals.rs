//! The signals that ask a program at a terminal to end.
//!
//! Caught, so that the editor gives the terminal back as it was and the history is kept.

use std::io;

use super::cli_error::CliError;

/// SIGHUP, SIGINT and SIGTERM, caught from when this is made. While a line is being edited, the editor has SIGINT for
/// itself and puts back afterwards what it found: so this comes before the editor.
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

    /// The number of the next.
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
    /// Runs `session`, until a signal ends it.
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

/// Tells the editor to end: SIGINT is what it takes for that.
pub(crate) fn interrupt_editor() {
    #[cfg(unix)]
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT);
}
