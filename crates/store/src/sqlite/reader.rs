//! Reads records, on a connection of its own.

use std::ops::RangeInclusive;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Result, params};
use switchboard_core::change::{ConversationId, DeviceId, LastSent, Record, Sent};

use super::failure::Place;
use super::record_row::{self, at_most, columns, unsigned};
use super::redaction::Pending;
use super::{LOCK_WAIT, READER_CACHE_KIB, STATEMENTS, SqliteOptions, search};
use crate::error::StoreError;
use crate::store::{Found, Page, PageSize, ReadLimit, Reader, walk_sent};

/// Reads the committed records. Each call sees one state of the database.
#[derive(Debug)]
pub(crate) struct SqliteReader {
    connection: Connection,
    place: Place,
    options: SqliteOptions,
}

impl SqliteReader {
    pub(crate) fn open(place: Place, options: SqliteOptions) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(&place.0, flags).and_then(|connection| {
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            connection.busy_timeout(LOCK_WAIT)?;
            connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
            Ok(connection)
        });
        let connection = opened.map_err(|error| place.error(&error))?;
        Ok(Self { connection, place, options })
    }

    /// Runs a read in a transaction, which keeps other commits out of its sight.
    fn in_transaction<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T, StoreError> {
        let run = || {
            let transaction = self.connection.unchecked_transaction()?;
            let result = read(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(|error| self.place.error(&error))
    }
}

impl Reader for SqliteReader {
    fn records(
        &mut self,
        conversation: ConversationId,
        range: RangeInclusive<u64>,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        self.in_transaction(|connection| {
            let first = first_record(connection, conversation)?;
            let select = concat!(
                "SELECT ",
                columns!(""),
                " FROM records WHERE conversation = ?1 AND seq >= ?2 AND seq <= ?3 ORDER BY seq"
            );
            let from = first.max(*range.start());
            let bounds = [conversation.0.cast_signed(), at_most(from), at_most(*range.end())];
            Ok(Page { first, records: read(connection, conversation, select, bounds, limit)? })
        })
    }

    fn records_before(
        &mut self,
        conversation: ConversationId,
        before: u64,
        limit: ReadLimit,
    ) -> Result<Page, StoreError> {
        self.in_transaction(|connection| {
            let first = first_record(connection, conversation)?;
            let select = concat!(
                "SELECT ",
                columns!(""),
                " FROM records WHERE conversation = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq DESC"
            );
            let bounds = [conversation.0.cast_signed(), at_most(first), at_most(before)];
            let mut records = read(connection, conversation, select, bounds, limit)?;
            records.reverse();
            Ok(Page { first, records })
        })
    }

    fn sent_seq(&mut self, conversation: ConversationId, last: LastSent, n: u64) -> Result<Option<u64>, StoreError> {
        let place = &self.place;
        self.in_transaction(|connection| {
            let first = first_record(connection, conversation)?;
            let mut select = connection.prepare_cached(
                "SELECT device, n, previous_seq FROM records WHERE conversation = ?1 AND seq = ?2 AND seq >= ?3
                 AND device IS NOT NULL",
            )?;
            // The outer result is of the transaction, the inner one of the walk.
            Ok(walk_sent(last, n, |seq| {
                let key = [conversation.0.cast_signed(), at_most(seq), at_most(first)];
                let sent = select.query_row(key, |row| {
                    let device = DeviceId(unsigned(row, 0)?);
                    Ok(Sent { device, n: unsigned(row, 1)?, previous_seq: unsigned(row, 2)? })
                });
                sent.optional().map_err(|error| place.error(&error))
            }))
        })?
    }

    fn search(&mut self, conversations: &[ConversationId], words: &str, max: usize) -> Result<Found, StoreError> {
        if !self.options.search {
            return Err(StoreError::SearchOff);
        }
        self.in_transaction(|connection| search::search(connection, conversations, words, max))
    }
}

/// The first record of a conversation that has not expired, or its next record. 1 if it is unknown.
pub(crate) fn first_record(connection: &Connection, conversation: ConversationId) -> Result<u64> {
    let mut select = connection.prepare_cached("SELECT first FROM heads WHERE conversation = ?1")?;
    let first = select.query_row(params![conversation.0.cast_signed()], |row| unsigned(row, 0)).optional()?;
    Ok(first.unwrap_or(1))
}

/// Reads records up to the limit.
fn read(
    connection: &Connection,
    conversation: ConversationId,
    select: &str,
    bounds: [i64; 3],
    limit: ReadLimit,
) -> Result<Vec<Record>> {
    let pending = Pending::read(connection, conversation)?;
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(bounds)?;
    let mut records = Vec::new();
    let mut size = PageSize::new(limit);
    while let Some(row) = rows.next()? {
        let mut record = record_row::read(row)?;
        for redaction in &pending {
            redaction.apply(&mut record);
        }
        if !size.add(record.text.len()) {
            break;
        }
        records.push(record);
    }
    Ok(records)
}
