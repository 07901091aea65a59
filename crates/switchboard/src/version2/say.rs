//! Records: how they are made, and their lines.

use std::borrow::Cow;
use std::sync::Arc;

use switchboard_protocol::version2::{GapReason, RecordLine, RecordVerb, Reply, TaggedReply, Target};
use switchboard_protocol::{ErrorCode, Text};

use super::commit_queue::{PendingReply, QueuedOutput, RECORD_OVERHEAD_BYTES, RecordContext};
use super::state::{LaneItem, LaneRead};
use crate::board::Switchboard;
use crate::change::{
    AccountId, Change, ConversationId, ConversationKind, DeviceId, LastSent, Person, Record, RecordKind, Sent,
};
use crate::effects::StoreEffects;
use crate::ledger::Ledger;
use crate::session::SessionId;

/// A record that has no number yet.
#[derive(Clone)]
pub(super) struct NewRecord<'a> {
    pub(super) kind: RecordKind,
    pub(super) text: &'a str,
    pub(super) sent: Option<Sent>,
    /// The reply to its author.
    pub(super) reply: Option<PendingReply>,
    /// The person that has left, or was removed or invited.
    pub(super) about: Option<Person>,
    /// The account that wrote it. `None`: that of the session, or a guest.
    pub(super) author: Option<AccountId>,
    /// The name of the author. `None`: that of the account or of the session.
    pub(super) named: Option<&'a Arc<str>>,
}

impl<'a> NewRecord<'a> {
    /// A record of the session's user, about nobody and without a number.
    pub(super) fn new(kind: RecordKind, text: &'a str, reply: Option<PendingReply>) -> Self {
        Self { kind, text, sent: None, reply, about: None, author: None, named: None }
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
        let may_write = conversation.may_write(account) && !self.is_banned_guest(from, conversation);
        if may_write { Ok(()) } else { Err(ErrorCode::NotAMember) }
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
        self.check_unmuted(from, id)?;
        self.check_pace(from, id, effects)?;
        self.may_store(from, text.as_str().len(), effects)?;
        self.count_said(from, id, effects);
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
        let NewRecord { kind, text, sent, reply, about, author, named } = new_record;
        let account = author.or_else(|| self.account_of(from));
        let stored = account.and_then(|account| self.version2.ledger.accounts.get(account));
        let author = match (named, stored) {
            (Some(name), _) => Arc::clone(name),
            (None, Some(account)) => Arc::clone(&account.name),
            (None, None) => self.sessions.get(from).and_then(|session| session.name()).unwrap_or_default().into(),
        };
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
        // The longest verb, two numbers and the separators: one allocation for the line.
        let mut line = Vec::with_capacity(64 + target.len());
        let target = target.into();
        let reply = match self {
            Self::Said(n) => TaggedReply { n, reply: Reply::Said { target, seq } },
            Self::MsgSent(n) => TaggedReply { n, reply: Reply::Version1(switchboard_protocol::Reply::MsgSent) },
            Self::Done(verb) => TaggedReply { n: None, reply: Reply::Done { verb, target, seq } },
        };
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
        RecordKind::Muted => RecordVerb::Muted,
        RecordKind::Unmuted => RecordVerb::Unmuted,
        RecordKind::Audit => RecordVerb::Audit,
        RecordKind::Quoted => RecordVerb::Quoted,
    }
}
