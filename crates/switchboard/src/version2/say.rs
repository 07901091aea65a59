//! Records: how they are made, and how they reach their readers.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use switchboard_protocol::version2::{GapReason, RecordLine, RecordVerb, Reply, TaggedReply, Target};
use switchboard_protocol::{ErrorCode, Text};

use super::state::{LaneItem, LaneRead};
use super::{PendingReply, RECORD_OVERHEAD_BYTES, Waiting};
use crate::board::Switchboard;
use crate::change::{
    AccountId, Change, ConversationId, ConversationKind, DeviceId, LastSent, Record, RecordKind, Sent,
};
use crate::conversation::Progress;
use crate::effects::StoreEffects;
use crate::ledger::Ledger;
use crate::session::SessionId;

impl Switchboard {
    /// The conversation of `target`, to which the session may add messages.
    pub(super) fn writable(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<ConversationId, ErrorCode> {
        self.own_name(from)?;
        let id = self.find_or_create(from, target, effects)?;
        let account = self.account_of(from);
        let conversation = &self.version2.ledger.conversations[&id];
        if conversation.may_write(account) { Ok(id) } else { Err(ErrorCode::NotAMember) }
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
        self.can_store()?;
        let mut sent = None;
        if let Some(n) = n {
            let (_, device) = self.version2.sessions[&from].device.ok_or(ErrorCode::NotLoggedIn)?;
            let last = self.version2.ledger.conversations[&id].sent.get(&device).copied();
            if last.is_some_and(|last| n <= last.n) {
                self.ask_in_lane(from, LaneRead::Sent { conversation: id, device, n }, effects);
                return Ok(());
            }
            sent = Some(Sent { device, n, previous_seq: last.map_or(0, |last| last.seq) });
        }
        self.append_record(from, id, RecordKind::Message, text.as_str(), sent, Some(reply), effects);
        Ok(())
    }

    /// Numbers a record of the session's user, and appends it. The reply to the session waits for it.
    #[expect(clippy::too_many_arguments, reason = "each argument is a field of the record or of its reply")]
    pub(super) fn append_record(
        &mut self,
        from: SessionId,
        id: ConversationId,
        kind: RecordKind,
        text: &str,
        sent: Option<Sent>,
        reply: Option<PendingReply>,
        effects: &mut impl StoreEffects,
    ) -> u64 {
        let account = self.account_of(from);
        let author = account.and_then(|account| self.version2.ledger.accounts.get(account)).map_or_else(
            || self.sessions.get(from).and_then(|session| session.name()).unwrap_or_default().into(),
            |account| Arc::clone(&account.name),
        );
        let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) else { return 0 };
        conversation.last += 1;
        let seq = conversation.last;
        if let Some(Sent { device, n, .. }) = sent {
            conversation.sent.insert(device, LastSent { n, seq });
        }
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
        let reply = reply.map(|reply| (from, reply));
        if reply.is_some()
            && let Some(state) = self.version2.sessions.get_mut(&from)
        {
            state.waiting += 1;
        }
        self.version2.queue.push(self.version2.ledger.position(), Waiting::Record(record, reply));
        seq
    }

