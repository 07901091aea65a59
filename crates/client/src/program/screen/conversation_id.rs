//! The name of a conversation within one server.

use switchboard_protocol::Username;
use switchboard_protocol::version2::RoomName;

/// Names a conversation. Two spellings of one name are equal.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum ConversationId {
    /// The notices of the server and of this program.
    Server,
    /// A room.
    Room(String),
    /// The direct conversation with an account.
    Direct(String),
    /// A chat of version 1: only its two users have its messages.
    Chat(String),
}

impl ConversationId {
    /// The conversation of a target: a room, or the direct conversation with an account.
    pub(crate) fn of_target(target: &str) -> Self {
        if target.starts_with('#') {
            let folded = RoomName::new(target).map_or_else(|_| target.to_lowercase(), |room| room.folded().to_owned());
            Self::Room(folded)
        } else {
            Self::Direct(fold(target))
        }
    }

    /// The chat of version 1 with a user.
    pub(crate) fn of_chat(name: &str) -> Self {
        Self::Chat(fold(name))
    }
}

/// Folds a name as the server does, so that its spellings are equal.
pub(crate) fn fold(name: &str) -> String {
    Username::new(name).map_or_else(|_| name.to_lowercase(), |name| name.folded().to_owned())
}

/// Whether two names are spellings of one name.
pub(crate) fn is_same_name(one: &str, other: &str) -> bool {
    // Most names are ASCII, where folding only changes capitals.
    if one.is_ascii() && other.is_ascii() { one.eq_ignore_ascii_case(other) } else { fold(one) == fold(other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_name_are_one_conversation() {
        assert_eq!(ConversationId::of_target("#Lab"), ConversationId::of_target("#lab"));
        assert_eq!(ConversationId::of_target("Noy"), ConversationId::of_target("noy"));
        assert_eq!(ConversationId::of_chat("NOY"), ConversationId::of_chat("Noy"));
        assert_ne!(ConversationId::of_target("Noy"), ConversationId::of_chat("Noy"));
        // A name that this version does not accept, of another server.
        assert!(is_same_name("Noy", "NOY") && is_same_name("Ⓝoy", "Ⓝoy") && !is_same_name("Noy", "Noy2"));
        assert_eq!(ConversationId::of_target("No y"), ConversationId::of_target("no Y"));
    }
}
