//! The disk of the simulated server: a real store that fails on request, and whose process or power may end at any
//! byte.
//!
//! A fault of one operation is injected around the store ([`FaultyStore`]). A crash is made below it, with the files: they
//! are copied as they are at that moment, with or without the end of the log that was not synced, and opened as a new
//! process would open them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use switchboard_core::change::{Change, ConversationId, Record, Snapshot};
use switchboard_core::{Answer, Query};
use switchboard_store::{
    FaultyStore, MemoryLimits, MemoryStore, Operation, ReadLimit, Reader, SqliteOptions, SqliteStore, Store,
    StoreError, Trimmed,
};
use tempfile::TempDir;

/// The database in its directory, and its write-ahead log.
const FILE: &str = "switchboard.sqlite";
const LOG: &str = "switchboard.sqlite-wal";

/// Number of readers, as the server has them.
const READERS: usize = 2;

/// Where the stores of a run are kept, if there is such a place: there, a sync costs nothing.
const MEMORY_DISK: &str = "/dev/shm";

/// How a server ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Crash {
    /// The process ends. The system still writes everything that it was given.
    Kill,
    /// The machine ends. A part of the bytes that were not synced is lost.
    PowerFailure,
}

/// The faults that are injected, and those so far.
#[derive(Debug, Default)]
struct Faults {
    next: Option<Operation>,
    is_full: bool,
    counts: BTreeMap<Operation, u64>,
    /// Operations that failed because the disk was full.
    full: u64,
}

impl Faults {
    fn plan(&mut self, operation: Operation) -> Option<StoreError> {
        let place = PathBuf::from("simulated");
        let needs_room = matches!(operation, Operation::Commit | Operation::CheckWritable | Operation::Maintain);
        if self.is_full && needs_room {
            self.full += 1;
            return Some(StoreError::Full { place });
        }
        self.next.take_if(|next| *next == operation).map(|operation| {
            *self.counts.entry(operation).or_default() += 1;
            StoreError::Unavailable { place, reason: "injected".to_owned() }
        })
    }
}

/// A store, its readers, and the files below.
pub(crate) struct Disk {
    root: TempDir,
    /// Number of processes that have opened the store.
    lives: u32,
    store: Box<dyn Store>,
    readers: Vec<Box<dyn Reader>>,
    faults: Arc<Mutex<Faults>>,
    is_durable: bool,
    /// Length of the log that lasts when the power fails, in bytes.
    synced: u64,
}

impl Disk {
    /// An empty store: in files, or in memory.
    pub(crate) fn new(is_durable: bool) -> Self {
        let builder = tempfile::Builder::new();
        let in_memory = Some(Path::new(MEMORY_DISK)).filter(|place| place.is_dir());
        let root = in_memory.map_or_else(tempfile::tempdir, |place| builder.tempdir_in(place));
        let root = root.expect("a temporary folder");
        let faults = Arc::default();
        let store: Box<dyn Store> = if is_durable {
            open(&root.path().join("0"), &faults)
        } else {
            let limits = MemoryLimits { bytes: 64 * 1024 * 1024, records_per_conversation: 10_000 };
            Box::new(faulty(MemoryStore::new(limits), &faults))
        };
        let readers = readers(&*store);
        Self { root, lives: 0, store, readers, faults, is_durable, synced: 0 }
    }

    /// Whether the store lasts when its process ends.
    pub(crate) fn is_durable(&self) -> bool {
        self.is_durable
    }

    pub(crate) fn set_full(&self, is_full: bool) {
        self.faults().is_full = is_full;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.faults().is_full
    }

    /// The injected faults, and the number of operations that failed because the disk was full.
    pub(crate) fn fault_counts(&self) -> (BTreeMap<Operation, u64>, u64) {
        let faults = self.faults();
        (faults.counts.clone(), faults.full)
    }

    pub(crate) fn load(&mut self, fault: Option<Operation>) -> Result<Snapshot, StoreError> {
        self.with_fault(fault, |disk| disk.store.load())
    }

    pub(crate) fn commit(&mut self, batch: &[Change], fault: Option<Operation>) -> Result<Vec<Trimmed>, StoreError> {
        let trimmed = self.with_fault(fault, |disk| disk.store.commit(batch))?;
        self.synced = self.log_bytes();
        Ok(trimmed)
    }

    pub(crate) fn reopen(&mut self, fault: Option<Operation>) -> Result<(), StoreError> {
        let before = self.log_bytes();
        let reopened = self.with_fault(fault, |disk| disk.store.reopen());
        self.log_is_synced_if_changed(before);
        reopened
    }

    pub(crate) fn check_writable(&mut self, fault: Option<Operation>) -> Result<(), StoreError> {
        let before = self.log_bytes();
        let checked = self.with_fault(fault, |disk| disk.store.check_writable());
        self.log_is_synced_if_changed(before);
        checked
    }

    /// Returns whether more work is left.
    pub(crate) fn maintain(&mut self, fault: Option<Operation>) -> Result<bool, StoreError> {
        // A step is not synced: `synced` stays.
        let maintained = self.with_fault(fault, |disk| disk.store.maintain());
        self.synced = self.synced.min(self.log_bytes());
        maintained
    }

