//! Output that waits until the store has the change that it names.
//!
//! The core numbers a record at once, but nobody hears of the number before the record is durable: a record that was
//! heard must not disappear. All waiting output is in one queue, in the order in which the core decided it.

use std::collections::VecDeque;
use std::sync::Arc;

use switchboard_protocol::version2::{Command, DoneVerb, Reply, Target};

use super::ReplyPath;
use super::news::ReadMarker;
use super::operator::OperatorTicket;
use super::state::{LaneItem, LaneRead};
use crate::board::Switchboard;
use crate::change::{ConversationId, Person, Record};
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// The place of a change in the order of all changes since the store was opened. The first change has place 1.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position(pub u64);

/// Output in the order of the changes on which it depends.
#[derive(Debug)]
pub(crate) struct CommitQueue<T> {
    outputs: VecDeque<(Due, T)>,
}

/// When an output is released.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// When the store has the change at this place.
    After(Position),
    /// In its turn: this has become of its changes.
    Decided(Fate),
}

/// The outcome of the changes on which an output depends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fate {
    Durable,
    Withdrawn,
}

impl<T> Default for CommitQueue<T> {
    fn default() -> Self {
        Self { outputs: VecDeque::new() }
    }
}

impl<T> CommitQueue<T> {
    /// Adds output that depends on the change at `position`, which is not before that of the output added last.
    pub(crate) fn push(&mut self, position: Position, output: T) {
        debug_assert!(match self.outputs.back() {
            Some(&(Due::After(last), _)) => last <= position,
            Some((Due::Decided(_), _)) | None => true,
        });
        self.outputs.push_back((Due::After(position), output));
    }

    /// The first output, if its fate is known, where the store has all changes up to `durable`.
    pub(crate) fn first(&self, durable: Position) -> Option<&T> {
        let (due, output) = self.outputs.front()?;
        due.fate(durable).map(|_| output)
    }

    /// Removes and returns the first output, if its fate is known.
    pub(crate) fn pop(&mut self, durable: Position) -> Option<(T, Fate)> {
        let (due, _) = self.outputs.front()?;
        let fate = due.fate(durable)?;
        self.outputs.pop_front().map(|(_, output)| (output, fate))
    }

    /// The store has all changes up to `durable`, and has lost those after it. Durable output may still be here, because
    /// it is released in parts. Calls `report` with each output that is withdrawn now.
    pub(crate) fn withdraw(&mut self, durable: Position, mut report: impl FnMut(&T)) {
        for (due, output) in &mut self.outputs {
            if due.fate(durable).is_none() {
                report(output);
            }
            *due = Due::Decided(due.fate(durable).unwrap_or(Fate::Withdrawn));
        }
    }

    /// Withdraws all output: the store has lost durable changes, too.
    pub(crate) fn withdraw_all(&mut self) {
        self.outputs.iter_mut().for_each(|(due, _)| *due = Due::Decided(Fate::Withdrawn));
    }

    /// The places of changes begin anew. The queued output depends on no later change.
    pub(crate) fn restart(&mut self) {
        for (due, _) in &mut self.outputs {
            if let Due::After(_) = due {
                *due = Due::Decided(Fate::Durable);
            }
        }
    }
}

