//! The judge: everything that any client heard, and the records that must therefore be stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use switchboard_core::change::{ConversationKind, Record, RecordKind, Snapshot, StoredConversation};
use switchboard_protocol::version2::{DoneVerb, GapReason, RecordLine, RecordVerb};

use crate::team::{CONVERSATIONS, ConversationIndex, DEVICES, DeviceIndex, KEPT_MIN, SHORT, stored_conversation};

/// A record, as all readers hear it. A redaction takes only its text away.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Heard {
    verb: RecordVerb,
    author: String,
    by: Option<u64>,
    at: u64,
    /// `None` if it was only heard redacted.
    text: Option<String>,
    redacted_by: Option<u64>,
}

#[derive(Debug, Default)]
struct Conversation {
    epoch: Option<String>,
    records: BTreeMap<u64, Heard>,
    /// The number of each message, by its text: no two messages have the same.
    places: HashMap<String, u64>,
    /// The numbers of acknowledged messages, by device and `n`, and their texts.
    said: BTreeMap<(DeviceIndex, u64), u64>,
    texts: BTreeMap<u64, String>,
    /// The messages of which a device heard that they are not stored.
    stale: BTreeSet<(DeviceIndex, u64)>,
    /// The records that replies such as `JOIN_OK` have named.
    done: Vec<(u64, RecordVerb, &'static str)>,
    /// The highest number in any line.
    last: u64,
    /// The gaps of hidden records, by reader.
    hidden: BTreeSet<(&'static str, u64)>,
    /// The numbers up to which records were reported as expired.
    expired: u64,
    /// The highest acknowledged read marker of each account.
    markers: BTreeMap<&'static str, u64>,
    /// The accounts that may have lost their markers, because they have left or were removed.
    leavers: BTreeSet<&'static str>,
}

/// Numbers for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) heard: u64,
    pub(crate) acknowledged: u64,
    pub(crate) resent: u64,
    /// Messages that were stored although their first answer was lost or `UNAVAILABLE`.
    pub(crate) resent_and_stored: u64,
    pub(crate) stale: u64,
    pub(crate) unavailable: u64,
    pub(crate) full: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    conversations: [Conversation; CONVERSATIONS],
    accounts: BTreeSet<&'static str>,
    devices: BTreeSet<DeviceIndex>,
    /// The pairs of an account and an account that it has blocked at any time.
    blocked: BTreeSet<(&'static str, &'static str)>,
    pub(crate) counts: Counts,
}

impl Ledger {
    /// Takes a record that somebody heard: it is the same as all others heard at this number.
    pub(crate) fn hear(&mut self, id: ConversationIndex, record: &RecordLine<'_>) {
        self.counts.heard += 1;
        let heard = Heard {
            verb: record.verb,
            author: record.author.to_string(),
            by: record.by,
            at: record.at_millis,
            text: record.redacted_by.is_none().then(|| record.text.to_string()),
            redacted_by: record.redacted_by,
        };
        assert!(record.redacted_by.is_none() || record.text.is_empty(), "a redacted record has a text: {record:?}");
        self.take(id, record.seq, heard);
    }

    fn take(&mut self, id: ConversationIndex, seq: u64, heard: Heard) {
        let conversation = &mut self.conversations[id];
        conversation.last = conversation.last.max(seq);
        if let (RecordVerb::From, Some(text)) = (heard.verb, &heard.text) {
            let place = *conversation.places.entry(text.clone()).or_insert(seq);
            assert_eq!(place, seq, "conversation {id}: {text:?} is stored twice");
            let acknowledged = conversation.texts.get(&seq);
            let is_same = acknowledged.is_none_or(|acknowledged| acknowledged == text);
            assert!(is_same, "conversation {id}: {seq} was acknowledged as {acknowledged:?}, and is {text:?}");
        }
        let known = conversation.records.entry(seq).or_insert_with(|| heard.clone());
        let is_same_text = match (&known.text, &heard.text) {
            (Some(before), Some(now)) => before == now,
            _ => true,
        };
        let is_same_redaction =
            known.redacted_by.is_none() || heard.redacted_by.is_none() || known.redacted_by == heard.redacted_by;
        let is_same =
            (known.verb, &known.author, known.by, known.at) == (heard.verb, &heard.author, heard.by, heard.at);
        assert!(
            is_same && is_same_text && is_same_redaction,
            "conversation {id}: record {seq} was {known:?}, and is {heard:?}"
        );
        known.text = known.text.take().or(heard.text);
        known.redacted_by = known.redacted_by.or(heard.redacted_by);
    }

