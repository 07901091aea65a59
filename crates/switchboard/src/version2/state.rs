//! The state that the core keeps for a session of version 2.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use switchboard_protocol::version2::{Command, DeviceName};

use super::commit_queue::PendingReply;
use crate::change::{AccountId, ConversationId, Credential, DeviceId, LastSent, TokenHash};
use crate::reads::Ticket;
use crate::session::SessionId;

/// A session of version 2. Sessions of version 1 have none of this.
#[derive(Debug, Default)]
pub(crate) struct SessionState {
    /// The account and device as which the session is logged in. `None` for a guest.
    pub(crate) device: Option<(AccountId, DeviceId)>,
    /// The conversations that are open.
    pub(crate) open: BTreeSet<ConversationId>,
    /// The conversation to which `MSG` goes.
    pub(crate) partner: Option<ConversationId>,
    /// Number of its outputs in the commit queue.
    pub(crate) queued_outputs: usize,
    /// Whether its commands are read later. Then a change of its state must be followed by `check_pause`.
    pub(crate) is_paused: bool,
    /// The open conversations whose next records have to be read from the store, in the order of the reads.
    pub(crate) behind: VecDeque<ConversationId>,
    /// The read for one of them that is under way. A session has at most two questions at a time, this one and the first
    /// of its lane, so that no session takes the readers of the store from the others.
    pub(crate) view_read: Option<Ticket>,
    /// Replies that wait for an answer of the store, in order.
    pub(crate) lane: VecDeque<LaneItem>,
    /// An unfinished change of its identity. Meanwhile only `PING` is carried out.
    pub(crate) identity: Option<IdentityStep>,
    /// The number of the command that began the last check of its identity. A device belongs to the session whose check
    /// began last, not to the one whose check took longest.
    pub(crate) check_began: u64,
    /// The first line that came during a check of its identity, other than `PING`. The session is paused then.
    pub(crate) deferred: Option<Deferred>,
    /// Whether the client has sent its last line.
    pub(crate) is_ending: bool,
    /// Whether a `REDACT` or a `REPORT` waits for its record. Meanwhile the session is paused, so that the reply keeps its
    /// place.
    pub(crate) awaits_record: bool,
    /// The conversations of whose new records it was not told because its outbox had no room.
    pub(crate) missed_news: BTreeSet<ConversationId>,
    /// The newest read markers of its account of which it was not told because its outbox had no room.
    pub(crate) missed_markers: BTreeMap<ConversationId, u64>,
    /// Rises with each command of any session, to find the device that was used last.
    pub(crate) last_active: u64,
    /// Its use of storage as a guest.
    pub(crate) usage: Usage,
}

impl SessionState {
    /// Whether the session has to receive further lines for its requests so far.
    pub(crate) fn is_owed_lines(&self) -> bool {
        self.is_being_identified()
            || self.queued_outputs > 0
            || !self.lane.is_empty()
            || !self.behind.is_empty()
            || self.view_read.is_some()
    }

    /// Whether a change of its identity is under way. If so, the lines that come now must wait for it.
    pub(crate) fn is_being_identified(&self) -> bool {
        self.identity.as_ref().is_some_and(IdentityStep::pauses)
    }
}

/// A line that came during a check of the identity.
#[derive(Debug)]
pub(crate) enum Deferred {
    /// A request with its number `n`.
    Request(Option<u64>, Box<Command<'static>>),
    /// The report about a line that is no request.
    Refusal(Vec<u8>),
}

/// The use of storage in the last 24 hours.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// When the count began, in milliseconds.
    pub(crate) start: u64,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Number of rooms that an account has made.
    pub(crate) rooms: usize,
    pub(crate) reports: Reports,
}

/// The reports in the last hour.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reports {
    /// When the count began, in milliseconds.
    pub(crate) start: u64,
    pub(crate) count: u64,
}

/// A reply that keeps its place among the replies of its session.
#[derive(Debug)]
pub(crate) enum LaneItem {
    /// A line.
    Line(Vec<u8>),
    /// A line that follows the record of this number on the same session.
    AfterRecord(ConversationId, u64, Vec<u8>),
    /// The end of a view, by a `DISCONNECT` or `LEAVE`. An `OPEN` before it may still be here.
    CloseView(ConversationId),
    /// A request whose records must not overtake the replies before it, or whose reply may be long.
    Request(Option<u64>, Box<Command<'static>>),
    /// The rest of a list, which is sent in parts.
    List(List),
    /// The answer to this question, or an `ERROR` with this target. Only the first item of a lane is asked.
    Read(LaneRead, Option<String>),
    /// The same, after the question was asked.
    Asked(LaneRead, Option<String>),
}

/// A list, as far as it is sent.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) cursor: ListCursor,
    /// Number of its lines so far.
    pub(crate) count: u64,
    /// Whether its next part waits for its turn among the lists of all sessions.
    pub(crate) is_waiting: bool,
}

