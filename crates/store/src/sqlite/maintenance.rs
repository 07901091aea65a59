//! The work beside the commits: deleting expired rows, finishing redactions, indexing words, and moving the log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Result, Transaction, TransactionBehavior};
use switchboard_core::change::Record;

use super::record_row::{self, columns};
use super::{LOCK_WAIT, Open, redaction, search};
use crate::words::WORDS_VERSION;

/// The bounds of one step: it takes some milliseconds, in which a commit waits.
const EXPIRED_STEP_ROWS: i64 = 256;
const INDEX_STEP_RECORDS: i64 = 256;
const INDEX_STEP_BYTES: usize = 64 * 1024;

/// The number of changes since the log was moved to the database, from which a pause is used to do it again. With fewer,
/// the syncs of the database would cost more than a short log saves.
const CHECKPOINT_CHANGES: usize = 1000;

/// The number of the pragma `synchronous` for `full`.
const FULL: i64 = 2;

/// How long a commit waits for reads that keep the log from beginning anew.
const READS_WAIT: Duration = Duration::from_millis(100);

/// Prepares the work after the database was opened. Returns the id of the next record, and the last indexed one.
pub(crate) fn begin(connection: &mut Connection) -> Result<(i64, i64)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    search::renew(&transaction, WORDS_VERSION)?;
    // An id that is in the index does not come back.
    let select = "SELECT 1 + max(indexed, coalesce((SELECT max(id) FROM records), 0)), indexed FROM counters";
    let ids = transaction.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    transaction.commit()?;
    Ok(ids)
}

/// Does one step, and returns whether there may be more to do.
pub(crate) fn step(open: &mut Open, is_search_on: bool) -> Result<bool> {
    if step_without_sync(open, is_search_on)? {
        return Ok(true);
    }
    if open.has_deleted_text_in_log {
        // The log has the text as it was before, and the database has it until the log is moved.
        open.has_deleted_text_in_log = !empty_log(&open.connection)?;
        open.changes_in_log = 0;
    } else if open.changes_in_log >= CHECKPOINT_CHANGES {
        open.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        open.changes_in_log = 0;
    }
    Ok(false)
}

/// If a power failure undoes a step, a later step does it again. So the transaction of a step needs no sync of its own.
fn step_without_sync(open: &mut Open, is_search_on: bool) -> Result<bool> {
    open.connection.pragma_update(None, "synchronous", "normal")?;
    let stepped = step_in_transaction(open, is_search_on);
    // If this fails, the caller closes the connection.
    open.connection.pragma_update(None, "synchronous", "full")?;
    stepped
}

/// Whether each commit of this connection is synced.
pub(crate) fn is_synced(connection: &Connection) -> bool {
    let level = connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0));
    level == Ok(FULL) && connection.is_autocommit()
}

fn step_in_transaction(open: &mut Open, is_search_on: bool) -> Result<bool> {
    let transaction = open.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut indexed = open.indexed;
    let has_worked = delete_expired(&transaction, indexed)?
        || redaction::step(&transaction, indexed)?
        || (is_search_on && index(&transaction, &mut indexed)?);
    if has_worked {
        transaction.commit()?;
        open.indexed = indexed;
    }
    Ok(has_worked)
}

/// Deletes some rows of expired records, and with the last of them the rows of a deleted conversation.
fn delete_expired(transaction: &Transaction<'_>, indexed: i64) -> Result<bool> {
    let oldest = transaction
        .prepare_cached(
            "SELECT conversation, first FROM expiring JOIN heads USING (conversation) ORDER BY conversation LIMIT 1",
        )?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((conversation, first)) = oldest else { return Ok(false) };
    let select = concat!(
        "SELECT ",
        columns!(""),
        ", id FROM records WHERE conversation = ?1 AND seq < ?2 ORDER BY seq LIMIT ?3"
    );
    let mut select = transaction.prepare_cached(select)?;
    let rows = select.query_map([conversation, first, EXPIRED_STEP_ROWS], |row| {
        Ok((record_row::read(row)?, row.get::<_, i64>(11)?))
    })?;
    let rows: Vec<(Record, i64)> = rows.collect::<Result<_>>()?;
    let mut delete = transaction.prepare_cached("DELETE FROM records WHERE id = ?1")?;
    for (record, id) in &rows {
        if *id <= indexed {
            search::remove(transaction, *id, record)?;
        }
        delete.execute([id])?;
    }
    if i64::try_from(rows.len()).is_ok_and(|rows| rows < EXPIRED_STEP_ROWS) {
        transaction.prepare_cached("DELETE FROM expiring WHERE conversation = ?1")?.execute([conversation])?;
        let deleted = "SELECT id FROM conversations WHERE id = ?1 AND is_deleted = 1";
        for delete in [
            format!("DELETE FROM heads WHERE conversation IN ({deleted})"),
            format!("DELETE FROM conversations WHERE id IN ({deleted})"),
        ] {
            transaction.prepare_cached(&delete)?.execute([conversation])?;
        }
    }
    Ok(true)
}

