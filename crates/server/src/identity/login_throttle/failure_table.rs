//! Counts failures by key, and computes the delays that follow from them.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use tokio::time::Instant;

use super::{DELAY_MAX, DELAY_MIN, FORGET_INTERVAL};

/// Number of times that the delay doubles until it is [`DELAY_MAX`]. Further failures are not counted, so that the way
/// back to no delay has a bound, too.
const DOUBLINGS_MAX: u32 = 6;

const _: () = assert!(DELAY_MIN.as_secs() << DOUBLINGS_MAX >= DELAY_MAX.as_secs());
const _: () = assert!(DELAY_MIN.as_secs() << (DOUBLINGS_MAX - 1) < DELAY_MAX.as_secs());

/// Which attempts a delay separates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Spacing {
    /// An attempt waits for the delay after the start of the attempt before it. This bounds the attempts in a minute.
    OneByOne,
    /// An attempt waits for the delay after the request before it, so no attempt waits longer than a delay.
    AllAtOnce,
}

/// Failures by key, in a bounded number of entries.
#[derive(Debug)]
pub(super) struct FailureTable<K> {
    spacing: Spacing,
    /// Number of attempts before there is a delay.
    free: u32,
    entries_max: usize,
    entries: HashMap<K, Failures>,
}

/// The failures of one key. There is at least one.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// The time from which [`FORGET_INTERVAL`] counts.
    since: Instant,
    /// The earliest start of the next attempt.
    next_start: Instant,
}

impl Failures {
    /// The number of failures that are not forgotten.
    fn remembered(&self, now: Instant) -> u32 {
        let intervals = now.saturating_duration_since(self.since).as_secs() / FORGET_INTERVAL.as_secs();
        self.count.saturating_sub(u32::try_from(intervals).unwrap_or(u32::MAX))
    }

    /// Forgets old failures.
    fn forget(&mut self, now: Instant) {
        let forgotten = self.count - self.remembered(now);
        self.count -= forgotten;
        self.since += FORGET_INTERVAL * forgotten;
    }
}

impl<K: Clone + Eq + Hash> FailureTable<K> {
    pub(super) fn new(spacing: Spacing, free: u32, entries_max: usize) -> Self {
        Self { spacing, free, entries_max, entries: HashMap::new() }
    }

    /// The earliest start of an attempt that is requested now.
    pub(super) fn next_start<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: Instant) -> Instant
    where
        K: Borrow<Q>,
    {
        match self.entries.get(key) {
            Some(failures) if failures.remembered(now) >= self.free => failures.next_start.max(now),
            _ => now,
        }
    }

    /// Counts an attempt that is requested now and starts later. Returns whether the count has grown, so that
    /// [`take_back`](Self::take_back) may make it smaller again.
    pub(super) fn count(&mut self, key: K, starts_at: Instant, now: Instant) -> bool {
        if !self.entries.contains_key(&key) {
            self.make_room(now);
        }
        let count_max = self.free + DOUBLINGS_MAX;
        let failures = self.entries.entry(key).or_insert(Failures { count: 0, since: now, next_start: now });
        failures.forget(now);
        if failures.count == 0 {
            failures.since = now;
        }
        let grows = failures.count < count_max;
        failures.count += u32::from(grows);
        if failures.count >= self.free {
            let delay = DELAY_MAX.min(DELAY_MIN * 2_u32.pow(failures.count - self.free));
            let from = match self.spacing {
                Spacing::OneByOne => starts_at,
                Spacing::AllAtOnce => now,
            };
            failures.next_start = failures.next_start.max(from + delay);
        }
        grows
    }

    /// Takes back one attempt that was no failure.
    pub(super) fn take_back<Q: Eq + Hash + ?Sized>(&mut self, key: &Q, now: Instant)
    where
        K: Borrow<Q>,
    {
        // The entry may have been dropped to make room.
        let Some(failures) = self.entries.get_mut(key) else { return };
        failures.forget(now);
        failures.count = failures.count.saturating_sub(1);
        if failures.count == 0 {
            self.entries.remove(key);
        }
    }

    /// Forgets all failures of a key.
    pub(super) fn reset<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.entries.remove(key);
    }

    /// Makes room for one entry. A full table drops the entries without failures, and then those with the fewest, until
    /// an eighth is free. So the search for them is rare.
    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < self.entries_max {
            return;
        }
        self.entries.retain(|_, failures| failures.remembered(now) > 0);
        let kept = self.entries_max - self.entries_max.div_ceil(8);
        let Some(excess) = self.entries.len().checked_sub(kept).filter(|&excess| excess > 0) else { return };
        let rank = |failures: &Failures| (failures.remembered(now), failures.next_start);
        let mut ranked: Vec<_> = self.entries.iter().map(|(key, failures)| (rank(failures), key.clone())).collect();
        ranked.select_nth_unstable_by_key(excess - 1, |&(rank, _)| rank);
        for (_, key) in &ranked[..excess] {
            self.entries.remove(key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
