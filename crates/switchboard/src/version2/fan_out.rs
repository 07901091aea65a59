//! Fan-out: durable records on their way to the viewers of their conversation.
//!
//! A record of a room with thousands of viewers would hold up all other sessions if it were sent to all viewers at once.
//! So it is sent in passes: each part of a pass serves some viewers, and other events come between the parts. Records
//! that come meanwhile share the next pass, so a room that is written to faster than it can be read needs fewer passes,
//! not more time.
//!
//! A viewer that opens the conversation during a pass begins after the records in fan-out. A viewer whose outbox has no
//! room leaves the passes, and is fed from the store ([`view`](super::view)).

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashMap;

use super::Version2;
use super::commit_queue::RECORD_OVERHEAD_BYTES;
use super::say::{encode, is_hidden};
use crate::accounts::Account;
use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId, Person, Record, RecordKind, Standing};
use crate::conversation::Progress;
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// Maximum records of one pass.
const PASS_RECORDS_MAX: usize = 16;

/// Minimum work counted for a viewer, in lines: a write to its socket costs as much as some lines. So a part of a pass
/// serves at most 64 viewers, and the appended lines are still in the processor's cache when they are written.
const VIEWER_WORK_MIN: usize = 8;

/// While more bytes of records are in fan-out, further records stay in the commit queue, where their authors are paused
/// if they become too many: 8 MiB is a few thousand messages.
const FAN_OUT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The conversations with records in fan-out.
#[derive(Debug, Default)]
pub(super) struct FanOuts {
    by_conversation: HashMap<ConversationId, FanOut>,
    /// The same conversations, in the order of their turns.
    turns: VecDeque<ConversationId>,
    /// Bytes of all records in fan-out.
    bytes: usize,
}

/// The records of one conversation that some viewers have not got yet.
#[derive(Debug, Default)]
struct FanOut {
    /// The records, each with the person that has left, or was removed or invited.
    records: VecDeque<(Arc<Record>, Option<Person>)>,
    /// Those of the records after which some views end.
    ends: VecDeque<End>,
    /// Number of the records, from the first, that the present pass sends.
    pass_len: usize,
    /// The last viewer that the present pass has served.
    cursor: Option<SessionId>,
    /// The pass is over, and its last record ends views. The cursor goes through the viewers once more.
    is_ending_views: bool,
}

/// A record in fan-out after which some views end.
#[derive(Debug)]
struct End {
    seq: u64,
    /// The person that has left or was removed. `None`: the settings have changed.
    person: Option<Person>,
}

impl FanOuts {
    /// Adds a durable record to those of its conversation.
    pub(super) fn add(&mut self, record: Arc<Record>, about: Option<Person>) {
        let id = record.conversation;
        self.bytes += bytes_of(&record);
        let fan_out = self.by_conversation.entry(id).or_insert_with(|| {
            self.turns.push_back(id);
            FanOut::default()
        });
        if ends_views(&record) {
            fan_out.ends.push_back(End { seq: record.seq, person: about.clone() });
        }
        fan_out.records.push_back((record, about));
    }

    pub(super) fn contains(&self, id: ConversationId) -> bool {
        self.by_conversation.contains_key(&id)
    }

    /// The records of a conversation in fan-out after which some views end.
    fn ends(&self, id: ConversationId) -> impl Iterator<Item = &End> {
        self.by_conversation.get(&id).into_iter().flat_map(|fan_out| &fan_out.ends)
    }

    /// All records, those of each conversation in their order.
    pub(super) fn into_records(self) -> impl Iterator<Item = (Arc<Record>, Option<Person>)> {
        self.by_conversation.into_values().flat_map(|fan_out| fan_out.records)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether further records have to stay in the commit queue.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > FAN_OUT_BYTES_MAX
    }
}

impl FanOut {
    /// Begins a pass with the next records. A pass ends with a record after which a viewer may get no more.
    fn begin_pass(&mut self) {
        let before_end = self.records.iter().take_while(|(record, _)| !ends_views(record)).count();
        self.pass_len = (before_end + 1).min(self.records.len()).min(PASS_RECORDS_MAX);
        self.cursor = None;
    }
}

impl Switchboard {
    /// Sends a durable record to all sessions that have its conversation open and have room. If these are many, the
    /// record goes into fan-out instead. Returns the number of sessions.
    pub(super) fn deliver(
        &mut self,
        record: &Arc<Record>,
        about: Option<Person>,
        effects: &mut impl StoreEffects,
    ) -> usize {
        let Some(conversation) = self.version2.ledger.conversations.get_mut(&record.conversation) else { return 0 };
        conversation.durable = conversation.durable.max(record.seq);
        let viewers = conversation.viewers.len();
        if viewers > self.version2.settings.direct_viewers_max || self.version2.fan_outs.contains(record.conversation) {
            self.version2.fan_outs.add(Arc::clone(record), about);
            return 0;
        }
        self.send_records(record.conversation, std::slice::from_ref(record), None, viewers, effects);
        self.follow_record(record, about.as_ref(), effects);
        viewers
    }

