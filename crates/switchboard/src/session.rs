//! Sessions, and the chats between them.

use slotmap::{SlotMap, new_key_type};
use switchboard_protocol::Username;

new_key_type! {
    /// Which session. Never used again for another one: a slot that is filled anew has another version.
    pub struct SessionId;

    pub(crate) struct ChatId;
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

/// All chats.
pub(crate) type Chats = SlotMap<ChatId, Chat>;

/// Sessions that hear each other. Two today; nothing here counts on it.
#[derive(Debug)]
pub(crate) struct Chat {
    members: Vec<SessionId>,
}

impl Chat {
    pub(crate) fn new(members: [SessionId; 2]) -> Self {
        Self { members: members.into() }
    }

    /// Everybody but `member`.
    pub(crate) fn others(&self, member: SessionId) -> impl Iterator<Item = SessionId> {
        self.members.iter().copied().filter(move |&other| other != member)
    }

    /// Takes `member` out and tells who is left.
    pub(crate) fn leave(&mut self, member: SessionId) -> &[SessionId] {
        self.members.retain(|&other| other != member);
        &self.members
    }
}
