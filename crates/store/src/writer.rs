//! The thread that writes to the store, in groups.
//!
//! A batch is everything that was submitted during the last commit, within bounds. So a fast disk makes small batches,
//! which are soon durable, and a slow one large batches, which cost less for each change.
//!
//! ```text
//!            commit fails                reopened and loaded              has room, can be written
//! Writable ───────────────▶ Failed ─────────────────────────▶ Reloaded ───────────────────────▶ Writable
//! (generation g)   drops the queue                                                        (generation g + 1)
//! ```
//!
//! Between a failure and the moment at which its owner hears of it, the owner may submit further changes. They follow from
//! changes that were dropped, so they must be dropped, too. Each submission therefore names its generation, and the
//! writer takes only those of the current one.
//!
//! A panic, also of the code that hears the outcomes, is a failure like any other: the thread goes on, and the true state
//! is loaded.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use switchboard_core::change::{Change, ConversationKind, RedactTarget, Snapshot};

use crate::commit_figures::CommitFigures;
use crate::error::StoreError;
use crate::store::{Store, Trimmed};

/// The bounds of one batch, unless a single submission is larger. They bound the time of a commit.
const BATCH_CHANGES_MAX: usize = 4096;
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The pause without changes after which maintenance begins. A sender that waits for each record has sent the next one
/// by then.
const MAINTENANCE_DELAY: Duration = Duration::from_millis(10);

/// The number of changes after which one step of maintenance is due although further changes wait. Without it, a store
/// that is never idle would never index a word.
const MAINTENANCE_CHANGES: usize = 2048;

/// The time between two attempts to open or write a failed store, which doubles from the first value to the second.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// The time after a failed step of maintenance.
const MAINTENANCE_RETRY: Duration = Duration::from_secs(10);

/// Counts the times at which a store has become writable. It keeps changes that were decided before a failure from being
/// written after it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Generation(u64);

/// A report of the writer.
///
/// After [`Failed`](Outcome::Failed) comes [`Reloaded`](Outcome::Reloaded), and then [`Writable`](Outcome::Writable).
/// `Failed` may be repeated before each of the two, if the reason changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All changes up to this position are durable.
    Durable {
        /// The position.
        position: u64,
        /// Conversations whose oldest records the store has dropped, because it is bounded.
        trimmed: Vec<Trimmed>,
    },
    /// The store cannot be written. All changes after the last durable position are dropped, and no new ones are taken.
    /// Those of the failed commit may nevertheless be there, as the next snapshot shows.
    Failed {
        /// The reason.
        error: StoreError,
    },
    /// The true state after a failure. It stays the same until the store is writable.
    Reloaded {
        /// The state.
        snapshot: Snapshot,
    },
    /// The store takes changes again.
    Writable {
        /// The generation of the changes that it takes now.
        generation: Generation,
        /// The position of the last change so far. The next one has the position after it.
        position: u64,
    },
    /// The answer to [`Writer::probe`]: a commit has succeeded just now.
    Probed,
    /// A step of maintenance failed. It is tried again, and reported again if the reason changes. Changes and reads are
    /// not affected.
    MaintenanceFailed {
        /// The reason.
        error: StoreError,
    },
}

