//! Requests that the session sends one at a time, and the lines that answer them.
//!
//! The server may answer requests out of order: a reply that names a record waits for the disk, and others pass it. So
//! only one request without a number is in flight. Messages with a number are not affected.

use switchboard_protocol::version2::{Command, DoneVerb, Reply, TaggedReply};
use switchboard_protocol::{Command as Version1, Reply as Version1Reply};
use tokio::sync::oneshot;

use super::identity::AccountProof;
use super::views::ViewId;
use crate::connection_error::ConnectionError;
use crate::error::Error;

/// The maximum number of lines in one answer. A server has fewer rooms, conversations and members.
pub(crate) const ANSWER_LINES_MAX: usize = 1_000_000;

/// The maximum number of bytes in one answer: 512 MiB. The list of all rooms has half of it, if 65,536 rooms have the
/// longest topics.
pub(crate) const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// An answer: the lines of the list, and the line that ends it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) parts: Vec<TaggedReply<'static>>,
    pub(crate) last: Reply<'static>,
}

pub(crate) type AnswerSender = oneshot::Sender<Result<Answer, Error>>;

/// A request, and what happens with its answer.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) command: Command<'static>,
    pub(crate) purpose: Purpose,
    /// Whether the session may send the request again after a lost connection, because a second one changes nothing.
    pub(crate) is_repeatable: bool,
    /// The request is sent only while the session is in a chat of version 1 with this user.
    pub(crate) chat_peer: Option<String>,
    /// The lines of the answer so far.
    pub(crate) parts: Vec<TaggedReply<'static>>,
    /// The length of these lines.
    parts_bytes: usize,
}

/// Who gets the answer.
pub(crate) enum Purpose {
    /// The program.
    Answer(AnswerSender),
    /// The program, and the session itself: it is an account from now on.
    Claim(AnswerSender, AccountProof),
    /// The view that it opens.
    Open(ViewId),
    /// The view that it closes. `None`: the program has dropped it.
    Close(Option<ViewId>),
}

impl std::fmt::Debug for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Answer(_) => "Answer",
            Self::Claim(..) => "Claim",
            Self::Open(_) => "Open",
            Self::Close(_) => "Close",
        })
    }
}

impl Control {
    pub(crate) fn new(command: Command<'static>, purpose: Purpose, is_repeatable: bool) -> Self {
        Self { command, purpose, is_repeatable, chat_peer: None, parts: Vec::new(), parts_bytes: 0 }
    }

    /// Adds a line of `n_bytes` bytes to the answer. Fails if the answer is longer than any server's.
    pub(crate) fn push_part(&mut self, part: TaggedReply<'static>, n_bytes: usize) -> Result<(), ConnectionError> {
        self.parts_bytes += n_bytes;
        if self.parts.len() >= ANSWER_LINES_MAX || self.parts_bytes > ANSWER_BYTES_MAX {
            let reason =
                format!("the server sent more than {ANSWER_LINES_MAX} lines or {ANSWER_BYTES_MAX} bytes as one answer");
            return Err(ConnectionError::Failed { reason });
        }
        self.parts.push(part);
        Ok(())
    }

    /// The connection was lost: the answer begins anew.
    pub(crate) fn forget_parts(&mut self) {
        (self.parts, self.parts_bytes) = (Vec::new(), 0);
    }

    /// Whether `reply` is one line of the list that answers this request.
    pub(crate) fn takes_part(&self, reply: &Reply<'_>) -> bool {
        match (&self.command, reply) {
            (Command::History { .. } | Command::Search { .. }, Reply::Record(record)) => record.is_past,
            (Command::History { .. } | Command::Search { .. }, Reply::Gap { .. })
            | (Command::Rooms, Reply::Room { .. })
            | (Command::Conversations, Reply::Conversation { .. })
            | (Command::Members { .. }, Reply::Member { .. })
            | (Command::Devices, Reply::Device { .. }) => true,
            _ => false,
        }
    }

