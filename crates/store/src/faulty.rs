//! A store that fails on request, for tests of this package and of others.
//!
//! It is generic, so a program that does not use it has no code of it. As an optional feature, it would make cargo build
//! the store and the server a second time for the end-to-end tests.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_core::change::{Change, ConversationId, LastSent, Snapshot};

use crate::error::StoreError;
use crate::store::{Found, Page, ReadLimit, Reader, Store, Trimmed};

/// A moment at which a [`FaultyStore`] may fail: before an operation, or after it was done. A caller cannot tell the two
/// apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Operation {
    /// [`Store::load`].
    Load,
    /// [`Store::commit`], before anything is applied.
    Commit,
    /// [`Store::commit`], after the batch was applied.
    CommitApplied,
    /// [`Store::reopen`], before the store is opened.
    Reopen,
    /// [`Store::reopen`], after the store was opened.
    ReopenApplied,
    /// [`Store::check_writable`], before the check.
    CheckWritable,
    /// [`Store::check_writable`], after the check has succeeded.
    CheckWritableApplied,
    /// [`Store::maintain`], before the step.
    Maintain,
    /// [`Store::maintain`], after the step.
    MaintainApplied,
    /// [`Store::reader`].
    OpenReader,
    /// Each method of a [`Reader`].
    Read,
}

/// Decides for each operation whether it fails.
type Plan = dyn FnMut(Operation) -> Option<StoreError> + Send;

/// A store that asks a plan before each operation.
pub struct FaultyStore<S> {
    store: S,
    plan: Arc<Mutex<Plan>>,
}

impl<S: Store> FaultyStore<S> {
    /// Wraps `store`. If `plan` returns an error for an operation, the operation fails with it.
    pub fn new(store: S, plan: impl FnMut(Operation) -> Option<StoreError> + Send + 'static) -> Self {
        Self { store, plan: Arc::new(Mutex::new(plan)) }
    }

    fn ask(&self, operation: Operation) -> Result<(), StoreError> {
        ask(&self.plan, operation)
    }
}

fn ask(plan: &Mutex<Plan>, operation: Operation) -> Result<(), StoreError> {
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    plan(operation).map_or(Ok(()), Err)
}

impl<S: Store> Store for FaultyStore<S> {
    fn is_durable(&self) -> bool {
        self.store.is_durable()
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.ask(Operation::Load)?;
        self.store.load()
    }

    fn commit(&mut self, batch: &[Change]) -> Result<Vec<Trimmed>, StoreError> {
        self.ask(Operation::Commit)?;
        let trimmed = self.store.commit(batch)?;
        self.ask(Operation::CommitApplied)?;
        Ok(trimmed)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.ask(Operation::OpenReader)?;
        Ok(Box::new(FaultyReader { reader: self.store.reader()?, plan: Arc::clone(&self.plan) }))
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.ask(Operation::Reopen)?;
        self.store.reopen()?;
        self.ask(Operation::ReopenApplied)
    }

    fn check_writable(&mut self) -> Result<(), StoreError> {
        self.ask(Operation::CheckWritable)?;
        self.store.check_writable()?;
        self.ask(Operation::CheckWritableApplied)
    }

    fn maintain(&mut self) -> Result<bool, StoreError> {
        self.ask(Operation::Maintain)?;
        let is_work_left = self.store.maintain()?;
        self.ask(Operation::MaintainApplied)?;
        Ok(is_work_left)
    }
}

impl<S: fmt::Debug> fmt::Debug for FaultyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("store", &self.store).finish_non_exhaustive()
    }
}

struct FaultyReader {
    reader: Box<dyn Reader>,
    plan: Arc<Mutex<Plan>>,
}

impl Reader for FaultyReader {
    fn records(
        &mut self,
        conversation: ConversationId,
        range: RangeInclusive<u64>,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        ask(&self.plan, Operation::Read)?;
        self.reader.records(conversation, range, limit)
    }

    fn records_before(
        &mut self,
        conversation: ConversationId,
        before: u64,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        ask(&self.plan, Operation::Read)?;
        self.reader.records_before(conversation, before, limit)
    }

    fn sent_seq(&mut self, conversation: ConversationId, last: LastSent, n: u64) -> Result<Option<u64>, StoreError> {
        ask(&self.plan, Operation::Read)?;
        self.reader.sent_seq(conversation, last, n)
    }

    fn search(&mut self, conversations: &[ConversationId], words: &str, max: usize) -> Result<Found, StoreError> {
        ask(&self.plan, Operation::Read)?;
        self.reader.search(conversations, words, max)
    }
}
