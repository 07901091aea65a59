//! The requests of a session that have one answer.

use std::time::Duration;

use switchboard_protocol::limits::TEXT_MAX_BYTES;
use switchboard_protocol::version2::{Command, Credential, Reply, Secret, Standing, TaggedReply, Target};
use switchboard_protocol::{Command as Version1, Reply as Version1Reply, Text};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::control::{Answer, AnswerSender, Control, Purpose};
use super::driver::Request;
use super::handshake::unexpected;
use super::identity::{AccountProof, Signer};
use super::item::{ConversationInfo, Gap, Item, Record, RoomInfo};
use super::session::{Session, check_word};
use crate::error::Error;

/// The answer to a search.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// The records, newest first: at most 64.
    pub items: Vec<Item>,
    /// Whether the search ended at a bound, so that older records may hold the words, too.
    pub has_more: bool,
}

/// The accounts that have read a record.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Readers {
    /// Their names.
    pub names: Vec<String>,
    /// Whether there are more than the server has named.
    pub has_more: bool,
}

impl Session {
    /// Becomes a member of a room. Returns the number of the record that says so.
    pub async fn join(&self, room: &str) -> Result<u64, Error> {
        let room = check_word(room)?;
        self.done("JOIN", Command::Join { target: Target::new(&room).into_owned(), invitation: None }).await
    }

    /// Leaves a room. Returns the number of the record that says so.
    pub async fn leave(&self, room: &str) -> Result<u64, Error> {
        let room = check_word(room)?;
        self.done("LEAVE", Command::Leave { target: Target::new(&room).into_owned() }).await
    }

    /// Returns the last `count` records before the number `before`, oldest first: at most 256, among them gaps.
    pub async fn history(&self, target: &str, before: u64, count: u64) -> Result<Vec<Item>, Error> {
        let word = check_word(target)?;
        let command = Command::History { target: Target::new(&word).into_owned(), before, count };
        let answer = self.control(command, true).await?;
        match answer.last {
            Reply::HistoryOk { .. } => Ok(answer.parts.into_iter().filter_map(to_item).collect()),
            other => Err(unexpected("HISTORY", &other)),
        }
    }

    /// Searches the records that hold all of the words. `target` is a conversation, or `None` for all of them.
    pub async fn search(&self, target: Option<&str>, words: &str) -> Result<Found, Error> {
        if words.trim().is_empty() {
            return Err(Error::Blank);
        }
        let target = target.map(check_word).transpose()?;
        let words = Text::new(words, TEXT_MAX_BYTES)?;
        let command = Command::Search { target: target.as_deref().map(Target::new), words }.into_owned();
        let answer = self.control(command, true).await?;
        match answer.last {
            Reply::SearchOk { has_more, .. } => {
                Ok(Found { items: answer.parts.into_iter().filter_map(to_item).collect(), has_more })
            }
            other => Err(unexpected("SEARCH", &other)),
        }
    }