/// Writes to a store from a thread of its own. When it is dropped, it first writes the changes that wait.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread. It calls `report` with each outcome, without holding a lock, so `report` may submit changes.
    ///
    /// # Errors
    ///
    /// If the system starts no further thread.
    pub fn start(store: Box<dyn Store>, report: impl FnMut(Outcome) + Send + 'static) -> Result<Self, std::io::Error> {
        let shared = Arc::new(Shared::default());
        let mut thread = WriterThread {
            shared: Arc::clone(&shared),
            store,
            report: Box::new(report),
            maintenance_failure: None,
            panic_pause: RETRY_MIN,
        };
        let thread = thread::Builder::new().name("store-write".to_owned()).spawn(move || thread.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Queues the changes, which are committed together, and leaves `changes` empty. Returns the position of the last
    /// one: positions count all changes from 1.
    ///
    /// If the store has failed since `generation` began, the result is `None`. The changes are dropped then.
    pub fn submit(&self, generation: Generation, changes: &mut Vec<Change>) -> Option<u64> {
        let bytes = changes.iter().map(memory).sum();
        let mut queue = self.shared.lock();
        if generation != queue.generation || queue.is_failed || queue.is_closing {
            drop(queue);
            changes.clear();
            return None;
        }
        queue.position += changes.len() as u64;
        let position = queue.position;
        if !changes.is_empty() {
            let was_empty = queue.submissions.is_empty();
            queue.submissions.push_back(Size { changes: changes.len(), bytes });
            queue.changes.append(changes);
            drop(queue);
            if was_empty {
                self.shared.wake.notify_one();
            }
        }
        Some(position)
    }

    /// Lets the thread commit something that means nothing, as soon as no changes wait, and report
    /// [`Outcome::Probed`], or a failure like that of any commit. While the store is failed, nothing is done.
    pub fn probe(&self) {
        let mut queue = self.shared.lock();
        queue.wants_probe = !queue.is_failed;
        drop(queue);
        self.shared.wake.notify_one();
    }

    /// The commits since the start.
    pub fn commit_figures(&self) -> CommitFigures {
        self.shared.figures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes the changes that wait, reports them, and ends the thread. A failed store is not opened again. Later changes
    /// are dropped.
    pub fn close(&self) {
        self.shared.lock().is_closing = true;
        self.shared.wake.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A report may drop the writer, and a thread cannot wait for itself.
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    figures: Mutex<CommitFigures>,
}

#[derive(Default)]
struct Queue {
    generation: Generation,
    /// The position of the last change that was submitted.
    position: u64,
    /// The changes that wait.
    changes: Vec<Change>,
    /// How the changes were submitted. The parts of a submission stay together in one commit.
    submissions: VecDeque<Size>,
    /// Whether the store cannot be written.
    is_failed: bool,
    is_closing: bool,
    wants_probe: bool,
}

/// The size of some changes.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Their number.
    changes: usize,
    /// Their memory, in bytes.
    bytes: usize,
}

impl Queue {
    /// Moves the next batch to `batch`, which is empty. Returns its size and the position of its last change.
    fn take(&mut self, batch: &mut Vec<Change>) -> (Size, u64) {
        let mut size = Size::default();
        while let Some(next) = self.submissions.front() {
            let is_full = size.changes + next.changes > BATCH_CHANGES_MAX || size.bytes + next.bytes > BATCH_BYTES_MAX;
            if size.changes > 0 && is_full {
                break;
            }
            size.changes += next.changes;
            size.bytes += next.bytes;
            self.submissions.pop_front();
        }
        if size.changes == self.changes.len() {
            std::mem::swap(&mut self.changes, batch);
        } else {
            batch.extend(self.changes.drain(..size.changes));
        }
        (size, self.position - self.changes.len() as u64)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for changes or the end, at most for this time if there is one.
    fn wait(&self, queue: MutexGuard<'_, Queue>, timeout: Option<Duration>) {
        let idle = |queue: &mut Queue| queue.changes.is_empty() && !queue.is_closing && !queue.wants_probe;
        match timeout {
            None => drop(self.wake.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner)),
            Some(timeout) => {
                drop(self.wake.wait_timeout_while(queue, timeout, idle).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Waits for this time. Returns whether the writer ends.
    fn is_closing_within(&self, time: Duration) -> bool {
        let waited = self.wake.wait_timeout_while(self.lock(), time, |queue| !queue.is_closing);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_closing
    }

    /// Drops all changes, and takes no more.
    fn fail(&self) {
        let mut queue = self.lock();
        queue.is_failed = true;
        queue.wants_probe = false;
        queue.submissions.clear();
        let dropped = std::mem::take(&mut queue.changes);
        drop(queue);
        drop(dropped);
    }
}

/// When the next step of maintenance is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Maintenance {
    /// Nothing is to be done until the next commit.
    Done,
    /// After a pause without changes, and not too soon after a failed step.
    AfterPause,
    /// As soon as no changes wait.
    Now,
}

struct WriterThread {
    shared: Arc<Shared>,
    store: Box<dyn Store>,
    report: Box<dyn FnMut(Outcome) + Send>,
    /// The failure of the last step of maintenance, which is reported once, and the time of the next attempt. A step may
    /// fail only after a wait, for which a commit should not wait again and again.
    maintenance_failure: Option<(StoreError, Instant)>,
    /// The pause after the next panic, which must not keep a processor busy if it repeats.
    panic_pause: Duration,
}

impl WriterThread {
    /// Runs until the end of the writer.
    fn run(&mut self) {
        let mut failure = None;
        while catch_unwind(AssertUnwindSafe(|| self.work(failure.take()))).is_err() {
            self.shared.fail();
            if self.shared.is_closing_within(self.panic_pause) {
                return;
            }
            self.panic_pause = RETRY_MAX.min(self.panic_pause * 2);
            failure = Some(StoreError::Panicked);
        }
    }

    /// Recovers from `failure`, and then commits batches until the end of the writer.
    fn work(&mut self, failure: Option<StoreError>) {
        if failure.is_some_and(|error| !self.recover(error)) {
            return;
        }
        let mut batch = Vec::new();
        // An earlier process may have left some work.
        let mut maintenance = Maintenance::AfterPause;
        let mut changes_since_maintenance = 0;
        loop {
            let mut queue = self.shared.lock();
            if queue.changes.is_empty() {
                if queue.is_closing {
                    return;
                }
                if std::mem::take(&mut queue.wants_probe) {
                    drop(queue);
                    match self.store.probe() {
                        Ok(()) => (self.report)(Outcome::Probed),
                        Err(error) => {
                            if !self.recover(error) {
                                return;
                            }
                        }
                    }
                    continue;
                }
                match maintenance {
                    Maintenance::Done => self.shared.wait(queue, None),
                    Maintenance::AfterPause => {
                        self.shared.wait(queue, Some(MAINTENANCE_DELAY.max(self.maintenance_wait())));
                        maintenance = Maintenance::Now;
                    }
                    Maintenance::Now => {
                        drop(queue);
                        maintenance = self.maintain();
                        changes_since_maintenance = 0;
                    }
                }
                continue;
            }
            let (size, position) = queue.take(&mut batch);
            drop(queue);
            let began = now();
            match self.store.commit(&batch) {
                Ok(trimmed) => {
                    self.count_commit(&batch, began);
                    batch.clear();
                    (self.report)(Outcome::Durable { position, trimmed });
                    self.panic_pause = RETRY_MIN;
                }
                Err(error) => {
                    batch.clear();
                    if !self.recover(error) {
                        return;
                    }
                }
            }
            changes_since_maintenance += size.changes;
            if changes_since_maintenance >= MAINTENANCE_CHANGES && self.maintenance_wait().is_zero() {
                changes_since_maintenance = 0;
                self.maintain();
            }
            maintenance = Maintenance::AfterPause;
        }
    }

    fn count_commit(&self, batch: &[Change], began: Instant) {
        let records = batch.iter().filter(|change| matches!(change, Change::RecordAppended(_))).count() as u64;
        let mut figures = self.shared.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.add(now().saturating_duration_since(began), batch.len(), records);
    }

    /// The time until the next attempt after a failed step of maintenance.
    fn maintenance_wait(&self) -> Duration {
        let next = self.maintenance_failure.as_ref().map(|(_, next)| *next);
        next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now()))
    }

    /// Does one step of maintenance.
    fn maintain(&mut self) -> Maintenance {
        let stepped = catch_unwind(AssertUnwindSafe(|| self.store.maintain())).unwrap_or_else(|_| {
            // The step may have ended anywhere. If the store cannot be opened anew, the next commit fails.
            let _ = self.store.reopen();
            Err(StoreError::Panicked)
        });
        match stepped {
            Ok(is_work_left) => {
                self.maintenance_failure = None;
                if is_work_left { Maintenance::Now } else { Maintenance::Done }
            }
            Err(error) => {
                let next = now() + MAINTENANCE_RETRY;
                let before = self.maintenance_failure.replace((error.clone(), next));
                if before.is_none_or(|(before, _)| before != error) {
                    (self.report)(Outcome::MaintenanceFailed { error });
                }
                Maintenance::AfterPause
            }
        }
    }

    /// Brings the store back after a failed commit. Returns false if the writer ends before.
    fn recover(&mut self, error: StoreError) -> bool {
        self.shared.fail();
        let mut reported = error.clone();
        (self.report)(Outcome::Failed { error });

        let mut pause = RETRY_MIN;
        loop {
            match self.store.reopen().and_then(|()| self.store.load()) {
                Ok(snapshot) => {
                    (self.report)(Outcome::Reloaded { snapshot });
                    break;
                }
                Err(error) => self.report_if_new(&mut reported, error),
            }
            if self.shared.is_closing_within(pause) {
                return false;
            }
            pause = RETRY_MAX.min(pause * 2);
        }

        // Without this check, a full disk would let the store fail and be loaded again with each new change.
        let mut pause = RETRY_MIN;
        while let Err(error) = self.store.check_writable() {
            self.report_if_new(&mut reported, error);
            if self.shared.is_closing_within(pause) {
                return false;
            }
            pause = RETRY_MAX.min(pause * 2);
            if let Err(error) = self.store.reopen() {
                self.report_if_new(&mut reported, error);
            }
        }

        let mut queue = self.shared.lock();
        queue.generation.0 += 1;
        queue.is_failed = false;
        let (generation, position) = (queue.generation, queue.position);
        drop(queue);
        (self.report)(Outcome::Writable { generation, position });
        true
    }

    fn report_if_new(&mut self, reported: &mut StoreError, error: StoreError) {
        if *reported != error {
            reported.clone_from(&error);
            (self.report)(Outcome::Failed { error });
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the thread of the writer is a shell")]
fn now() -> Instant {
    Instant::now()
}

/// The memory that a change takes, in bytes.
fn memory(change: &Change) -> usize {
    let texts = match change {
        Change::RecordAppended(record) => size_of_val(&**record) + record.author.len() + record.text.len(),
        Change::AccountCreated { name, .. }
        | Change::DeviceAdded { name, .. }
        | Change::Redacted { target: RedactTarget::Guest(name), .. }
        | Change::ConversationCreated { kind: ConversationKind::Room { name }, .. } => name.len(),
        Change::SettingsSet { settings, .. } => settings.topic.len(),
        _ => 0,
    };
    size_of::<Change>() + texts
}
