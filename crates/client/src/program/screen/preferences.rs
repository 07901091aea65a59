//! The choices of the user that change what the chat does.

use serde::{Deserialize, Serialize};

/// The choices of the user.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Preferences {
    /// When the bell rings.
    pub(crate) bell: Attention,
    /// When the desktop shows a notification.
    pub(crate) notify: Attention,
}

/// Which new messages call for attention.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Attention {
    Off,
    /// Direct messages, and those that name the user.
    #[default]
    Mention,
    All,
}
