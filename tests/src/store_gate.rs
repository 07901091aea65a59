//! A store whose commits wait or fail when a test says so.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use switchboard_core::change::{Change, Snapshot};
use switchboard_store::{Reader, Store, StoreError, Trimmed};

use crate::test_client::TIMEOUT;

/// Controls the commits of a store. Dropping it lets them through.
#[derive(Debug)]
pub struct StoreGate {
    shared: Arc<Shared>,
}

/// Whether the batch of a failed commit is stored. Its writers cannot know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailedBatch {
    /// The commit fails before it writes.
    IsLost,
    /// The commit fails after it has written and synced.
    IsStored,
}

#[derive(Debug, Default)]
struct Shared {
    mode: Mutex<Mode>,
    changed: Condvar,
}

#[derive(Clone, Debug, Default)]
enum Mode {
    #[default]
    Open,
    Held,
    Failing(FailedBatch, StoreError),
    /// The next commit panics.
    Panicking,
}

impl StoreGate {
    /// Puts a gate before `store`. It is open.
    #[must_use]
    pub fn new(store: Box<dyn Store>) -> (Self, Box<dyn Store>) {
        let shared = Arc::<Shared>::default();
        (Self { shared: Arc::clone(&shared) }, Box::new(GatedStore { store, shared }))
    }

    /// Holds all commits from now on.
    pub fn hold(&self) {
        self.shared.set(Mode::Held);
    }

    /// Lets all commits through. A store that has failed can be written again.
    pub fn open(&self) {
        self.shared.set(Mode::Open);
    }

    /// Lets the next commit panic, and those after it through.
    pub fn panic_once(&self) {
        self.shared.set(Mode::Panicking);
    }

    /// Lets the commits fail with `error`, also one that is held. The store cannot be written until [`Self::open`].
    pub fn fail(&self, batch: FailedBatch, error: StoreError) {
        self.shared.set(Mode::Failing(batch, error));
    }
}

impl Drop for StoreGate {
    fn drop(&mut self) {
        self.open();
    }
}

impl Shared {
    fn mode(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, mode: Mode) {
        *self.mode() = mode;
        self.changed.notify_all();
    }

    /// Returns the mode as soon as commits are not held.
    fn wait(&self) -> Mode {
        let is_held = |mode: &mut Mode| matches!(mode, Mode::Held);
        let waited = self.changed.wait_timeout_while(self.mode(), TIMEOUT, is_held);
        let (mode, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "the test has held a commit for too long");
        mode.clone()
    }
}

/// The store behind a gate.
struct GatedStore {
    store: Box<dyn Store>,
    shared: Arc<Shared>,
}

impl Store for GatedStore {
    fn is_durable(&self) -> bool {
        self.store.is_durable()
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.store.load()
    }

    fn commit(&mut self, batch: &[Change]) -> Result<Vec<Trimmed>, StoreError> {
        match self.shared.wait() {
            Mode::Failing(FailedBatch::IsLost, error) => Err(error),
            Mode::Failing(FailedBatch::IsStored, error) => self.store.commit(batch).and(Err(error)),
            Mode::Open | Mode::Held => self.store.commit(batch),
            Mode::Panicking => {
                self.shared.set(Mode::Open);
                panic!("the test lets this commit panic");
            }
        }
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.store.reader()
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.store.reopen()
    }

    fn check_writable(&mut self) -> Result<(), StoreError> {
        match self.shared.mode().clone() {
            Mode::Failing(_, error) => Err(error),
            Mode::Open | Mode::Held | Mode::Panicking => self.store.check_writable(),
        }
    }

    fn maintain(&mut self) -> Result<bool, StoreError> {
        self.store.maintain()
    }
}
