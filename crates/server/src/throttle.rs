//! Pauses in reading from a session that fills an outbox or exceeds its rate of lines.
//!
//! A pause delays the session's lines. It never closes the session.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use switchboard_core::SessionId;
use tokio::time::Instant;

use crate::outbox::{Congestion, Outbox, Watermarks};

/// Time between two lines to an outbox at its soft mark. It allows a thousand lines per second.
const LINE_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// Number of times that the interval doubles between the soft mark and the hard mark. At the hard mark, it is about a
/// second.
const DOUBLINGS: u32 = 10;

/// Maximum pause of one session, for any number of senders.
const DELAY_MAX: Duration = Duration::from_secs(10);

/// The pause after a line to an outbox above its soft mark.
///
/// All senders of the outbox together add one line per interval. The interval is a millisecond at the soft mark, and
/// doubles at each of ten equal steps to the hard mark. So a reader that takes at least one line per interval is not
/// closed, unless [`DELAY_MAX`] shortens the pauses of many senders.
fn congestion_delay(Congestion { unsent_bytes, senders }: Congestion, watermarks: Watermarks) -> Duration {
    let excess_bytes = unsent_bytes.saturating_sub(watermarks.soft_bytes) as u128;
    let span_bytes = watermarks.hard_bytes.saturating_sub(watermarks.soft_bytes).max(1) as u128;
    let doublings = u32::try_from(excess_bytes * u128::from(DOUBLINGS) / span_bytes).unwrap_or(DOUBLINGS);
    let line_interval = LINE_INTERVAL_MIN * 2_u32.pow(doublings.min(DOUBLINGS));
    line_interval.saturating_mul(u32::try_from(senders).unwrap_or(u32::MAX)).min(DELAY_MAX)
}

/// Why the server does not read from a session.
#[derive(Debug)]
pub(crate) enum Pause {
    /// The session has used up its rate of lines.
    Rate { until: Instant },
    /// The session added to the outbox of a congested target. In the line dialect, only the lines to this target are
    /// paused, within the bounds of [`set_aside`](crate::set_aside).
    Congested(CongestedTarget),
    /// The session's own outbox is above its soft mark. There is no time limit, because the pause delays no other
    /// session.
    OwnOutbox,
    /// A request of version 2 is not complete. The hub ends the pause.
    Request,
}

impl Pause {
    /// The latest end of the pause, if it has one.
    pub(crate) fn until(&self) -> Option<Instant> {
        match self {
            Self::Rate { until } => Some(*until),
            Self::Congested(target) => Some(target.until()),
            Self::OwnOutbox | Self::Request => None,
        }
    }
}

/// A target whose outbox was above its soft mark after a line of a session, its sender. The sender's next line to the
/// target is delayed.
#[derive(Debug)]
pub(crate) struct CongestedTarget {
    outbox: Arc<Outbox>,
    /// The time of the sender's last line to the target.
    since: Instant,
    /// The time at which the next line may go. It moves when the congestion changes.
    until: Instant,
}

impl CongestedTarget {
    /// Pauses `sender` after a line to `outbox`. Returns `None`, without a pause, if the outbox has room now.
    pub(crate) fn pause(sender: SessionId, outbox: Arc<Outbox>, waker: &Waker, watermarks: Watermarks) -> Option<Self> {
        let congestion = outbox.pause_sender(sender, waker, watermarks)?;
        let since = Instant::now();
        Some(Self { outbox, since, until: since + congestion_delay(congestion, watermarks) })
    }

    /// The latest end of the pause.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Whether the pause is over: its time has passed, or the outbox has room. Otherwise, `waker` is woken when there
    /// is room.
    pub(crate) fn is_pause_over(&mut self, sender: SessionId, waker: &Waker, watermarks: Watermarks) -> bool {
        let congestion = self.outbox.pause_sender(sender, waker, watermarks);
        let delay = congestion.map_or(Duration::ZERO, |congestion| congestion_delay(congestion, watermarks));
        self.until = self.since + delay;
        self.until <= Instant::now()
    }

    /// Ends the pause. The outbox no longer counts `sender` as a sender.
    pub(crate) fn resume(&self, sender: SessionId) {
        self.outbox.resume_sender(sender);
    }
}

/// Limits a session's rate of lines. The bucket holds the lines of one second.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: u32,
    /// Number of lines that the session may send now.
    tokens: f64,
    refilled_at: Instant,
}

impl TokenBucket {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, tokens: f64::from(per_second), refilled_at: now }
    }

    /// The number of lines that may be read now, or the time at which there will be one.
    pub(crate) fn available(&mut self, now: Instant) -> Result<usize, Instant> {
        let rate = f64::from(self.per_second);
        self.tokens = (self.tokens + rate * (now - self.refilled_at).as_secs_f64()).min(rate);
        self.refilled_at = now;
        if self.tokens >= 1.0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the value is between 1 and u32::MAX"
            )]
            return Ok(self.tokens as usize);
        }
        Err(now + Duration::from_secs_f64((1.0 - self.tokens) / rate))
    }

    /// Takes one token for each of `lines` lines.
    pub(crate) fn take(&mut self, lines: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a turn has few lines")]
        let tokens = lines as f64;
        self.tokens -= tokens;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_grows_with_unsent_bytes_and_senders() {
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
            let delay = congestion_delay(Congestion { unsent_bytes, senders }, watermarks);
            assert_eq!(delay, Duration::from_millis(millis), "{unsent_bytes} unsent bytes, {senders} senders");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bucket_gives_the_lines_of_one_second_then_one_at_a_time() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10, start);
        assert_eq!(bucket.available(start), Ok(10));
        bucket.take(10);
        assert_eq!(bucket.available(start), Err(start + Duration::from_millis(100)));
        assert_eq!(bucket.available(start + Duration::from_millis(100)), Ok(1));
        assert_eq!(bucket.available(start + Duration::from_mins(1)), Ok(10), "the bucket holds one second");
    }
}