impl Due {
    /// The outcome of the changes, if the store has all up to `durable`. `None`: it is not known yet.
    fn fate(self, durable: Position) -> Option<Fate> {
        match self {
            Self::After(position) => (position <= durable).then_some(Fate::Durable),
            Self::Decided(fate) => Some(fate),
        }
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
    /// The reply to a `READ` that has moved the read marker of an account. The other devices hear of the marker.
    ReadMarker(SessionId, ReadMarker, Option<String>, Vec<u8>),
    /// The `CONNECT_OK` of a conversation, which is then opened. If it is not stored, the session has no partner.
    Connected(SessionId, ConversationId, Target<'static>),
    /// The end of a view, by a `DISCONNECT` or `LEAVE`. An `OPEN` before it may still be here.
    CloseView(SessionId, ConversationId),
    /// A question for the lane of its session, and the target of its `ERROR`.
    Read(SessionId, LaneRead, Option<String>),
    /// A request that stores nothing.
    Request(SessionId, Option<u64>, Box<Command<'static>>),
    /// The change of identity that is stored now.
    Identity(SessionId),
    /// The answer to a command of the operator.
    Operated(OperatorTicket),
}

/// The data of a record in the commit queue.
#[derive(Debug)]
pub(super) struct RecordContext {
    /// The session of its author.
    pub(super) author: SessionId,
    /// The reply to its author.
    pub(super) reply: Option<PendingReply>,
    /// The target of the `ERROR` that takes the place of the reply if the record is not stored.
    pub(super) target: Option<String>,
    /// The person that has left, or was removed or invited.
    pub(super) about: Option<Person>,
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

/// The cost of a queued record besides its text.
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

    /// Sends the reply to a change, once the store has the last change.
    pub(super) fn reply_after_change(&mut self, to: SessionId, reply: &Reply<'_>) {
        let mut line = Vec::new();
        reply.encode(&mut line);
        let target = self.version2.target.take();
        self.enqueue(to, QueuedOutput::Result(to, target, line));
    }

    /// Counts an output that has left the commit queue. Returns whether its session still exists.
    pub(super) fn count_released(&mut self, session: SessionId) -> bool {
        let Some(state) = self.version2.sessions.get_mut(&session) else { return false };
        state.queued_outputs -= 1;
        self.check_pause(session);
        true
    }

    /// Releases outputs of the commit queue, until about `work_max` lines are sent.
    pub(super) fn release(&mut self, work_max: usize, effects: &mut impl StoreEffects) {
        let mut work = 0;
        while work < work_max
            && self.has_output()
            && let Some((output, fate)) = self.version2.commit_queue.pop(self.version2.durable)
        {
            work += 1;
            match fate {
                Fate::Durable => work += self.release_output(output, effects),
                Fate::Withdrawn => self.withdraw_output(output, effects),
            }
            self.close_overflowed(effects);
        }
    }

    /// Whether the first output of the commit queue may be released. A record is not while there are too many records
    /// in fan-out: then its author is paused after some more messages.
    pub(super) fn has_output(&self) -> bool {
        match self.version2.commit_queue.first(self.version2.durable) {
            Some(QueuedOutput::Record(..)) => !self.version2.fan_outs.is_full(),
            Some(_) => true,
            None => false,
        }
    }

    /// Releases one durable output. Returns the number of viewers that it was sent to.
    fn release_output(&mut self, output: QueuedOutput, effects: &mut impl StoreEffects) -> usize {
        match output {
            QueuedOutput::Record(record, RecordContext { author, reply, about, .. }) => {
                self.version2.queued_bytes -= record.text.len() + RECORD_OVERHEAD_BYTES;
                self.version2.news.add(record.conversation, Some(author));
                let viewers = self.deliver(&record, about, effects);
                if let Some(reply) = reply {
                    self.release_reply(author, reply, &record, effects);
                }
                return viewers;
            }
            QueuedOutput::Line(session, line) | QueuedOutput::Result(session, _, line) => {
                if self.count_released(session) {
                    self.send_in_lane(session, LaneItem::Line(line), effects);
                }
            }
            QueuedOutput::ReadMarker(session, marker, _, line) => {
                self.version2.markers.add(session, marker);
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
                    let open = Command::Open { target, position: None };
                    self.carry_out_later(session, None, open, ReplyPath::Lane, effects);
                }
            }
            QueuedOutput::CloseView(session, id) => {
                if self.count_released(session) {
                    self.send_in_lane(session, LaneItem::CloseView(id), effects);
                }
            }
            QueuedOutput::Read(session, read, target) => {
                if self.count_released(session) {
                    self.send_in_lane(session, LaneItem::Read(read, target), effects);
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
            QueuedOutput::Operated(ticket) => effects.operated(ticket, Ok(())),
        }
        0
    }
}