    /// A line has named the number of a record.
    pub(crate) fn name(&mut self, id: ConversationIndex, seq: u64) {
        let last = &mut self.conversations[id].last;
        *last = (*last).max(seq);
    }

    /// `OPEN_OK` or `CONVERSATION` has named the epoch, which never changes once there is a record. A conversation without
    /// records is heard of before it is stored, and may be withdrawn.
    pub(crate) fn name_epoch(&mut self, id: ConversationIndex, epoch: &str, last: u64) {
        if last == 0 {
            return;
        }
        let known = self.conversations[id].epoch.get_or_insert_with(|| epoch.to_owned());
        assert_eq!(known, epoch, "conversation {id} has another epoch");
    }

    pub(crate) fn epoch(&self, id: ConversationIndex) -> Option<&str> {
        self.conversations[id].epoch.as_deref()
    }

    /// The highest number of a conversation that anybody heard of.
    pub(crate) fn last(&self, id: ConversationIndex) -> u64 {
        self.conversations[id].last
    }

    /// `SAID`.
    pub(crate) fn acknowledge(
        &mut self,
        id: ConversationIndex,
        who: DeviceIndex,
        n: Option<u64>,
        text: &str,
        seq: u64,
    ) {
        self.counts.acknowledged += 1;
        self.name(id, seq);
        let conversation = &mut self.conversations[id];
        if let Some(n) = n {
            let known = *conversation.said.entry((who, n)).or_insert(seq);
            assert_eq!(known, seq, "conversation {id}: n={n} of {:?} has two numbers", DEVICES[who]);
        }
        let known = conversation.texts.entry(seq).or_insert_with(|| text.to_owned());
        assert_eq!(known, text, "conversation {id}: {seq} is acknowledged for two messages");
        let place = *conversation.places.entry(text.to_owned()).or_insert(seq);
        assert_eq!(place, seq, "conversation {id}: {text:?} was heard at another number");
        if let Some(Heard { text: Some(heard), .. }) = conversation.records.get(&seq) {
            assert_eq!(heard, text, "conversation {id}: {seq} acknowledges another message");
        }
    }

    /// `ERROR STALE`: the message is not stored.
    pub(crate) fn refuse_as_stale(&mut self, id: ConversationIndex, who: DeviceIndex, n: u64) {
        self.counts.stale += 1;
        let conversation = &mut self.conversations[id];
        let acknowledged = conversation.said.get(&(who, n));
        let is_expired = |seq: &u64| id == SHORT && *seq + KEPT_MIN <= conversation.last;
        assert!(
            acknowledged.is_none_or(is_expired),
            "conversation {id}: n={n} of {:?} is refused as STALE, and was acknowledged as {acknowledged:?}",
            DEVICES[who]
        );
        if acknowledged.is_none() {
            conversation.stale.insert((who, n));
        }
    }

    /// `JOIN_OK` and the like.
    pub(crate) fn done(&mut self, id: ConversationIndex, who: DeviceIndex, verb: DoneVerb, seq: u64) {
        self.name(id, seq);
        let record = match verb {
            DoneVerb::Join => RecordVerb::Joined,
            DoneVerb::Topic => RecordVerb::Topic,
            DoneVerb::Kick => RecordVerb::Kicked,
            DoneVerb::Redact => RecordVerb::Redacted,
            // A stranger who leaves, and an owner whose setting is there already, hear the last number.
            _ => return,
        };
        // A redaction is answered again with the record of somebody else.
        let author = if verb == DoneVerb::Redact { "" } else { DEVICES[who].0 };
        self.conversations[id].done.push((seq, record, author));
    }

