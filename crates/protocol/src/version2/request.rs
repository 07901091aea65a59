//! A client's requests in version 2, as values.

mod encode;
mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

pub use parse::{Hello, InvalidRequest, RequestError, hello, parse};

use super::device_name::DeviceName;
use super::number::parse_number;
use super::period::Period;
use super::secret::Secret;
use crate::text::Text;

/// One line of a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request<'a> {
    /// The number that the client gives to a message (the tag `n`). A message with a number is stored at most once.
    pub n: Option<u64>,
    /// The command.
    pub command: Command<'a>,
}

/// One request to the server. Its strings may borrow from the received line; [`Command::into_owned`] copies them.
///
/// The parser does not check the spelling of a target or name: an invalid one is not found, because nothing has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command<'a> {
    /// A command of version 1: `REGISTER`, `CONNECT`, `MSG`, `DISCONNECT`, `PING` or `WHO`. The target of `CONNECT` may
    /// also be a room or an account id ([`Target::new`]).
    Version1(crate::Command<'a>),
    /// Turns the guest's name into an account.
    Claim {
        /// How the account's owner is recognized from now on.
        credential: Credential<'a>,
    },
    /// Logs in to an account.
    Login {
        /// The name of the account, in any spelling.
        name: Cow<'a, str>,
        /// The device that logs in.
        device: DeviceName,
        /// The proof that the client may do so.
        proof: Proof<'a>,
    },
    /// Answers a challenge.
    Prove {
        /// The SSH signature in Base64, without its `-----BEGIN` and `-----END` lines. Unchecked.
        signature: Cow<'a, str>,
    },
    /// Asks for a token with which this device logs in from now on.
    Token,
    /// Changes how the account's owner is recognized.
    Passwd {
        /// The new credential.
        credential: Credential<'a>,
    },
    /// Asks for the devices of the account.
    Devices,
    /// Removes a device of the account.
    Revoke {
        /// The name of the device, in any spelling.
        device: Cow<'a, str>,
    },
    /// Deletes the account.
    Unclaim,
    /// Becomes a member of a room.
    Join {
        /// The room.
        target: Target<'a>,
        /// The word of a join link.
        invitation: Option<Secret>,
    },
    /// Leaves a room.
    Leave {
        /// The room.
        target: Target<'a>,
    },
    /// Sets the topic of a room.
    Topic {
        /// The room.
        target: Target<'a>,
        /// The topic. Empty: no topic.
        text: Text<'a>,
    },
    /// Invites somebody into a room.
    Invite {
        /// The room.
        target: Target<'a>,
        /// The person: a name, or an account id.
        who: Target<'a>,
        /// How long the invitation is valid. `None`: without an end.
        period: Option<Period>,
    },
    /// Makes a join link.
    Link {
        /// The room.
        target: Target<'a>,
        /// How long the link is valid. `None`: without an end.
        period: Option<Period>,
        /// How many accounts may join by it. `None`: any number.
        uses: Option<u64>,
    },
    /// Ends join links.
    Unlink {
        /// The room.
        target: Target<'a>,
        /// The word of the link. `None`: all links of the room.
        invitation: Option<Secret>,
    },
    /// Removes a member from a room.
    Kick {
        /// The room.
        target: Target<'a>,
        /// The person: a name, or an account id.
        who: Target<'a>,
    },
    /// Removes somebody from a room, who may not come back.
    Ban {
        /// The room.
        target: Target<'a>,
        /// The person: a name, or an account id.
        who: Target<'a>,
    },
    /// Lets somebody into a room again.
    Unban {
        /// The room.
        target: Target<'a>,
        /// The person: a name, or an account id.
        who: Target<'a>,
    },
    /// Lets somebody read in a room, and not write.
    Mute {
        /// The room.
        target: Target<'a>,
        /// The person: a name, or an account id.
        who: Target<'a>,
        /// How long. `None`: until `UNMUTE`.
        period: Option<Period>,
    },
    /// Lets somebody write in a room again.
    Unmute {
        /// The room.
        target: Target<'a>,
        /// The person: a name, or an account id.
        who: Target<'a>,
    },
    /// Ends the sessions of somebody, for operators.
    ServerKick {
        /// A name, an account id, or `@` and a prefix of addresses.
        who: Target<'a>,
        /// The reason, which the person is told. It may be empty.
        reason: Text<'a>,
    },
    /// Keeps somebody out of the server, for operators.
    ServerBan {
        /// A name, an account id, or `@` and a prefix of addresses.
        who: Target<'a>,
        /// How long. `None`: until `UNBAN`.
        period: Option<Period>,
        /// The reason, which the person is told. It may be empty.
        reason: Text<'a>,
    },
    /// Lets somebody into the server again, for operators.
    ServerUnban {
        /// A name, an account id, or `@` and a prefix of addresses.
        who: Target<'a>,
    },
    /// Reports a record to the operators.
    Report {
        /// The conversation.
        target: Target<'a>,
        /// The number of the record.
        seq: u64,
        /// The reason. It may be empty.
        reason: Text<'a>,
    },
    /// Empties records.
    Redact {
        /// The conversation.
        target: Target<'a>,
        /// The records.
        what: Redaction<'a>,
    },
    /// Says something in a conversation.
    Say {
        /// The conversation.
        target: Target<'a>,
        /// The checked text.
        text: Text<'a>,
    },
    /// Hears a conversation from now on, or from a position.
    Open {
        /// The conversation.
        target: Target<'a>,
        /// The position. `None`: from now on.
        position: Option<Position<'a>>,
    },
    /// No longer hears a conversation.
    Close {
        /// The conversation.
        target: Target<'a>,
    },
    /// Asks for older records.
    History {
        /// The conversation.
        target: Target<'a>,
        /// Only records with a lower number.
        before: u64,
        /// At most so many.
        count: u64,
    },
    /// Asks for the list of the account's conversations.
    Conversations,
    /// Sets the read marker.
    Read {
        /// The conversation.
        target: Target<'a>,
        /// The last record that was read.
        seq: u64,
    },
    /// Asks who has read a record.
    Readers {
        /// The conversation.
        target: Target<'a>,
        /// The number of the record.
        seq: u64,
    },
    /// Searches for words.
    Search {
        /// The conversation. `None`: all of them.
        target: Option<Target<'a>>,
        /// The words.
        words: Text<'a>,
    },
    /// Asks for the list of rooms.
    Rooms,
    /// Asks for the members of a room.
    Members {
        /// The room.
        target: Target<'a>,
    },
    /// Changes a setting of a room.
    Room {
        /// The room.
        target: Target<'a>,
        /// The name of the setting. Unchecked.
        setting: Cow<'a, str>,
        /// The new value. Unchecked.
        value: Text<'a>,
    },
    /// No longer hears somebody.
    Block {
        /// The person: a name, or an account id.
        who: Target<'a>,
    },
    /// Hears somebody again.
    Unblock {
        /// The person: a name, or an account id.
        who: Target<'a>,
    },
    /// Hears who comes and goes.
    Watch,
    /// No longer hears who comes and goes.
    Unwatch,
    /// Asks for the state of the connection.
    Wire,
}

