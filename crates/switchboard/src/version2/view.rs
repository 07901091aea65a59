//! Open conversations: replay of missed records, and readers that fall behind.

use std::collections::BTreeSet;

use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{GapReason, Position, Reply, Target};

use super::commit_queue::QueuedOutput;
use super::say::encode;
use super::state::LaneItem;
use super::{OPEN_MAX, Question, ReplyPath};
use crate::board::Switchboard;
use crate::change::{ConversationId, Standing};
use crate::conversation::{Progress, Viewer};
use crate::effects::StoreEffects;
use crate::ledger::Ledger;
use crate::reads::{Answer, Query, Ticket};
use crate::session::SessionId;

/// Maximum records of one read of the store.
const READ_RECORDS_MAX: usize = 256;

/// Maximum bytes of text of one read of the store.
const READ_BYTES_MAX: usize = 64 * 1024;

impl Switchboard {
    /// `OPEN`: the session hears the records of the conversation from now on, or after `position`.
    pub(super) fn open(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        position: Option<&Position<'_>>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let id = self.readable(from, target)?;
        self.open_view(from, id, position, effects)
    }

    /// Opens a conversation that the session may read.
    pub(super) fn open_view(
        &mut self,
        from: SessionId,
        id: ConversationId,
        position: Option<&Position<'_>>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let Some(state) = self.version2.sessions.get_mut(&from) else { return Ok(()) };
        if state.open.len() >= OPEN_MAX && !state.open.contains(&id) {
            return Err(ErrorCode::TooManyOpen);
        }
        state.open.insert(id);
        let target = self.target_name(id, from);
        let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) else { return Ok(()) };
        let (first, last) = (conversation.first_for_readers(), conversation.durable);
        let epoch = conversation.epoch.to_string();
        let is_valid = |position: &&Position<'_>| position.epoch == epoch && position.after <= last;
        // Without a position, a view that is open already goes on where it is: nothing is left out.
        let open_view = conversation.viewers.get(&from).filter(|_| position.is_none());
        let start = open_view.map_or(last + 1, |viewer| viewer.next);
        let next = position.filter(is_valid).map_or(start, |position| position.after + 1);
        let is_lost = position.is_some_and(|position| !is_valid(&position));
        let is_live = next > last;
        let progress = if is_live { Progress::Live } else { Progress::Behind };
        self.set_viewer(from, id, Viewer { next, progress, is_opening: !is_live });
        self.reply(from, &Reply::OpenOk { target: (&*target).into(), epoch: epoch.into(), first, last }, effects);
        if is_lost {
            self.reply(
                from,
                &Reply::Gap { target: (&*target).into(), from: 0, to: 0, reason: GapReason::Lost, is_past: false },
                effects,
            );
        }
        if is_live {
            self.reply(from, &Reply::Live { target: target.into(), last }, effects);
        } else {
            self.read_next_view(from, effects);
        }
        Ok(())
    }

    /// `CLOSE`: the session no longer hears the records of the conversation.
    pub(super) fn close_view(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let id = self.find_conversation(from, target)?;
        self.remove_viewer(from, id, effects);
        let target = self.target_name(id, from).into();
        self.reply(from, &Reply::CloseOk { target }, effects);
        Ok(())
    }

    /// Ends the view of a session, and releases the replies that waited for its records.
    pub(super) fn remove_viewer(&mut self, session: SessionId, id: ConversationId, effects: &mut impl StoreEffects) {
        self.forget_viewer(session, id, effects);
        self.advance_lane(session, effects);
    }

    /// Ends the view of a session that may no longer read a conversation. If it has not heard the last record, because
    /// it is behind, `CLOSE_OK` tells it that there is no more.
    pub(super) fn close_view_of(&mut self, session: SessionId, id: ConversationId, effects: &mut impl StoreEffects) {
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.partner = state.partner.filter(|&partner| partner != id);
        }
        let viewer = self.version2.ledger.conversations.get(&id).and_then(|found| found.viewers.get(&session).copied());
        if let Some(viewer) = viewer {
            // Before the replies that waited for its records: an open conversation has no hole.
            if viewer.progress != Progress::Live {
                let target = self.target_name(id, session).into();
                self.send_now(session, &Reply::CloseOk { target }, effects);
            }
            self.remove_viewer(session, id, effects);
        }
    }

    /// Ends the view of a session after its earlier requests: one of them may be an `OPEN`.
    pub(super) fn remove_viewer_in_turn(
        &mut self,
        session: SessionId,
        id: ConversationId,
        effects: &mut impl StoreEffects,
    ) {
        if self.must_queue(session) {
            self.enqueue(session, QueuedOutput::CloseView(session, id));
        } else {
            self.send_in_lane(session, LaneItem::CloseView(id), effects);
        }
    }

    pub(super) fn forget_viewer(&mut self, session: SessionId, id: ConversationId, effects: &mut impl StoreEffects) {
        let account = self.account_of(session);
        if let Some(conversation) = self.version2.ledger.conversations.get_mut(&id)
            && let Some(viewer) = conversation.viewers.remove(&session)
        {
            let is_member = conversation.standing(account).is_some_and(Standing::is_member);
            let is_behind = viewer.next <= conversation.durable;
            self.version2.ledger.update_vacancy(id);
            if is_member && is_behind {
                // The news have passed it, because it had the conversation open.
                self.miss_news(session, id, effects);
            }
        }
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.open.remove(&id);
            state.behind.retain(|&behind| behind != id);
        }
    }

    /// Reads records for the first conversation of a session that is behind, if the outbox has room and no such read is
    /// under way.
    pub(super) fn read_next_view(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        let Some(state) = self.version2.sessions.get_mut(&session) else { return };
        if state.view_read.is_some() || state.behind.is_empty() {
            return;
        }
        if !effects.has_room(session) {
            effects.notify_of_room(session);
            return;
        }
        while let Some(state) = self.version2.sessions.get_mut(&session)
            && state.view_read.is_none()
            && let Some(id) = state.behind.pop_front()
        {
            let end = self.end_of_view(session, id);
            let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) else { continue };
            let to = end.map_or(conversation.durable, |end| end.min(conversation.durable));
            let Some(viewer) = conversation.viewers.get_mut(&session) else { continue };
            if end.is_some_and(|end| viewer.next > end) {
                self.close_view_of(session, id, effects);
                continue;
            }
            self.version2.next_ticket += 1;
            let ticket = Ticket(self.version2.next_ticket);
            viewer.progress = Progress::Reading(ticket);
            if let Some(state) = self.version2.sessions.get_mut(&session) {
                state.view_read = Some(ticket);
            }
            self.version2.questions.insert(ticket, Question::Viewer(session, id, to));
            let (max_records, max_bytes) = (READ_RECORDS_MAX, READ_BYTES_MAX);
            let query = Query::Range { conversation: id, from: viewer.next, to, max_records, max_bytes };
            effects.read(ticket, query);
            return;
        }
    }

    /// Takes the answer to a read for a viewer, and reads on.
    pub(super) fn view_answered(
        &mut self,
        session: SessionId,
        id: ConversationId,
        ticket: Ticket,
        to: u64,
        answer: Answer,
        effects: &mut impl StoreEffects,
    ) {
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.view_read = state.view_read.filter(|&read| read != ticket);
        }
        let has_failed = answer == Answer::Failed;
        self.feed_viewer(session, id, ticket, to, answer, effects);
        self.check_pause(session);
        if has_failed {
            // It is tried again, so that nothing is missing in the end.
            self.version2.unread_sessions.insert(session);
        } else {
            self.read_next_view(session, effects);
        }
    }

    /// Sends the records up to `to` that were read for a viewer, as far as there is room.
    fn feed_viewer(
        &mut self,
        session: SessionId,
        id: ConversationId,
        ticket: Ticket,
        to: u64,
        answer: Answer,
        effects: &mut impl StoreEffects,
    ) {
        let device = self.version2.sessions.get(&session).and_then(|state| state.device);
        let target = self.target_name(id, session);
        let end = self.end_of_view(session, id).unwrap_or(u64::MAX);
        let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) else { return };
        let durable = conversation.durable;
        let Some(mut viewer) = conversation.viewers.get(&session).copied() else { return };
        if viewer.progress != Progress::Reading(ticket) {
            // The view was closed and opened again meanwhile.
            return;
        }
        let Answer::Records { first, records } = answer else {
            self.set_viewer(session, id, Viewer { progress: Progress::Behind, ..viewer });
            return;
        };
        if let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) {
            conversation.first = conversation.first.max(first);
        }
        let expired =
            |from, to| Reply::Gap { target: (&*target).into(), from, to, reason: GapReason::Expired, is_past: false };
        let mut line = Vec::new();
        if records.is_empty() && viewer.next <= to {
            expired(viewer.next, to).encode(&mut line);
            viewer.next = to + 1;
        }
        for record in records.iter().filter(|record| (viewer.next..=end).contains(&record.seq)).collect::<Vec<_>>() {
            if !effects.has_room(session) {
                break;
            }
            line.clear();
            if record.seq > viewer.next {
                expired(viewer.next, record.seq - 1).encode(&mut line);
            }
            encode(&self.version2.ledger, record, device, false, &mut line);
            self.send_line(session, &line, effects);
            line.clear();
            viewer.next = record.seq + 1;
        }
        if !line.is_empty() {
            self.send_line(session, &line, effects);
        }
        if viewer.next > end {
            // The record that says so was the last line, unless it has expired.
            let is_told = records.iter().any(|record| record.seq == end);
            viewer.progress = if is_told { Progress::Live } else { Progress::Behind };
            self.set_viewer(session, id, viewer);
            self.close_view_of(session, id, effects);
            return;
        }
        let is_live = viewer.next > durable;
        let sends_live = is_live && std::mem::take(&mut viewer.is_opening);
        viewer.progress = if is_live { Progress::Live } else { Progress::Behind };
        self.set_viewer(session, id, viewer);
        if sends_live {
            self.send_now(session, &Reply::Live { target: target.into(), last: durable }, effects);
        }
        self.advance_lane(session, effects);
    }

    /// Sets the progress of a viewer, and queues its next read if it is behind.
    fn set_viewer(&mut self, session: SessionId, id: ConversationId, viewer: Viewer) {
        if let Some(conversation) = self.version2.ledger.conversations.get_mut(&id)
            && let Some(state) = self.version2.sessions.get_mut(&session)
        {
            conversation.viewers.insert(session, viewer);
            state.behind.retain(|&behind| behind != id);
            state.behind.extend((viewer.progress == Progress::Behind).then_some(id));
        }
        self.version2.ledger.update_vacancy(id);
    }

    /// After the store was loaded anew: the sessions keep their open conversations, unless a conversation is gone.
    pub(super) fn restore_viewers(&mut self, old: Ledger, effects: &mut impl StoreEffects) {
        // Nobody has asked for these lines, so they pass the waiting replies, as records do.
        let outer = std::mem::replace(&mut self.version2.reply_path, ReplyPath::Direct);
        let mut sessions = BTreeSet::new();
        for (id, before) in old.conversations {
            if !self.version2.ledger.conversations.contains_key(&id) {
                self.version2.ledger.remember_deleted(id, before.kind);
            }
            for (session, mut viewer) in before.viewers {
                sessions.insert(session);
                let may_read = self.may_read(session, id);
                let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) else {
                    self.end_view(session, id, true, effects);
                    continue;
                };
                if !may_read {
                    // The record that ended the view was still in fan-out.
                    conversation.viewers.insert(session, Viewer { progress: Progress::Behind, ..viewer });
                    self.close_view_of(session, id, effects);
                } else if conversation.epoch == before.epoch {
                    // A read of the old store may still be under way. Its answer is ignored.
                    let is_live = viewer.next > conversation.durable;
                    viewer.progress = if is_live { Progress::Live } else { Progress::Behind };
                    self.set_viewer(session, id, viewer);
                    self.read_next_view(session, effects);
                } else {
                    self.drop_record_dependencies(session, id);
                    let lost = Position { epoch: before.epoch.to_string().into(), after: 0 };
                    // The session had it open before, so there is room for it.
                    let _ = self.open_view(session, id, Some(&lost), effects);
                }
            }
        }
        self.version2.reply_path = outer;
        for session in sessions {
            self.advance_waiting_lane(session, effects);
        }
    }

    /// Asks the store.
    pub(super) fn ask(&mut self, question: Question, query: Query, effects: &mut impl StoreEffects) -> Ticket {
        self.version2.next_ticket += 1;
        let ticket = Ticket(self.version2.next_ticket);
        self.version2.questions.insert(ticket, question);
        effects.read(ticket, query);
        ticket
    }
}
