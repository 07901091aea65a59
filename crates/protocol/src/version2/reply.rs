//! A server's replies in version 2, as values.

mod encode;
mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use encode::push_with_n;
pub use parse::parse_reply;

use super::record::RecordLine;
use super::secret::Secret;
use crate::error_code::ErrorCode;
use crate::reply::Users;

/// One line of a server, with the number of the request that it answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TaggedReply<'a> {
    /// The number (the tag `n`). `SAID`, `MSG_SENT`, `ERROR` and the record itself repeat that of the request, and only
    /// for the device that sent it.
    pub n: Option<u64>,
    /// The reply.
    pub reply: Reply<'a>,
}

/// One reply to a client. Names and texts of a parsed line are unchecked, because the server may be another program: a
/// client passes them to [`sanitize`](crate::sanitize()) before it displays them.
///
/// A target is the name of a room, the name of the other account of a direct conversation, or, in an error, the word
/// that the client wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply<'a> {
    /// A reply of version 1. Among them are `REGISTER_OK`, `CONNECT_OK`, `MSG_SENT` and `FROM` without tags.
    ///
    /// [`parse_reply`] returns an error only as this variant if it has a detail: several words after the code.
    Version1(crate::Reply<'a>),
    /// The answer to `HELLO`: from now on, the session speaks this version.
    HelloOk {
        /// The version that both speak.
        version: u64,
        /// The server's program and version, as one word.
        server: Cow<'a, str>,
        /// What this server offers, each as one word.
        capabilities: Words<'a>,
    },
    /// The guest's name is an account now.
    ClaimOk {
        /// The name.
        name: Cow<'a, str>,
    },
    /// The session is a device of an account now.
    LoginOk {
        /// The name of the account, in its owner's spelling.
        name: Cow<'a, str>,
        /// The name of the device.
        device: Cow<'a, str>,
    },
    /// A client that logs in by a key must sign this.
    Challenge {
        /// The challenge in Base64.
        challenge: Cow<'a, str>,
    },
    /// The device has a new token.
    TokenOk {
        /// The token.
        token: Secret,
    },
    /// The account has a new credential.
    PasswdOk,
    /// The account is deleted.
    UnclaimOk,
    /// One device of the account. `DEVICES_OK` ends the list.
    Device {
        /// Its name.
        name: Cow<'a, str>,
        /// Whether it is connected now.
        is_connected: bool,
        /// Whether it is the device of this session.
        is_this: bool,
    },
    /// The end of the list of devices.
    DevicesOk {
        /// The number of devices.
        count: u64,
    },
    /// A device is removed.
    RevokeOk {
        /// Its name.
        device: Cow<'a, str>,
    },
    /// A change of a conversation is made and stored, or was made before.
    Done {
        /// The verb of the request.
        verb: DoneVerb,
        /// The conversation.
        target: Cow<'a, str>,
        /// The record that says so. If the request changed nothing: the last record of the conversation.
        seq: u64,
    },
    /// A join link is made.
    LinkOk {
        /// The room.
        target: Cow<'a, str>,
        /// The word by which accounts join.
        invitation: Secret,
    },
    /// A message is stored.
    Said {
        /// The conversation.
        target: Cow<'a, str>,
        /// The number of its record.
        seq: u64,
    },
    /// A conversation is open. The records after the position follow, and then `LIVE`.
    OpenOk {
        /// The conversation.
        target: Cow<'a, str>,
        /// Its epoch.
        epoch: Cow<'a, str>,
        /// Its first record, or `last + 1` if it has none.
        first: u64,
        /// Its last record, or 0.
        last: u64,
    },
    /// The session has heard all records so far, and hears each new one from now on.
    Live {
        /// The conversation.
        target: Cow<'a, str>,
        /// The last record so far, or 0.
        last: u64,
    },
    /// A conversation is not open any more.
    CloseOk {
        /// The conversation.
        target: Cow<'a, str>,
    },
    /// Records that the session does not hear. They would come before whatever follows.
    Gap {
        /// The conversation.
        target: Cow<'a, str>,
        /// The first of them. 0: unknown.
        from: u64,
        /// The last of them. 0: unknown.
        to: u64,
        /// Why.
        reason: GapReason,
        /// Whether it answers `HISTORY` (tag `past=1`).
        is_past: bool,
    },
    /// The end of the records that `HISTORY` asked for.
    HistoryOk {
        /// The conversation.
        target: Cow<'a, str>,
        /// The first record of the answer. 0: there is none.
        first: u64,
        /// The last record of the answer. 0: there is none.
        last: u64,
    },
    /// One conversation of the account: in the list that `CONVERSATIONS_OK` ends, or because it has new records.
    Conversation {
        /// The conversation.
        target: Cow<'a, str>,
        /// Its epoch.
        epoch: Cow<'a, str>,
        /// Its first record, or `last + 1` if it has none.
        first: u64,
        /// Its last record, or 0.
        last: u64,
        /// The read marker, or 0.
        read: u64,
    },
    /// The end of the list of conversations.
    ConversationsOk {
        /// The number of conversations.
        count: u64,
    },
    /// The read marker is set.
    ReadOk {
        /// The conversation.
        target: Cow<'a, str>,
        /// Where the marker is now.
        seq: u64,
    },
    /// Another device of the account has set the read marker.
    Read {
        /// The conversation.
        target: Cow<'a, str>,
        /// Where the marker is now.
        seq: u64,
    },
    /// The accounts that have read a record.
    Readers {
        /// The conversation.
        target: Cow<'a, str>,
        /// The number of the record.
        seq: u64,
        /// Their names.
        names: Users<'a>,
        /// Whether there are more than the line has room for (tag `more=1`).
        has_more: bool,
    },
    /// The end of the records that `SEARCH` found.
    SearchOk {
        /// The conversation. `None`: all of them.
        target: Option<Cow<'a, str>>,
        /// The number of records.
        count: u64,
        /// Whether the search ended at a bound, so that older records may contain the words, too (tag `more=1`).
        has_more: bool,
    },
    /// One room. `ROOMS_OK` ends the list.
    Room {
        /// The room.
        target: Cow<'a, str>,
        /// The number of members.
        members: u64,
        /// The topic, or an empty text.
        topic: Cow<'a, str>,
    },
    /// The end of the list of rooms.
    RoomsOk {
        /// The number of rooms.
        count: u64,
    },
    /// One member of a room. `MEMBERS_OK` ends the list.
    Member {
        /// The room.
        target: Cow<'a, str>,
        /// The member's name.
        name: Cow<'a, str>,
        /// What the member may do.
        standing: Standing,
    },
    /// The end of the list of members.
    MembersOk {
        /// The room.
        target: Cow<'a, str>,
        /// The number of lines.
        count: u64,
    },
    /// Somebody is blocked.
    BlockOk {
        /// The name.
        name: Cow<'a, str>,
    },
    /// Somebody is not blocked any more.
    UnblockOk {
        /// The name.
        name: Cow<'a, str>,
    },
    /// `CAME` and `GONE` follow as names come and go.
    WatchOk,
    /// No more `CAME` and `GONE` follow.
    UnwatchOk,
    /// A name is in use from now on.
    Came {
        /// The name.
        name: Cow<'a, str>,
    },
    /// A name is not in use any more.
    Gone {
        /// The name.
        name: Cow<'a, str>,
    },
    /// A word of the server to the person: from its operator, or about the end of its last session.
    Notice {
        /// The text.
        text: Cow<'a, str>,
    },
    /// The state of the connection.
    WireOk {
        /// Each value as one word: `key=value`.
        values: Words<'a>,
    },
    /// The server has refused a request, or is about to close the session.
    Error {
        /// The reason.
        code: ErrorCode,
        /// The target of the request, as the client wrote it.
        target: Option<Cow<'a, str>>,
    },
    /// A record of a conversation.
    Record(RecordLine<'a>),
}

/// The verb of a request that changes a conversation. Its reply is the verb with `_OK`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DoneVerb {
    /// `JOIN_OK`
    Join,
    /// `LEAVE_OK`
    Leave,
    /// `TOPIC_OK`
    Topic,
    /// `INVITE_OK`
    Invite,
    /// `UNLINK_OK`
    Unlink,
    /// `KICK_OK`
    Kick,
    /// `BAN_OK`
    Ban,
    /// `UNBAN_OK`
    Unban,
    /// `MUTE_OK`
    Mute,
    /// `UNMUTE_OK`
    Unmute,
    /// `REPORT_OK`
    Report,
    /// `REDACT_OK`
    Redact,
    /// `ROOM_OK`
    Room,
}

