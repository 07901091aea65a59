//! Failures of the store: withdrawn changes, and the true state afterwards.

use std::sync::Arc;

use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::Command;

use super::commit_queue::{QueuedOutput, RECORD_OVERHEAD_BYTES, RecordContext};
use super::fan_out::ends_views;
use super::state::{LaneItem, LaneRead};
use super::target::target_word;
use super::{EVENT_WORK_MAX, error_line};
use crate::board::Switchboard;
use crate::change::{ConversationId, Snapshot};
use crate::conversation::Conversation;
use crate::effects::{Fact, StoreEffects};
use crate::ledger::Ledger;
use crate::version2::Position;

impl Switchboard {
    /// The store has failed after the last durable change. All later changes are withdrawn: nobody has heard of them.
    /// Until [`store_writable`](Switchboard::store_writable), nothing can be stored, and requests get `code`.
    pub fn store_failed(&mut self, code: ErrorCode, effects: &mut impl StoreEffects) {
        self.version2.outage = Some(code);
        self.version2.withdrawal = Some(code);
        let withdrawn_events = &mut self.version2.withdrawn_events;
        self.version2.commit_queue.withdraw(self.version2.durable, |output| {
            if let QueuedOutput::Record(record, RecordContext { about, .. }) = output
                && (about.is_some() || ends_views(record))
            {
                withdrawn_events.push((Arc::clone(record), about.clone()));
            }
        });
        self.version2.shows_withdrawn |= self.version2.durable < self.version2.ledger.position();
        // Replies that need no change must not depend on a position that the store never reaches.
        self.version2.durable = self.version2.ledger.position();
        self.settle(EVENT_WORK_MAX, effects);
    }

    /// Answers the request of an output whose change was withdrawn.
    pub(super) fn withdraw_output(&mut self, output: QueuedOutput, effects: &mut impl StoreEffects) {
        let mut identified = None;
        let (session, n, target) = match output {
            QueuedOutput::Record(record, RecordContext { author, reply, target, .. }) => {
                self.version2.queued_bytes -= record.text.len() + RECORD_OVERHEAD_BYTES;
                let Some(reply) = reply else { return };
                (author, reply.n(), target)
            }
            QueuedOutput::Line(session, line) => {
                if self.count_released(session) {
                    self.send_in_lane(session, LaneItem::Line(line), effects);
                }
                return;
            }
            QueuedOutput::CloseView(session, id) => {
                if self.count_released(session) {
                    self.send_in_lane(session, LaneItem::CloseView(id), effects);
                }
                return;
            }
            // The record with this number may have been withdrawn, so its absence would prove nothing.
            QueuedOutput::Read(session, LaneRead::Sent { n, .. }, target) => (session, Some(n), target),
            QueuedOutput::Read(session, read, target) => {
                if self.count_released(session) {
                    self.send_in_lane(session, LaneItem::Read(read, target), effects);
                }
                return;
            }
            QueuedOutput::Operated(ticket) => {
                effects.operated(ticket, Err(self.version2.withdrawal.unwrap_or(ErrorCode::Unavailable)));
                return;
            }
            QueuedOutput::Result(session, target, _) | QueuedOutput::ReadMarker(session, _, target, _) => {
                (session, None, target)
            }
            QueuedOutput::Connected(session, id, _) => {
                if let Some(state) = self.version2.sessions.get_mut(&session) {
                    state.partner = state.partner.filter(|&partner| partner != id);
                }
                (session, None, None)
            }
            QueuedOutput::Request(session, n, command) => (session, n, target_word(&command)),
            QueuedOutput::Identity(session) => {
                if let Some(state) = self.version2.sessions.get_mut(&session) {
                    state.identity = None;
                }
                identified = Some(session);
                (session, None, None)
            }
        };
        if self.count_released(session) {
            let code = self.version2.withdrawal.unwrap_or(ErrorCode::Unavailable);
            let line = error_line(n, code, target.as_deref());
            effects.log(Fact::Refused { code });
            self.send_in_lane(session, LaneItem::Line(line), effects);
        }
        if let Some(session) = identified {
            self.carry_out_deferred(session, effects);
        }
    }

