//! The clocks of the system.

use std::time::SystemTime;

use tokio::time::Instant;

use super::moment::Moment;

/// Tells the time to the chat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started_at: Instant,
}

impl Clock {
    /// A clock whose uptime begins now.
    pub(crate) fn start() -> Self {
        Self { started_at: Instant::now() }
    }

    #[expect(clippy::disallowed_methods, reason = "the shell passes the time of day on to the chat")]
    pub(crate) fn now(&self) -> Moment {
        // A clock before 1970 is wrong anyway.
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let unix_millis = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        Moment { unix_millis, uptime: self.started_at.elapsed() }
    }
}
