//! The hub's connection to the store: changes go to its writer, questions to its readers, and answers come back as
//! events of the switchboard.
//!
//! The threads of the store hold the hub weakly, so that they do not keep it alive. They call it without any lock.

use std::sync::{Arc, Weak};

use switchboard_core::change::Change;
use switchboard_core::{Answer, Position, Query, Ticket};
use switchboard_protocol::ErrorCode;
use switchboard_store::{Generation, Outcome, ReadLimit, ReadPool, Reader, Store, StoreError, Writer};

use crate::hub::Hub;
use crate::telemetry;

/// Number of threads that read from the store. With two, one long search does not delay the replay of a conversation.
const READERS: usize = 2;

/// Maximum questions that wait for a reader: one for each session that a server has by default.
const QUESTIONS_MAX: usize = 10_000;

/// The store of a running server.
#[derive(Debug)]
pub(crate) struct StoreLink {
    writer: Writer,
    readers: ReadPool,
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
        Ok(Self { writer, readers: ReadPool::start(readers, QUESTIONS_MAX)?, hub: Arc::downgrade(hub) })
    }

    /// Queues changes. If the store has failed since `generation`, they are dropped: the switchboard hears of the failure
    /// next, and withdraws them.
    pub(crate) fn submit(&self, generation: Generation, changes: &mut Vec<Change>) {
        self.writer.submit(generation, changes);
    }

    /// Asks a reader. Returns false if too many questions wait.
    pub(crate) fn ask(&self, ticket: Ticket, query: Query) -> bool {
        let hub = Weak::clone(&self.hub);
        let request = move |reader: &mut dyn Reader| {
            let answer = answer(reader, query).unwrap_or_else(|error| {
                telemetry::store_read_failed(&error);
                Answer::Failed
            });
            if let Some(hub) = hub.upgrade() {
                hub.answer(ticket, answer);
            }
        };
        self.readers.read(request).is_ok()
    }

    /// Writes the changes that wait, and ends the threads.
    pub(crate) fn close(&self) {
        self.writer.close();
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

/// Passes an outcome of the writer on to the switchboard.
fn report(hub: &Hub, outcome: Outcome) {
    match outcome {
        Outcome::Durable { position, trimmed } => hub.store_durable(Position(position), &trimmed),
        Outcome::Failed { error } => {
            telemetry::store_failed(&error);
            let code = if let StoreError::Full { .. } = error { ErrorCode::StoreFull } else { ErrorCode::Unavailable };
            hub.store_failed(code);
        }
        Outcome::Reloaded { snapshot } => hub.store_reloaded(snapshot),
        Outcome::Writable { generation, position } => {
            telemetry::store_writable();
            hub.store_writable(generation, Position(position));
        }
        Outcome::MaintenanceFailed { error } => telemetry::store_maintenance_failed(&error),
    }
}

fn answer(reader: &mut dyn Reader, query: Query) -> Result<Answer, StoreError> {
    Ok(match query {
        Query::Range { conversation, from, to, max_records, max_bytes } => {
            let limit = ReadLimit { records: max_records, bytes: max_bytes };
            let page = reader.records(conversation, from..=to, limit)?;
            Answer::Records { first: page.first, records: page.records }
        }
        Query::Before { conversation, before, max_records, max_bytes } => {
            let limit = ReadLimit { records: max_records, bytes: max_bytes };
            let page = reader.records_before(conversation, before, limit)?;
            Answer::Records { first: page.first, records: page.records }
        }
        Query::Sent { conversation, last, n } => Answer::Sent(reader.sent_seq(conversation, last, n)?),
        Query::Search { conversations, words, max_records } => {
            let found = reader.search(&conversations, &words, max_records)?;
            Answer::Records { first: 0, records: found.records }
        }
    })
}