    /// Whether `reply` ends the answer to this request. An error does, too.
    pub(crate) fn is_answered_by(&self, reply: &Reply<'_>) -> bool {
        match &self.command {
            Command::Version1(command) => {
                matches!(reply, Reply::Version1(reply) if is_answered_in_version_1(command, reply))
            }
            Command::History { .. } => matches!(reply, Reply::HistoryOk { .. }),
            Command::Search { .. } => matches!(reply, Reply::SearchOk { .. }),
            Command::Rooms => matches!(reply, Reply::RoomsOk { .. }),
            Command::Conversations => matches!(reply, Reply::ConversationsOk { .. }),
            Command::Members { .. } => matches!(reply, Reply::MembersOk { .. }),
            Command::Devices => matches!(reply, Reply::DevicesOk { .. }),
            Command::Read { .. } => matches!(reply, Reply::ReadOk { .. }),
            Command::Readers { .. } => matches!(reply, Reply::Readers { .. }),
            Command::Token => matches!(reply, Reply::TokenOk { .. }),
            Command::Claim { .. } => matches!(reply, Reply::ClaimOk { .. }),
            Command::Revoke { .. } => matches!(reply, Reply::RevokeOk { .. }),
            Command::Say { .. } => matches!(reply, Reply::Said { .. }),
            Command::Open { .. } => matches!(reply, Reply::OpenOk { .. }),
            Command::Close { .. } => matches!(reply, Reply::CloseOk { .. }),
            Command::Block { .. } => matches!(reply, Reply::BlockOk { .. }),
            Command::Unblock { .. } => matches!(reply, Reply::UnblockOk { .. }),
            Command::Watch => matches!(reply, Reply::WatchOk),
            Command::Unwatch => matches!(reply, Reply::UnwatchOk),
            Command::Wire => matches!(reply, Reply::WireOk { .. }),
            Command::Join { .. } => is_done(DoneVerb::Join, reply),
            Command::Leave { .. } => is_done(DoneVerb::Leave, reply),
            Command::Topic { .. } => is_done(DoneVerb::Topic, reply),
            Command::Invite { .. } => is_done(DoneVerb::Invite, reply),
            Command::Link { .. } => matches!(reply, Reply::LinkOk { .. }),
            Command::Unlink { .. } => is_done(DoneVerb::Unlink, reply),
            Command::Kick { .. } | Command::ServerKick { .. } => is_done(DoneVerb::Kick, reply),
            Command::Ban { .. } | Command::ServerBan { .. } => is_done(DoneVerb::Ban, reply),
            Command::Unban { .. } | Command::ServerUnban { .. } => is_done(DoneVerb::Unban, reply),
            Command::Report { .. } => is_done(DoneVerb::Report, reply),
            Command::Mute { .. } => is_done(DoneVerb::Mute, reply),
            Command::Unmute { .. } => is_done(DoneVerb::Unmute, reply),
            Command::Redact { .. } => is_done(DoneVerb::Redact, reply),
            Command::Room { .. } => is_done(DoneVerb::Room, reply),
            // The handshake sends the first two. The session sends no request of the others.
            Command::Login { .. } | Command::Prove { .. } | Command::Passwd { .. } | Command::Unclaim => false,
        }
    }

    /// The word for the conversation that the request names.
    pub(crate) fn command_target(&self) -> Option<String> {
        match &self.command {
            Command::History { target, .. }
            | Command::Members { target }
            | Command::Read { target, .. }
            | Command::Readers { target, .. }
            | Command::Search { target: Some(target), .. }
            | Command::Say { target, .. }
            | Command::Open { target, .. }
            | Command::Close { target }
            | Command::Join { target, .. }
            | Command::Leave { target }
            | Command::Topic { target, .. }
            | Command::Invite { target, .. }
            | Command::Link { target, .. }
            | Command::Unlink { target, .. }
            | Command::Kick { target, .. }
            | Command::Ban { target, .. }
            | Command::Unban { target, .. }
            | Command::Mute { target, .. }
            | Command::Unmute { target, .. }
            | Command::Room { target, .. }
            | Command::Report { target, .. }
            | Command::Redact { target, .. } => Some(target.to_string()),
            Command::ServerKick { .. } | Command::ServerBan { .. } | Command::ServerUnban { .. } => {
                Some("*".to_owned())
            }
            _ => None,
        }
    }
}

fn is_done(expected: DoneVerb, reply: &Reply<'_>) -> bool {
    matches!(reply, Reply::Done { verb, .. } if *verb == expected)
}

fn is_answered_in_version_1(command: &Version1<'_>, reply: &Version1Reply<'_>) -> bool {
    match command {
        Version1::Register { .. } => matches!(reply, Version1Reply::RegisterOk { .. }),
        Version1::Connect { .. } => matches!(reply, Version1Reply::ConnectOk { .. }),
        Version1::Msg { .. } => matches!(reply, Version1Reply::MsgSent),
        Version1::Disconnect => matches!(reply, Version1Reply::DisconnectOk),
        Version1::Ping => matches!(reply, Version1Reply::Pong),
        Version1::Who => matches!(reply, Version1Reply::Users { .. }),
        // Only the line dialect has it.
        Version1::Tell { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_bound() {
        let (answer_tx, _answer) = oneshot::channel();
        let mut control = Control::new(Command::Rooms, Purpose::Answer(answer_tx), true);
        let part = || TaggedReply::from(Reply::RoomsOk { count: 1 });
        control.push_part(part(), ANSWER_BYTES_MAX).expect("the longest answer");
        control.push_part(part(), 1).expect_err("one byte more");
        control.forget_parts();
        for _ in 0..ANSWER_LINES_MAX {
            control.push_part(part(), 1).expect("as many lines as there may be");
        }
        control.push_part(part(), 1).expect_err("one line more");
    }
}
