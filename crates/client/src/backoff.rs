//! How long to wait before the next try.
//!
//! Each wait is drawn at random between half the ceiling and the ceiling, and the ceiling doubles from try to try: when
//! a server comes back, a thousand clients do not come back in the same millisecond.

use std::time::Duration;

/// The waits between tries, growing from `first` to `most`.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    ceiling: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    /// Waits of at most `first`, then of at most twice as much each time, up to `most`. The `seed` decides what is
    /// drawn, so that a test repeats exactly.
    #[must_use]
    pub fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most, ceiling: first, random: fastrand::Rng::with_seed(seed) }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.ceiling.mul_f64(0.5 + self.random.f64() / 2.0);
        self.ceiling = self.ceiling.saturating_mul(2).min(self.most);
        wait
    }

    /// Begins anew: it worked.
    pub fn reset(&mut self) {
        self.ceiling = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_never_all_the_same() {
        let seconds = Duration::from_secs_f64;
        for seed in 0..100 {
            let mut backoff = Backoff::new(seconds(0.5), seconds(4.0), seed);
            for ceiling in [0.5, 1.0, 2.0, 4.0, 4.0, 4.0] {
                let wait = backoff.next_wait();
                assert!((seconds(ceiling / 2.0)..=seconds(ceiling)).contains(&wait), "{wait:?} under {ceiling}");
            }
            backoff.reset();
            assert!(backoff.next_wait() <= seconds(0.5));
        }
        let first = |seed| Backoff::new(seconds(0.5), seconds(4.0), seed).next_wait();
        assert_ne!(first(1), first(2));
    }
}
