//! Version 2 of the protocol: conversations and accounts.
//!
//! The core decides each request at once. A reply that names the number of a record stays in the [`CommitQueue`] until
//! the store has the record. A request that only reads follows the changes of its session through this queue, so that
//! its answer shows them. A reply that needs an answer of the store stays in the lane of its session ([`LaneItem`]).
//! All other replies leave at once.
//!
//! ```text
//! request ─▶ change ─▶ CommitQueue ──durable──▶ viewers, and the lane of the author ─▶ outbox
//!         └▶ question ───────────────────────▶ lane ──answer──▶ outbox
//! ```

mod identity;
mod lane;
mod lists;
mod outage;
mod retention;
mod rooms;
mod say;
pub(crate) mod state;
mod version1;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{
    Command, DoneVerb, Reply, Request, RequestError, RoomName, TaggedReply, Target, Words,
};

use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId, Record, Snapshot};
use crate::commit_queue::{CommitQueue, Position};
use crate::conversation::Progress;
use crate::effects::{Effects, StoreEffects};
use crate::ledger::Ledger;
use crate::reads::{Answer, Ticket};
use crate::session::{Session, SessionId};
pub use retention::Quota;
use state::{IdentityStep, LaneItem, LaneRead, SessionState, Usage};

/// The state of version 2.
#[derive(Debug, Default)]
pub(crate) struct Version2 {
    pub(crate) ledger: Ledger,
    pub(crate) sessions: HashMap<SessionId, SessionState>,
    commit_queue: CommitQueue<QueuedOutput>,
    /// Bytes of the records in the queue.
    queued_bytes: usize,
    /// Why nothing can be stored now, if nothing can.
    outage: Option<ErrorCode>,
    /// The place of the last durable change.
    durable: Position,
    /// The questions to the store that are not answered yet.
    questions: HashMap<Ticket, Question>,
    next_ticket: u64,
    /// The sessions whose commands wait.
    paused: BTreeSet<SessionId>,
    watchers: BTreeSet<SessionId>,
    /// Number of commands so far.
    activity: u64,
    /// The queues through which the replies of the present request go.
    reply_path: ReplyPath,
    settings: Version2Settings,
    /// What all guests together have stored.
    guests_usage: Usage,
    /// The open conversations whose records could not be read. [`Switchboard::tick`] tries again.
    unread_views: BTreeSet<(SessionId, ConversationId)>,
    /// The first conversation at which [`Switchboard::tick`] looks next.
    expiry_cursor: ConversationId,
}

/// The settings of version 2.
#[derive(Clone, Debug)]
pub struct Version2Settings {
    /// The name of the server: one word.
    pub server_name: String,
    /// The words after the name in `HELLO_OK`, separated by spaces.
    pub capabilities: String,
    /// Whether guests may create rooms.
    pub guests_create_rooms: bool,
    /// Maximum records of a conversation, for a store in memory. Older ones expire.
    pub memory_records_max: Option<u64>,
    /// What an account may store.
    pub account_quota: Quota,
    /// What a guest may store.
    pub guest_quota: Quota,
    /// What all guests together may store, because a guest may come back under another name.
    pub all_guests_quota: Quota,
}

impl Default for Version2Settings {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            server_name: "switchboard".to_owned(),
            capabilities: String::new(),
            guests_create_rooms: true,
            memory_records_max: None,
            // Far more than people write, and little enough that one of them does not fill a disk in a day.
            account_quota: Quota { records: 1_000_000, bytes: 1024 * MIB },
            guest_quota: Quota { records: 10_000, bytes: 4 * MIB },
            all_guests_quota: Quota { records: 1_000_000, bytes: 256 * MIB },
        }
    }
}

