//! When a session is read: later, where it fills an outbox faster than that empties, or sends more lines a second than
//! it may. Never cut for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::{Congestion, Outbox, Watermarks};

/// The shortest time between two lines that go into an outbox above its soft mark: a thousand lines a second.
const DELAY_MIN: Duration = Duration::from_millis(1);

/// The time doubles this often between the soft mark and the hard mark: at the hard mark it is about a second.
const DELAY_DOUBLINGS: u32 = 10;

/// The longest that one session is read later by, however many fill the same outbox.
const DELAY_MAX: Duration = Duration::from_secs(10);

/// How long a session is read later by when it is one of a crowd that fills an outbox.
///
/// Together they add a line a millisecond at the soft mark, and half as many at each of ten even steps up to the hard
/// mark, so that a reader which takes anything at all is not cut, however many write to it.
pub(crate) fn delay(Congestion { unsent_bytes, senders }: Congestion, watermarks: Watermarks) -> Duration {
    let above = unsent_bytes.saturating_sub(watermarks.soft_bytes) as u128;
    let span = watermarks.hard_bytes.saturating_sub(watermarks.soft_bytes).max(1) as u128;
    let doublings = u32::try_from(above * u128::from(DELAY_DOUBLINGS) / span).unwrap_or(DELAY_DOUBLINGS);
    let line_interval = DELAY_MIN * 2_u32.pow(doublings.min(DELAY_DOUBLINGS));
    line_interval.saturating_mul(u32::try_from(senders).unwrap_or(u32::MAX)).min(DELAY_MAX)
}

/// Why a session is not read for now.
#[derive(Debug)]
pub(crate) enum Pause {
    /// It sent its lines of this second.
    Rate { until: Instant },
    /// It filled somebody's outbox, and is read again when that has room, or a little later all the same: later still
    /// where the crowd has grown since.
    Congested { outbox: Arc<Outbox>, since: Instant, until: Instant },
    /// It filled its own outbox, and nobody else waits while it does not read.
    OwnOutbox,
}

impl Pause {
    /// When the pause is over at the latest.
    pub(crate) fn until(&self) -> Option<Instant> {
        match self {
            Self::Rate { until } | Self::Congested { until, .. } => Some(*until),
            Self::OwnOutbox => None,
        }
    }
}

/// A bucket of lines: it fills at so many a second and holds those of one second.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: u32,
    tokens: f64,
    refilled_at: Instant,
}

impl TokenBucket {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, tokens: f64::from(per_second), refilled_at: now }
    }

    /// How many lines may be taken now, or until when none may.
    pub(crate) fn available(&mut self, now: Instant) -> Result<usize, Instant> {
        let rate = f64::from(self.per_second);
        self.tokens = (self.tokens + rate * (now - self.refilled_at).as_secs_f64()).min(rate);
        self.refilled_at = now;
        if self.tokens >= 1.0 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and a u32")]
            return Ok(self.tokens as usize);
        }
        Err(now + Duration::from_secs_f64((1.0 - self.tokens) / rate))
    }

    /// Counts lines that were taken.
    pub(crate) fn take(&mut self, lines: usize) {
        #[expect(clippy::cast_precision_loss, reason = "at most the lines of one turn")]
        let spent = lines as f64;
        self.tokens -= spent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_the_outbox_the_later_its_filler_is_read() {
        let watermarks = Watermarks { soft_bytes: 1000, hard_bytes: 2000 };
        let cases = [
            ((1000, 1), 1),
            ((1099, 1), 1),
            ((1100, 1), 2),
            ((1500, 1), 32),
            ((1900, 1), 512),
            ((2000, 1), 1024),
            ((9000, 1), 1024),
            ((1000, 50), 50),
            ((1500, 50), 1600),
            ((2000, 50), 10_000),
        ];
        for ((unsent_bytes, senders), millis) in cases {
            let delay = delay(Congestion { unsent_bytes, senders }, watermarks);
            assert_eq!(delay, Duration::from_millis(millis), "with {unsent_bytes} waiting, for each of {senders}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_lets_one_second_of_lines_through_and_then_one_at_a_time() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10, start);
        assert_eq!(bucket.available(start), Ok(10));
        bucket.take(10);
        assert_eq!(bucket.available(start), Err(start + Duration::from_millis(100)));
        assert_eq!(bucket.available(start + Duration::from_millis(100)), Ok(1));
        assert_eq!(bucket.available(start + Duration::from_mins(1)), Ok(10), "a quiet minute saves up one second");
    }
}