/// Adds the words of some records to the index. Returns whether there were any records.
fn index(transaction: &Transaction<'_>, indexed: &mut i64) -> Result<bool> {
    let select = concat!("SELECT ", columns!(""), ", id FROM records WHERE id > ?1 ORDER BY id LIMIT ?2");
    let mut select = transaction.prepare_cached(select)?;
    let mut rows = select.query([*indexed, INDEX_STEP_RECORDS])?;
    let before = *indexed;
    let mut bytes = 0;
    while bytes < INDEX_STEP_BYTES
        && let Some(row) = rows.next()?
    {
        let record = record_row::read(row)?;
        *indexed = row.get(11)?;
        search::add(transaction, *indexed, &record)?;
        bytes += record.text.len();
    }
    transaction.prepare_cached("UPDATE counters SET indexed = ?1")?.execute([*indexed])?;
    Ok(*indexed > before)
}

/// The path of the log.
pub(crate) fn log_path(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Moves all of the log to the database and empties it, if the reads end soon. Returns whether it did.
pub(crate) fn empty_log(connection: &Connection) -> Result<bool> {
    connection.busy_timeout(READS_WAIT)?;
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    connection.busy_timeout(LOCK_WAIT)?;
    Ok(!is_busy?)
}

#[cfg(test)]
mod tests {
    use super::{empty_log, is_synced};
    use crate::sqlite::{SqliteOptions, SqliteStore};
    use crate::store::Store;
    use crate::tests::home::{append, record, room};

    #[test]
    fn log_is_emptied_when_no_read_needs_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap();
        store.commit(&[room(1)]).unwrap();
        let log = directory.path().join("switchboard.sqlite-wal");
        let length = || log.metadata().unwrap().len();
        let reader = rusqlite::Connection::open(store.file()).unwrap();
        let read = reader.unchecked_transaction().unwrap();
        read.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0)).unwrap();

        store.commit(&[append(record(1, 1, "text"))]).unwrap();
        let before = length();
        let connection = &store.open.as_ref().unwrap().connection;
        assert!(!empty_log(connection).unwrap());
        assert_eq!(length(), before);
        drop(read);
        assert!(empty_log(connection).unwrap());
        assert_eq!(length(), 0);
        store.commit(&[append(record(1, 2, "text"))]).unwrap();
        assert!(length() > 0);
    }

    #[test]
    fn log_of_an_ended_process_is_moved_to_the_database() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap();
        store.commit(&[room(1), append(record(1, 1, "text"))]).unwrap();
        // As the files are when the process ends now.
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let copy = tempfile::Builder::new().permissions(private).tempdir().unwrap();
        for name in ["switchboard.sqlite", "switchboard.sqlite-wal"] {
            std::fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
        }
        let log = copy.path().join("switchboard.sqlite-wal");
        assert!(log.metadata().unwrap().len() > 0);
        let mut store = SqliteStore::open(copy.path(), SqliteOptions::default()).unwrap();
        assert_eq!(log.metadata().unwrap().len(), 0);
        assert_eq!(store.load().unwrap().conversations[0].last, 1);
    }

    #[test]
    fn commits_are_synced_after_a_step_also_if_it_fails() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(directory.path(), SqliteOptions::default()).unwrap();
        store.commit(&[room(1), append(record(1, 1, "text"))]).unwrap();
        assert!(is_synced(&store.open.as_ref().unwrap().connection));
        assert!(store.maintain().unwrap());
        assert!(is_synced(&store.open.as_ref().unwrap().connection));

        // A step cannot begin inside a transaction, and the pragma cannot be changed there.
        store.open.as_ref().unwrap().connection.execute_batch("BEGIN; PRAGMA user_version = 1").unwrap();
        store.maintain().unwrap_err();
        assert!(store.commit(&[append(record(1, 2, "text"))]).is_err());
        store.reopen().unwrap();
        assert!(is_synced(&store.open.as_ref().unwrap().connection));
        store.commit(&[append(record(1, 2, "text"))]).unwrap();
    }
}
