//! Who talks with whom.

use slotmap::{SlotMap, new_key_type};

use crate::session::SessionId;

new_key_type! {
    /// Which chat.
    pub(crate) struct ChatId;
}

/// All chats.
pub(crate) type Chats = SlotMap<ChatId, Chat>;

/// Sessions that hear each other. Two today; nothing here counts on it.
#[derive(Debug)]
pub(crate) struct Chat {
    members: Vec<SessionId>,
}

impl Chat {
    pub(crate) fn of(members: [SessionId; 2]) -> Self {
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
