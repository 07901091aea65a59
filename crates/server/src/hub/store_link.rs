//! The hub's connection to the store: changes go to its writer, questions to its readers, and outcomes and answers come
//! back as events of the switchboard.
//!
//! The threads of the store hold the hub weakly, so that they do not keep it alive. They call it without any lock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak, mpsc};
use std::thread;

use switchboard_core::change::{Change, Snapshot};
use switchboard_core::{Answer, Position, Query, Ticket, Version2Settings};
use switchboard_protocol::ErrorCode;
use switchboard_store::{CommitFigures, Generation, Outcome, ReadPool, Reader, Store, StoreError, Trimmed, Writer};

use super::Hub;
use crate::telemetry;

/// Number of threads that read from the store. With two, one long search does not delay the replay of a conversation.
const READERS: usize = 2;

/// Maximum questions that wait for a reader: two for each session that a server has by default. A session asks no more
/// at a time.
const QUESTIONS_MAX: usize = 20_000;

/// The store of a running server.
#[derive(Debug)]
pub(crate) struct StoreLink {
    writer: Writer,
    readers: ReadPool,
    /// Wakes the thread that does the work which the switchboard has left.
    work_signal: mpsc::SyncSender<()>,
    hub: Weak<Hub>,
}

impl StoreLink {
    /// Starts the threads of a store whose state the hub has loaded.
    pub(crate) fn start(store: Box<dyn Store>, hub: &Arc<Hub>) -> Result<Self, StoreStartError> {
        let readers = (0..READERS).map(|_| store.reader()).collect::<Result<_, _>>()?;
        let report_to = Arc::downgrade(hub);
        let report = move |outcome| {
            if let Some(hub) = report_to.upgrade() {
                report(&hub, outcome);
            }
        };
        let writer = Writer::start(store, report)?;
        let readers = ReadPool::start(readers, QUESTIONS_MAX)?;
        let (work_signal, signals) = mpsc::sync_channel(1);
        let worker_hub = Arc::downgrade(hub);
        thread::Builder::new().name("fan-out".to_owned()).spawn(move || work(&worker_hub, &signals))?;
        Ok(Self { writer, readers, work_signal, hub: Arc::downgrade(hub) })
    }

    /// Queues changes. If the store has failed since `generation`, they are dropped: the switchboard hears of the failure
    /// next, and withdraws them.
    pub(crate) fn submit(&self, generation: Generation, changes: &mut Vec<Change>) {
        self.writer.submit(generation, changes);
    }

    /// Lets the writer show whether commits succeed.
    pub(super) fn probe(&self) {
        self.writer.probe();
    }

    /// Lets the thread for work begin, unless it is at it.
    pub(crate) fn start_work(&self) {
        // A signal that is not taken yet is enough.
        let _ = self.work_signal.try_send(());
    }

    /// Asks a reader. Returns false if too many questions wait.
    pub(crate) fn ask(&self, ticket: Ticket, query: Query) -> bool {
        let hub = Weak::clone(&self.hub);
        let request = move |reader: &mut dyn Reader| {
            let answer = answer_always(reader, &query);
            if let Some(hub) = hub.upgrade() {
                hub.answer(ticket, answer);
            }
        };
        self.readers.read(request).is_ok()
    }

    /// Writes the changes that wait, and ends the threads. The readers end first, so that the writer closes the store last
    /// and leaves a single file.
    pub(crate) fn close(&self) {
        self.readers.close();
        self.writer.close();
    }
}

/// The events of the store.
impl Hub {
    /// Connects the hub to the store whose state it has loaded. Without a store, no session may speak version 2.
    pub(crate) fn set_store(&self, store: StoreLink) {
        let is_first = self.store.set(store).is_ok();
        debug_assert!(is_first, "a hub has one store");
    }

    /// Writes the queued changes, and then ends the threads of the store.
    pub(crate) fn close_store(&self) {
        if let Some(store) = self.store.get() {
            store.close();
        }
    }

    /// Loads the accounts and conversations of a store.
    pub(crate) fn load(&self, snapshot: Snapshot, settings: Version2Settings) {
        self.lock().board.load(snapshot, settings);
    }

    pub(crate) fn store_durable(&self, position: Position, trimmed: &[Trimmed]) {
        self.with_effects(|board, effects| {
            for trimmed in trimmed {
                board.trimmed(trimmed.conversation, trimmed.first);
            }
            board.durable(position, effects);
        });
    }

    /// Does a part of the work that the switchboard has left, and writes to all sessions of this part directly. Returns
    /// whether more is left.
    fn work(&self) -> bool {
        self.with_effects_and(usize::MAX, |board, effects| {
            board.work(effects);
            board.has_work()
        })
    }

