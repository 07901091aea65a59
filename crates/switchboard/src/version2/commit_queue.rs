//! Output that waits until the store has the change that it names.
//!
//! The core numbers a record at once, but nobody hears of the number before the record is durable: a record that was
//! heard must not disappear. All waiting output is in one queue, in the order in which the core decided it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use switchboard_protocol::version2::{Command, DoneVerb, Reply, Target};

use super::ReplyPath;
use super::state::{LaneItem, LaneRead};
use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId, Record};
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// The place of a change in the order of all changes since the store was opened. The first change has place 1.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position(pub u64);

/// Output in the order of the changes on which it depends.
#[derive(Debug)]
pub(crate) struct CommitQueue<T> {
    waiting: VecDeque<(Position, T)>,
}

impl<T> Default for CommitQueue<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<T> CommitQueue<T> {
    /// Adds output that depends on the change at `position`, which is not before that of the output added last.
    pub(crate) fn push(&mut self, position: Position, output: T) {
        debug_assert!(self.waiting.back().is_none_or(|&(last, _)| last <= position));
        self.waiting.push_back((position, output));
    }

    /// Removes and returns the first output, if the store has all changes up to `durable` and the output needs no more.
    pub(crate) fn pop_durable(&mut self, durable: Position) -> Option<T> {
        self.waiting.pop_front_if(|(position, _)| *position <= durable).map(|(_, output)| output)
    }

    /// Whether the store has all changes on which the first output depends.
    pub(crate) fn has_durable(&self, durable: Position) -> bool {
        self.waiting.front().is_some_and(|(position, _)| *position <= durable)
    }

    /// Removes and returns all output.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(&mut self.waiting).into_iter().map(|(_, output)| output)
    }
}

/// An output in the commit queue. It is released when the store has the change before it.
#[derive(Debug)]
pub(super) enum QueuedOutput {
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
pub(super) struct RecordContext {
    /// The session of its author.
    pub(super) author: SessionId,
    /// The reply to its author.
    pub(super) reply: Option<PendingReply>,
    /// The account that has left, or was removed or invited.
    pub(super) about: Option<AccountId>,
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

/// Maximum lines that one event releases, but for the last record: some hundred microseconds of work.
pub(super) const EVENT_WORK_MAX: usize = 512;

/// What a queued record costs besides its text.
pub(super) const RECORD_OVERHEAD_BYTES: usize = 200;

impl Switchboard {
    /// Whether the next reply of the session must go through the commit queue, because an earlier one is still there.
    pub(super) fn must_queue(&self, session: SessionId) -> bool {
        self.version2.reply_path == ReplyPath::CommitQueue
            && self.version2.sessions.get(&session).is_some_and(|state| state.queued_outputs > 0)
    }

    /// Adds output to the commit queue. It is released when the store has the last change so far.
    pub(super) fn enqueue(&mut self, session: SessionId, output: QueuedOutput) {
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.queued_outputs += 1;
            let position = self.version2.ledger.position();
            self.version2.commit_queue.push(position, output);
        }
    }

    /// Sends the reply to a change, once the store has the last change. `target` is the conversation that an `ERROR`
    /// names, if the change is not stored.
    pub(super) fn reply_after_change(&mut self, to: SessionId, target: Option<&str>, reply: &Reply<'_>) {
        let mut line = Vec::new();
        reply.encode(&mut line);
        self.enqueue(to, QueuedOutput::Result(to, target.map(str::to_owned), line));
    }

    /// Counts an output that has left the commit queue. Returns whether its session still exists.
    pub(super) fn count_released(&mut self, session: SessionId) -> bool {
        self.version2.sessions.get_mut(&session).is_some_and(|state| {
            state.queued_outputs -= 1;
            true
        })
    }

    /// Releases durable output, within the bound on the work of one event.
    pub(super) fn release(&mut self, effects: &mut impl StoreEffects) {
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
}