/// Why a reader does not hear some records.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum GapReason {
    /// They were removed because of their age or number.
    Expired,
    /// They are gone, or the reader's position is of another epoch.
    Lost,
    /// This account may not read them.
    Hidden,
}

/// The rights of an account or a guest in a room.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Standing {
    /// May change everything. A room has one.
    Owner,
    /// May remove records and members.
    Moderator,
    /// A member.
    Member,
    /// Is here without an account.
    Guest,
    /// May join, and is not a member yet.
    Invited,
    /// May not enter.
    Banned,
}

impl DoneVerb {
    /// All verbs.
    pub const ALL: [DoneVerb; 13] = [
        Self::Join,
        Self::Leave,
        Self::Topic,
        Self::Invite,
        Self::Unlink,
        Self::Kick,
        Self::Ban,
        Self::Unban,
        Self::Mute,
        Self::Unmute,
        Self::Report,
        Self::Redact,
        Self::Room,
    ];

    /// The word of the reply.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Join => "JOIN_OK",
            Self::Leave => "LEAVE_OK",
            Self::Topic => "TOPIC_OK",
            Self::Invite => "INVITE_OK",
            Self::Unlink => "UNLINK_OK",
            Self::Kick => "KICK_OK",
            Self::Ban => "BAN_OK",
            Self::Unban => "UNBAN_OK",
            Self::Mute => "MUTE_OK",
            Self::Unmute => "UNMUTE_OK",
            Self::Report => "REPORT_OK",
            Self::Redact => "REDACT_OK",
            Self::Room => "ROOM_OK",
        }
    }
}

