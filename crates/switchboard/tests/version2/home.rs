//! A naive store in memory, for tests of the core: it applies each change to a [`Snapshot`] and a map of records.
//!
//! A change that does not fit the state is a mistake of the core, so it panics.

use std::collections::BTreeMap;
use std::ops::Bound;

use switchboard_core::change::{
    AccountId, BanTarget, Change, ConversationId, DeviceId, Epoch, LastSent, Person, Record, RecordKind, RedactTarget,
    Snapshot, StoredAccount, StoredConversation, StoredDevice, UnixMillis,
};
use switchboard_core::{Answer, Position, Query, SENT_KEPT};

/// The changes that are stored, and those that wait for the next commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Home {
    state: Snapshot,
    records: BTreeMap<(ConversationId, u64), Record>,
    waiting: Vec<Change>,
    /// The place of the last change that was appended.
    position: Position,
}

impl Home {
    /// Adds a change, which waits for a commit.
    pub(crate) fn append(&mut self, change: Change) -> Position {
        self.waiting.push(change);
        self.position.0 += 1;
        self.position
    }

    /// The place of the last change that was appended.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Number of changes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Stores the first `count` waiting changes. Returns the place of the last stored one.
    pub(crate) fn commit_first(&mut self, count: usize) -> Position {
        for change in self.waiting.drain(..count).collect::<Vec<_>>() {
            self.apply(change);
        }
        Position(self.position.0 - self.waiting.len() as u64)
    }

    /// Stores all waiting changes. Returns the place of the last one.
    pub(crate) fn commit(&mut self) -> Position {
        self.commit_first(self.waiting.len())
    }

    /// Forgets the waiting changes.
    pub(crate) fn lose(&mut self) {
        self.waiting.clear();
    }

    /// Stores again what was stored when `backup` was made. The epochs are new, and the ids go on.
    pub(crate) fn restore(&mut self, backup: &Self, mut new_epoch: impl FnMut() -> Epoch) {
        let next_ids = self.state.next_ids;
        self.state = Snapshot { next_ids, ..backup.state.clone() };
        self.records = backup.records.clone();
        for conversation in &mut self.state.conversations {
            conversation.epoch = new_epoch();
        }
    }

