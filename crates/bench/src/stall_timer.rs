//! Ends a wait for the server if there is no progress for too long.

use std::time::{Duration, Instant};

use crate::clock;
use crate::error::Error;

/// Measures the time since the last progress of a wait.
#[derive(Debug)]
pub(crate) struct StallTimer {
    limit: Duration,
    last_progress: Instant,
    /// See [`Error::Silent`].
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

    /// Restarts the timer if there was progress since the last call. Otherwise fails if the limit has passed. The error
    /// names the number of `waiting_sessions`.
    pub(crate) fn check(&mut self, now: Instant, has_progress: bool, waiting_sessions: usize) -> Result<(), Error> {
        if has_progress {
            self.last_progress = now;
        } else if now.saturating_duration_since(self.last_progress) > self.limit {
            return Err(Error::Silent {
                waiting_for: self.waiting_for,
                sessions: waiting_sessions,
                waited: self.limit,
            });
        }
        Ok(())
    }
}
