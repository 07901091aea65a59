//! Sentences and words that the chat shows for values.

use switchboard_client::conversations::{GapReason, RecordVerb};
use switchboard_protocol::version2::Standing;

use super::event::{Security, ServerInfo};

/// Shown on the first page.
pub(crate) const FIRST_STEPS: &str = "Ctrl-K jumps to a room or a person. /join #ROOM enters a room, /msg NAME TEXT writes \
     to a person, F1 shows all keys and commands.";

/// Shown when the user closes the window for a name or password without a connection.
pub(crate) const WAYS_TO_CONNECT: &str =
    "There is no connection. Ctrl-R tries again, /login NAME logs in, /nick NAME takes another name.";

/// Shown with the form for a password before the password leaves this machine in plain text.
pub(crate) const PASSWORD_IS_READABLE: &str =
    "This connection is not encrypted: others on the network can read the password.";

/// The beginning of a session.
pub(crate) fn connected(server: &ServerInfo) -> String {
    let who = match (&server.device, server.version) {
        (Some(device), _) => format!("You are {} (device {device})", server.name),
        (None, 1) => format!("You are {}", server.name),
        (None, _) => format!("You are {}, a guest: /claim makes an account of your name", server.name),
    };
    let store = match (server.version, server.is_durable) {
        (1, _) => " This server knows no rooms and no accounts: its chats are stored nowhere.",
        (_, true) => "",
        (_, false) => " This server forgets everything when it stops.",
    };
    format!("Connected to {}, {}. {who}.{store}", server.address, security(server.security))
}

/// Who can read the connection.
pub(crate) fn security(security: Security) -> &'static str {
    match security {
        Security::Plain => "without encryption",
        Security::Loopback => "on this machine",
        Security::KnownKey => "with TLS and the known key",
        Security::NewKey => "with TLS and a new key",
        Security::Authority => "with TLS and a certificate of an authority",
    }
}

/// What a record says that is no message.
pub(crate) fn happening(verb: RecordVerb, author: &str, text: &str) -> String {
    match verb {
        RecordVerb::From | RecordVerb::Audit => format!("{author}: {text}"),
        RecordVerb::Joined => format!("{author} joined"),
        RecordVerb::Left => format!("{author} left"),
        RecordVerb::Topic if text.is_empty() => format!("{author} removed the topic"),
        RecordVerb::Topic => format!("{author} set the topic: {text}"),
        RecordVerb::Invited => format!("{author} invited {text}"),
        RecordVerb::Kicked => format!("{author} removed {text}"),
        RecordVerb::Banned => format!("{author} banned {text}"),
        RecordVerb::Unbanned => format!("{author} let {text} come back"),
        RecordVerb::Muted => match text.split_once(' ') {
            Some((name, period)) => format!("{author} muted {name} for {period}"),
            None => format!("{author} muted {text}"),
        },
        RecordVerb::Quoted => format!("{author} had said: {text}"),
        RecordVerb::Unmuted => format!("{author} lets {text} write again"),
        RecordVerb::Redacted if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{author} deleted the text of message {text}")
        }
        RecordVerb::Redacted => format!("{author} deleted the messages of {text}"),
        RecordVerb::Set => format!("{author} set {text}"),
    }
}

/// Records that this reader does not get.
pub(crate) fn gap(from: u64, to: u64, reason: GapReason) -> String {
    let n = to.saturating_sub(from).saturating_add(1);
    let records = if n == 1 { format!("Record {from}") } else { format!("{n} records ({from} to {to})") };
    match reason {
        _ if to == 0 => {
            "The server has lost records, or was restored from a backup: the numbers begin anew below this line"
                .to_owned()
        }
        GapReason::Expired => format!("{records}: expired"),
        GapReason::Hidden => format!("{records}: hidden, you have blocked the author"),
        GapReason::Lost => format!("{records}: lost by the server"),
    }
}

/// The order of the members.
pub(crate) fn rank(standing: Standing) -> u8 {
    match standing {
        Standing::Owner => 0,
        Standing::Moderator => 1,
        Standing::Member => 2,
        Standing::Guest => 3,
        Standing::Invited => 4,
        Standing::Banned => 5,
    }
}

/// Whether somebody of this standing is a member of the room.
pub(crate) fn is_membership(standing: Standing) -> bool {
    matches!(standing, Standing::Owner | Standing::Moderator | Standing::Member)
}

/// The text with a capital first letter.
pub(crate) fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
