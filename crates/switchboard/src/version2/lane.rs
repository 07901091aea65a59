//! The lane of a session: replies that wait for the store, and those behind them.

use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{DoneVerb, Redaction, Reply, Target};

use super::commit_queue::QueuedOutput;
use super::say::{encode, is_hidden};
use super::state::{LaneItem, LaneRead};
use super::{Question, ReplyPath};
use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId, Record, RecordKind, RedactTarget, Standing};
use crate::effects::StoreEffects;
use crate::reads::{Answer, Query};
use crate::session::SessionId;

/// Maximum records in the answer to one `HISTORY`.
const HISTORY_MAX: u64 = 256;

/// Maximum records in the answer to one `SEARCH`.
const SEARCH_MAX: usize = 64;

/// Maximum bytes of text in the answer to one `HISTORY`: 256 records of maximum length.
const HISTORY_BYTES_MAX: usize = 1024 * 1024;

impl Switchboard {
    /// `HISTORY`.
    pub(super) fn history(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        before: u64,
        count: u64,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let conversation = self.readable(from, target)?;
        let count = usize::try_from(count.min(HISTORY_MAX)).unwrap_or_default();
        let last = self.durable_seq(conversation);
        self.ask_in_lane(from, LaneRead::History { conversation, last, before, count }, effects);
        Ok(())
    }

    /// `SEARCH`. Without a target in all conversations of the account.
    pub(super) fn search(
        &mut self,
        from: SessionId,
        target: Option<&Target<'_>>,
        words: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        if !self.version2.settings.has_search {
            return Err(ErrorCode::NotSupported);
        }
        let within = if let Some(target) = target {
            let conversation = self.readable(from, target)?;
            Some((conversation, self.durable_seq(conversation)))
        } else {
            None
        };
        self.ask_in_lane(from, LaneRead::Search { within, words: words.to_owned() }, effects);
        Ok(())
    }

    /// `REDACT` of one record, or of all records of an author.
    pub(super) fn redact(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        what: &Redaction<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let account = self.own_account(from)?;
        // An operator may also redact in rooms that are closed to it.
        let is_moderated = self.is_operator(from) && matches!(target, Target::Room(_));
        let conversation =
            if is_moderated { self.find_conversation(from, target)? } else { self.readable(from, target)? };
        if self.version2.ledger.audit_log == Some(conversation) {
            return Err(ErrorCode::NotAllowed);
        }
        match what {
            Redaction::Record(seq) => {
                if let Some(state) = self.version2.sessions.get_mut(&from) {
                    state.awaits_record = true;
                }
                self.ask_in_lane(from, LaneRead::Redact { conversation, seq: *seq }, effects);
                Ok(())
            }
            Redaction::Author(who) => {
                // An id also names an account that is deleted.
                let author = match who {
                    Target::Account(id) => Some(AccountId(*id)),
                    Target::Name(_) | Target::Room(_) => self.person(who).ok(),
                };
                let is_moderator = self.is_moderator(conversation, account);
                if author != Some(account) && !is_moderator {
                    return Err(ErrorCode::NotAllowed);
                }
                self.may_store(from, 0, effects)?;
                let named = who.to_string();
                let mut targets: Vec<_> = author.map(RedactTarget::Account).into_iter().collect();
                // A name means all who have written under it. The messages of guests are for moderators.
                if is_moderator && !matches!(who, Target::Account(_)) {
                    targets.push(RedactTarget::Guest(named.clone()));
                }
                self.append_redaction(from, conversation, targets, &named, effects);
                Ok(())
            }
        }
    }

    /// The conversation of `target`, which the session may read.
    pub(super) fn readable(&self, from: SessionId, target: &Target<'_>) -> Result<ConversationId, ErrorCode> {
        let id = self.find_conversation(from, target)?;
        if self.may_read(from, id) { Ok(id) } else { Err(ErrorCode::NotAMember) }
    }