/// A conversation or a person, as a client writes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target<'a> {
    /// A room: a word that begins with `#`. Unchecked: see [`RoomName`](super::RoomName).
    Room(Cow<'a, str>),
    /// A name, in any spelling and unchecked.
    Name(Cow<'a, str>),
    /// An account, written as `@` and its id.
    Account(u64),
}

/// A place in a conversation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Position<'a> {
    /// The epoch to which the number belongs. Unchecked.
    pub epoch: Cow<'a, str>,
    /// The last record that the client has, or 0.
    pub after: u64,
}

/// How the owner of an account is recognized.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Credential<'a> {
    /// By a password.
    Password(Secret),
    /// By an SSH key: the public key `ssh-ed25519` in Base64. Unchecked.
    Key(Cow<'a, str>),
}

/// What a client shows to log in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof<'a> {
    /// The password of the account.
    Password(Secret),
    /// The token of the device.
    Token(Secret),
    /// The public key of the account, `ssh-ed25519` in Base64 and unchecked. The server sends a challenge.
    Key(Cow<'a, str>),
}

/// The records that `REDACT` empties.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Redaction<'a> {
    /// The record of this number. A word of digits is always a number.
    Record(u64),
    /// All messages of this author: a name, or an account id.
    Author(Target<'a>),
}

/// Maximum length of a reason in bytes: two sentences. It must fit into the record of the audit log that names it.
pub const REASON_MAX_BYTES: usize = 512;

/// Stands for a ban without an end, before a reason that begins as a period does.
const FOREVER: &str = "forever";

impl<'a> Target<'a> {
    /// Reads a target. Every word is one.
    #[must_use]
    pub fn new(word: &'a str) -> Self {
        match word.as_bytes().first() {
            Some(b'#') => Self::Room(word.into()),
            Some(b'@') => match parse_number(&word[1..]) {
                Some(id) => Self::Account(id),
                None => Self::Name(word.into()),
            },
            _ => Self::Name(word.into()),
        }
    }

    /// Copies the borrowed text.
    #[must_use]
    pub fn into_owned(self) -> Target<'static> {
        match self {
            Self::Room(name) => Target::Room(owned(name)),
            Self::Name(name) => Target::Name(owned(name)),
            Self::Account(id) => Target::Account(id),
        }
    }
}

impl fmt::Display for Target<'_> {
    /// Writes the word of the target.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(name) | Self::Name(name) => f.write_str(name),
            Self::Account(id) => write!(f, "@{id}"),
        }
    }
}