impl GapReason {
    /// All reasons.
    pub const ALL: [GapReason; 3] = [Self::Expired, Self::Lost, Self::Hidden];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "EXPIRED",
            Self::Lost => "LOST",
            Self::Hidden => "HIDDEN",
        }
    }
}

impl Standing {
    /// All standings.
    pub const ALL: [Standing; 6] =
        [Self::Owner, Self::Moderator, Self::Member, Self::Guest, Self::Invited, Self::Banned];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Moderator => "moderator",
            Self::Member => "member",
            Self::Guest => "guest",
            Self::Invited => "invited",
            Self::Banned => "banned",
        }
    }
}

/// A list of words in its wire form: separated by spaces.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Words<'a>(Cow<'a, str>);

impl<'a> Words<'a> {
    /// Borrows words that are separated by spaces. An empty string is an empty list.
    #[must_use]
    pub fn from_space_separated(words: &'a str) -> Self {
        Self(Cow::Borrowed(words))
    }

    /// The words separated by spaces, as on the wire.
    #[must_use]
    pub fn as_space_separated(&self) -> &str {
        &self.0
    }

    /// Iterates over the words.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|word| !word.is_empty())
    }

    /// Whether `word` is in the list.
    #[must_use]
    pub fn contains(&self, word: &str) -> bool {
        self.iter().any(|listed| listed == word)
    }

    /// Copies the borrowed text.
    #[must_use]
    pub fn into_owned(self) -> Words<'static> {
        Words(Cow::Owned(self.0.into_owned()))
    }
}

impl From<Vec<String>> for Words<'_> {
    fn from(words: Vec<String>) -> Self {
        Self(Cow::Owned(words.join(" ")))
    }
}

impl From<ErrorCode> for Reply<'_> {
    fn from(code: ErrorCode) -> Self {
        Self::Error { code, target: None }
    }
}

impl<'a> From<Reply<'a>> for TaggedReply<'a> {
    fn from(reply: Reply<'a>) -> Self {
        Self { n: None, reply }
    }
}

