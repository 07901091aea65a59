//! The choices of the user that change the chat.

use super::local_time::LocalTime;
use crate::program::settings::Attention;

/// The choices of the user.
#[derive(Clone, Debug)]
pub(crate) struct Preferences {
    /// When the bell rings.
    pub(crate) bell: Attention,
    /// When the desktop shows a notification.
    pub(crate) notify: Attention,
    /// Whether the chat puts right-to-left text in display order, because the terminal does not.
    pub(crate) reorders: bool,
    pub(crate) local_time: LocalTime,
}

#[cfg(test)]
impl Default for Preferences {
    fn default() -> Self {
        Self { bell: Attention::Mention, notify: Attention::Mention, reorders: true, local_time: LocalTime::utc() }
    }
}
