//! The deadlines by which sessions must register.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::session::SessionId;

/// Sessions in order of their deadlines: the order of arrival, because all have the same timeout.
#[derive(Debug)]
pub(crate) struct Deadlines {
    timeout: Duration,
    /// Entries of sessions that have registered or ended stay until their deadline or the next sweep.
    queue: VecDeque<(Instant, SessionId)>,
}

impl Deadlines {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, queue: VecDeque::new() }
    }

    /// Starts the timeout of a session that arrived at `now`. `is_unregistered` tells whether a session is open and has
    /// not registered yet.
    pub(crate) fn start(&mut self, id: SessionId, now: Instant, is_unregistered: impl Fn(SessionId) -> bool) {
        // A full queue is swept before it grows, so that stale entries do not accumulate. The queue doubles only if
        // more than half of its entries are still needed. So after a sweep of n entries, at least n / 2 sessions
        // arrive before the next sweep: amortised constant time.
        if self.queue.len() == self.queue.capacity() {
            self.queue.retain(|&(_, queued)| is_unregistered(queued));
            let unregistered = self.queue.len();
            if unregistered > self.queue.capacity() / 2 {
                self.queue.reserve(unregistered);
            }
        }
        self.queue.push_back((now + self.timeout, id));
    }

    /// Removes and returns the next session whose deadline has passed. It may have registered or ended in time.
    pub(crate) fn next_due(&mut self, now: Instant) -> Option<SessionId> {
        let &(deadline, id) = self.queue.front()?;
        if deadline > now {
            return None;
        }
        self.queue.pop_front();
        Some(id)
    }
}
