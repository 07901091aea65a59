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

mod audit;
mod commit_queue;
mod fan_out;
mod identity;
mod lane;
mod links;
mod lists;
mod moderation;
mod news;
mod operator;
mod orphaned_views;
mod outage;
mod overview;
mod pause;
mod requirement;
mod retention;
mod rooms;
mod say;
mod server_sanctions;
pub(crate) mod state;
mod target;
mod version1;
mod view;
mod wire;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use hashbrown::HashMap;
use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{Command, Reply, Request, RequestError, TaggedReply, Target, Words};

use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId, Person, Record, Snapshot};
use crate::effects::{Effects, Fact, StoreEffects};
use crate::ledger::Ledger;
use crate::reads::{Answer, Ticket};
use crate::session::{Session, SessionId};
pub use commit_queue::Position;
use commit_queue::{CommitQueue, PendingReply, QueuedOutput};
use fan_out::FanOuts;
use news::{Markers, News};
pub use operator::{AccountSummary, Kicked, Operated, OperatorCommand, OperatorTicket};
use orphaned_views::OrphanedViews;
pub use overview::{SessionKind, SessionSummary, StoredCounts};
pub use retention::Quota;
pub use rooms::RoomLimits;
use state::{Deferred, LaneItem, SessionState, Usage};
use target::target_word;

/// The state of version 2.
#[derive(Debug, Default)]
pub(crate) struct Version2 {
    pub(crate) ledger: Ledger,
    pub(crate) sessions: HashMap<SessionId, SessionState>,
    commit_queue: CommitQueue<QueuedOutput>,
    /// Bytes of the records in the queue.
    queued_bytes: usize,
    /// Durable records that are on their way to many viewers.
    fan_outs: FanOuts,
    orphaned_views: OrphanedViews,
    /// Withdrawn records from which more would follow than their delivery, each with the person that has left, or was
    /// removed or invited: a loading of the store may show that they are stored after all.
    withdrawn_events: Vec<(Arc<Record>, Option<Person>)>,
    /// Conversations of whose new records not all members were told yet.
    news: News,
    /// Read markers that some devices of their account have not received yet.
    markers: Markers,
    /// Why nothing can be stored now, if nothing can.
    outage: Option<ErrorCode>,
    /// The answer to requests whose changes were withdrawn by the last failure.
    withdrawal: Option<ErrorCode>,
    /// Whether the ledger has changes that the store has not, because the store has failed and is not loaded yet.
    shows_withdrawn: bool,
    /// The place of the last durable change.
    durable: Position,
    /// The questions to the store that are not answered yet.
    questions: HashMap<Ticket, Question>,
    next_ticket: u64,
    /// The sessions whose lists have further parts, in the order of their turns.
    lists: VecDeque<SessionId>,
    /// Paused sessions that may go on.
    pauses_to_check: Vec<SessionId>,
    watchers: BTreeSet<SessionId>,
    /// Number of commands so far.
    activity: u64,
    /// The queues through which the replies of the present request go.
    reply_path: ReplyPath,
    /// The target of the present request, as its `ERROR` repeats it. An output that can still become an `ERROR` takes it.
    target: Option<String>,
    settings: Version2Settings,
    /// The storage that all guests together use.
    guests_usage: Usage,
    /// The sessions with an open conversation that could not be read. [`Switchboard::tick`] tries again.
    unread_sessions: BTreeSet<SessionId>,
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
    /// Whether the store can search records. If not, `SEARCH` is refused.
    pub has_search: bool,
    /// Whether guests may create rooms.
    pub guests_create_rooms: bool,
    /// How many rooms and members there may be.
    pub room_limits: RoomLimits,
    /// Maximum records of a conversation, for a store in memory. Older ones expire.
    pub memory_records_max: Option<u64>,
    /// Maximum viewers of a conversation that get a new record in the event that makes it durable. If there are more, all
    /// get it by [`Switchboard::work`].
    pub direct_viewers_max: usize,
    /// The quota of an account.
    pub account_quota: Quota,
    /// The quota of a guest.
    pub guest_quota: Quota,
    /// The quota of all guests together, because a guest may come back under another name.
    pub all_guests_quota: Quota,
}

impl Default for Version2Settings {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            server_name: "switchboard".to_owned(),
            capabilities: String::new(),
            has_search: true,
            guests_create_rooms: true,
            room_limits: RoomLimits::default(),
            memory_records_max: None,
            direct_viewers_max: 64,
            // Far more than people write, and little enough that one of them does not fill a disk in a day.
            account_quota: Quota { records: 1_000_000, bytes: 1024 * MIB },
            guest_quota: Quota { records: 10_000, bytes: 4 * MIB },
            all_guests_quota: Quota { records: 1_000_000, bytes: 256 * MIB },
        }
    }
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

/// Maximum conversations that a session has open.
const OPEN_MAX: usize = 1024;

/// Maximum sessions that hear who comes and goes.
const WATCHERS_MAX: usize = 1024;