impl Request<'_> {
    /// Copies the borrowed text, so that the request can be sent across a channel.
    #[must_use]
    pub fn into_owned(self) -> Request<'static> {
        Request { n: self.n, command: self.command.into_owned() }
    }
}

impl<'a> From<Command<'a>> for Request<'a> {
    fn from(command: Command<'a>) -> Self {
        Self { n: None, command }
    }
}

impl Command<'_> {
    /// Copies the borrowed text, so that the command can be sent across a channel.
    #[must_use]
    pub fn into_owned(self) -> Command<'static> {
        match self {
            Command::Version1(command) => Command::Version1(command.into_owned()),
            Command::Claim { credential } => Command::Claim { credential: credential.into_owned() },
            Command::Login { name, device, proof } => {
                let proof = match proof {
                    Proof::Password(secret) => Proof::Password(secret),
                    Proof::Token(secret) => Proof::Token(secret),
                    Proof::Key(key) => Proof::Key(owned(key)),
                };
                Command::Login { name: owned(name), device, proof }
            }
            Command::Prove { signature } => Command::Prove { signature: owned(signature) },
            Command::Token => Command::Token,
            Command::Passwd { credential } => Command::Passwd { credential: credential.into_owned() },
            Command::Devices => Command::Devices,
            Command::Revoke { device } => Command::Revoke { device: owned(device) },
            Command::Unclaim => Command::Unclaim,
            Command::Join { target, invitation } => Command::Join { target: target.into_owned(), invitation },
            Command::Leave { target } => Command::Leave { target: target.into_owned() },
            Command::Topic { target, text } => Command::Topic { target: target.into_owned(), text: text.into_owned() },
            Command::Invite { target, who, period } => {
                Command::Invite { target: target.into_owned(), who: who.into_owned(), period }
            }
            Command::Link { target, period, uses } => Command::Link { target: target.into_owned(), period, uses },
            Command::Unlink { target, invitation } => Command::Unlink { target: target.into_owned(), invitation },
            Command::Kick { target, who } => Command::Kick { target: target.into_owned(), who: who.into_owned() },
            Command::Ban { target, who } => Command::Ban { target: target.into_owned(), who: who.into_owned() },
            Command::Unban { target, who } => Command::Unban { target: target.into_owned(), who: who.into_owned() },
            Command::Mute { target, who, period } => {
                Command::Mute { target: target.into_owned(), who: who.into_owned(), period }
            }
            Command::Unmute { target, who } => Command::Unmute { target: target.into_owned(), who: who.into_owned() },
            Command::ServerKick { who, reason } => {
                Command::ServerKick { who: who.into_owned(), reason: reason.into_owned() }
            }
            Command::ServerBan { who, period, reason } => {
                Command::ServerBan { who: who.into_owned(), period, reason: reason.into_owned() }
            }
            Command::ServerUnban { who } => Command::ServerUnban { who: who.into_owned() },
            Command::Report { target, seq, reason } => {
                Command::Report { target: target.into_owned(), seq, reason: reason.into_owned() }
            }
            Command::Redact { target, what } => {
                let what = match what {
                    Redaction::Record(seq) => Redaction::Record(seq),
                    Redaction::Author(author) => Redaction::Author(author.into_owned()),
                };
                Command::Redact { target: target.into_owned(), what }
            }
            Command::Say { target, text } => Command::Say { target: target.into_owned(), text: text.into_owned() },
            Command::Open { target, position } => {
                let position = position.map(|Position { epoch, after }| Position { epoch: owned(epoch), after });
                Command::Open { target: target.into_owned(), position }
            }
            Command::Close { target } => Command::Close { target: target.into_owned() },
            Command::History { target, before, count } => {
                Command::History { target: target.into_owned(), before, count }
            }
            Command::Conversations => Command::Conversations,
            Command::Read { target, seq } => Command::Read { target: target.into_owned(), seq },
            Command::Readers { target, seq } => Command::Readers { target: target.into_owned(), seq },
            Command::Search { target, words } => {
                Command::Search { target: target.map(Target::into_owned), words: words.into_owned() }
            }
            Command::Rooms => Command::Rooms,
            Command::Members { target } => Command::Members { target: target.into_owned() },
            Command::Room { target, setting, value } => {
                Command::Room { target: target.into_owned(), setting: owned(setting), value: value.into_owned() }
            }
            Command::Block { who } => Command::Block { who: who.into_owned() },
            Command::Unblock { who } => Command::Unblock { who: who.into_owned() },
            Command::Watch => Command::Watch,
            Command::Unwatch => Command::Unwatch,
            Command::Wire => Command::Wire,
        }
    }
}

impl Credential<'_> {
    fn into_owned(self) -> Credential<'static> {
        match self {
            Self::Password(secret) => Credential::Password(secret),
            Self::Key(key) => Credential::Key(owned(key)),
        }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}
