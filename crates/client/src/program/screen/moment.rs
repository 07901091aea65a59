//! The time, as an argument of the chat.

use std::time::Duration;

/// One moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Moment {
    /// Milliseconds since 1970-01-01T00:00:00Z, for display.
    pub(crate) unix_millis: u64,
    /// The time since the program has started. It never jumps.
    pub(crate) uptime: Duration,
}
