//! The times at which an open loop sends its messages. They do not depend on the arrival of earlier messages.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::clock;

/// Shortest sleep. The system may wake a sleeping thread up to a millisecond late, so the load generator polls without
/// a pause for a shorter time.
const SLEEP_MIN: Duration = Duration::from_millis(2);

/// A constant rate of messages at even intervals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    begin: Instant,
    per_second: u64,
    /// Number of the next message to send.
    next: u64,
}

impl Schedule {
    /// A schedule whose first message is due now.
    pub(crate) fn from_now(per_second: u64) -> Self {
        Self { begin: clock::now(), per_second, next: 0 }
    }

    /// Goes on at `now`, after a pause: the next message is not due earlier.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.begin += now.saturating_duration_since(self.due_time(self.next));
    }

    /// The due time of message `number`.
    pub(crate) fn due_time(&self, number: u64) -> Instant {
        let nanoseconds = u128::from(number) * 1_000_000_000 / u128::from(self.per_second);
        self.begin + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// Numbers of the messages that are due at `now` and not yet sent.
    pub(crate) fn due(&self, now: Instant) -> Range<u64> {
        let nanoseconds = now.saturating_duration_since(self.begin).as_nanos();
        // Message 0 is due at the begin.
        let due_count = 1 + nanoseconds * u128::from(self.per_second) / 1_000_000_000;
        self.next..u64::try_from(due_count).unwrap_or(u64::MAX).max(self.next)
    }

    /// Advances past the next `count` messages.
    pub(crate) fn mark_sent(&mut self, count: u64) {
        self.next += count;
    }

    /// Number of messages that are due before `end` and not yet sent.
    pub(crate) fn unsent_before(&self, end: Instant) -> u64 {
        let due = self.due(end);
        // A message that is due exactly at `end` is not due before it.
        let is_last_at_end = !due.is_empty() && self.due_time(due.end - 1) >= end;
        due.end - due.start - u64::from(is_last_at_end)
    }

    /// The longest sleep after which the next message can still be sent in time. Zero if that would be a short sleep.
    pub(crate) fn sleep_time(&self, now: Instant) -> Duration {
        let remaining = self.due_time(self.next).saturating_duration_since(now);
        if remaining < SLEEP_MIN { Duration::ZERO } else { remaining.saturating_sub(SLEEP_MIN / 2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_even_intervals() {
        let mut schedule = Schedule::from_now(300);
        let begin = schedule.begin;
        let after = |nanoseconds| begin + Duration::from_nanos(nanoseconds);
        assert_eq!(schedule.due_time(1), after(3_333_333));
        assert_eq!(schedule.due_time(300), after(1_000_000_000));
        assert_eq!(schedule.due(after(0)), 0..1);
        assert_eq!(schedule.due(after(1_000_000_000)), 0..301);
        assert_eq!(schedule.sleep_time(after(0)), Duration::ZERO);
        assert_eq!(schedule.unsent_before(after(1_000_000_000)), 300);
        assert_eq!(schedule.unsent_before(after(1_000_000_001)), 301);
        schedule.mark_sent(301);
        assert_eq!(schedule.unsent_before(after(1_000_000_001)), 0);
        assert!(schedule.due(schedule.begin + Duration::from_secs(1)).is_empty());
        let mut restarted = schedule;
        restarted.restart(after(9_000_000_000));
        assert_eq!(restarted.due(after(9_000_000_001)), 301..302);
        let sleep = schedule.sleep_time(schedule.begin + Duration::from_secs(1));
        assert!(sleep > Duration::from_millis(2) && sleep < Duration::from_micros(3_333), "{sleep:?}");
    }
}
