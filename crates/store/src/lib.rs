//! The store: where the records, accounts and conversations of a server are kept.
//!
//! The core decides on changes ([`Change`](switchboard_core::change::Change)), and a store keeps them. There are two
//! homes: [`MemoryStore`], which forgets everything at the end of the process, and [`SqliteStore`], a directory with a
//! database of SQLite. This crate has no runtime and no clock.
//!
//! # The walk of one record
//!
//! 1. `store.rs`: the thread that owns the store calls [`Store::commit`] with a batch of changes.
//! 2. `sqlite/batch.rs`: the batch is written in one transaction, and SQLite syncs it to the disk. Nobody hears of the
//!    record earlier.
//! 3. `sqlite/maintenance.rs`: when nothing else is to be done, the words of the record are added to the index of the
//!    search.
//! 4. `sqlite/reader.rs`: a [`Reader`] on another thread reads the record.

mod error;
mod ledger;
mod memory;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod words;

pub use error::StoreError;
pub use memory::{MemoryLimits, MemoryStore};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use store::{Found, Page, ReadLimit, Reader, SENT_KEPT, Store, Trimmed};