    /// The stored state, without the records.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.state.clone()
    }

    /// The stored records of a conversation.
    pub(crate) fn records(&self, conversation: ConversationId) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.range((conversation, 0)..=(conversation, u64::MAX)).map(|(_, record)| record)
    }

    /// Answers a question from the stored state.
    pub(crate) fn answer(&self, query: &Query) -> Answer {
        match query {
            Query::Range { conversation, from, to, max_records, max_bytes } => {
                let range = self
                    .records
                    .range((Bound::Included((*conversation, *from)), Bound::Included((*conversation, *to))));
                let records = within(range.map(|(_, record)| record), *max_records, *max_bytes);
                Answer::Records { first: self.first(*conversation), records }
            }
            Query::Before { conversation, before, max_records, max_bytes } => {
                let older = self.records(*conversation).rev().filter(|record| record.seq < *before);
                let mut records = within(older, *max_records, *max_bytes);
                records.reverse();
                Answer::Records { first: self.first(*conversation), records }
            }
            Query::Sent { conversation, last, n } => Answer::Sent(self.sent(*conversation, *last, *n)),
            Query::Search { conversations, words, max_records } => {
                let has_words = |record: &&Record| {
                    let text = record.text.to_lowercase();
                    conversations.contains(&record.conversation)
                        && record.kind.is_searched()
                        && words.to_lowercase().split_whitespace().all(|word| text.contains(word))
                };
                let mut records: Vec<_> = self.records.values().filter(has_words).cloned().collect();
                records.sort_by_key(|record| std::cmp::Reverse((record.at, record.seq)));
                let is_complete = records.len() <= *max_records;
                records.truncate(*max_records);
                Answer::Found { records, is_complete }
            }
        }
    }

    fn first(&self, conversation: ConversationId) -> u64 {
        let stored = self.state.conversations.iter().find(|stored| stored.conversation == conversation);
        stored.map_or(1, |stored| stored.first)
    }

    fn sent(&self, conversation: ConversationId, last: LastSent, n: u64) -> Option<u64> {
        let mut seq = last.seq;
        for _ in 0..SENT_KEPT {
            let sent = self.records.get(&(conversation, seq))?.sent.expect("a record in the list has a number");
            if sent.n <= n {
                return (sent.n == n).then_some(seq);
            }
            seq = sent.previous_seq;
        }
        None
    }

    fn account(&mut self, id: AccountId) -> &mut StoredAccount {
        let mut accounts = self.state.accounts.iter_mut();
        accounts.find(|stored| stored.account == id).unwrap_or_else(|| panic!("there is no account {}", id.0))
    }

    fn conversation(&mut self, id: ConversationId) -> &mut StoredConversation {
        let mut conversations = self.state.conversations.iter_mut();
        conversations.find(|stored| stored.conversation == id).unwrap_or_else(|| panic!("no conversation {}", id.0))
    }

    fn forget_sent(&mut self, devices: &[DeviceId]) {
        for conversation in &mut self.state.conversations {
            conversation.sent.retain(|(device, _)| !devices.contains(device));
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::AccountCreated { account, name, credential } => {
                assert!(account.0 >= self.state.next_ids.account, "an id of an account is given twice");
                self.state.next_ids.account = account.0 + 1;
                let (devices, blocked) = (Vec::new(), Vec::new());
                let stored = StoredAccount { account, name, credential, devices, blocked, is_operator: false };
                self.state.accounts.push(stored);
            }
            Change::CredentialSet { account, credential } => self.account(account).credential = credential,
            Change::AccountDeleted { account } => self.delete_account(account),
            Change::DeviceAdded { device, account, name } => {
                assert!(device.0 >= self.state.next_ids.device, "an id of a device is given twice");
                self.state.next_ids.device = device.0 + 1;
                let devices = &mut self.account(account).devices;
                assert!(devices.iter().all(|other| other.name != name), "a device is added twice");
                devices.push(StoredDevice { device, name, token: None });
            }
            Change::TokenSet { device, hash } => {
                let mut devices = self.state.accounts.iter_mut().flat_map(|account| &mut account.devices);
                devices.find(|stored| stored.device == device).expect("the device is there").token = Some(hash);
            }
            Change::DeviceRemoved { device } => {
                for account in &mut self.state.accounts {
                    account.devices.retain(|stored| stored.device != device);
                }
                self.forget_sent(&[device]);
            }
            Change::BlockSet { account, blocked, is_blocked } => {
                self.account(blocked);
                let list = &mut self.account(account).blocked;
                list.retain(|&other| other != blocked);
                list.extend(is_blocked.then_some(blocked));
                list.sort_unstable();
            }
            Change::OperatorSet { account, is_operator } => self.account(account).is_operator = is_operator,
            Change::BanSet { target, ban } => {
                self.state.bans.retain(|(other, _)| *other != target);
                self.state.bans.extend(ban.map(|ban| (target, ban)));
                self.state.bans.sort_by(|(first, _), (second, _)| first.cmp(second));
            }
            Change::ConversationCreated { conversation, kind, epoch, settings } => {
                assert!(conversation.0 >= self.state.next_ids.conversation, "an id of a conversation is given twice");
                self.state.next_ids.conversation = conversation.0 + 1;
                self.state.conversations.push(StoredConversation {
                    conversation,
                    kind,
                    epoch,
                    settings,
                    first: 1,
                    last: 0,
                    last_at: UnixMillis::default(),
                    members: Vec::new(),
                    sanctions: Vec::new(),
                    links: Vec::new(),
                    sent: Vec::new(),
                });
            }
            Change::SettingsSet { conversation, settings } => self.conversation(conversation).settings = settings,
            Change::MemberSet { conversation, account, member } => {
                self.account(account);
                let members = &mut self.conversation(conversation).members;
                members.retain(|&(other, _)| other != account);
                members.push((account, member));
                members.sort_unstable_by_key(|&(id, _)| id);
            }
            Change::MemberRemoved { conversation, account } => {
                self.conversation(conversation).members.retain(|&(member, _)| member != account);
            }
            Change::SanctionSet { conversation, person, sanction } => {
                if let (Person::Account(account), Some(_)) = (&person, sanction) {
                    self.account(*account);
                }
                let sanctions = &mut self.conversation(conversation).sanctions;
                sanctions.retain(|(other, _)| *other != person);
                sanctions.extend(sanction.map(|sanction| (person, sanction)));
                sanctions.sort_unstable_by(|(first, _), (second, _)| first.cmp(second));
            }
            Change::LinkSet { conversation, hash, link } => {
                let links = &mut self.conversation(conversation).links;
                links.retain(|&(other, _)| other != hash);
                links.extend(link.map(|link| (hash, link)));
                links.sort_unstable_by_key(|&(hash, _)| hash);
            }
            Change::RecordAppended(record) => self.append_record(&record),
            Change::Redacted { conversation, target, by } => self.redact(conversation, &target, by),
            Change::Expired { conversation, first } => {
                let stored = self.conversation(conversation);
                assert!(first <= stored.last + 1, "a record expires before it exists");
                stored.first = stored.first.max(first);
                self.records.retain(|&(other, seq), _| other != conversation || seq >= first);
            }
            Change::ConversationDeleted { conversation } => {
                self.conversation(conversation);
                self.state.conversations.retain(|stored| stored.conversation != conversation);
                self.records.retain(|&(other, _), _| other != conversation);
            }
        }
    }

    fn delete_account(&mut self, account: AccountId) {
        let devices: Vec<_> = self.account(account).devices.iter().map(|device| device.device).collect();
        self.forget_sent(&devices);
        self.state.accounts.retain(|stored| stored.account != account);
        self.state.bans.retain(|(target, _)| *target != BanTarget::Account(account));
        for other in &mut self.state.accounts {
            other.blocked.retain(|&blocked| blocked != account);
        }
        for conversation in &mut self.state.conversations {
            conversation.members.retain(|&(member, _)| member != account);
            conversation.sanctions.retain(|(person, _)| *person != Person::Account(account));
        }
    }

    fn append_record(&mut self, record: &Record) {
        let conversation = self.conversation(record.conversation);
        assert_eq!(record.seq, conversation.last + 1, "a number is skipped or given twice");
        (conversation.last, conversation.last_at) = (record.seq, record.at);
        if let Some(sent) = record.sent {
            let last = conversation.sent.iter().find(|&&(device, _)| device == sent.device).map(|&(_, last)| last);
            let (last_n, last_seq) = last.map_or((0, 0), |last| (last.n, last.seq));
            assert!(sent.n > last_n, "a message is stored twice");
            assert_eq!(sent.previous_seq, last_seq, "the list of a device's records is broken");
            conversation.sent.retain(|&(device, _)| device != sent.device);
            conversation.sent.push((sent.device, LastSent { n: sent.n, seq: record.seq }));
        }
        self.records.insert((record.conversation, record.seq), record.clone());
    }

    fn redact(&mut self, conversation: ConversationId, target: &RedactTarget, by: u64) {
        let range = (conversation, 0)..(conversation, by);
        for record in self.records.range_mut(range).map(|(_, record)| record) {
            let is_message = record.kind == RecordKind::Message;
            let is_target = match target {
                RedactTarget::Record(seq) => record.seq == *seq,
                RedactTarget::Account(account) => is_message && record.account == Some(*account),
                RedactTarget::Guest(name) => is_message && record.account.is_none() && *record.author == **name,
            };
            if is_target {
                record.text = "".into();
                record.redacted_by.get_or_insert(by);
            }
        }
    }
}

/// The first records within both bounds, but at least one.
fn within<'a>(records: impl Iterator<Item = &'a Record>, max_records: usize, max_bytes: usize) -> Vec<Record> {
    let mut bytes = 0;
    let mut taken = Vec::new();
    for record in records.take(max_records) {
        bytes += record.text.len();
        if bytes > max_bytes && !taken.is_empty() {
            break;
        }
        taken.push(record.clone());
    }
    taken
}
