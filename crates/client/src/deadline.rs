//! Points in time after which the client stops waiting.

use std::time::Duration;

use tokio::time::Instant;

/// A time that no connection lasts: 30 years, the longest sleep of tokio.
const FOREVER: Duration = Duration::from_hours(30 * 365 * 24);

/// Returns the point in time `limit` after `start`. A `limit` that the clock cannot add counts as 30 years.
pub(crate) fn after(start: Instant, limit: Duration) -> Instant {
    start.checked_add(limit).unwrap_or_else(|| start + FOREVER)
}