    /// A reader was told that records are missing.
    pub(crate) fn hear_gap(&mut self, id: ConversationIndex, who: DeviceIndex, from: u64, to: u64, reason: GapReason) {
        self.name(id, to);
        let conversation = &mut self.conversations[id];
        match reason {
            GapReason::Expired => conversation.expired = conversation.expired.max(to),
            GapReason::Hidden => conversation.hidden.extend((from..=to).map(|seq| (DEVICES[who].0, seq))),
            // The conversation was withdrawn before it had a record.
            GapReason::Lost if conversation.last == 0 => {}
            GapReason::Lost => panic!("{:?} hears that conversation {id} has lost records", DEVICES[who]),
        }
    }

    /// `READ_OK`, or the marker that another device of the account has set.
    pub(crate) fn mark_read(&mut self, id: ConversationIndex, who: DeviceIndex, seq: u64) {
        self.name(id, seq);
        let marker = self.conversations[id].markers.entry(DEVICES[who].0).or_default();
        *marker = (*marker).max(seq);
    }

    /// An account may leave a room, or may be removed, and then has no marker.
    pub(crate) fn may_leave(&mut self, id: ConversationIndex, account: &'static str) {
        self.conversations[id].leavers.insert(account);
    }

    pub(crate) fn block(&mut self, account: &'static str, other: &'static str) {
        self.blocked.insert((account, other));
    }

    /// A device has logged in: from now on, it and its account exist.
    pub(crate) fn logged_in(&mut self, who: DeviceIndex) {
        self.accounts.insert(DEVICES[who].0);
        self.devices.insert(who);
    }

    pub(crate) fn has_account(&self, who: DeviceIndex) -> bool {
        self.accounts.contains(DEVICES[who].0)
    }

    /// Compares everything that was heard with a store that was opened anew.
    pub(crate) fn check_stored(
        &mut self,
        snapshot: &Snapshot,
        mut records: impl FnMut(&StoredConversation) -> Vec<Record>,
    ) {
        let account = |name: &str| snapshot.accounts.iter().find(|account| account.name == name);
        for &name in &self.accounts {
            assert!(account(name).is_some(), "the account {name} is gone");
        }
        for &device in &self.devices {
            let (name, device) = DEVICES[device];
            let has_device =
                account(name).is_some_and(|account| account.devices.iter().any(|known| known.name == device));
            assert!(has_device, "the device {name}/{device} is gone");
        }
        let mut found = BTreeSet::new();
        for stored in &snapshot.conversations {
            let name = |id| {
                let account = snapshot.accounts.iter().find(|account| account.account == id);
                account.map_or("", |account| &account.name)
            };
            let id = match &stored.kind {
                ConversationKind::Room { name } => stored_conversation(Some(name), ["", ""]),
                ConversationKind::Direct(pair) => stored_conversation(None, pair.map(name)),
            };
            let id = id.expect("a conversation of the team");
            assert!(found.insert(id), "conversation {id} is stored twice");
            self.check_conversation(id, stored, &records(stored), snapshot);
        }
        for (id, conversation) in self.conversations.iter().enumerate() {
            let is_known = conversation.epoch.is_some() || conversation.last > 0;
            assert!(!is_known || found.contains(&id), "conversation {id} was heard of, and is not stored");
        }
    }