/// The last entry of a list that is sent.
#[derive(Debug)]
pub(crate) enum ListCursor {
    /// `ROOMS`, by the folded names.
    Rooms(Option<Box<str>>),
    /// `CONVERSATIONS`.
    Conversations(Option<ConversationId>),
    /// `MEMBERS` of a conversation: the accounts, and then the guests.
    Members(ConversationId, Option<AccountId>),
    /// The guests of a `MEMBERS`.
    Guests(ConversationId, Option<SessionId>),
}

/// A request that needs an answer of the store.
#[derive(Debug)]
pub(crate) enum LaneRead {
    /// `HISTORY`.
    History {
        /// Where.
        conversation: ConversationId,
        /// The last record when the request came.
        last: u64,
        /// Only records below this.
        before: u64,
        /// How many.
        count: usize,
    },
    /// `SEARCH`.
    Search {
        /// The conversation, and its last record when the request came. `None`: all conversations.
        within: Option<(ConversationId, u64)>,
        /// The words to find.
        words: String,
    },
    /// A `SAY` or `MSG` with an `n` that is not new.
    Sent {
        /// Where.
        conversation: ConversationId,
        /// The newest record of the device when the request came. It is durable when the store is asked.
        last: LastSent,
        /// The number of the request.
        n: u64,
        /// The reply, if the record is found.
        reply: PendingReply,
    },
    /// `REPORT`: the record is quoted.
    Report {
        /// Where.
        conversation: ConversationId,
        /// The record.
        seq: u64,
        /// The reason.
        reason: String,
    },
    /// `REDACT` of one record: its author has to be known.
    Redact {
        /// Where.
        conversation: ConversationId,
        /// The record.
        seq: u64,
    },
}

impl LaneRead {
    /// The conversation, if it is about one.
    pub(crate) fn conversation(&self) -> Option<ConversationId> {
        match *self {
            Self::History { conversation, .. }
            | Self::Sent { conversation, .. }
            | Self::Report { conversation, .. }
            | Self::Redact { conversation, .. } => Some(conversation),
            Self::Search { within, .. } => within.map(|(conversation, _)| conversation),
        }
    }
}

/// A change of identity that waits for the shell or the store.
#[derive(Debug)]
pub(crate) enum IdentityStep {
    /// `CLAIM password`, until the password is hashed.
    Claim,
    /// `PASSWD password`, until the password is hashed.
    Passwd,
    /// `LOGIN`, until the secret or the signature is checked.
    Login(LoginAttempt),
    /// `LOGIN … key`, until there is a challenge.
    Challenge(LoginAttempt),
    /// `LOGIN … key`, until the client proves that it has the key to this challenge. Further lines do not wait.
    AwaitsProof(LoginAttempt, String),
    /// `TOKEN`, until there is a token.
    Token,
    /// The change is appended, and takes effect once the store has it.
    Commit(IdentityChange),
}

/// A `LOGIN` that is being checked.
#[derive(Debug)]
pub(crate) struct LoginAttempt {
    /// The account with this name, if there is one.
    pub(crate) account: Option<AccountId>,
    /// The name in its folded form, or as it was sent if it is no name.
    pub(crate) name: String,
    pub(crate) device: DeviceName,
    /// What the secret or the signature is checked against, if the account has it.
    pub(crate) checked: Option<Checked>,
}

/// What proves a `LOGIN`. It must be the same when the check is done: it may be replaced meanwhile.
#[derive(Debug)]
pub(crate) enum Checked {
    /// The password or the key of the account.
    Credential(Credential),
    /// The token of the device.
    Token(TokenHash),
}

/// A change of identity that the store is about to have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum IdentityChange {
    /// The guest becomes an account.
    Claim(AccountId, DeviceId),
    /// The session logs in as a new device.
    Login(AccountId, DeviceId),
    /// The account is deleted.
    Unclaim,
}

impl IdentityStep {
    /// Whether further lines of the session wait for this step.
    pub(crate) fn pauses(&self) -> bool {
        !matches!(self, Self::AwaitsProof(..))
    }
}
