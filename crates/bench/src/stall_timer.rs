//! Limits waits for the server that make no progress.

use std::time::{Duration, Instant};

use crate::clock;
use crate::error::Error;

/// Ends a wait that makes no progress.
#[derive(Debug)]
pub(crate) struct StallTimer {
    limit: Duration,
    last_progress: Instant,
    waiting_for: &'static str,
}

impl StallTimer {
    pub(crate) fn new(limit: Duration, waiting_for: &'static str) -> Self {
        Self { limit, last_progress: clock::now(), waiting_for }
    }

    /// Longest wait of one poll.
    pub(crate) fn poll_timeout(&self) -> Duration {
        self.limit.min(Duration::from_millis(100))
    }

    /// Restarts the timer after progress. Fails once the limit has passed without any.
    pub(crate) fn check(&mut self, now: Instant, has_progress: bool, left: usize) -> Result<(), Error> {
        if has_progress {
            self.last_progress = now;
        } else if now.saturating_duration_since(self.last_progress) > self.limit {
            return Err(Error::Silent { waiting_for: self.waiting_for, sessions: left, waited: self.limit });
        }
        Ok(())
    }
}