/// Maximum lines of each kind that one event sends: some hundred microseconds of work.
/// [`Switchboard::work`] does the rest.
const EVENT_WORK_MAX: usize = 512;

/// The same for the event of a session, because a turn of a session has many.
const REQUEST_WORK_MAX: usize = 4;

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
        self.settle(REQUEST_WORK_MAX, effects);
    }

    /// Applies a request of a session of version 2.
    pub fn request(&mut self, from: SessionId, request: Request<'_>, effects: &mut impl StoreEffects) {
        self.version2.activity += 1;
        let activity = self.version2.activity;
        let Some(state) = self.version2.sessions.get_mut(&from) else { return };
        state.last_active = activity;
        let Request { n, command } = request;
        if state.is_being_identified() && !matches!(command, Command::Version1(switchboard_protocol::Command::Ping)) {
            state.deferred = Some(Deferred::Request(n, Box::new(command.into_owned())));
            return;
        }
        self.carry_out_later(from, n, command, ReplyPath::CommitQueue, effects);
        self.settle(REQUEST_WORK_MAX, effects);
    }

    /// Reports a line that is no request. The report keeps its place among the replies.
    pub fn reject(&mut self, from: SessionId, error: &RequestError<'_>, effects: &mut impl StoreEffects) {
        let Some(state) = self.version2.sessions.get_mut(&from) else { return };
        let line = error_line(error.n, error.reason.code(), error.target);
        effects.log(Fact::Refused { code: error.reason.code() });
        if state.is_being_identified() {
            state.deferred = Some(Deferred::Refusal(line));
            return;
        }
        self.reply_encoded(from, line, effects);
        self.settle(REQUEST_WORK_MAX, effects);
    }

    /// The store has all changes up to `position`. This releases the output that depends on them, as far as the bound on
    /// the work of one event allows.
    pub fn durable(&mut self, position: Position, effects: &mut impl StoreEffects) {
        self.version2.durable = self.version2.durable.max(position);
        self.settle(EVENT_WORK_MAX, effects);
    }

    /// Whether there is output that earlier events have made possible, but left because of the bound on their work. Then
    /// the caller calls [`work`](Self::work), and lets other events pass between the calls.
    #[must_use]
    #[inline]
    pub fn has_work(&self) -> bool {
        // The operator waits for output, too, and needs no session.
        self.has_output()
            || !self.version2.fan_outs.is_empty()
            || !self.version2.orphaned_views.is_empty()
            || !self.version2.lists.is_empty()
            || (self.version2.is_spoken() && !(self.version2.news.is_empty() && self.version2.markers.is_empty()))
    }

    /// Does a part of the work that earlier events have left.
    pub fn work(&mut self, effects: &mut impl StoreEffects) {
        if self.version2.orphaned_views.is_empty() {
            self.fan_out(EVENT_WORK_MAX, effects);
        } else {
            // A view has at most two lines.
            self.end_orphaned_views(EVENT_WORK_MAX / 2, effects);
        }
        self.continue_list(effects);
        self.settle(EVENT_WORK_MAX, effects);
    }

    /// Does what the last event has made possible: releases output, resumes sessions, and closes overflowed ones. Large
    /// fan-outs are left to [`work`](Self::work).
    fn settle(&mut self, work_max: usize, effects: &mut impl StoreEffects) {
        self.release(work_max, effects);
        self.send_news(work_max, effects);
        self.send_markers(work_max, effects);
        self.close_overflowed(effects);
        self.resume_sessions(effects);
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
                self.view_answered(session, conversation, ticket, to, answer, effects);
            }
            Some(Question::Lane(session)) => self.answer_lane(session, answer, effects),
            Some(Question::Old(conversation)) => self.expire_answered(conversation, &answer, effects),
            None => {}
        }
        self.settle(REQUEST_WORK_MAX, effects);
    }

    /// The outbox of a session has room again.
    pub fn outbox_has_room(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        self.read_next_view(session, effects);
        self.advance_lane(session, effects);
        self.send_missed_lines(session, effects);
        self.settle(REQUEST_WORK_MAX, effects);
    }

    fn carry_out(
        &mut self,
        from: SessionId,
        n: Option<u64>,
        command: Command<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.check_requirement(from, n, &command)?;
        self.check_not_withdrawn(&command)?;
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
            Command::Join { target, invitation } => self.join(from, &target, invitation.as_ref(), effects),
            Command::Leave { target } => self.leave(from, &target, effects),
            Command::Topic { target, text } => self.topic(from, &target, &text, effects),
            Command::Invite { target, who, period } => self.invite(from, &target, &who, period, effects),
            Command::Link { target, period, uses } => self.link(from, &target, period, uses, effects),
            Command::Unlink { target, invitation } => self.unlink(from, &target, invitation.as_ref(), effects),
            Command::Kick { target, who } => self.kick(from, &target, &who, effects),
            Command::Ban { target, who } => self.ban(from, &target, &who, effects),
            Command::Unban { target, who } => self.unban(from, &target, &who, effects),
            Command::Mute { target, who, period } => self.mute(from, &target, &who, period, effects),
            Command::Unmute { target, who } => self.unmute(from, &target, &who, effects),
            Command::ServerKick { who, reason } => self.server_kick(from, &who, reason.as_str(), effects),
            Command::ServerBan { who, period, reason } => self.server_ban(from, &who, period, reason.as_str(), effects),
            Command::ServerUnban { who } => self.server_unban(from, &who, effects),
            Command::Report { target, seq, reason } => self.report(from, &target, seq, reason.as_str(), effects),
            Command::Redact { target, what } => self.redact(from, &target, &what, effects),
            Command::Room { target, setting, value } => self.set_room(from, &target, &setting, value.as_str(), effects),
            Command::Say { target, text } => {
                let id = self.writable(from, &target, &text, effects)?;
                self.say(from, id, n, &text, PendingReply::Said(n), effects)
            }
            Command::Open { target, position } => self.open(from, &target, position.as_ref(), effects),
            Command::Close { target } => self.close_view(from, &target, effects),
            Command::History { target, before, count } => self.history(from, &target, before, count, effects),
            Command::Search { target, words } => self.search(from, target.as_ref(), words.as_str(), effects),
            Command::Conversations => {
                self.list_conversations(from, effects);
                Ok(())
            }
            Command::Read { target, seq } => self.mark_read(from, &target, seq, effects),
            Command::Readers { target, seq } => self.readers(from, &target, seq, effects),
            Command::Rooms => {
                self.list_rooms(from, effects);
                Ok(())
            }
            Command::Members { target } => self.list_members(from, &target, effects),
            Command::Block { who } => self.block(from, &who, true, effects),
            Command::Unblock { who } => self.block(from, &who, false, effects),
            Command::Watch => self.watch(from, true, effects),
            Command::Unwatch => self.watch(from, false, effects),
            Command::Wire => {
                effects.describe_connection(from);
                Ok(())
            }
        }
    }

    /// Carries out the line that came during a check of the identity, unless a further check goes on.
    fn carry_out_deferred(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        let Some(state) = self.version2.sessions.get_mut(&session) else { return };
        if state.is_being_identified() {
            return;
        }
        match state.deferred.take() {
            Some(Deferred::Request(n, command)) => {
                self.carry_out_later(session, n, *command, ReplyPath::CommitQueue, effects);
            }
            Some(Deferred::Refusal(line)) => self.reply_encoded(session, line, effects),
            None => {}
        }
        self.check_pause(session);
    }

    /// Carries out a request that has just come, or that has left the commit queue or the lane. `path`: the queues that
    /// its replies go through.
    fn carry_out_later(
        &mut self,
        from: SessionId,
        n: Option<u64>,
        command: Command<'_>,
        path: ReplyPath,
        effects: &mut impl StoreEffects,
    ) {
        if path == ReplyPath::CommitQueue && !self.version2.orphaned_views.is_empty() {
            // After a failure of the store, their rooms may be back, and the request may open one of them again.
            self.advance_lane(from, effects);
        }
        let outer = std::mem::replace(&mut self.version2.reply_path, path);
        let outer_target = std::mem::replace(&mut self.version2.target, target_word(&command));
        if let Err(code) = self.carry_out(from, n, command, effects) {
            self.refuse(from, n, code, effects);
        }
        (self.version2.reply_path, self.version2.target) = (outer, outer_target);
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

    /// Whether the session is one of an operator.
    fn is_operator(&self, session: SessionId) -> bool {
        let account = self.account_of(session).and_then(|account| self.version2.ledger.accounts.get(account));
        account.is_some_and(|account| account.is_operator)
    }

    /// The name of the session, which must be registered.
    fn own_name(&self, session: SessionId) -> Result<&str, ErrorCode> {
        self.sessions.get(session).and_then(|session| session.name()).ok_or(ErrorCode::NotRegistered)
    }

    /// Whether the next reply of the session must go through its lane, because an earlier one is still there.
    fn must_use_lane(&self, session: SessionId) -> bool {
        self.version2.reply_path != ReplyPath::Direct
            && self.version2.sessions.get(&session).is_some_and(|state| !state.lane.is_empty())
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

    /// Refuses the present request.
    fn refuse(&mut self, to: SessionId, n: Option<u64>, code: ErrorCode, effects: &mut impl StoreEffects) {
        let line = error_line(n, code, self.version2.target.as_deref());
        effects.log(Fact::Refused { code });
        self.reply_encoded(to, line, effects);
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
        self.version2.watchers.remove(&session);
        for id in state.open {
            if let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) {
                conversation.viewers.remove(&session);
            }
            self.version2.ledger.update_vacancy(id);
            self.version2.orphaned_views.forget(session, id);
        }
        self.release_device(session, state.device)
    }
}

fn error_line(n: Option<u64>, code: ErrorCode, target: Option<&str>) -> Vec<u8> {
    let mut line = Vec::new();
    TaggedReply { n, reply: Reply::Error { code, target: target.map(Into::into) } }.encode(&mut line);
    line
}
