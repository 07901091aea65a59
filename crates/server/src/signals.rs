//! Signals: which of them stop the server, reload its configuration, or are ignored.

use std::fs::{self, File};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code after a second signal. Shells report a program that SIGINT ended with the same code.
const EXIT_SECOND_SIGNAL: i32 = 130;

/// A request of the user, made by a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Request {
    Stop,
    Reload,
}

/// The signals that the server handles.
///
/// SIGINT, SIGTERM and SIGQUIT stop the server. The second of them ends the process in the signal handler itself. So
/// this works at any moment, also while the process waits for a resolver, or for a reader of its log.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
    /// Whether SIGHUP means that the user's terminal is gone. Otherwise, it is a request to reload.
    hangup_stops: bool,
    is_stopping: Arc<AtomicBool>,
}

impl Signals {
    /// Starts to handle signals. Needs a runtime of tokio.
    pub(crate) fn new() -> io::Result<Self> {
        // Read before the handlers replace the inherited state.
        let hangup_stops = has_terminal() && !is_ignored(SIGHUP);
        let is_stopping = Arc::new(AtomicBool::new(false));
        for stop_signal in [SIGINT, SIGTERM, SIGQUIT] {
            // In this order: the first signal sets the flag, and the second finds it set.
            flag::register_conditional_shutdown(stop_signal, EXIT_SECOND_SIGNAL, Arc::clone(&is_stopping))?;
            flag::register(stop_signal, Arc::clone(&is_stopping))?;
        }
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            hangup_stops,
            is_stopping,
        })
    }

    /// The next request. SIGUSR1 and SIGUSR2 are ignored: without a handler, they would end the process.
    pub(crate) async fn next(&mut self) -> Request {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return Request::Stop,
                _ = self.terminate.recv() => return Request::Stop,
                _ = self.quit.recv() => return Request::Stop,
                _ = self.hangup.recv() => {
                    if !self.hangup_stops {
                        return Request::Reload;
                    }
                    // A further SIGHUP does not count as the second signal, because the kernel and the shell may each
                    // send one when a terminal closes.
                    self.is_stopping.store(true, Ordering::SeqCst);
                    return Request::Stop;
                }
                _ = self.user1.recv() => tracing::debug!(target: "switchboard::server", "signal USR1 ignored"),
                _ = self.user2.recv() => tracing::debug!(target: "switchboard::server", "signal USR2 ignored"),
            }
        }
    }
}

/// Whether the process has a controlling terminal. A daemon has none.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Whether the process was started with an ignored signal, as nohup(1) does it. `false` without `/proc`.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (signal - 1)) != 0
}
