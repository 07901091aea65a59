//! Retention: old records expire, by their number or by their age.

use switchboard_protocol::ErrorCode;

use super::state::Usage;
use super::{EVENT_WORK_MAX, Question, Version2};
use crate::board::Switchboard;
use crate::change::{Change, ConversationId};
use crate::effects::StoreEffects;
use crate::reads::{Answer, Query};
use crate::session::SessionId;

/// How many records, and how many bytes of text, somebody may store in 24 hours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Maximum number of records.
    pub records: u64,
    /// Maximum total length of the texts, in bytes.
    pub bytes: u64,
}

/// Records expire in steps of this part of their maximum number, so that a step is worth its commit.
const STEP_DIVISOR: u64 = 8;

/// Maximum conversations that one call of [`Switchboard::tick`] looks at.
const LOOKED_AT_MAX: usize = 1024;

/// Maximum sessions for which one call of [`Switchboard::tick`] repeats a read that has failed.
const RETRIED_MAX: usize = 256;

/// Maximum conversations whose oldest record one call of [`Switchboard::tick`] reads.
const ASKED_MAX: usize = 16;

/// Maximum things that one call of [`Switchboard::tick`] ends.
const ENDED_MAX: usize = 1024;

/// Maximum records of one read of old records.
const OLD_RECORDS_MAX: usize = 256;

/// Maximum bytes of text of one read of old records.
const OLD_BYTES_MAX: usize = 64 * 1024;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

impl Switchboard {
    /// Does what is due now and then: the caller calls it about once a second.
    pub fn tick(&mut self, effects: &mut impl StoreEffects) {
        for _ in 0..RETRIED_MAX {
            let Some(session) = self.version2.unread_sessions.pop_first() else { break };
            self.read_next_view(session, effects);
        }
        self.end_due(effects);
        self.expire_old(effects);
        self.settle(EVENT_WORK_MAX, effects);
    }

    /// Ends what ends by itself at this time, such as a mute.
    fn end_due(&mut self, effects: &mut impl StoreEffects) {
        if self.version2.outage.is_none() {
            let now = effects.wall_clock();
            for _ in 0..ENDED_MAX {
                if !self.version2.ledger.end_next(now, effects) {
                    break;
                }
            }
        }
    }

    /// Looks for records that are older than their room keeps them. Each call looks at some conversations, the next
    /// call at others.
    fn expire_old(&mut self, effects: &mut impl StoreEffects) {
        if self.version2.outage.is_none() {
            let conversations = &self.version2.ledger.conversations;
            let next = conversations.range(self.version2.expiry_cursor..).take(LOOKED_AT_MAX);
            let mut looked_at = 0;
            let mut ids = Vec::new();
            let mut last = None;
            for (&id, conversation) in next {
                looked_at += 1;
                last = Some(id);
                if conversation.settings.keep_days.is_some() {
                    ids.push(id);
                }
                if ids.len() == ASKED_MAX {
                    break;
                }
            }
            let is_end = looked_at < LOOKED_AT_MAX && ids.len() < ASKED_MAX;
            let after = last.filter(|_| !is_end).map_or(0, |last| last.0 + 1);
            self.version2.expiry_cursor = ConversationId(after);
            for id in ids {
                self.ask_old(id, 1, effects);
            }
        }
    }

    fn ask_old(&mut self, id: ConversationId, max_records: usize, effects: &mut impl StoreEffects) {
        let Some(conversation) = self.version2.ledger.conversations.get(&id) else { return };
        let (from, to) = (conversation.first, conversation.durable);
        if from > to {
            return;
        }
        let query = Query::Range { conversation: id, from, to, max_records, max_bytes: OLD_BYTES_MAX };
        self.ask(Question::Old(id), query, effects);
    }

