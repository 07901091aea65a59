//! Moments, in whole nanoseconds.

use serde::{Deserialize, Serialize};

/// A moment, in nanoseconds since 1970-01-01 00:00:00 UTC. Never a float: a capture's times are exact.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment so many nanoseconds after 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}