    /// The true state of the store after a failure. Changes of the failed commit may be in it.
    pub fn store_reloaded(&mut self, snapshot: Snapshot, effects: &mut impl StoreEffects) {
        let position = self.version2.ledger.position();
        let mut old = std::mem::replace(&mut self.version2.ledger, Ledger::load(snapshot, position));
        self.version2.ledger.take_deleted(&mut old);
        self.version2.shows_withdrawn = false;
        self.restore_devices(effects);
        let conversations = &self.version2.ledger.conversations;
        for state in self.version2.sessions.values_mut() {
            state.partner = state.partner.filter(|partner| conversations.contains_key(partner));
        }
        let is_lost = |(id, before): (&ConversationId, &Conversation)| {
            let restored = conversations.get(id).filter(|restored| restored.epoch == before.epoch);
            restored.map_or(0, |restored| restored.durable) < before.durable
        };
        if old.conversations.iter().any(is_lost) {
            // A backup was restored, so output that was durable may be lost, too.
            self.version2.commit_queue.withdraw_all();
        }
        // Records of the failed commit may be stored after all, or older ones may be lost.
        let is_new = |&(id, conversation): &(&ConversationId, &Conversation)| {
            let before = old.conversations.get(id);
            before.is_none_or(|before| conversation.epoch != before.epoch || conversation.durable > before.durable)
        };
        for (&id, _) in conversations.iter().filter(is_new) {
            self.version2.news.add(id, None);
        }
        // The viewers read the records from the store. The effects of these records on views and rooms are still due.
        let withdrawn = std::mem::take(&mut self.version2.withdrawn_events);
        let mut events: Vec<_> = std::mem::take(&mut self.version2.fan_outs).into_records().chain(withdrawn).collect();
        events.retain(|(record, _)| {
            let (id, conversations) = (record.conversation, &self.version2.ledger.conversations);
            let restored = conversations.get(&id).filter(|restored| restored.durable >= record.seq);
            let before = old.conversations.get(&id);
            restored.zip(before).is_some_and(|(restored, before)| restored.epoch == before.epoch)
        });
        self.restore_viewers(old, effects);
        for (record, about) in events {
            self.follow_record(&record, about.as_ref(), effects);
        }
        // Lists have waited for the true state.
        let sessions: Vec<_> = self.version2.sessions.keys().copied().collect();
        for session in sessions {
            self.advance_waiting_lane(session, effects);
        }
        self.settle(EVENT_WORK_MAX, effects);
    }

    /// Whether the answer to a command may depend on changes that were withdrawn. Between a failure of the store and its
    /// loading, the ledger still has them, and nobody may hear of them.
    pub(super) fn check_not_withdrawn(&self, command: &Command<'_>) -> Result<(), ErrorCode> {
        use switchboard_protocol::Command as Version1;
        let is_independent = match command {
            // These name durable records only, or none. After LOGIN and PROVE, `log_in` checks.
            Command::History { .. }
            | Command::Search { .. }
            | Command::Close { .. }
            | Command::Watch
            | Command::Unwatch
            | Command::Wire
            | Command::Login { .. }
            | Command::Prove { .. } => true,
            Command::Version1(command) => !matches!(command, Version1::Connect { .. } | Version1::Register { .. }),
            _ => false,
        };
        if is_independent { Ok(()) } else { self.check_state() }
    }

    /// Whether the ledger is the true state.
    pub(super) fn check_state(&self) -> Result<(), ErrorCode> {
        self.version2.outage.filter(|_| self.version2.shows_withdrawn).map_or(Ok(()), Err)
    }

    /// The store takes changes again. The next one has the place after `position`.
    pub fn store_writable(&mut self, position: Position, effects: &mut impl StoreEffects) {
        (self.version2.outage, self.version2.durable) = (None, position);
        self.version2.ledger.set_position(position);
        self.version2.commit_queue.restart();
        // Their last `LEFT` was stored, but during the outage nothing could be deleted.
        let conversations = self.version2.ledger.conversations.iter();
        let abandoned = conversations.filter(|(_, conversation)| conversation.is_abandoned());
        for id in abandoned.map(|(&id, _)| id).collect::<Vec<_>>() {
            self.remove_if_abandoned(id, effects);
        }
        self.settle(EVENT_WORK_MAX, effects);
    }
}
