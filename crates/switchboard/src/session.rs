//! One connection, as the switchboard sees it.

use slotmap::{SlotMap, new_key_type};
use switchboard_protocol::Username;

use crate::chat::ChatId;

new_key_type! {
    /// Which session. Never used again for another one: a slot that is filled anew has another version.
    pub struct SessionId;
}

/// All that are on the board.
pub(crate) type Sessions = SlotMap<SessionId, Session>;

/// What is known of one of them.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Its name, once it has one.
    pub(crate) registration: Option<Registration>,
    /// The chat that it is in.
    pub(crate) chat: Option<ChatId>,
}

/// A name, and when it was taken.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) name: Username,
    /// Its place in the order of registration.
    pub(crate) order: u64,
}

impl Session {
    #[inline]
    pub(crate) fn name(&self) -> Option<&str> {
        self.registration.as_ref().map(|registration| registration.name.as_str())
    }
}
