//! Fan-out: records of large conversations on their way to the viewers.
//!
//! A record of a room with thousands of viewers would hold up all other sessions if it were sent to all viewers at once.
//! So it is sent in passes: each part of a pass serves some viewers, and other events come between the parts. Records
//! that come meanwhile share the next pass, so a room that is written to faster than it can be read needs fewer passes,
//! not more time.
//!
//! A viewer that opens the conversation during a pass begins after the records in fan-out. A viewer whose outbox has no
//! room leaves the passes, and is fed from the store ([`view`](super::view)).

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::commit_queue::RECORD_OVERHEAD_BYTES;
use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId, Record, RecordKind, Standing};
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// Maximum records of one pass.
const PASS_RECORDS_MAX: usize = 16;

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
    /// The records, each with the account that has left, or was removed or invited.
    records: VecDeque<(Arc<Record>, Option<AccountId>)>,
    /// Those of the records after which some views end.
    ends: VecDeque<End>,
    /// Number of the records, from the first, that the present pass sends.
    pass_len: usize,
    /// The last viewer that the present pass has served.
    cursor: Option<SessionId>,
}

/// A record in fan-out after which some views end.
#[derive(Clone, Copy, Debug)]
struct End {
    seq: u64,
    /// The account that has left or was removed. `None`: the settings have changed.
    account: Option<AccountId>,
}

impl FanOuts {
    /// Adds a durable record to those of its conversation.
    pub(super) fn add(&mut self, record: Arc<Record>, about: Option<AccountId>) {
        let id = record.conversation;
        self.bytes += bytes_of(&record);
        let fan_out = self.by_conversation.entry(id).or_insert_with(|| {
            self.turns.push_back(id);
            FanOut::default()
        });
        if ends_views(&record) {
            fan_out.ends.push_back(End { seq: record.seq, account: about });
        }
        fan_out.records.push_back((record, about));
    }

    pub(super) fn contains(&self, id: ConversationId) -> bool {
        self.by_conversation.contains_key(&id)
    }

    /// The records of a conversation in fan-out after which some views end.
    fn ends(&self, id: ConversationId) -> impl Iterator<Item = End> {
        self.by_conversation.get(&id).into_iter().flat_map(|fan_out| &fan_out.ends).copied()
    }

    /// All records, those of each conversation in their order.
    pub(super) fn into_records(self) -> impl Iterator<Item = (Arc<Record>, Option<AccountId>)> {
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
    /// The record in fan-out after which the session may hear no more of a conversation: it ends the session's view at
    /// the end of its pass, but the store has the records after it already.
    pub(super) fn end_of_view(&self, session: SessionId, id: ConversationId) -> Option<u64> {
        let conversation = self.version2.ledger.conversations.get(&id)?;
        let account = self.account_of(session);
        if conversation.standing(account).is_some_and(Standing::is_member) {
            return None;
        }
        let may_read = conversation.may_read(account);
        let is_end = |end: &End| if end.account.is_some() { end.account == account } else { !may_read };
        self.version2.fan_outs.ends(id).find(is_end).map(|end| end.seq)
    }

    /// Goes on with the passes, until about `work_max` lines are sent. The conversations take turns.
    pub(super) fn fan_out(&mut self, work_max: usize, effects: &mut impl StoreEffects) {
        let mut work = 0;
        while work < work_max
            && let Some(id) = self.version2.fan_outs.turns.pop_front()
            && let Some(mut fan_out) = self.version2.fan_outs.by_conversation.remove(&id)
        {
            if fan_out.pass_len == 0 {
                fan_out.begin_pass();
            }
            let records: Vec<_> =
                fan_out.records.iter().take(fan_out.pass_len).map(|(record, _)| Arc::clone(record)).collect();
            let viewers_max = (work_max - work).div_ceil(records.len().max(1));
            work += viewers_max * records.len().max(1);
            fan_out.cursor = self.send_records(id, &records, fan_out.cursor, viewers_max, effects);
            if fan_out.cursor.is_none() {
                for (record, about) in fan_out.records.drain(..fan_out.pass_len) {
                    self.version2.fan_outs.bytes -= bytes_of(&record);
                    fan_out.ends.pop_front_if(|end| end.seq <= record.seq);
                    self.follow_record(&record, about, effects);
                }
                fan_out.pass_len = 0;
            }
            if !fan_out.records.is_empty() {
                self.version2.fan_outs.by_conversation.insert(id, fan_out);
                self.version2.fan_outs.turns.push_back(id);
            }
            self.close_overflowed(effects);
        }
    }
}

/// Whether some sessions may hear no more after this record.
pub(super) fn ends_views(record: &Record) -> bool {
    match record.kind {
        RecordKind::Left | RecordKind::Kicked | RecordKind::Banned => true,
        RecordKind::Set => &*record.text == "guests none",
        _ => false,
    }
}

fn bytes_of(record: &Record) -> usize {
    record.text.len() + RECORD_OVERHEAD_BYTES
}