    /// Returns the rooms that this session may know of.
    pub async fn rooms(&self) -> Result<Vec<RoomInfo>, Error> {
        let answer = self.control(Command::Rooms, true).await?;
        let to_room = |part: TaggedReply<'static>| match part.reply {
            Reply::Room { target, members, topic } => {
                Some(RoomInfo { room: target.into_owned(), members, topic: topic.into_owned() })
            }
            _ => None,
        };
        match answer.last {
            Reply::RoomsOk { .. } => Ok(answer.parts.into_iter().filter_map(to_room).collect()),
            other => Err(unexpected("ROOMS", &other)),
        }
    }

    /// Returns the members of a room, each with its standing. Invited and banned accounts are among them, and guests
    /// who have the room open.
    pub async fn members(&self, target: &str) -> Result<Vec<(String, Standing)>, Error> {
        let word = check_word(target)?;
        let answer = self.control(Command::Members { target: Target::new(&word).into_owned() }, true).await?;
        let to_member = |part: TaggedReply<'static>| match part.reply {
            Reply::Member { name, standing, .. } => Some((name.into_owned(), standing)),
            _ => None,
        };
        match answer.last {
            Reply::MembersOk { .. } => Ok(answer.parts.into_iter().filter_map(to_member).collect()),
            other => Err(unexpected("MEMBERS", &other)),
        }
    }

    /// Returns the members whose read marker is at the record `seq` or after it.
    pub async fn readers(&self, target: &str, seq: u64) -> Result<Readers, Error> {
        let word = check_word(target)?;
        let command = Command::Readers { target: Target::new(&word).into_owned(), seq };
        match self.control(command, true).await?.last {
            Reply::Readers { names, has_more, .. } => {
                Ok(Readers { names: names.iter().map(str::to_owned).collect(), has_more })
            }
            other => Err(unexpected("READERS", &other)),
        }
    }

    /// Asks for the news [`Came`](super::News::Came) and [`Gone`](super::News::Gone), until the connection is lost.
    pub async fn watch(&self) -> Result<(), Error> {
        match self.control(Command::Watch, true).await?.last {
            Reply::WatchOk => Ok(()),
            other => Err(unexpected("WATCH", &other)),
        }
    }

    /// Returns the names that are connected to the server.
    pub async fn who(&self) -> Result<Vec<String>, Error> {
        match self.control(Command::Version1(switchboard_protocol::Command::Who), true).await?.last {
            Reply::Version1(switchboard_protocol::Reply::Users { names }) => {
                Ok(names.iter().map(str::to_owned).collect())
            }
            other => Err(unexpected("WHO", &other)),
        }
    }

    /// Sends a `PING`, and returns the time until the answer. It includes the wait for requests before this one.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let sent_at = Instant::now();
        match self.control(Command::Version1(switchboard_protocol::Command::Ping), true).await?.last {
            Reply::Version1(switchboard_protocol::Reply::Pong) => Ok(sent_at.elapsed()),
            other => Err(unexpected("PING", &other)),
        }
    }

    /// Returns the conversations of the account.
    pub async fn conversations(&self) -> Result<Vec<ConversationInfo>, Error> {
        let answer = self.control(Command::Conversations, true).await?;
        let Reply::ConversationsOk { .. } = answer.last else {
            return Err(unexpected("CONVERSATIONS", &answer.last));
        };
        let mut list: Vec<ConversationInfo> = Vec::new();
        for part in answer.parts {
            let Reply::Conversation { target, epoch, first, last, read } = part.reply else { continue };
            // The server also sends such a line when new records come, even in the middle of the list.
            list.retain(|other| other.target != target);
            list.push(ConversationInfo { target: target.into_owned(), epoch: epoch.into_owned(), first, last, read });
        }
        Ok(list)
    }

    /// Moves the account's read marker up to `seq`. Returns where it is now.
    pub async fn read(&self, target: &str, seq: u64) -> Result<u64, Error> {
        let word = check_word(target)?;
        let command = Command::Read { target: Target::new(&word).into_owned(), seq };
        match self.control(command, true).await?.last {
            Reply::ReadOk { seq, .. } => Ok(seq),
            other => Err(unexpected("READ", &other)),
        }
    }

    /// Says `text` in the chat of version 1, if it is still with the user `name` when the text is sent. `Ok` means that
    /// the text is on its way: it is stored nowhere.
    pub async fn say_in_chat(&self, name: &str, text: &str) -> Result<(), Error> {
        if text.trim().is_empty() {
            return Err(Error::Blank);
        }
        let text = Text::new(text, TEXT_MAX_BYTES)?;
        let command = Command::Version1(Version1::Msg { text }).into_owned();
        let (answer_tx, answer_rx) = oneshot::channel();
        let mut control = Control::new(command, Purpose::Answer(answer_tx), false);
        control.chat_peer = Some(name.to_owned());
        self.send(Request::Control(control)).await?;
        match answer_rx.await.unwrap_or_else(|_| Err(self.ended()))?.last {
            Reply::Version1(Version1Reply::MsgSent) => Ok(()),
            other => Err(unexpected("MSG", &other)),
        }
    }

    /// Turns the guest's name into an account with a password. The session becomes its device `main`.
    pub async fn claim(&self, password: Secret) -> Result<String, Error> {
        let command = Command::Claim { credential: Credential::Password(password.clone()) };
        self.claim_as(command, AccountProof::Password(password)).await
    }

    /// Turns the guest's name into an account with an SSH key. The session becomes its device `main`.
    pub async fn claim_key(&self, public_key: &str, signer: Signer) -> Result<String, Error> {
        let public_key = check_word(public_key)?;
        let command = Command::Claim { credential: Credential::Key(public_key.clone().into()) };
        self.claim_as(command, AccountProof::Key { public_key, signer }).await
    }

    async fn claim_as(&self, command: Command<'static>, proof: AccountProof) -> Result<String, Error> {
        let answer = self.send_control(command, false, |answer_tx| Purpose::Claim(answer_tx, proof)).await?;
        match answer.last {
            Reply::ClaimOk { name } => Ok(name.into_owned()),
            other => Err(unexpected("CLAIM", &other)),
        }
    }

    /// Makes a token with which this device logs in from now on. An earlier token of the device ends.
    pub async fn token(&self) -> Result<Secret, Error> {
        match self.control(Command::Token, false).await?.last {
            Reply::TokenOk { token } => Ok(token),
            other => Err(unexpected("TOKEN", &other)),
        }
    }

    async fn done(&self, verb: &'static str, command: Command<'static>) -> Result<u64, Error> {
        match self.control(command, true).await?.last {
            Reply::Done { seq, .. } => Ok(seq),
            other => Err(unexpected(verb, &other)),
        }
    }

    pub(super) async fn control(&self, command: Command<'static>, is_repeatable: bool) -> Result<Answer, Error> {
        self.send_control(command, is_repeatable, Purpose::Answer).await
    }

    async fn send_control(
        &self,
        command: Command<'static>,
        is_repeatable: bool,
        purpose: impl FnOnce(AnswerSender) -> Purpose,
    ) -> Result<Answer, Error> {
        let (answer_tx, answer_rx) = oneshot::channel();
        self.send(Request::Control(Control::new(command, purpose(answer_tx), is_repeatable))).await?;
        answer_rx.await.unwrap_or_else(|_| Err(self.ended()))
    }
}

fn to_item(part: TaggedReply<'static>) -> Option<Item> {
    match part.reply {
        Reply::Record(record) => Some(Item::Record(Record::new(record, part.n))),
        Reply::Gap { target, from, to, reason, .. } => {
            Some(Item::Gap(Gap { target: target.into_owned(), from, to, reason }))
        }
        _ => None,
    }
}