    /// Adds an item to the lane of a session. It is sent at once if nothing is before it.
    pub(super) fn send_in_lane(&mut self, to: SessionId, item: LaneItem, effects: &mut impl StoreEffects) {
        if let Some(state) = self.version2.sessions.get_mut(&to) {
            state.lane.push_back(item);
            self.advance_lane(to, effects);
        }
    }

    /// Adds a question to the lane of a session, through the commit queue if an earlier reply is still there.
    pub(super) fn ask_in_lane(&mut self, from: SessionId, read: LaneRead, effects: &mut impl StoreEffects) {
        let target = self.version2.target.take();
        if self.must_queue(from) {
            self.enqueue(from, QueuedOutput::Read(from, read, target));
        } else {
            self.send_in_lane(from, LaneItem::Read(read, target), effects);
        }
    }

    /// Lets replies leave the lane that would otherwise follow a record of this conversation: the epoch has changed, so
    /// the session never gets this record.
    pub(super) fn drop_record_dependencies(&mut self, session: SessionId, id: ConversationId) {
        let items = self.version2.sessions.get_mut(&session).into_iter().flat_map(|state| &mut state.lane);
        for item in items {
            if let LaneItem::AfterRecord(of, _, line) = item
                && *of == id
            {
                *item = LaneItem::Line(std::mem::take(line));
            }
        }
    }

    /// Like [`Self::advance_lane`], but leaves the orphaned views of a session without waiting replies to
    /// [`Switchboard::work`].
    pub(super) fn advance_waiting_lane(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        if self.version2.sessions.get(&session).is_some_and(|state| !state.lane.is_empty()) {
            self.advance_lane(session, effects);
        } else {
            self.check_pause(session);
        }
    }

    /// Sends the first items of a lane, until one has to wait.
    pub(super) fn advance_lane(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        self.check_pause(session);
        if !self.version2.orphaned_views.is_empty() {
            self.end_orphaned_views_of(session, effects);
        }
        if self.version2.reply_path == ReplyPath::Direct {
            // The first item is being carried out. The caller goes on with the next one.
            return;
        }
        loop {
            let Some(state) = self.version2.sessions.get_mut(&session) else { return };
            let must_wait = match state.lane.front() {
                None | Some(LaneItem::Asked(..)) => true,
                Some(LaneItem::AfterRecord(id, seq, _)) => self
                    .version2
                    .ledger
                    .conversations
                    .get(id)
                    .and_then(|conversation| conversation.viewers.get(&session))
                    .is_some_and(|viewer| viewer.next <= *seq),
                Some(LaneItem::List(list)) => list.is_waiting || self.version2.shows_withdrawn,
                Some(LaneItem::Line(_) | LaneItem::CloseView(_) | LaneItem::Request(..) | LaneItem::Read(..)) => false,
            };
            if must_wait {
                return;
            }
            if let Some(LaneItem::Read(..) | LaneItem::List(_) | LaneItem::Request(..)) = state.lane.front()
                && !effects.has_room(session)
            {
                effects.notify_of_room(session);
                return;
            }
            match state.lane.pop_front() {
                Some(LaneItem::Line(line) | LaneItem::AfterRecord(_, _, line)) => {
                    self.send_line(session, &line, effects);
                }
                Some(LaneItem::CloseView(id)) => self.forget_viewer(session, id, effects),
                Some(LaneItem::Request(n, command)) => {
                    self.carry_out_later(session, n, *command, ReplyPath::Direct, effects);
                }
                Some(LaneItem::List(list)) => self.send_list_part(session, list, effects),
                Some(LaneItem::Read(read, target)) => {
                    let query = match self.query(session, &read) {
                        Ok(query) => query,
                        Err(known) => {
                            self.answer_read(session, read, target, known, effects);
                            continue;
                        }
                    };
                    if let Some(state) = self.version2.sessions.get_mut(&session) {
                        state.lane.push_front(LaneItem::Asked(read, target));
                    }
                    self.ask(Question::Lane(session), query, effects);
                }
                Some(LaneItem::Asked(..)) | None => {}
            }
        }
    }