    /// The commits since the start.
    pub(crate) fn commit_figures(&self) -> CommitFigures {
        self.store.get().map(|store| store.writer.commit_figures()).unwrap_or_default()
    }

    pub(crate) fn store_failed(&self, code: ErrorCode) {
        self.with_effects(|board, effects| board.store_failed(code, effects));
    }

    pub(crate) fn store_reloaded(&self, snapshot: Snapshot) {
        self.with_effects(|board, effects| board.store_reloaded(snapshot, effects));
    }

    pub(crate) fn store_writable(&self, generation: Generation, position: Position) {
        self.with_effects(|board, effects| {
            (effects.changes.generation, effects.changes.position) = (generation, position);
            board.store_writable(position, effects);
        });
    }

    /// Takes the answer of the store to a question.
    pub(crate) fn answer(&self, ticket: Ticket, answer: Answer) {
        self.with_effects(|board, effects| board.answer(ticket, answer, effects));
    }
}

/// The store's threads could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StoreStartError {
    /// The store cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The id of the server cannot be read or created.
    #[error("cannot use the id of this server: {0}")]
    ServerId(#[source] std::io::Error),
    /// The system starts no further thread.
    #[error("cannot start a thread for the store: {0}")]
    Thread(#[from] std::io::Error),
}

/// Does the work that the switchboard has left, in parts, until the hub is dropped. A thread of its own does it, because
/// the writer's thread must go on with the next commit, and because thousands of direct writes would delay the other
/// tasks of a thread of the runtime.
fn work(hub: &Weak<Hub>, signals: &mpsc::Receiver<()>) {
    while signals.recv().is_ok() {
        let Some(hub) = hub.upgrade() else { return };
        // A panic, which is reported on stderr, must not end the fan-out of all later records.
        while catch_unwind(AssertUnwindSafe(|| hub.work())).unwrap_or(false) {
            // The lock is not fair: without the pause, this thread would often take it again before those that wait.
            thread::yield_now();
        }
    }
}

/// Passes an outcome of the writer on to the switchboard.
fn report(hub: &Hub, outcome: Outcome) {
    match outcome {
        Outcome::Durable { position, trimmed } => {
            hub.store_health.prove();
            hub.store_durable(Position(position), &trimmed);
        }
        Outcome::Probed => hub.store_health.prove(),
        Outcome::Failed { error } => {
            telemetry::store_failed(&error);
            hub.store_health.set_failure(Some(error.clone()));
            let code = if let StoreError::Full { .. } = error { ErrorCode::StoreFull } else { ErrorCode::Unavailable };
            hub.store_failed(code);
        }
        Outcome::Reloaded { snapshot } => hub.store_reloaded(snapshot),
        Outcome::Writable { generation, position } => {
            telemetry::store_writable();
            hub.store_health.set_failure(None);
            hub.store_writable(generation, Position(position));
        }
        Outcome::MaintenanceFailed { error } => telemetry::store_maintenance_failed(&error),
    }
}

/// Answers also if the read panics: the session waits for it.
fn answer_always(reader: &mut dyn Reader, query: &Query) -> Answer {
    match catch_unwind(AssertUnwindSafe(|| reader.answer(query))) {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            telemetry::store_read_failed(&error);
            Answer::Failed
        }
        // The panic is on standard error.
        Err(_) => Answer::Failed,
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use switchboard_core::change::{ConversationId, LastSent};
    use switchboard_core::{Answer, Query};
    use switchboard_store::{Found, Page, ReadLimit, Reader, StoreError};

    use super::answer_always;

    struct PanickingReader;

    impl Reader for PanickingReader {
        fn records(&mut self, _: ConversationId, _: RangeInclusive<u64>, _: ReadLimit) -> Result<Page, StoreError> {
            panic!("a panic for the test");
        }

        fn records_before(&mut self, _: ConversationId, _: u64, _: ReadLimit) -> Result<Page, StoreError> {
            Err(StoreError::SearchOff)
        }

        fn sent_seq(&mut self, _: ConversationId, _: LastSent, _: u64) -> Result<Option<u64>, StoreError> {
            Ok(Some(1))
        }

        fn search(&mut self, _: &[ConversationId], _: &str, _: usize) -> Result<Found, StoreError> {
            Ok(Found::default())
        }
    }

    #[test]
    fn question_is_answered_also_if_its_read_fails_or_panics() {
        let conversation = ConversationId(1);
        for query in [
            Query::Range { conversation, from: 1, to: 2, max_records: 1, max_bytes: 1 },
            Query::Before { conversation, before: 2, max_records: 1, max_bytes: 1 },
        ] {
            assert!(matches!(answer_always(&mut PanickingReader, &query), Answer::Failed));
        }
    }
}