    pub(crate) fn answer(&mut self, query: &Query, reader: usize, fails: bool) -> Answer {
        let fault = fails.then_some(Operation::Read);
        let answer = self.with_fault(fault, |disk| disk.readers[reader % READERS].answer(query));
        answer.unwrap_or(Answer::Failed)
    }

    /// All records of a conversation.
    pub(crate) fn records(&mut self, conversation: ConversationId) -> Vec<Record> {
        let all = ReadLimit { records: usize::MAX, bytes: usize::MAX };
        self.readers[0].records(conversation, 1..=u64::MAX, all).expect("a store without faults").records
    }

    /// Ends the process, and opens the store again.
    pub(crate) fn crash(&mut self, crash: Crash, rng: &mut Rng) {
        let length = self.log_bytes();
        let kept = match crash {
            Crash::Kill => length,
            Crash::PowerFailure => rng.u64(self.synced.min(length)..=length),
        };
        self.restart(kept, length, rng.bool());
    }

    /// Ends the process in the middle of a commit, and opens the store again.
    pub(crate) fn crash_in_commit(&mut self, batch: &[Change], crash: Crash, rng: &mut Rng) {
        let before = self.log_bytes();
        if self.store.commit(batch).is_err() {
            // The disk is full.
            return self.crash(crash, rng);
        }
        let length = self.log_bytes();
        // Often between two pages or after the last one: there are the interesting moments.
        let written = if rng.u8(..3) == 0 { length } else { rng.u64(before.min(length)..=length) };
        let kept = match crash {
            Crash::Kill => written,
            Crash::PowerFailure => rng.u64(self.synced.min(written)..=written),
        };
        self.restart(kept, length, rng.bool());
    }

    /// Opens the store in a copy of its files, with only the first `kept` of the `length` bytes of the log. The rest is
    /// missing, or is there and empty.
    fn restart(&mut self, kept: u64, length: u64, leaves_zeros: bool) {
        let old = self.directory();
        self.lives += 1;
        let new = self.directory();
        // A store refuses a directory that others may read.
        fs::DirBuilder::new().mode(0o700).create(&new).expect("a new folder");
        for name in [FILE, LOG] {
            if old.join(name).exists() {
                fs::copy(old.join(name), new.join(name)).expect("the files can be copied");
            }
        }
        if kept < length {
            let log = fs::OpenOptions::new().write(true).open(new.join(LOG)).expect("the log of the store");
            let cut = log.set_len(kept).and_then(|()| if leaves_zeros { log.set_len(length) } else { Ok(()) });
            cut.expect("the log can be shortened");
        }
        self.synced = self.synced.min(kept);
        self.readers.clear();
        let before = self.log_bytes();
        self.store = open(&new, &self.faults);
        self.log_is_synced_if_changed(before);
        self.readers = readers(&*self.store);
        fs::remove_dir_all(old).expect("the old folder can be removed");
    }

    /// Ends the server in order, and checks the file. Returns the store, opened anew.
    pub(crate) fn reopen_and_check(&mut self) {
        if self.is_durable {
            let directory = self.directory();
            self.readers.clear();
            self.store = Box::new(MemoryStore::new(MemoryLimits { bytes: 0, records_per_conversation: 0 }));
            let file = directory.join(FILE);
            let mut sqlite = Command::new("sqlite3");
            let output = sqlite.args(["-batch", "-bail"]).arg(&file).arg("PRAGMA integrity_check").output();
            let output = output.expect("sqlite3 is installed (Debian: sqlite3)");
            let (out, errors) = switchboard_tests::wire_lab::texts(&output);
            assert_eq!((out.trim_end(), &*errors), ("ok", ""), "the file of the store is intact");
            self.store = open(&directory, &self.faults);
            self.readers = readers(&*self.store);
        }
    }

    fn directory(&self) -> PathBuf {
        self.root.path().join(self.lives.to_string())
    }

    fn log_bytes(&self) -> u64 {
        fs::metadata(self.directory().join(LOG)).map_or(0, |log| log.len())
    }

    /// After the store was opened or checked: the log was moved to the database and is empty, or further changes were
    /// written and synced.
    fn log_is_synced_if_changed(&mut self, before: u64) {
        let length = self.log_bytes();
        if length != before {
            self.synced = length;
        }
    }

    fn with_fault<R>(&mut self, fault: Option<Operation>, work: impl FnOnce(&mut Self) -> R) -> R {
        self.faults().next = fault;
        let result = work(self);
        self.faults().next = None;
        result
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }
}

fn lock(faults: &Mutex<Faults>) -> MutexGuard<'_, Faults> {
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}

fn faulty<S: Store>(store: S, faults: &Arc<Mutex<Faults>>) -> FaultyStore<S> {
    let faults = Arc::clone(faults);
    FaultyStore::new(store, move |operation| lock(&faults).plan(operation))
}

fn open(directory: &Path, faults: &Arc<Mutex<Faults>>) -> Box<dyn Store> {
    let store = SqliteStore::open(directory, SqliteOptions::default()).expect("the store can be opened");
    Box::new(faulty(store, faults))
}

fn readers(store: &dyn Store) -> Vec<Box<dyn Reader>> {
    (0..READERS).map(|_| store.reader().expect("a reader")).collect()
}
