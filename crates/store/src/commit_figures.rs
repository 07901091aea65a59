//! How many commits a writer has made, how long they took, and how large they were.

use std::time::Duration;

/// Upper bounds of the time of a commit, in seconds: from a fast disk to one that fails soon.
const TIME_BOUNDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Upper bounds of the number of changes in a commit.
const CHANGE_BOUNDS: [f64; 7] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0];

/// The commits since the start of a writer.
#[derive(Clone, Debug)]
pub struct CommitFigures {
    /// Their times, in seconds.
    pub seconds: Distribution,
    /// The numbers of their changes.
    pub changes: Distribution,
    /// Number of records in them.
    pub records: u64,
}

/// How many values are in each of some ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    bounds: &'static [f64],
    /// Number of values up to each bound, without those up to the bound before. The last one counts all larger values.
    counts: Vec<u64>,
    sum: f64,
}

impl Default for CommitFigures {
    fn default() -> Self {
        Self { seconds: Distribution::new(&TIME_BOUNDS), changes: Distribution::new(&CHANGE_BOUNDS), records: 0 }
    }
}

impl CommitFigures {
    #[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^52 changes")]
    pub(crate) fn add(&mut self, time: Duration, changes: usize, records: u64) {
        self.seconds.add(time.as_secs_f64());
        self.changes.add(changes as f64);
        self.records += records;
    }
}

impl Distribution {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    fn add(&mut self, value: f64) {
        self.counts[self.bounds.partition_point(|bound| *bound < value)] += 1;
        self.sum += value;
    }

    /// Each upper bound, and the number of values up to it that are above the bound before. The last bound is infinite.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.bounds.iter().copied().chain([f64::INFINITY]).zip(self.counts.iter().copied())
    }

    /// The sum of all values.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The number of values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_counts_in_the_first_bucket_that_holds_it() {
        let mut changes = Distribution::new(&CHANGE_BOUNDS);
        for value in [1.0, 2.0, 4.0, 5.0, 4096.0, 5000.0] {
            changes.add(value);
        }
        let filled: Vec<_> = changes.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(1.0, 1), (4.0, 2), (16.0, 1), (4096.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((changes.count(), changes.sum()), (6, 9108.0));
    }
}
