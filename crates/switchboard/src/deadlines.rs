//! Until when a session may go without a name.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::session::SessionId;

/// Sessions in order of their deadlines. All get the same time, so the order is that of arrival.
#[derive(Debug)]
pub(crate) struct Deadlines {
    timeout: Duration,
    /// May hold sessions that are past caring; they are passed over when their turn comes.
    queue: VecDeque<(Instant, SessionId)>,
}

impl Deadlines {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, queue: VecDeque::new() }
    }

    /// Starts the clock for a session that arrived `now`. `waits` tells whether a session still has to register.
    pub(crate) fn start(&mut self, id: SessionId, now: Instant, is_unregistered: impl Fn(SessionId) -> bool) {
        // Sessions that came and went may not pile up behind one that waits. Room doubles only where half of it is in
        // use by those that wait, so sweeping costs a constant for each arrival.
        if self.queue.len() == self.queue.capacity() {
            self.queue.retain(|&(_, id)| is_unregistered(id));
            let waiting = self.queue.len();
            if waiting > self.queue.capacity() / 2 {
                self.queue.reserve(waiting);
            }
        }
        self.queue.push_back((now + self.timeout, id));
    }

    /// Takes off the next session whose deadline has passed.
    pub(crate) fn next_due(&mut self, now: Instant) -> Option<SessionId> {
        let &(deadline, id) = self.queue.front()?;
        if deadline > now {
            return None;
        }
        self.queue.pop_front();
        Some(id)
    }
}
