//! Sessions, and the chats between them.

use std::fmt;
use std::str::FromStr;

use slotmap::{Key as _, KeyData, SlotMap, new_key_type};
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

/// The text is not the id of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is not the id of a session, such as 7v1")]
pub struct InvalidSessionId;

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    /// Reads the form that [`Display`](fmt::Display) writes. No session need have this id.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = |(slot, version): (&str, &str)| Some((slot.parse::<u32>().ok()?, version.parse::<u32>().ok()?));
        let (slot, version) = text.split_once('v').and_then(parse).ok_or(InvalidSessionId)?;
        let id = Self::from(KeyData::from_ffi(u64::from(version) << 32 | u64::from(slot)));
        // Other digits may write the same numbers, and not all versions are valid.
        if id.to_string() == text { Ok(id) } else { Err(InvalidSessionId) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_round_trips_through_its_text() {
        let mut sessions = Sessions::default();
        let first = sessions.insert(Session::default());
        sessions.remove(first);
        for id in [first, sessions.insert(Session::default()), sessions.insert(Session::default())] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "v", "7", "7v", "v1", "7v2 ", "07v1", "+7v1", "7v1v1", "7v4294967296", "Noy"] {
            assert_eq!(text.parse::<SessionId>(), Err(InvalidSessionId), "{text:?}");
        }
    }
}
