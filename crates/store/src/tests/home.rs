//! The homes under test, and short forms of changes.

use std::sync::Arc;

use switchboard_core::change::{
    AccountId, Change, ConversationId, ConversationKind, Credential, DeviceId, Epoch, Member, Record, RecordKind,
    RoomSettings, Sent, Snapshot, Standing, UnixMillis,
};
use tempfile::TempDir;

use crate::{MemoryLimits, MemoryStore, ReadLimit, Reader, SqliteOptions, SqliteStore, Store};

/// Bounds that the tests do not reach.
pub(crate) const ALL: ReadLimit = ReadLimit { records: usize::MAX, bytes: usize::MAX };

/// A store under test, and its directory if it has one.
pub(crate) struct Home {
    pub(crate) name: &'static str,
    pub(crate) store: Box<dyn Store>,
    pub(crate) directory: Option<TempDir>,
}

impl Home {
    pub(crate) fn memory() -> Self {
        let limits = MemoryLimits { bytes: 1 << 30, records_per_conversation: 1 << 30 };
        Self { name: "memory", store: Box::new(MemoryStore::new(limits)), directory: None }
    }

    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Box::new(open(&directory));
        Self { name: "SQLite", store, directory: Some(directory) }
    }

    /// Each home, empty.
    pub(crate) fn each() -> [Self; 2] {
        [Self::memory(), Self::sqlite()]
    }

    pub(crate) fn commit(&mut self, batch: &[Change]) {
        self.store.commit(batch).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// A reader that is opened now.
    pub(crate) fn reader(&self) -> Box<dyn Reader> {
        self.store.reader().unwrap()
    }

    pub(crate) fn load(&mut self) -> Snapshot {
        self.store.load().unwrap()
    }

    /// Does all maintenance.
    pub(crate) fn maintain(&mut self) {
        while self.store.maintain().unwrap() {}
    }

    /// Ends the server and starts it again. A store in memory goes on.
    pub(crate) fn restart(self) -> Self {
        let Self { name, store, directory } = self;
        let store = match &directory {
            Some(directory) => {
                drop(store);
                Box::new(open(directory))
            }
            None => store,
        };
        Self { name, store, directory }
    }
}

pub(crate) fn open(directory: &TempDir) -> SqliteStore {
    SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap()
}

pub(crate) fn account(id: u64) -> Change {
    let credential = Credential::Password(format!("$argon2id${id}"));
    Change::AccountCreated { account: AccountId(id), name: format!("Account{id}"), credential }
}

pub(crate) fn device(id: u64, account: u64) -> Change {
    Change::DeviceAdded { device: DeviceId(id), account: AccountId(account), name: format!("device{id}") }
}

pub(crate) fn room(id: u64) -> Change {
    let kind = ConversationKind::Room { name: format!("#room{id}") };
    let settings = RoomSettings { topic: String::new(), ..RoomSettings::default() };
    Change::ConversationCreated { conversation: ConversationId(id), kind, epoch: Epoch(u64::MAX - id), settings }
}

pub(crate) fn member(conversation: u64, account: u64, standing: Standing, read: u64) -> Change {
    let (conversation, account) = (ConversationId(conversation), AccountId(account));
    Change::MemberSet { conversation, account, member: Member { standing, read, joined: read / 2, until: None } }
}

/// A message of a guest.
pub(crate) fn record(conversation: u64, seq: u64, text: &str) -> Record {
    Record {
        conversation: ConversationId(conversation),
        seq,
        at: UnixMillis(1_800_000_000_000 + seq),
        account: None,
        author: "Noy".into(),
        kind: RecordKind::Message,
        text: text.into(),
        sent: None,
        redacted_by: None,
    }
}

/// A message of account 1.
pub(crate) fn record_of_account(conversation: u64, seq: u64, text: &str) -> Record {
    Record { account: Some(AccountId(1)), author: "Account1".into(), ..record(conversation, seq, text) }
}

/// A message of account 1 from its device 1.
pub(crate) fn record_sent(conversation: u64, seq: u64, n: u64, previous_seq: u64) -> Record {
    let sent = Some(Sent { device: DeviceId(1), n, previous_seq });
    Record { sent, ..record_of_account(conversation, seq, "sent") }
}

pub(crate) fn append(record: Record) -> Change {
    Change::RecordAppended(Arc::new(record))
}

/// The numbers of records.
pub(crate) fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}
