//! Records: how they are made, and how they reach their readers.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use switchboard_protocol::version2::{GapReason, RecordLine, RecordVerb, Reply, TaggedReply, Target};
use switchboard_protocol::{ErrorCode, Text};

use super::commit_queue::{PendingReply, QueuedOutput, RECORD_OVERHEAD_BYTES, RecordContext};
use super::fan_out::ends_views;
use super::state::{LaneItem, LaneRead};
use crate::accounts::Account;
use crate::board::Switchboard;
use crate::change::{
    AccountId, Change, ConversationId, ConversationKind, DeviceId, LastSent, Record, RecordKind, Sent,
};
use crate::conversation::Progress;
use crate::effects::StoreEffects;
use crate::ledger::Ledger;
use crate::session::SessionId;

/// A record that has no number yet.
#[derive(Clone, Copy)]
pub(super) struct NewRecord<'a> {
    pub(super) kind: RecordKind,
    pub(super) text: &'a str,
    pub(super) sent: Option<Sent>,
    /// The reply to its author.
    pub(super) reply: Option<PendingReply>,
    /// The account that has left, or was removed or invited.
    pub(super) about: Option<AccountId>,
    /// The account that wrote it. `None`: that of the session, or a guest.
    pub(super) author: Option<AccountId>,
}

impl<'a> NewRecord<'a> {
    /// A record of the session's user, about nobody and without a number.
    pub(super) fn new(kind: RecordKind, text: &'a str, reply: Option<PendingReply>) -> Self {
        Self { kind, text, sent: None, reply, about: None, author: None }
    }
}

impl Switchboard {
    /// The conversation of `target`, to which the session may add this message.
    pub(super) fn writable(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        text: &Text<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<ConversationId, ErrorCode> {
        let id = self.find_or_create(from, target, Some(text.as_str().len()), effects)?;
        self.check_writable(from, id)?;
        Ok(id)
    }

    /// Whether the session may add messages to a conversation.
    pub(super) fn check_writable(&self, from: SessionId, id: ConversationId) -> Result<(), ErrorCode> {
        let account = self.account_of(from);
        let conversation = self.version2.ledger.conversations.get(&id).ok_or(ErrorCode::NotConnected)?;
        let other = account.and_then(|account| conversation.other(account));
        if other.is_some_and(|other| self.version2.ledger.accounts.get(other).is_none()) {
            return Err(ErrorCode::UserNotFound);
        }
        if conversation.may_write(account) { Ok(()) } else { Err(ErrorCode::NotAMember) }
    }

    /// Adds a message to a conversation.
    pub(super) fn say(
        &mut self,
        from: SessionId,
        id: ConversationId,
        n: Option<u64>,
        text: &Text<'_>,
        reply: PendingReply,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let mut sent = None;
        if let Some(n) = n {
            let (_, device) = self.version2.sessions[&from].device.ok_or(ErrorCode::NotLoggedIn)?;
            let last = self.version2.ledger.conversations[&id].sent.get(&device).copied();
            if let Some(last) = last.filter(|last| n <= last.n) {
                self.can_store()?;
                let is_durable = last.seq <= self.version2.ledger.conversations[&id].durable;
                let read = LaneRead::Sent { conversation: id, last, n, reply };
                if is_durable {
                    self.ask_in_lane(from, read, effects);
                } else {
                    // An earlier session of the device may have sent the record that is on its way to the store.
                    let target = self.version2.target.take();
                    self.enqueue(from, QueuedOutput::Read(from, read, target));
                }
                return Ok(());
            }
            sent = Some(Sent { device, n, previous_seq: last.map_or(0, |last| last.seq) });
        }
        self.may_store(from, text.as_str().len(), effects)?;
        let new_record = NewRecord { sent, ..NewRecord::new(RecordKind::Message, text.as_str(), Some(reply)) };
        self.append_record(from, id, new_record, effects);
        Ok(())
    }

    /// Numbers a record of the session's user, and appends it. The reply to the session waits for it.
    pub(super) fn append_record(
        &mut self,
        from: SessionId,
        id: ConversationId,
        new_record: NewRecord<'_>,
        effects: &mut impl StoreEffects,
    ) {
        let NewRecord { kind, text, sent, reply, about, author } = new_record;
        let account = author.or_else(|| self.account_of(from));
        let author = account.and_then(|account| self.version2.ledger.accounts.get(account)).map_or_else(
            || self.sessions.get(from).and_then(|session| session.name()).unwrap_or_default().into(),
            |account| Arc::clone(&account.name),
        );
        let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) else { return };
        conversation.last += 1;
        let seq = conversation.last;
        if let Some(Sent { device, n, .. }) = sent {
            self.version2.ledger.set_last_sent(id, device, LastSent { n, seq });
        }
        self.version2.ledger.update_vacancy(id);
        let record = Arc::new(Record {
            conversation: id,
            seq,
            at: effects.wall_clock(),
            account,
            author,
            kind,
            text: text.into(),
            sent,
            redacted_by: None,
        });
        self.version2.ledger.append(Change::RecordAppended(Arc::clone(&record)), effects);
        self.version2.queued_bytes += record.text.len() + RECORD_OVERHEAD_BYTES;
        if reply.is_some()
            && let Some(state) = self.version2.sessions.get_mut(&from)
        {
            state.queued_outputs += 1;
        }
        let target = reply.and_then(|_| self.version2.target.take());
        let context = RecordContext { author: from, reply, target, about };
        self.version2.commit_queue.push(self.version2.ledger.position(), QueuedOutput::Record(record, context));
        self.expire_excess(id, effects);
    }

