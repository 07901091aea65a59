//! The simulated people, their devices, and their conversations.

/// A device, by its index in [`DEVICES`].
pub(crate) type DeviceIndex = usize;

/// A conversation, by its index.
pub(crate) type ConversationIndex = usize;

/// The devices: the name of the account, and of the device. The first of an account is the one with which it begins.
pub(crate) const DEVICES: [(&str, &str); 5] =
    [("Noy", "main"), ("Noy", "phone"), ("Elias", "main"), ("Dana", "main"), ("Gil", "main")];

/// The devices whose accounts exist from the beginning. The account of Gil is made while the store fails.
pub(crate) const FOUNDERS: [DeviceIndex; 3] = [0, 2, 3];

/// The rooms. The first two exist from the beginning.
const ROOMS: [&str; 3] = ["#lab", "#short", "#new"];

/// The direct conversations, by the names of their accounts. Only the first one exists from the beginning.
const PAIRS: [[&str; 2]; 2] = [["Noy", "Elias"], ["Elias", "Dana"]];

/// Number of conversations.
pub(crate) const CONVERSATIONS: usize = ROOMS.len() + PAIRS.len();

/// The room whose records expire.
pub(crate) const SHORT: ConversationIndex = 1;

/// The least number of records that [`SHORT`] keeps.
pub(crate) const KEPT_MIN: u64 = 4;

pub(crate) fn is_room(conversation: ConversationIndex) -> bool {
    conversation < ROOMS.len()
}

/// The name of a conversation for a device, if the device has a part in it.
pub(crate) fn target(device: DeviceIndex, conversation: ConversationIndex) -> Option<&'static str> {
    let name = DEVICES[device].0;
    match conversation.checked_sub(ROOMS.len()) {
        None => Some(ROOMS[conversation]),
        Some(pair) => match PAIRS[pair] {
            [own, other] | [other, own] if own == name => Some(other),
            _ => None,
        },
    }
}

/// The conversation that a device knows by this name.
pub(crate) fn conversation(device: DeviceIndex, name: &str) -> Option<ConversationIndex> {
    (0..CONVERSATIONS).find(|&conversation| target(device, conversation) == Some(name))
}

/// The conversation with this name of a room, or these accounts.
pub(crate) fn stored_conversation(room: Option<&str>, accounts: [&str; 2]) -> Option<ConversationIndex> {
    if let Some(room) = room {
        return ROOMS.iter().position(|&name| name == room);
    }
    let [first, second] = accounts;
    let pair = PAIRS.iter().position(|&pair| pair == [first, second] || pair == [second, first]);
    pair.map(|pair| ROOMS.len() + pair)
}
