//! Sessions, and the chats between them.

use std::fmt;

use slotmap::{Key as _, SlotMap, new_key_type};
use switchboard_protocol::Username;

new_key_type! {
    /// Identifies a session. No later session gets the same id, because a reused slot gets a new version.
    pub struct SessionId;

    pub(crate) struct ChatId;
}

impl fmt::Display for SessionId {
    /// Writes the slot and its version, such as `7v1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.data())
    }
}

pub(crate) type Sessions = SlotMap<SessionId, Session>;

/// A session of the switchboard: its registration and its chat.
#[derive(Debug, Default)]
pub struct Session {
    /// Boxed to save memory: tokio aligns the other objects of a session to 128 bytes, and the allocator puts the box
    /// into a gap between them.
    pub(crate) registration: Option<Box<Registration>>,
    pub(crate) chat: Option<ChatId>,
}

#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) name: Username,
    /// Position in the order of all registrations so far.
    pub(crate) order: u64,
    /// Hash of the index form. It is stored, because hashing is most of the work of releasing a name.
    pub(crate) index_hash: u64,
}

impl Session {
    /// Whether the session has a name.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.registration.is_some()
    }

    #[inline]
    pub(crate) fn name(&self) -> Option<&str> {
        self.registration.as_ref().map(|registration| registration.name.as_str())
    }
}

pub(crate) type Chats = SlotMap<ChatId, Chat>;

/// Sessions that receive each other's messages. Today each chat has two members, but this type allows more.
#[derive(Debug)]
pub(crate) struct Chat {
    members: Vec<SessionId>,
}

impl Chat {
    pub(crate) fn new(members: [SessionId; 2]) -> Self {
        Self { members: members.into() }
    }

    /// All members except `member`.
    pub(crate) fn others(&self, member: SessionId) -> impl Iterator<Item = SessionId> {
        self.members.iter().copied().filter(move |&other| other != member)
    }

    /// Removes `member` and returns the remaining members.
    pub(crate) fn leave(&mut self, member: SessionId) -> &[SessionId] {
        self.members.retain(|&other| other != member);
        &self.members
    }
}