    /// Sends a durable record to all sessions that have its conversation open and have room. If these are many, the
    /// record goes into fan-out instead. Returns the number of sessions.
    pub(super) fn deliver(
        &mut self,
        record: &Arc<Record>,
        about: Option<AccountId>,
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
        self.follow_record(record, about, effects);
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
        let mut shared_lines = vec![Vec::new(); records.len()];
        let mut advanced = Vec::new();
        let mut last = None;
        let mut visited = 0;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (&session, viewer) in viewers.range_mut((start, Bound::Unbounded)).take(viewers_max) {
            (last, visited) = (Some(session), visited + 1);
            let device = self.version2.sessions.get(&session).and_then(|state| state.device);
            for (record, shared_line) in records.iter().zip(&mut shared_lines) {
                if viewer.progress != Progress::Live || viewer.next > record.seq {
                    continue;
                }
                // A panic of an earlier pass may have cost it a record, which it then reads from the store.
                if viewer.next < record.seq || !effects.has_room(session) {
                    viewer.progress = Progress::Behind;
                    if let Some(state) = self.version2.sessions.get_mut(&session) {
                        state.behind.push_back(id);
                    }
                    effects.notify_of_room(session);
                    break;
                }
                let is_own = record.sent.is_some_and(|sent| device.is_some_and(|(_, device)| device == sent.device));
                let is_shared =
                    is_room && !is_own && !is_hidden(&self.version2.ledger, device.map(|(id, _)| id), record);
                let mut own_line = Vec::new();
                let line = if is_shared && !shared_line.is_empty() {
                    &*shared_line
                } else {
                    encode(&self.version2.ledger, record, device, false, &mut own_line);
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
                if advanced.last() != Some(&session) {
                    advanced.push(session);
                }
            }
        }
        if let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) {
            conversation.viewers = viewers;
        }
        for session in advanced {
            self.advance_lane(session, effects);
        }
        last.filter(|_| visited == viewers_max)
    }