/// An output in the commit queue. It is released when the store has the change before it.
#[derive(Debug)]
enum QueuedOutput {
    /// A record for the readers of its conversation.
    Record(Arc<Record>, RecordContext),
    /// A reply that needs no change, but keeps its place among the replies of its session.
    Line(SessionId, Vec<u8>),
    /// The reply to a change. If the change is not stored, an `ERROR` with this target takes its place.
    Result(SessionId, Option<String>, Vec<u8>),
    /// The `CONNECT_OK` of a conversation, which is then opened if it is still the partner. If it is not stored, the
    /// session has no partner.
    Connected(SessionId, ConversationId, Target<'static>),
    /// A line for a session whose request it does not answer.
    Push(SessionId, Vec<u8>),
    /// A question for the lane of its session.
    Read(SessionId, LaneRead),
    /// A request that stores nothing.
    Request(SessionId, Option<u64>, Box<Command<'static>>),
    /// The change of identity that is stored now.
    Identity(SessionId),
}

/// What belongs to a record in the commit queue.
#[derive(Clone, Copy, Debug)]
struct RecordContext {
    /// The session of its author.
    author: SessionId,
    /// The reply to its author.
    reply: Option<PendingReply>,
    /// The account that has left, or was removed or invited.
    about: Option<AccountId>,
}

/// The reply to the author of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PendingReply {
    /// `SAID`.
    Said(Option<u64>),
    /// `MSG_SENT`.
    MsgSent(Option<u64>),
    /// `JOIN_OK` and the like.
    Done(DoneVerb),
}

/// The queues through which a reply goes, so that it keeps its place among the replies of its session. A queue that
/// holds nothing of this session is passed at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum ReplyPath {
    /// Commit queue, lane, outbox: the request has just arrived.
    #[default]
    CommitQueue,
    /// Lane, outbox: the request itself was in the commit queue, and has left it.
    Lane,
    /// Outbox: the request itself was the first item of the lane.
    Direct,
}

/// Who asked a question.
#[derive(Debug)]
enum Question {
    /// A session that has the conversation open. The records up to this number were asked for.
    Viewer(SessionId, ConversationId, u64),
    /// The first item of the session's lane.
    Lane(SessionId),
    /// The retention of a conversation.
    Old(ConversationId),
}

/// Maximum outputs of a session in the commit queue, before its further commands wait. A client leaves at most 1,024
/// messages unanswered (protocol-2 promise 2).
const QUEUED_OUTPUTS_MAX: usize = 1024;

/// Maximum items in a session's lane, before its further commands wait.
const LANE_MAX: usize = 1024;

/// While more bytes of records are queued, the sessions that have queued some wait: 32 MiB is a third of a second of
/// messages at the rate at which a disk takes them.
const QUEUED_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Maximum lines that one event releases, but for the last record: some hundred microseconds of work.
const EVENT_WORK_MAX: usize = 512;

/// What a queued record costs besides its text.
const RECORD_OVERHEAD_BYTES: usize = 200;

/// Maximum conversations that a session has open.
const OPEN_MAX: usize = 1024;

/// Maximum sessions that hear who comes and goes.
const WATCHERS_MAX: usize = 1024;

impl Version2 {
    /// Whether any session speaks version 2. A server without such a session does no work for it.
    #[inline]
    pub(crate) fn is_spoken(&self) -> bool {
        !self.sessions.is_empty()
    }
}

impl Switchboard {
    /// Replaces the accounts and conversations by those of a store.
    pub fn load(&mut self, snapshot: Snapshot, settings: Version2Settings) {
        self.version2.ledger = Ledger::load(snapshot, Position::default());
        self.version2.settings = settings;
    }

    /// Opens version 2 for a session. `HELLO 2` was its first line.
    pub fn hello(&mut self, from: SessionId, effects: &mut impl StoreEffects) {
        if !self.sessions.contains_key(from) {
            return;
        }
        self.version2.sessions.insert(from, SessionState::default());
        let Version2Settings { server_name, capabilities, .. } = self.version2.settings.clone();
        let (server, capabilities) = (server_name.into(), Words::from_space_separated(&capabilities));
        self.send_now(from, &Reply::HelloOk { version: 2, server, capabilities }, effects);
        self.settle(effects);
    }

    /// Applies a request of a session of version 2.
    pub fn request(&mut self, from: SessionId, request: Request<'_>, effects: &mut impl StoreEffects) {
        self.version2.activity += 1;
        let activity = self.version2.activity;
        let Some(state) = self.version2.sessions.get_mut(&from) else { return };
        state.last_active = activity;
        let Request { n, command } = request;
        let target = target_word(&command);
        if let Err(code) = self.carry_out(from, n, command, effects) {
            self.refuse(from, n, code, target.as_deref(), effects);
        }
        self.settle(effects);
    }