    /// Takes the oldest records of a conversation, and lets those expire that are too old.
    pub(super) fn expire_answered(&mut self, id: ConversationId, answer: &Answer, effects: &mut impl StoreEffects) {
        let Answer::Records { records, .. } = answer else { return };
        let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) else { return };
        let (Some(days), None) = (conversation.settings.keep_days, self.version2.outage) else { return };
        let oldest = effects.wall_clock().0.saturating_sub(u64::from(days) * DAY_MILLIS);
        let Some(last_old) = records.iter().take_while(|record| record.at.0 < oldest).last() else { return };
        let first = last_old.seq + 1;
        if first > conversation.first {
            conversation.first = first;
            self.version2.ledger.append(Change::Expired { conversation: id, first }, effects);
        }
        if records.last().is_some_and(|record| record.seq == last_old.seq) {
            self.ask_old(id, OLD_RECORDS_MAX, effects);
        }
    }

    /// Lets the oldest records of a conversation expire, if it has more than it may have.
    pub(super) fn expire_excess(&mut self, id: ConversationId, effects: &mut impl StoreEffects) {
        let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) else { return };
        let max = [conversation.settings.keep_records, self.version2.settings.memory_records_max];
        let Some(max) = max.into_iter().flatten().min() else { return };
        let count = conversation.last + 1 - conversation.first;
        if count > max.saturating_add(max / STEP_DIVISOR) {
            conversation.first = conversation.last + 1 - max;
            let first = conversation.first;
            self.version2.ledger.append(Change::Expired { conversation: id, first }, effects);
        }
    }

    /// Whether the session may store a record with a text of `bytes` now. Counts it, if so.
    pub(super) fn may_store(
        &mut self,
        from: SessionId,
        bytes: usize,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.check_quota(from, 1, bytes, effects)?;
        for (usage, _) in self.usages(from).into_iter().flatten() {
            usage.add(bytes as u64);
        }
        Ok(())
    }

    /// Whether the session may store so many records with `bytes` of text now.
    pub(super) fn check_quota(
        &mut self,
        from: SessionId,
        records: u64,
        bytes: usize,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.can_store()?;
        let now = effects.wall_clock().0;
        let mut usages = self.usages(from).into_iter().flatten();
        let is_within = usages.all(|(usage, quota)| usage.has_room(now, records, bytes as u64, quota));
        if is_within { Ok(()) } else { Err(ErrorCode::QuotaFull) }
    }

    /// The usage and the quota of the account. For a guest: its own, and those of all guests.
    pub(super) fn usages(&mut self, from: SessionId) -> [Option<(&mut Usage, Quota)>; 2] {
        let account = self.account_of(from);
        let Version2 { ledger, sessions, guests_usage, settings, .. } = &mut self.version2;
        if let Some(account) = account {
            return [
                ledger.accounts.get_mut(account).map(|account| (&mut account.usage, settings.account_quota)),
                None,
            ];
        }
        let guest = sessions.get_mut(&from).map(|state| (&mut state.usage, settings.guest_quota));
        [guest, Some((guests_usage, settings.all_guests_quota))]
    }
}

impl Usage {
    /// The records and bytes that count at this time.
    pub(super) fn current(&self, now: u64) -> (u64, u64) {
        let is_over = now < self.start || now - self.start >= DAY_MILLIS;
        if is_over { (0, 0) } else { (self.records, self.bytes) }
    }

    /// Whether so many more records are within the quota. The count begins anew 24 hours after its first record.
    fn has_room(&mut self, now: u64, records: u64, bytes: u64, quota: Quota) -> bool {
        // A clock that was set back begins anew, too: otherwise, the count would end only after the old time.
        if now < self.start || now - self.start >= DAY_MILLIS {
            *self = Self { start: now, ..Self::default() };
        }
        records <= quota.records.saturating_sub(self.records) && bytes <= quota.bytes.saturating_sub(self.bytes)
    }

    /// Counts a record.
    fn add(&mut self, bytes: u64) {
        self.records += 1;
        self.bytes += bytes;
    }
}