    /// Sends a durable record to all sessions that have its conversation open and have room.
    pub(super) fn deliver(&mut self, record: &Record, effects: &mut impl StoreEffects) {
        let Some(conversation) = self.version2.ledger.conversations.get_mut(&record.conversation) else { return };
        conversation.durable = conversation.durable.max(record.seq);
        let mut viewers = std::mem::take(&mut conversation.viewers);
        let is_room = conversation.is_room();
        let mut shared_line = Vec::new();
        let mut advanced = Vec::new();
        for (&session, viewer) in &mut viewers {
            if viewer.progress != Progress::Live || viewer.next != record.seq {
                continue;
            }
            if !effects.has_room(session) {
                viewer.progress = Progress::AwaitsRoom;
                effects.await_room(session);
                continue;
            }
            let device = self.version2.sessions.get(&session).and_then(|state| state.device);
            let is_own = record.sent.is_some_and(|sent| device.is_some_and(|(_, device)| device == sent.device));
            let is_shared = is_room && !is_own && !is_hidden(&self.version2.ledger, device.map(|(id, _)| id), record);
            let mut own_line = Vec::new();
            let line = if is_shared && !shared_line.is_empty() {
                &shared_line
            } else {
                encode(&self.version2.ledger, record, device, false, &mut own_line);
                if is_shared {
                    shared_line = std::mem::take(&mut own_line);
                    &shared_line
                } else {
                    &own_line
                }
            };
            if effects.send_line(session, line).is_err() {
                self.overflowed.push(session);
            }
            viewer.next = record.seq + 1;
            advanced.push(session);
        }
        if let Some(conversation) = self.version2.ledger.conversations.get_mut(&record.conversation) {
            conversation.viewers = viewers;
        }
        for session in advanced {
            self.advance_lane(session, effects);
        }
        if matches!(record.kind, RecordKind::Left | RecordKind::Kicked | RecordKind::Banned | RecordKind::Set) {
            self.close_forbidden_views(record.conversation, effects);
        }
    }

    /// Ends the views of those who may no longer read a conversation. The last record that they hear says so.
    fn close_forbidden_views(&mut self, id: ConversationId, effects: &mut impl StoreEffects) {
        let Some(conversation) = self.version2.ledger.conversations.get(&id) else { return };
        let may_read = |session| conversation.may_read(self.account_of(session));
        let forbidden: Vec<_> =
            conversation.viewers.iter().filter(|&(&session, _)| !may_read(session)).map(|(&s, &v)| (s, v)).collect();
        for (session, viewer) in forbidden {
            self.remove_viewer(session, id, effects);
            if viewer.progress != Progress::Live {
                // It has not heard the last record.
                let target = self.target_name(id, session).into();
                self.send_now(session, &Reply::CloseOk { target }, effects);
            }
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
        let target = self.target_name(record.conversation, author).into();
        let seq = record.seq;
        let reply = match reply {
            PendingReply::Said(n) => TaggedReply { n, reply: Reply::Said { target, seq } },
            PendingReply::MsgSent(n) => TaggedReply { n, reply: Reply::Version1(switchboard_protocol::Reply::MsgSent) },
            PendingReply::Done(verb) => TaggedReply { n: None, reply: Reply::Done { verb, target, seq } },
        };
        let mut line = Vec::new();
        reply.encode(&mut line);
        self.send_in_lane(author, LaneItem::AfterRecord(record.conversation, seq, line), effects);
    }

    /// Tells each connected device of a member, which does not have the conversation open, that there are new records.
    pub(super) fn send_news(&mut self, changed: &BTreeSet<ConversationId>, effects: &mut impl StoreEffects) {
        for &id in changed {
            let Some(conversation) = self.version2.ledger.conversations.get(&id) else { continue };
            let mut sessions = Vec::new();
            for account in conversation.member_ids() {
                let devices = self
                    .version2
                    .ledger
                    .accounts
                    .get(account)
                    .into_iter()
                    .flat_map(super::super::accounts::Account::sessions);
                sessions.extend(
                    devices
                        .filter(|session| !conversation.viewers.contains_key(session))
                        .map(|session| (session, account)),
                );
            }
            for (session, account) in sessions {
                self.send_conversation_line(session, account, id, effects);
            }
        }
    }

    fn send_conversation_line(
        &mut self,
        session: SessionId,
        account: AccountId,
        id: ConversationId,
        effects: &mut impl StoreEffects,
    ) {
        if effects.has_room(session) {
            let line = self.conversation_line(account, id);
            self.send_line(session, &line, effects);
        } else if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.missed_news = true;
            effects.await_room(session);
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
        Reply::Gap { target, from: record.seq, to: record.seq, reason: GapReason::Hidden }.encode(out);
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
