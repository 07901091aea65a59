//! A bounded set of the places where a password was right, which forgets the oldest ones.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use tokio::time::Instant;

/// The places, with the time of the last success. Only successes add entries, so nobody can fill the set by guessing.
#[derive(Debug)]
pub(super) struct KnownPlaces<K> {
    entries_max: usize,
    entries: HashMap<K, Instant>,
}

impl<K: Clone + Eq + Hash> KnownPlaces<K> {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { entries_max, entries: HashMap::new() }
    }

    pub(super) fn contains<Q: Eq + Hash + ?Sized>(&self, place: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.entries.contains_key(place)
    }

    /// Adds a place. A full set forgets its oldest eighth, so that the search for the oldest is rare.
    pub(super) fn insert(&mut self, place: K, now: Instant) {
        if self.entries.len() >= self.entries_max && !self.entries.contains_key(&place) {
            let mut times: Vec<Instant> = self.entries.values().copied().collect();
            let dropped = self.entries_max.div_ceil(8).min(times.len());
            if dropped > 0 {
                let (_, &mut last_dropped, _) = times.select_nth_unstable(dropped - 1);
                self.entries.retain(|_, &mut time| time > last_dropped);
            }
        }
        self.entries.insert(place, now);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