    /// Does what follows from a durable record: ends views, or tells an account that it is invited.
    pub(super) fn follow_record(&mut self, record: &Record, about: Option<AccountId>, effects: &mut impl StoreEffects) {
        match (record.kind, about) {
            (RecordKind::Left | RecordKind::Kicked | RecordKind::Banned, Some(account)) => {
                self.close_views_of(account, record, effects);
                self.remove_if_abandoned(record.conversation, effects);
            }
            (RecordKind::Invited, Some(account)) => self.send_invitation(account, record, effects),
            (RecordKind::Set, _) if ends_views(record) => self.close_forbidden_views(record.conversation, effects),
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

    /// Ends the views of an account that is no longer a member. The last record that it hears says so.
    fn close_views_of(&mut self, account: AccountId, record: &Record, effects: &mut impl StoreEffects) {
        let id = record.conversation;
        let Some(conversation) = self.version2.ledger.conversations.get(&id) else { return };
        if conversation.standing(Some(account)).is_some_and(crate::change::Standing::is_member) {
            // It has joined again meanwhile.
            return;
        }
        let sessions: Vec<_> =
            self.version2.ledger.accounts.get(account).into_iter().flat_map(Account::sessions).collect();
        for session in sessions {
            self.close_view_of(session, id, effects);
        }
    }

    /// Ends the views of those who may no longer read a conversation because its settings have changed.
    fn close_forbidden_views(&mut self, id: ConversationId, effects: &mut impl StoreEffects) {
        let Some(conversation) = self.version2.ledger.conversations.get(&id) else { return };
        let may_read = |session: &SessionId| conversation.may_read(self.account_of(*session));
        let forbidden: Vec<_> = conversation.viewers.keys().copied().filter(|session| !may_read(session)).collect();
        for session in forbidden {
            self.close_view_of(session, id, effects);
        }
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

    /// Sends the reply to the author of a record, after the record itself.
    pub(super) fn release_reply(
        &mut self,
        author: SessionId,
        reply: PendingReply,
        record: &Record,
        effects: &mut impl StoreEffects,
    ) {
        if !self.count_released(author) {
            return;
        }
        let target = self.target_name(record.conversation, author);
        let line = reply.encode(&target, record.seq);
        self.send_in_lane(author, LaneItem::AfterRecord(record.conversation, record.seq, line), effects);
    }
}

impl PendingReply {
    /// The line, once the record has this number.
    pub(super) fn encode(self, target: &str, seq: u64) -> Vec<u8> {
        let target = target.into();
        let reply = match self {
            Self::Said(n) => TaggedReply { n, reply: Reply::Said { target, seq } },
            Self::MsgSent(n) => TaggedReply { n, reply: Reply::Version1(switchboard_protocol::Reply::MsgSent) },
            Self::Done(verb) => TaggedReply { n: None, reply: Reply::Done { verb, target, seq } },
        };
        let mut line = Vec::new();
        reply.encode(&mut line);
        line
    }

    /// The number of the request.
    pub(super) fn n(self) -> Option<u64> {
        match self {
            Self::Said(n) | Self::MsgSent(n) => n,
            Self::Done(_) => None,
        }
    }
}

/// Whether a reader has blocked the author of a record.
pub(super) fn is_hidden(ledger: &Ledger, reader: Option<AccountId>, record: &Record) -> bool {
    record.kind == RecordKind::Message
        && record.account.is_some_and(|author| {
            reader.and_then(|reader| ledger.accounts.get(reader)).is_some_and(|reader| reader.blocked.contains(&author))
        })
}

/// Appends the line of a record for one reader: the record, or a gap if the record is hidden from the reader.
pub(super) fn encode(
    ledger: &Ledger,
    record: &Record,
    reader: Option<(AccountId, DeviceId)>,
    is_past: bool,
    out: &mut Vec<u8>,
) {
    let account = reader.map(|(account, _)| account);
    let target = match ledger.conversations.get(&record.conversation).map(|conversation| &conversation.kind) {
        Some(ConversationKind::Room { name }) => name.as_str().into(),
        _ => Cow::Owned(ledger.target_name(record.conversation, account)),
    };
    if is_hidden(ledger, account, record) {
        Reply::Gap { target, from: record.seq, to: record.seq, reason: GapReason::Hidden, is_past }.encode(out);
        return;
    }
    let n = record.sent.filter(|sent| reader.is_some_and(|(_, device)| device == sent.device)).map(|sent| sent.n);
    let line = RecordLine {
        target,
        seq: record.seq,
        at_millis: record.at.0,
        by: record.account.map(|account| account.0),
        is_past,
        redacted_by: record.redacted_by,
        verb: verb(record.kind),
        author: (&*record.author).into(),
        text: (&*record.text).into(),
    };
    TaggedReply { n, reply: Reply::Record(line) }.encode(out);
}

fn verb(kind: RecordKind) -> RecordVerb {
    match kind {
        RecordKind::Message => RecordVerb::From,
        RecordKind::Joined => RecordVerb::Joined,
        RecordKind::Left => RecordVerb::Left,
        RecordKind::Topic => RecordVerb::Topic,
        RecordKind::Invited => RecordVerb::Invited,
        RecordKind::Kicked => RecordVerb::Kicked,
        RecordKind::Banned => RecordVerb::Banned,
        RecordKind::Unbanned => RecordVerb::Unbanned,
        RecordKind::Redacted => RecordVerb::Redacted,
        RecordKind::Set => RecordVerb::Set,
    }
}