    /// Reports a line that is no request. The report keeps its place among the replies.
    pub fn reject(&mut self, from: SessionId, error: &RequestError<'_>, effects: &mut impl StoreEffects) {
        self.refuse(from, error.n, error.reason.code(), error.target, effects);
        self.settle(effects);
    }

    /// Whether further commands of the session must wait. If so, [`StoreEffects::resume`] tells when they may go on.
    pub fn is_paused(&mut self, session: SessionId) -> bool {
        let is_paused = self.must_pause(session);
        if is_paused {
            self.version2.paused.insert(session);
        }
        is_paused
    }

    /// The client has sent its last line. Returns whether replies to its lines are not complete: then the session goes
    /// on until they are, and [`StoreEffects::resume`] tells when.
    pub fn end_of_input(&mut self, session: SessionId) -> bool {
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.is_ending = true;
        }
        self.is_paused(session)
    }

    /// The store has all changes up to `position`: releases the output that waits for them, or a part of it if it is
    /// much, so that other sessions get their turns. Returns whether more is left: then call this again.
    #[must_use]
    pub fn durable(&mut self, position: Position, effects: &mut impl StoreEffects) -> bool {
        self.version2.durable = self.version2.durable.max(position);
        self.settle(effects);
        self.version2.commit_queue.has_durable(self.version2.durable)
    }

    /// Does what the last event has made possible: releases output, resumes sessions, and closes overflowed ones.
    fn settle(&mut self, effects: &mut impl StoreEffects) {
        self.release(effects);
        self.close_overflowed(effects);
        self.resume_sessions(effects);
    }

    /// Releases durable output, within the bound on the work of one event.
    fn release(&mut self, effects: &mut impl StoreEffects) {
        let mut work = 0;
        // The conversations with new records, and the session of their author, if one session has written all of them.
        let mut changed = BTreeMap::new();
        while work < EVENT_WORK_MAX
            && let Some(waiting) = self.version2.commit_queue.pop_durable(self.version2.durable)
        {
            work += 1;
            match waiting {
                QueuedOutput::Record(record, context) => {
                    let author = Some(context.author);
                    self.version2.queued_bytes -= record.text.len() + RECORD_OVERHEAD_BYTES;
                    work += self
                        .version2
                        .ledger
                        .conversations
                        .get(&record.conversation)
                        .map_or(0, |room| room.viewers.len());
                    self.deliver(&record, effects);
                    let only_author = changed.entry(record.conversation).or_insert(author);
                    *only_author = only_author.filter(|_| *only_author == author);
                    if let Some(reply) = context.reply {
                        self.release_reply(context.author, reply, &record, effects);
                    }
                    self.follow_record(&record, context.about, effects);
                }
                QueuedOutput::Line(session, line) | QueuedOutput::Result(session, _, line) => {
                    if self.count_released(session) {
                        self.send_in_lane(session, LaneItem::Line(line), effects);
                    }
                }
                QueuedOutput::Connected(session, id, target) => {
                    if self.count_released(session) {
                        let mut line = Vec::new();
                        let name = self.target_name(id, session).into();
                        Reply::Version1(switchboard_protocol::Reply::ConnectOk { name }).encode(&mut line);
                        self.send_in_lane(session, LaneItem::Line(line), effects);
                        // A `DISCONNECT` may have come since.
                        if self.version2.sessions.get(&session).is_some_and(|state| state.partner == Some(id)) {
                            let open = Command::Open { target, position: None };
                            self.carry_out_later(session, None, open, ReplyPath::Lane, effects);
                        }
                    }
                }
                QueuedOutput::Push(session, line) => {
                    if self.version2.sessions.contains_key(&session) {
                        self.send_line(session, &line, effects);
                    }
                }
                QueuedOutput::Read(session, read) => {
                    if self.count_released(session) {
                        self.send_in_lane(session, LaneItem::Read(read), effects);
                    }
                }
                QueuedOutput::Request(session, n, command) => {
                    if self.count_released(session) {
                        self.carry_out_later(session, n, *command, ReplyPath::Lane, effects);
                    }
                }
                QueuedOutput::Identity(session) => {
                    if self.count_released(session) {
                        self.complete_identity(session, effects);
                    }
                }
            }
            self.close_overflowed(effects);
        }
        self.send_news(&changed, effects);
    }

    /// The oldest records of a conversation are gone, because the store is bounded.
    pub fn trimmed(&mut self, conversation: ConversationId, first: u64) {
        if let Some(conversation) = self.version2.ledger.conversations.get_mut(&conversation) {
            conversation.first = conversation.first.max(first);
        }
    }

    /// Takes the answer to a question.
    pub fn answer(&mut self, ticket: Ticket, answer: Answer, effects: &mut impl StoreEffects) {
        match self.version2.questions.remove(&ticket) {
            Some(Question::Viewer(session, conversation, to)) => {
                self.feed_viewer(session, conversation, ticket, to, answer, effects);
            }
            Some(Question::Lane(session)) => self.answer_lane(session, answer, effects),
            Some(Question::Old(conversation)) => self.expire_answered(conversation, &answer, effects),
            None => {}
        }
        self.settle(effects);
    }

    /// The outbox of a session has room again.
    pub fn outbox_has_room(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        self.resume_viewers(session, effects);
        self.settle(effects);
    }

    fn carry_out(
        &mut self,
        from: SessionId,
        n: Option<u64>,
        command: Command<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let is_message =
            matches!(command, Command::Say { .. } | Command::Version1(switchboard_protocol::Command::Msg { .. }));
        if is_message && n.is_some() && self.account_of(from).is_none() {
            return Err(ErrorCode::NotLoggedIn);
        }
        let mut is_created = false;
        if let Command::Open { target, .. } = &command
            && self.version2.reply_path == ReplyPath::CommitQueue
        {
            is_created = self.create_to_open(from, target, effects)?;
        }
        if (is_created || self.must_queue(from)) && self.only_reads(from, &command) {
            self.enqueue(from, QueuedOutput::Request(from, n, Box::new(command.into_owned())));
            return Ok(());
        }
        // These take effect when they are carried out, or their replies may be long. So the request goes into the lane,
        // not its reply.
        let is_deferred = matches!(
            command,
            Command::Open { .. }
                | Command::Close { .. }
                | Command::Version1(_)
                | Command::Readers { .. }
                | Command::Devices
        );
        if is_deferred && self.must_use_lane(from) && self.only_reads(from, &command) {
            self.send_in_lane(from, LaneItem::Request(n, Box::new(command.into_owned())), effects);
            return Ok(());
        }
        match command {
            Command::Version1(command) => self.version1_command(from, n, command, effects),
            Command::Claim { credential } => self.claim(from, credential, effects),
            Command::Login { name, device, proof } => self.login(from, &name, &device, proof, effects),
            Command::Prove { signature } => self.prove(from, &signature, effects),
            Command::Token => self.token(from, effects),
            Command::Passwd { credential } => self.passwd(from, credential, effects),
            Command::Devices => self.devices(from, effects),
            Command::Revoke { device } => self.revoke(from, &device, effects),
            Command::Unclaim => self.unclaim(from, effects),
            Command::Join { target } => self.join(from, &target, effects),
            Command::Leave { target } => self.leave(from, &target, effects),
            Command::Topic { target, text } => self.topic(from, &target, &text, effects),
            Command::Invite { target, who } => self.invite(from, &target, &who, effects),
            Command::Kick { target, who } => self.expel(from, &target, &who, DoneVerb::Kick, effects),
            Command::Ban { target, who } => self.expel(from, &target, &who, DoneVerb::Ban, effects),
            Command::Unban { target, who } => self.unban(from, &target, &who, effects),
            Command::Redact { target, what } => self.redact(from, &target, &what, effects),
            Command::Room { target, setting, value } => self.set_room(from, &target, &setting, value.as_str(), effects),
            Command::Say { target, text } => {
                let id = self.writable(from, &target, effects)?;
                self.say(from, id, n, &text, PendingReply::Said(n), effects)
            }
            Command::Open { target, position } => self.open(from, &target, position.as_ref(), effects),
            Command::Close { target } => self.close_view(from, &target, effects),
            Command::History { target, before, count } => self.history(from, &target, before, count, effects),
            Command::Search { target, words } => self.search(from, target.as_ref(), words.as_str(), effects),
            Command::Conversations => self.list_conversations(from, effects),
            Command::Read { target, seq } => self.mark_read(from, &target, seq, effects),
            Command::Readers { target, seq } => self.readers(from, &target, seq, effects),
            Command::Rooms => self.list_rooms(from, effects),
            Command::Members { target } => self.list_members(from, &target, effects),
            Command::Block { who } => self.block(from, &who, true, effects),
            Command::Unblock { who } => self.block(from, &who, false, effects),
            Command::Watch => self.watch(from, true, effects),
            Command::Unwatch => self.watch(from, false, effects),
            Command::Wire => {
                self.wire(from, effects);
                Ok(())
            }
        }
    }

    /// Carries out a request that has left the commit queue or the lane. `path`: the queues that its replies still go
    /// through.
    fn carry_out_later(
        &mut self,
        from: SessionId,
        n: Option<u64>,
        command: Command<'_>,
        path: ReplyPath,
        effects: &mut impl StoreEffects,
    ) {
        let outer = std::mem::replace(&mut self.version2.reply_path, path);
        let target = target_word(&command);
        if let Err(code) = self.carry_out(from, n, command, effects) {
            self.refuse(from, n, code, target.as_deref(), effects);
        }
        self.version2.reply_path = outer;
    }

    /// The account of a session, unless it is a guest's or of version 1.
    pub(crate) fn account_of(&self, session: SessionId) -> Option<AccountId> {
        self.version2.sessions.get(&session)?.device.map(|(account, _)| account)
    }

    /// The account of a session that must have one.
    fn own_account(&self, session: SessionId) -> Result<AccountId, ErrorCode> {
        self.account_of(session).ok_or(ErrorCode::NotLoggedIn)
    }

    /// Whether anything can be stored now.
    fn can_store(&self) -> Result<(), ErrorCode> {
        self.version2.outage.map_or(Ok(()), Err)
    }

    /// The conversation that `target` names, if there is one.
    fn find_conversation(&self, from: SessionId, target: &Target<'_>) -> Result<ConversationId, ErrorCode> {
        let ledger = &self.version2.ledger;
        match target {
            Target::Room(name) => {
                let name = RoomName::new(name).map_err(|_| ErrorCode::RoomNotFound)?;
                ledger.room(&name).ok_or(ErrorCode::RoomNotFound)
            }
            // The conversation with an account stays when the other account is deleted.
            Target::Account(id) if self.account_of(from) != Some(AccountId(*id)) => {
                ledger.direct(self.own_account(from)?, AccountId(*id)).ok_or(ErrorCode::UserNotFound)
            }
            Target::Name(_) | Target::Account(_) => {
                let own = self.own_account(from)?;
                ledger.direct(own, self.target_account(from, target)?).ok_or(ErrorCode::UserNotFound)
            }
        }
    }

    /// Creates the direct conversation that an `OPEN` names, if there is none. Returns whether it did: then the `OPEN`
    /// waits until the conversation is stored.
    fn create_to_open(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<bool, ErrorCode> {
        if matches!(target, Target::Room(_)) {
            return Ok(false);
        }
        self.own_name(from)?;
        let before = self.version2.ledger.position();
        self.find_or_create(from, target, effects)?;
        Ok(self.version2.ledger.position() != before)
    }

    /// The account that `target` names, which is not the client's own.
    fn target_account(&self, from: SessionId, target: &Target<'_>) -> Result<AccountId, ErrorCode> {
        let account = self.person(target)?;
        if self.account_of(from) == Some(account) { Err(ErrorCode::SelfConnect) } else { Ok(account) }
    }

    /// The account of a person.
    fn person(&self, who: &Target<'_>) -> Result<AccountId, ErrorCode> {
        let accounts = &self.version2.ledger.accounts;
        let account = match who {
            Target::Room(_) => None,
            Target::Name(name) => accounts.find(name),
            Target::Account(id) => Some(AccountId(*id)).filter(|&id| accounts.get(id).is_some()),
        };
        account.ok_or(ErrorCode::UserNotFound)
    }

    /// Like [`Self::find_conversation`], but creates the direct conversation with an account.
    fn find_or_create(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<ConversationId, ErrorCode> {
        match self.find_conversation(from, target) {
            Err(ErrorCode::UserNotFound) => {
                let (own, other) = (self.own_account(from)?, self.target_account(from, target)?);
                self.may_store(from, 0, effects)?;
                let id = self.version2.ledger.create_direct(own, other, effects);
                Ok(id)
            }
            found => found,
        }
    }

    /// The name of a conversation for one session: that of the room, or of the other account.
    fn target_name(&self, id: ConversationId, session: SessionId) -> String {
        self.version2.ledger.target_name(id, self.account_of(session))
    }

    /// The name of the session, which must be registered.
    fn own_name(&self, session: SessionId) -> Result<&str, ErrorCode> {
        self.sessions.get(session).and_then(|session| session.name()).ok_or(ErrorCode::NotRegistered)
    }

    /// Whether the next reply of the session must go through the commit queue, because an earlier one is still there.
    fn must_queue(&self, session: SessionId) -> bool {
        self.version2.reply_path == ReplyPath::CommitQueue
            && self.version2.sessions.get(&session).is_some_and(|state| state.queued_outputs > 0)
    }

    /// Whether the next reply of the session must go through its lane, because an earlier one is still there.
    fn must_use_lane(&self, session: SessionId) -> bool {
        self.version2.reply_path != ReplyPath::Direct
            && self.version2.sessions.get(&session).is_some_and(|state| !state.lane.is_empty())
    }

    /// Adds output to the commit queue. It is released when the store has the last change so far.
    fn enqueue(&mut self, session: SessionId, output: QueuedOutput) {
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.queued_outputs += 1;
            let position = self.version2.ledger.position();
            self.version2.commit_queue.push(position, output);
        }
    }

    /// Counts an output that has left the commit queue. Returns whether its session still exists.
    fn count_released(&mut self, session: SessionId) -> bool {
        self.version2.sessions.get_mut(&session).is_some_and(|state| {
            state.queued_outputs -= 1;
            true
        })
    }

    /// Sends a reply after the earlier replies to this session.
    fn reply(&mut self, to: SessionId, reply: &Reply<'_>, effects: &mut impl StoreEffects) {
        let mut line = Vec::new();
        reply.encode(&mut line);
        self.reply_encoded(to, line, effects);
    }

    /// Sends encoded lines after the earlier replies to this session.
    fn reply_encoded(&mut self, to: SessionId, lines: Vec<u8>, effects: &mut impl StoreEffects) {
        if self.must_queue(to) {
            self.enqueue(to, QueuedOutput::Line(to, lines));
        } else if self.version2.reply_path == ReplyPath::Direct {
            self.send_line(to, &lines, effects);
        } else {
            self.send_in_lane(to, LaneItem::Line(lines), effects);
        }
    }

    /// Sends the reply to a change, once the store has the last change. `target` is the conversation that an `ERROR`
    /// names, if the change is not stored.
    fn reply_after_change(&mut self, to: SessionId, target: Option<&str>, reply: &Reply<'_>) {
        let mut line = Vec::new();
        reply.encode(&mut line);
        self.enqueue(to, QueuedOutput::Result(to, target.map(str::to_owned), line));
    }

    /// Sends a line at once, before queued replies.
    fn send_now(&mut self, to: SessionId, reply: &Reply<'_>, effects: &mut impl StoreEffects) {
        let mut line = Vec::new();
        reply.encode(&mut line);
        self.send_line(to, &line, effects);
    }

    fn send_line(&mut self, to: SessionId, line: &[u8], effects: &mut impl Effects) {
        if effects.send_line(to, line).is_err() {
            self.overflowed.push(to);
        }
    }

    fn refuse(
        &mut self,
        to: SessionId,
        n: Option<u64>,
        code: ErrorCode,
        target: Option<&str>,
        effects: &mut impl StoreEffects,
    ) {
        self.reply_encoded(to, error_line(n, code, target), effects);
    }

    /// Whether a command stores nothing, so that it waits until the changes before it are durable: it then sees them, and
    /// its replies keep their place. `PING` and `WHO` do not wait.
    fn only_reads(&self, from: SessionId, command: &Command<'_>) -> bool {
        use switchboard_protocol::Command as Version1;
        match command {
            Command::Open { .. }
            | Command::Close { .. }
            | Command::History { .. }
            | Command::Search { .. }
            | Command::Conversations
            | Command::Readers { .. }
            | Command::Rooms
            | Command::Members { .. }
            | Command::Devices
            | Command::Version1(Version1::Register { .. }) => true,
            Command::Version1(Version1::Connect { to }) => !self.is_conversation(from, &Target::new(to)),
            Command::Version1(Version1::Msg { .. } | Version1::Disconnect) => {
                self.version2.sessions.get(&from).is_some_and(|state| state.partner.is_none())
            }
            _ => false,
        }
    }

    fn must_pause(&self, session: SessionId) -> bool {
        self.version2.sessions.get(&session).is_some_and(|state| {
            state.identity.as_ref().is_some_and(IdentityStep::pauses)
                || state.is_redacting
                || (state.is_ending && self.owes_lines(session, state))
                || state.queued_outputs >= QUEUED_OUTPUTS_MAX
                || state.lane.len() >= LANE_MAX
                || (state.queued_outputs > 0 && self.version2.queued_bytes > QUEUED_BYTES_MAX)
        })
    }

    /// Whether a session has to receive further lines for its requests so far.
    fn owes_lines(&self, session: SessionId, state: &SessionState) -> bool {
        let is_replaying = |id: &ConversationId| {
            let conversation = self.version2.ledger.conversations.get(id);
            let viewer = conversation.and_then(|conversation| conversation.viewers.get(&session));
            viewer.is_some_and(|viewer| viewer.progress != Progress::Live)
        };
        state.queued_outputs > 0 || !state.lane.is_empty() || state.open.iter().any(is_replaying)
    }

    /// Resumes the sessions that need not wait any more.
    fn resume_sessions(&mut self, effects: &mut impl StoreEffects) {
        let ready: Vec<_> = self.version2.paused.iter().copied().filter(|&session| !self.must_pause(session)).collect();
        for session in ready {
            self.version2.paused.remove(&session);
            effects.resume(session);
        }
    }

    /// Frees the name of a session that has ended, or passes it on to another device of the same account, and forgets
    /// the session.
    #[cold]
    pub(crate) fn remove_from_version2(&mut self, id: SessionId, session: &Session, effects: &mut impl Effects) {
        let other_device = self.forget_session(id);
        let Some(registration) = &session.registration else { return };
        if let Some(other) = other_device {
            self.directory.transfer(registration, id, other, &mut self.sessions);
        } else {
            self.directory.release(id, registration);
            self.announce(registration.name.as_str(), false, effects);
        }
    }

    /// Forgets a session that has ended. Returns another session of the same account.
    fn forget_session(&mut self, session: SessionId) -> Option<SessionId> {
        let state = self.version2.sessions.remove(&session)?;
        self.version2.paused.remove(&session);
        self.version2.watchers.remove(&session);
        for id in state.open {
            if let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) {
                conversation.viewers.remove(&session);
            }
        }
        self.release_device(session, state.device)
    }
}

fn error_line(n: Option<u64>, code: ErrorCode, target: Option<&str>) -> Vec<u8> {
    let mut line = Vec::new();
    TaggedReply { n, reply: Reply::Error { code, target: target.map(Into::into) } }.encode(&mut line);
    line
}

/// The conversation that a command names, as its `ERROR` repeats it.
fn target_word(command: &Command<'_>) -> Option<String> {
    match command {
        Command::Join { target }
        | Command::Leave { target }
        | Command::Topic { target, .. }
        | Command::Invite { target, .. }
        | Command::Kick { target, .. }
        | Command::Ban { target, .. }
        | Command::Unban { target, .. }
        | Command::Redact { target, .. }
        | Command::Say { target, .. }
        | Command::Open { target, .. }
        | Command::Close { target }
        | Command::History { target, .. }
        | Command::Read { target, .. }
        | Command::Readers { target, .. }
        | Command::Members { target }
        | Command::Room { target, .. } => Some(target.to_string()),
        Command::Search { target, .. } => Some(target.as_ref().map_or_else(|| "*".to_owned(), Target::to_string)),
        _ => None,
    }
}