impl TaggedReply<'_> {
    /// Copies the borrowed text, so that the reply can be sent across a channel.
    #[must_use]
    pub fn into_owned(self) -> TaggedReply<'static> {
        TaggedReply { n: self.n, reply: self.reply.into_owned() }
    }
}

impl Reply<'_> {
    /// Copies the borrowed text, so that the reply can be sent across a channel.
    #[must_use]
    pub fn into_owned(self) -> Reply<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Reply::Version1(reply) => Reply::Version1(reply.into_owned()),
            Reply::HelloOk { version, server, capabilities } => {
                Reply::HelloOk { version, server: owned(server), capabilities: capabilities.into_owned() }
            }
            Reply::ClaimOk { name } => Reply::ClaimOk { name: owned(name) },
            Reply::LoginOk { name, device } => Reply::LoginOk { name: owned(name), device: owned(device) },
            Reply::Challenge { challenge } => Reply::Challenge { challenge: owned(challenge) },
            Reply::TokenOk { token } => Reply::TokenOk { token },
            Reply::PasswdOk => Reply::PasswdOk,
            Reply::UnclaimOk => Reply::UnclaimOk,
            Reply::Device { name, is_connected, is_this } => Reply::Device { name: owned(name), is_connected, is_this },
            Reply::DevicesOk { count } => Reply::DevicesOk { count },
            Reply::RevokeOk { device } => Reply::RevokeOk { device: owned(device) },
            Reply::Done { verb, target, seq } => Reply::Done { verb, target: owned(target), seq },
            Reply::LinkOk { target, invitation } => Reply::LinkOk { target: owned(target), invitation },
            Reply::Said { target, seq } => Reply::Said { target: owned(target), seq },
            Reply::OpenOk { target, epoch, first, last } => {
                Reply::OpenOk { target: owned(target), epoch: owned(epoch), first, last }
            }
            Reply::Live { target, last } => Reply::Live { target: owned(target), last },
            Reply::CloseOk { target } => Reply::CloseOk { target: owned(target) },
            Reply::Gap { target, from, to, reason, is_past } => {
                Reply::Gap { target: owned(target), from, to, reason, is_past }
            }
            Reply::HistoryOk { target, first, last } => Reply::HistoryOk { target: owned(target), first, last },
            Reply::Conversation { target, epoch, first, last, read } => {
                Reply::Conversation { target: owned(target), epoch: owned(epoch), first, last, read }
            }
            Reply::ConversationsOk { count } => Reply::ConversationsOk { count },
            Reply::ReadOk { target, seq } => Reply::ReadOk { target: owned(target), seq },
            Reply::Read { target, seq } => Reply::Read { target: owned(target), seq },
            Reply::Readers { target, seq, names, has_more } => {
                Reply::Readers { target: owned(target), seq, names: names.into_owned(), has_more }
            }
            Reply::SearchOk { target, count, has_more } => {
                Reply::SearchOk { target: target.map(owned), count, has_more }
            }
            Reply::Room { target, members, topic } => {
                Reply::Room { target: owned(target), members, topic: owned(topic) }
            }
            Reply::RoomsOk { count } => Reply::RoomsOk { count },
            Reply::Member { target, name, standing } => {
                Reply::Member { target: owned(target), name: owned(name), standing }
            }
            Reply::MembersOk { target, count } => Reply::MembersOk { target: owned(target), count },
            Reply::BlockOk { name } => Reply::BlockOk { name: owned(name) },
            Reply::UnblockOk { name } => Reply::UnblockOk { name: owned(name) },
            Reply::WatchOk => Reply::WatchOk,
            Reply::UnwatchOk => Reply::UnwatchOk,
            Reply::Came { name } => Reply::Came { name: owned(name) },
            Reply::Gone { name } => Reply::Gone { name: owned(name) },
            Reply::Notice { text } => Reply::Notice { text: owned(text) },
            Reply::WireOk { values } => Reply::WireOk { values: values.into_owned() },
            Reply::Error { code, target } => Reply::Error { code, target: target.map(owned) },
            Reply::Record(record) => Reply::Record(record.into_owned()),
        }
    }
}