    fn check_conversation(
        &mut self,
        id: ConversationIndex,
        stored: &StoredConversation,
        records: &[Record],
        snapshot: &Snapshot,
    ) {
        let StoredConversation { first, last, .. } = *stored;
        let numbers: Vec<_> = records.iter().map(|record| record.seq).collect();
        assert_eq!(numbers, (first..=last).collect::<Vec<_>>(), "conversation {id}: numbers from {first} to {last}");
        let conversation = &self.conversations[id];
        if let Some(epoch) = &conversation.epoch {
            assert_eq!(*epoch, stored.epoch.to_string(), "conversation {id} is stored with another epoch");
        }
        assert!(
            conversation.last <= last,
            "conversation {id}: {} was heard of, and {last} is stored",
            conversation.last
        );
        let expires = if id == SHORT { (last + 1).saturating_sub(KEPT_MIN) } else { 0 };
        assert!(first <= expires.max(1), "conversation {id}: too many records have expired, up to {first} of {last}");
        assert!(conversation.expired < first, "conversation {id}: {} is not expired", conversation.expired);

        let device_index = |device| {
            let owner = |account: &&switchboard_core::change::StoredAccount| {
                account.devices.iter().any(|stored| stored.device == device)
            };
            let account = snapshot.accounts.iter().find(owner)?;
            let stored = account.devices.iter().find(|stored| stored.device == device)?;
            DEVICES.iter().position(|&(name, device)| name == account.name && device == stored.name)
        };
        let mut messages = BTreeMap::new();
        for record in records {
            if let Some(sent) = record.sent {
                let who = device_index(sent.device).expect("a device of the team");
                let before = messages.insert((who, sent.n), record.seq);
                assert_eq!(before, None, "conversation {id}: n={} of {:?} is stored twice", sent.n, DEVICES[who]);
            }
        }
        for (key, seq) in conversation.said.iter().filter(|&(_, seq)| *seq >= first) {
            assert_eq!(messages.get(key), Some(seq), "conversation {id}: {key:?} was acknowledged as {seq}");
        }
        for key in &conversation.stale {
            assert_eq!(messages.get(key), None, "conversation {id}: {key:?} was refused as STALE");
        }
        for record in records {
            self.take(id, record.seq, heard(record));
        }
        let conversation = &self.conversations[id];
        for (seq, heard) in conversation.records.range(first..) {
            let record = &records[usize::try_from(seq - first).expect("a small number")];
            assert_eq!(record.redacted_by, heard.redacted_by, "conversation {id}: record {seq} was redacted");
        }
        for &(seq, verb, author) in conversation.done.iter().filter(|&&(seq, ..)| seq >= first) {
            let heard = &conversation.records[&seq];
            let is_same = heard.verb == verb && (author.is_empty() || heard.author == author);
            assert!(is_same, "conversation {id}: {seq} was answered as {verb:?} of {author:?}, and is {heard:?}");
            if verb == RecordVerb::Redacted {
                let redacted: u64 = heard.text.as_deref().unwrap_or_default().parse().expect("a number");
                let record = conversation.records.get(&redacted);
                let is_redacted = redacted < first || record.is_some_and(|record| record.redacted_by.is_some());
                assert!(is_redacted, "conversation {id}: {redacted} was redacted by {seq}, and is {record:?}");
            }
        }
        for &(reader, seq) in conversation.hidden.iter().filter(|&&(_, seq)| seq >= first) {
            let Heard { verb, author, .. } = &conversation.records[&seq];
            let is_hidden = *verb == RecordVerb::From && self.blocked.iter().any(|&(a, b)| a == reader && b == author);
            assert!(is_hidden, "conversation {id}: {seq} was hidden from {reader}");
        }
        for (&name, &marker) in conversation.markers.iter().filter(|&(name, _)| !conversation.leavers.contains(name)) {
            let account = snapshot.accounts.iter().find(|account| account.name == name).expect("its account");
            let member = stored.members.iter().find(|(member, _)| *member == account.account);
            let read = member.map(|(_, member)| member.read);
            assert!(read >= Some(marker), "conversation {id}: {name} has read up to {marker}, and {read:?} is stored");
        }
    }
}

fn heard(record: &Record) -> Heard {
    let verb = match record.kind {
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
    };
    Heard {
        verb,
        author: record.author.to_string(),
        by: record.account.map(|account| account.0),
        at: record.at.0,
        text: record.redacted_by.is_none().then(|| record.text.to_string()),
        redacted_by: record.redacted_by,
    }
}
