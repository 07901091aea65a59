//! The contract of the store's writer (`crates/store/src/writer.rs`), without its thread: each step is one operation of
//! the store, or one report to the core, and anything may happen between two steps.

use std::collections::VecDeque;

use fastrand::Rng;
use switchboard_core::change::{Change, Snapshot};
use switchboard_protocol::ErrorCode;
use switchboard_store::{Operation, StoreError, Trimmed};

use crate::disk::{Crash, Disk};

/// A report to the core.
#[derive(Debug)]
pub(crate) enum Outcome {
    Durable { position: u64, trimmed: Vec<Trimmed> },
    Failed(ErrorCode),
    Reloaded(Snapshot),
    Writable { generation: u64, position: u64 },
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Writable,
    /// A commit has failed.
    Failed,
    /// The store was opened and loaded again.
    Reloaded,
}

/// The queue of changes, and the state of the store.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// The changes of each event, which are committed together.
    queue: VecDeque<Vec<Change>>,
    generation: u64,
    /// The position of the last change that was submitted.
    position: u64,
    state: State,
    /// Whether the store may have work beside the commits.
    has_work: bool,
    /// The report that the core has not heard yet. Until then, the writer waits.
    report: Option<Outcome>,
}

impl Writer {
    /// Queues the changes of one event, or drops them if the store has failed since their generation began.
    pub(crate) fn submit(&mut self, generation: u64, changes: &mut Vec<Change>) {
        if generation != self.generation || self.state != State::Writable {
            changes.clear();
        } else if !changes.is_empty() {
            self.position += changes.len() as u64;
            self.queue.push_back(std::mem::take(changes));
        }
    }

    /// The report for the core, if there is one.
    pub(crate) fn take_report(&mut self) -> Option<Outcome> {
        self.report.take()
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.state == State::Writable && self.report.is_none()
    }

    /// Whether a batch can be committed now.
    pub(crate) fn has_batch(&self) -> bool {
        self.state == State::Writable && self.report.is_none() && !self.queue.is_empty()
    }

    /// Does one operation of the store, which may fail. Returns its result for the trace, if there was anything to do.
    pub(crate) fn step(&mut self, disk: &mut Disk, fails: bool, rng: &mut Rng) -> Option<String> {
        let mut choose = |faults: &[Operation]| fails.then(|| faults[rng.usize(..faults.len())]);
        let step = match self.state {
            State::Failed => {
                let fault = choose(&[Operation::Reopen, Operation::ReopenApplied, Operation::Load]);
                let loaded = disk.reopen(fault).and_then(|()| disk.load(fault));
                let step = format!("store: reopen and load, fault {fault:?}: {:?}", loaded.as_ref().map(|_| ()));
                match loaded {
                    Ok(snapshot) => {
                        self.state = State::Reloaded;
                        self.report = Some(Outcome::Reloaded(snapshot));
                    }
                    Err(error) => self.report = Some(failed(&error)),
                }
                step
            }
            State::Reloaded => {
                let fault = choose(&[Operation::CheckWritable, Operation::CheckWritableApplied]);
                let checked = disk.check_writable(fault);
                let step = format!("store: check, fault {fault:?}: {checked:?}");
                match checked {
                    Ok(()) => {
                        self.state = State::Writable;
                        self.generation += 1;
                        self.report = Some(Outcome::Writable { generation: self.generation, position: self.position });
                    }
                    Err(error) => {
                        self.report = Some(failed(&error));
                        // If this fails, the next check fails, too.
                        let _ = disk.reopen(choose(&[Operation::Reopen, Operation::ReopenApplied]));
                    }
                }
                step
            }
            State::Writable if self.queue.is_empty() => {
                if !std::mem::take(&mut self.has_work) {
                    return None;
                }
                let fault = choose(&[Operation::Maintain, Operation::MaintainApplied]);
                let maintained = disk.maintain(fault);
                self.has_work = maintained.as_ref().is_ok_and(|is_work_left| *is_work_left);
                format!("store: maintain, fault {fault:?}: {maintained:?}")
            }
            State::Writable => {
                let fault = choose(&[Operation::Commit, Operation::CommitApplied]);
                let batch = self.take_batch(rng);
                let committed = disk.commit(&batch, fault);
                let step = format!("store: commit {} changes, fault {fault:?}: {committed:?}", batch.len());
                self.report = Some(match committed {
                    Ok(trimmed) => Outcome::Durable { position: self.position - self.waiting(), trimmed },
                    Err(error) => {
                        self.state = State::Failed;
                        self.queue.clear();
                        failed(&error)
                    }
                });
                self.has_work = true;
                step
            }
        };
        Some(step)
    }

    /// The server ends during a commit.
    pub(crate) fn crash_in_commit(&mut self, disk: &mut Disk, crash: Crash, rng: &mut Rng) {
        let batch = self.take_batch(rng);
        disk.crash_in_commit(&batch, crash, rng);
    }

    /// The changes of some events: all that wait, or fewer, as if they had come later.
    fn take_batch(&mut self, rng: &mut Rng) -> Vec<Change> {
        let events = if rng.bool() { self.queue.len() } else { rng.usize(1..=self.queue.len()) };
        self.queue.drain(..events).flatten().collect()
    }

    fn waiting(&self) -> u64 {
        self.queue.iter().map(|changes| changes.len() as u64).sum()
    }
}

fn failed(error: &StoreError) -> Outcome {
    Outcome::Failed(if let StoreError::Full { .. } = error { ErrorCode::StoreFull } else { ErrorCode::Unavailable })
}
