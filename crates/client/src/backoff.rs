//! Exponential backoff with jitter, for reconnecting.
//!
//! Each delay is random between half the ceiling and the ceiling, and the ceiling doubles after each attempt. So a
//! thousand clients do not reconnect in the same millisecond when a server restarts.

use std::time::Duration;

/// Random delays between attempts, with an exponentially growing ceiling.
#[derive(Clone, Debug)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    /// The longest possible next delay.
    ceiling: Duration,
    rng: fastrand::Rng,
}

impl Backoff {
    /// The ceiling of the first delay is `initial`. The ceiling doubles after each delay, up to `max`. The `seed`
    /// determines the random numbers, so that a test is repeatable.
    #[must_use]
    pub fn new(initial: Duration, max: Duration, seed: u64) -> Self {
        Self { initial, max, ceiling: initial, rng: fastrand::Rng::with_seed(seed) }
    }

    /// Returns the delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.ceiling.mul_f64(0.5 + self.rng.f64() / 2.0);
        self.ceiling = self.ceiling.saturating_mul(2).min(self.max);
        delay
    }

    /// Starts over with the initial ceiling. Call this after a success.
    pub fn reset(&mut self) {
        self.ceiling = self.initial;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_limit_and_depend_on_the_seed() {
        let seconds = Duration::from_secs_f64;
        for seed in 0..100 {
            let mut backoff = Backoff::new(seconds(0.5), seconds(4.0), seed);
            for ceiling in [0.5, 1.0, 2.0, 4.0, 4.0, 4.0] {
                let delay = backoff.next_delay();
                assert!((seconds(ceiling / 2.0)..=seconds(ceiling)).contains(&delay), "{delay:?} under {ceiling}");
            }
            backoff.reset();
            assert!(backoff.next_delay() <= seconds(0.5));
        }
        let first_delay = |seed| Backoff::new(seconds(0.5), seconds(4.0), seed).next_delay();
        assert_ne!(first_delay(1), first_delay(2));
    }
}