    /// The number of the last durable record.
    fn durable_seq(&self, id: ConversationId) -> u64 {
        self.version2.ledger.conversations.get(&id).map_or(0, |conversation| conversation.durable)
    }

    /// The number of the last record that the answer to a request may have. `last` was the last one at the request: an
    /// account that was banned since then reads no newer ones.
    fn last_readable(&self, session: SessionId, id: ConversationId, last: u64) -> u64 {
        if self.may_read(session, id) { self.durable_seq(id) } else { last }
    }

    /// The question to the store, or the answer if it is known without the store.
    fn query(&self, session: SessionId, read: &LaneRead) -> Result<Query, Answer> {
        let ledger = &self.version2.ledger;
        let nothing = Answer::Records { first: 0, records: Vec::new() };
        match *read {
            LaneRead::History { count: 0, .. } => Err(nothing),
            LaneRead::History { conversation, last, before, count } => {
                let before = before.min(self.last_readable(session, conversation, last) + 1);
                Ok(Query::Before { conversation, before, max_records: count, max_bytes: HISTORY_BYTES_MAX })
            }
            LaneRead::Search { within, ref words } => {
                let conversations = match (within, self.account_of(session)) {
                    (Some((conversation, _)), _) => vec![conversation],
                    (None, Some(account)) => ledger
                        .conversations_of(account)
                        .filter(|id| ledger.conversations[id].standing(Some(account)).is_some_and(Standing::is_member))
                        .collect(),
                    (None, None) => Vec::new(),
                };
                Ok(Query::Search { conversations, words: words.clone(), max_records: SEARCH_MAX })
            }
            // Also if the record has expired.
            LaneRead::Sent { last, n, .. } if n == last.n => Err(Answer::Sent(Some(last.seq))),
            LaneRead::Sent { conversation, last, n, .. } => Ok(Query::Sent { conversation, last, n }),
            LaneRead::Redact { conversation, seq } | LaneRead::Report { conversation, seq, .. }
                if seq == 0 || seq > self.durable_seq(conversation) =>
            {
                Err(nothing)
            }
            LaneRead::Redact { conversation, seq } | LaneRead::Report { conversation, seq, .. } => {
                Ok(Query::Range { conversation, from: seq, to: seq, max_records: 1, max_bytes: HISTORY_BYTES_MAX })
            }
        }
    }

    /// Takes the answer for the first item of a lane.
    pub(super) fn answer_lane(&mut self, session: SessionId, answer: Answer, effects: &mut impl StoreEffects) {
        let Some(state) = self.version2.sessions.get_mut(&session) else { return };
        if let Some(LaneItem::Asked(read, target)) = state.lane.pop_front() {
            self.answer_read(session, read, target, answer, effects);
        }
        self.advance_lane(session, effects);
    }