    /// Sends records to the viewers of their conversation after one of them, and to at most `viewers_max` of them.
    /// Returns the last viewer, or `None` at the end.
    pub(super) fn send_records(
        &mut self,
        id: ConversationId,
        records: &[Arc<Record>],
        after: Option<SessionId>,
        viewers_max: usize,
        effects: &mut impl StoreEffects,
    ) -> Option<SessionId> {
        let conversation = self.version2.ledger.conversations.get_mut(&id)?;
        let mut viewers = std::mem::take(&mut conversation.viewers);
        let is_room = conversation.is_room();
        let Version2 { ledger, sessions, .. } = &mut self.version2;
        let mut shared_lines = vec![Vec::new(); records.len()];
        let mut with_lane = Vec::new();
        let mut last = None;
        let mut visited = 0;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (&session, viewer) in viewers.range_mut((start, Bound::Unbounded)).take(viewers_max) {
            (last, visited) = (Some(session), visited + 1);
            if viewer.progress != Progress::Live {
                continue;
            }
            let Some(state) = sessions.get_mut(&session) else { continue };
            let device = state.device;
            for (record, shared_line) in records.iter().zip(&mut shared_lines) {
                if viewer.next > record.seq {
                    continue;
                }
                // A panic of an earlier pass may have cost it a record, which it then reads from the store.
                if viewer.next < record.seq || !effects.has_room(session) {
                    viewer.progress = Progress::Behind;
                    state.behind.push_back(id);
                    effects.notify_of_room(session);
                    break;
                }
                let is_own = record.sent.is_some_and(|sent| device.is_some_and(|(_, device)| device == sent.device));
                let is_shared = is_room && !is_own && !is_hidden(ledger, device.map(|(id, _)| id), record);
                let mut own_line = Vec::new();
                let line = if is_shared && !shared_line.is_empty() {
                    &*shared_line
                } else {
                    encode(ledger, record, device, false, &mut own_line);
                    if is_shared {
                        *shared_line = std::mem::take(&mut own_line);
                        &*shared_line
                    } else {
                        &own_line
                    }
                };
                if effects.send_line(session, line).is_err() {
                    self.overflowed.push(session);
                }
                viewer.next = record.seq + 1;
            }
            if !state.lane.is_empty() {
                with_lane.push(session);
            }
        }
        if let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) {
            conversation.viewers = viewers;
        }
        // A reply may have waited for a record.
        for session in with_lane {
            self.advance_lane(session, effects);
        }
        last.filter(|_| visited == viewers_max)
    }

    /// Performs the consequences of a durable record: ends views, or tells an account that it is invited.
    pub(super) fn follow_record(&mut self, record: &Record, about: Option<&Person>, effects: &mut impl StoreEffects) {
        match (record.kind, about) {
            (RecordKind::Left | RecordKind::Kicked | RecordKind::Banned, Some(person)) => {
                self.close_views_of(person, record, effects);
                self.remove_if_abandoned(record.conversation, effects);
            }
            (RecordKind::Invited, Some(Person::Account(account))) => self.send_invitation(*account, record, effects),
            (RecordKind::Set, _) if forbids_views(record) => {
                self.close_forbidden_views(record.conversation, None, usize::MAX, effects);
            }
            _ => {}
        }
    }

    /// Sends the record of an invitation to the devices of the invited account, which does not have the room open.
    fn send_invitation(&mut self, account: AccountId, record: &Record, effects: &mut impl StoreEffects) {
        let ledger = &self.version2.ledger;
        let viewers = ledger.conversations.get(&record.conversation).map(|conversation| &conversation.viewers);
        let invited = ledger.accounts.get(account).filter(|invited| {
            // Nobody is bothered by the invitations of an account that it has blocked.
            record.account.is_none_or(|author| !invited.blocked.contains(&author))
        });
        let sessions = invited.into_iter().flat_map(Account::sessions);
        let sessions: Vec<_> = sessions
            .filter(|session| effects.has_room(*session) && viewers.is_some_and(|open| !open.contains_key(session)))
            .collect();
        let mut line = Vec::new();
        encode(&self.version2.ledger, record, None, false, &mut line);
        for session in sessions {
            self.send_line(session, &line, effects);
        }
    }

    /// Ends the views of a person that is not, or no longer, a member. The last record that it hears says so.
    fn close_views_of(&mut self, person: &Person, record: &Record, effects: &mut impl StoreEffects) {
        let id = record.conversation;
        let Some(conversation) = self.version2.ledger.conversations.get(&id) else { return };
        let sessions: Vec<_> = match person {
            // It has joined again meanwhile.
            Person::Account(account) if conversation.standing(Some(*account)).is_some_and(Standing::is_member) => {
                return;
            }
            Person::Account(account) => {
                self.version2.ledger.accounts.get(*account).into_iter().flat_map(Account::sessions).collect()
            }
            // At most one session has the name.
            Person::Guest(_) => {
                let viewers = conversation.viewers.keys().copied();
                viewers.filter(|&viewer| self.person_of(viewer).as_ref() == Some(person)).take(1).collect()
            }
        };
        for session in sessions {
            self.close_view_of(session, id, effects);
        }
    }

    /// Ends the views of those who may no longer read a conversation because its settings have changed, among at most
    /// `viewers_max` viewers after one of them. Returns the last viewer, or `None` at the end.
    fn close_forbidden_views(
        &mut self,
        id: ConversationId,
        after: Option<SessionId>,
        viewers_max: usize,
        effects: &mut impl StoreEffects,
    ) -> Option<SessionId> {
        let conversation = self.version2.ledger.conversations.get(&id)?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let visited = conversation.viewers.range((start, Bound::Unbounded)).take(viewers_max);
        let visited: Vec<_> = visited.map(|(&session, _)| session).collect();
        let forbidden: Vec<_> = visited.iter().copied().filter(|&session| !self.may_read(session, id)).collect();
        for session in forbidden {
            self.close_view_of(session, id, effects);
        }
        visited.last().copied().filter(|_| visited.len() == viewers_max)
    }

    /// The record in fan-out after which the session may hear no more of a conversation: it ends the session's view at
    /// the end of its pass, but the store has the records after it already.
    pub(super) fn end_of_view(&self, session: SessionId, id: ConversationId) -> Option<u64> {
        let conversation = self.version2.ledger.conversations.get(&id)?;
        let account = self.account_of(session);
        if conversation.standing(account).is_some_and(Standing::is_member) {
            return None;
        }
        let (may_read, person) = (self.may_read(session, id), self.person_of(session));
        let is_end = |end: &&End| if end.person.is_some() { end.person == person } else { !may_read };
        self.version2.fan_outs.ends(id).find(is_end).map(|end| end.seq)
    }

    /// Goes on with the passes, until about `work_max` lines are sent. The conversations take turns.
    pub(super) fn fan_out(&mut self, work_max: usize, effects: &mut impl StoreEffects) {
        let mut work = 0;
        while work < work_max
            && let Some(id) = self.version2.fan_outs.turns.pop_front()
            && let Some(mut fan_out) = self.version2.fan_outs.by_conversation.remove(&id)
        {
            work += if fan_out.is_ending_views {
                self.end_forbidden_views(id, &mut fan_out, work_max - work, effects)
            } else {
                self.send_pass(id, &mut fan_out, work_max - work, effects)
            };
            if fan_out.is_ending_views || !fan_out.records.is_empty() {
                self.version2.fan_outs.by_conversation.insert(id, fan_out);
                self.version2.fan_outs.turns.push_back(id);
            }
            self.close_overflowed(effects);
        }
    }

    /// Sends the records of a pass to the next viewers, until about `work_max` lines are sent. Returns the work that this
    /// counts for.
    fn send_pass(
        &mut self,
        id: ConversationId,
        fan_out: &mut FanOut,
        work_max: usize,
        effects: &mut impl StoreEffects,
    ) -> usize {
        if fan_out.pass_len == 0 {
            fan_out.begin_pass();
        }
        let records: Vec<_> =
            fan_out.records.iter().take(fan_out.pass_len).map(|(record, _)| Arc::clone(record)).collect();
        let viewer_work = records.len().max(VIEWER_WORK_MIN);
        let viewers_max = work_max.div_ceil(viewer_work);
        fan_out.cursor = self.send_records(id, &records, fan_out.cursor, viewers_max, effects);
        if fan_out.cursor.is_none() {
            for (record, about) in fan_out.records.drain(..fan_out.pass_len) {
                self.version2.fan_outs.bytes -= bytes_of(&record);
                if forbids_views(&record) {
                    // It is the last record of the pass.
                    fan_out.is_ending_views = true;
                } else {
                    fan_out.ends.pop_front_if(|end| end.seq <= record.seq);
                    self.follow_record(&record, about.as_ref(), effects);
                }
            }
            fan_out.pass_len = 0;
        }
        viewers_max * viewer_work
    }

    /// Ends the next views of those who may no longer read the conversation, among at most `viewers_max` viewers. Returns
    /// this number.
    fn end_forbidden_views(
        &mut self,
        id: ConversationId,
        fan_out: &mut FanOut,
        viewers_max: usize,
        effects: &mut impl StoreEffects,
    ) -> usize {
        fan_out.cursor = self.close_forbidden_views(id, fan_out.cursor, viewers_max, effects);
        if fan_out.cursor.is_none() {
            fan_out.is_ending_views = false;
            fan_out.ends.pop_front();
        }
        viewers_max
    }
}

/// Whether some sessions may hear no more after this record.
pub(super) fn ends_views(record: &Record) -> bool {
    match record.kind {
        RecordKind::Left | RecordKind::Kicked | RecordKind::Banned => true,
        _ => forbids_views(record),
    }
}

/// Whether this record takes the right to read from all that are not members.
fn forbids_views(record: &Record) -> bool {
    record.kind == RecordKind::Set && &*record.text == "guests none"
}

fn bytes_of(record: &Record) -> usize {
    record.text.len() + RECORD_OVERHEAD_BYTES
}
