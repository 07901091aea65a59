//! The times after a lost connection, for the full screen and for `listen`.

use std::time::Duration;

/// The ceiling of the first delay before reconnecting.
pub(crate) const FIRST_DELAY_MAX: Duration = Duration::from_millis(500);

/// The ceiling of all delays before reconnecting. After a connection that lasted longer than this, the delays start
/// over.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(30);

/// How long the client tries to register its name again after a reconnect. The name may still belong to the lost
/// session, until the server notices the loss: by default after one minute of keepalive and one minute of user timeout.
/// The third minute is reserve.
pub(crate) const NAME_TAKEN_PATIENCE: Duration = Duration::from_mins(3);