    fn answer_read(
        &mut self,
        session: SessionId,
        read: LaneRead,
        target: Option<String>,
        answer: Answer,
        effects: &mut impl StoreEffects,
    ) {
        let outer = std::mem::replace(&mut self.version2.reply_path, ReplyPath::Direct);
        let outer_target = std::mem::replace(&mut self.version2.target, target);
        if let (LaneRead::Redact { .. } | LaneRead::Report { .. }, Some(state)) =
            (&read, self.version2.sessions.get_mut(&session))
        {
            state.awaits_record = false;
        }
        // The name of a conversation that was withdrawn meanwhile is gone, too.
        let is_gone = read.conversation().is_some_and(|id| !self.version2.ledger.conversations.contains_key(&id));
        let answer = if is_gone { Answer::Failed } else { answer };
        match (read, answer) {
            (LaneRead::History { conversation, .. }, Answer::Records { records, .. }) => {
                self.send_past(session, &records, effects);
                let first = records.first().map_or(0, |record| record.seq);
                let last = records.last().map_or(0, |record| record.seq);
                let target = self.target_name(conversation, session).into();
                self.send_now(session, &Reply::HistoryOk { target, first, last }, effects);
            }
            (LaneRead::Search { within, .. }, Answer::Found { mut records, is_complete }) => {
                let account = self.account_of(session);
                records.retain(|record| {
                    // In a search of all conversations, none is left of a conversation that the account may not read.
                    let last = within.map_or(0, |(_, last)| last);
                    record.seq <= self.last_readable(session, record.conversation, last)
                        && !is_hidden(&self.version2.ledger, account, record)
                });
                let count = records.len() as u64;
                self.send_past(session, &records, effects);
                let target = within.map(|(id, _)| self.target_name(id, session).into());
                self.send_now(session, &Reply::SearchOk { target, count, has_more: !is_complete }, effects);
            }
            (LaneRead::Sent { conversation, n, reply, .. }, Answer::Sent(seq)) => {
                match seq {
                    Some(seq) => {
                        let target = self.target_name(conversation, session);
                        // A replay of the conversation may not have reached the record yet.
                        let line = reply.encode(&target, seq);
                        if let Some(state) = self.version2.sessions.get_mut(&session) {
                            state.lane.push_front(LaneItem::AfterRecord(conversation, seq, line));
                        }
                    }
                    None => self.refuse(session, Some(n), ErrorCode::Stale, effects),
                }
            }
            (LaneRead::Redact { conversation, seq }, Answer::Records { records, .. }) => {
                if let Err(code) = self.redact_record(session, conversation, seq, records.first(), effects) {
                    self.refuse(session, None, code, effects);
                }
            }
            (LaneRead::Report { conversation, seq, reason }, Answer::Records { records, .. }) => {
                if let Err(code) = self.report_record(session, conversation, seq, &reason, records.first(), effects) {
                    self.refuse(session, None, code, effects);
                }
            }
            (read, Answer::Failed | Answer::Records { .. } | Answer::Found { .. } | Answer::Sent(_)) => {
                let n = if let LaneRead::Sent { n, .. } = read { Some(n) } else { None };
                self.refuse(session, n, ErrorCode::Unavailable, effects);
            }
        }
        (self.version2.reply_path, self.version2.target) = (outer, outer_target);
    }

    /// Sends records that are not new.
    fn send_past(&mut self, session: SessionId, records: &[Record], effects: &mut impl StoreEffects) {
        let device = self.version2.sessions.get(&session).and_then(|state| state.device);
        let mut lines = Vec::new();
        for record in records {
            lines.clear();
            encode(&self.version2.ledger, record, device, true, &mut lines);
            self.send_line(session, &lines, effects);
        }
    }

    fn redact_record(
        &mut self,
        from: SessionId,
        id: ConversationId,
        seq: u64,
        record: Option<&Record>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.can_store()?;
        let account = self.own_account(from)?;
        let record = record.filter(|record| record.kind == RecordKind::Message).ok_or(ErrorCode::RecordNotFound)?;
        if record.account != Some(account) && !self.is_moderator(id, account) {
            return Err(ErrorCode::NotAllowed);
        }
        if let Some(seq) = record.redacted_by {
            // The same answer again.
            let target = self.target_name(id, from).into();
            self.send_now(from, &Reply::Done { verb: DoneVerb::Redact, target, seq }, effects);
            return Ok(());
        }
        self.may_store(from, 0, effects)?;
        self.append_redaction(from, id, vec![RedactTarget::Record(seq)], &seq.to_string(), effects);
        Ok(())
    }

    fn is_moderator(&self, id: ConversationId, account: AccountId) -> bool {
        let conversation = self.version2.ledger.conversations.get(&id);
        let is_operator = self.version2.ledger.accounts.get(account).is_some_and(|account| account.is_operator);
        conversation.is_some_and(|conversation| {
            conversation.standing(Some(account)).is_some_and(Standing::is_moderator)
                || (is_operator && conversation.is_room())
        })
    }
}
