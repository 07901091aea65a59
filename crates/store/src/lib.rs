//! The store: where the records, accounts and conversations of a server are kept.
//!
//! The core decides on changes ([`Change`](switchboard_core::change::Change)), and a store keeps them. There are two
//! homes: [`MemoryStore`], which forgets everything at the end of the process, and [`SqliteStore`], a directory with a
//! database of SQLite. This crate has threads, but no runtime and no clock.
//!
//! # The walk of one record
//!
//! 1. `writer.rs`: the shell of the core submits the changes of a turn to the [`Writer`], which gives each of them a
//!    position. Its thread takes everything that was submitted during the last commit as one batch.
//! 2. `store.rs`: the thread calls [`Store::commit`].
//! 3. `sqlite/batch.rs`: the batch is written in one transaction, and SQLite syncs it to the disk.
//! 4. `writer.rs`: the writer reports [`Outcome::Durable`] with the position of the last change. Nobody hears of the
//!    record earlier.
//! 5. `sqlite/maintenance.rs`: when the writer has nothing else to do, it adds the words of the record to the index of
//!    the search.
//! 6. `read_pool.rs`: a request for records runs on another thread, with a [`Reader`] (`sqlite/reader.rs`).

mod commit_figures;
mod error;
mod faulty;
mod ledger;
mod memory;
mod read_pool;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod words;
mod writer;

pub use commit_figures::{CommitFigures, Distribution};
pub use error::StoreError;
pub use faulty::{FaultyStore, Operation};
pub use memory::{MemoryLimits, MemoryStore};
pub use read_pool::{QueueFull, ReadPool};
pub use sqlite::{BackupContents, Restore, SQLITE_FILE, SqliteOptions, SqliteStore, prepare_directory};
pub use store::{Found, Page, ReadLimit, Reader, Store, Trimmed};
pub use writer::{Generation, Outcome, Writer};
