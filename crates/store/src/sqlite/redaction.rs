//! Redactions: at once of one record, and step by step of all messages of an author.
//!
//! An author may have written any number of messages, so a redaction of all of them is noted in the table `redactions`.
//! From the commit on, each read applies the notes. [`step`] empties the rows later.

use rusqlite::{Connection, OptionalExtension, Result, params};
use switchboard_core::change::{AccountId, ConversationId, Record, RecordKind, RedactTarget};

use super::record_row::{self, at_most, columns, unsigned};
use super::search;

/// The number of records that one step looks at.
const STEP_RECORDS: u64 = 256;

/// Writes a redaction.
pub(crate) fn write(
    connection: &Connection,
    conversation: ConversationId,
    target: &RedactTarget,
    by: u64,
    indexed: i64,
) -> Result<()> {
    let (account, guest) = match target {
        RedactTarget::Record(seq) if *seq < by => {
            let select = concat!("SELECT ", columns!(""), ", id FROM records WHERE conversation = ?1 AND seq = ?2");
            let mut select = connection.prepare_cached(select)?;
            let key = [conversation.0.cast_signed(), at_most(*seq)];
            let found = select.query_row(key, |row| Ok((record_row::read(row)?, row.get::<_, i64>(11)?)));
            if let Some((record, id)) = found.optional()? {
                empty(connection, id, &record, by, indexed)?;
            }
            return Ok(());
        }
        RedactTarget::Record(_) => return Ok(()),
        RedactTarget::Account(account) => (Some(account.0.cast_signed()), None),
        RedactTarget::Guest(name) => (None, Some(name)),
    };
    connection
        .prepare_cached(
            "INSERT INTO redactions (conversation, account, guest, by_seq, next_seq)
             SELECT ?1, ?2, ?3, ?4, first FROM heads WHERE conversation = ?1",
        )?
        .execute(params![conversation.0.cast_signed(), account, guest, by.cast_signed()])?;
    Ok(())
}

/// Empties a record and removes its words from the index.
fn empty(connection: &Connection, id: i64, record: &Record, by: u64, indexed: i64) -> Result<()> {
    if id <= indexed {
        search::remove(connection, id, record)?;
    }
    let mut update = connection.prepare_cached(
        "UPDATE records SET text = '', redacted_by = min(coalesce(redacted_by, ?2), ?2) WHERE id = ?1",
    )?;
    update.execute([id, by.cast_signed()])?;
    Ok(())
}

/// A redaction that is not finished.
#[derive(Debug)]
pub(crate) struct Pending {
    target: RedactTarget,
    by: u64,
}

impl Pending {
    /// The unfinished redactions in a conversation.
    pub(crate) fn read(connection: &Connection, conversation: ConversationId) -> Result<Vec<Self>> {
        let select = "SELECT account, guest, by_seq FROM redactions WHERE conversation = ?1";
        let mut select = connection.prepare_cached(select)?;
        let rows = select.query_map([conversation.0.cast_signed()], |row| {
            let target = match row.get::<_, Option<i64>>(0)? {
                Some(account) => RedactTarget::Account(AccountId(account.cast_unsigned())),
                None => RedactTarget::Guest(row.get(1)?),
            };
            Ok(Self { target, by: unsigned(row, 2)? })
        })?;
        rows.collect()
    }

    /// Empties the record if this redaction is about it.
    pub(crate) fn apply(&self, record: &mut Record) {
        if self.is_about(record) {
            record.text = String::new().into();
            record.redacted_by = Some(record.redacted_by.map_or(self.by, |earlier| earlier.min(self.by)));
        }
    }

    fn is_about(&self, record: &Record) -> bool {
        let is_author = match &self.target {
            RedactTarget::Record(seq) => record.seq == *seq,
            RedactTarget::Account(account) => record.account == Some(*account),
            RedactTarget::Guest(name) => record.account.is_none() && *record.author == **name,
        };
        is_author && record.kind == RecordKind::Message && record.seq < self.by
    }
}

/// Does a bounded part of the unfinished redactions. Returns whether there was any.
pub(crate) fn step(connection: &Connection, indexed: i64) -> Result<bool> {
    let oldest = connection
        .prepare_cached(
            "SELECT id, conversation, account, guest, by_seq, next_seq FROM redactions ORDER BY id LIMIT 1",
        )?
        .query_row([], |row| {
            let target = match row.get::<_, Option<i64>>(2)? {
                Some(account) => RedactTarget::Account(AccountId(account.cast_unsigned())),
                None => RedactTarget::Guest(row.get(3)?),
            };
            let pending = Pending { target, by: unsigned(row, 4)? };
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, pending, unsigned(row, 5)?))
        })
        .optional()?;
    let Some((id, conversation, pending, next)) = oldest else { return Ok(false) };
    let end = pending.by.min(next.saturating_add(STEP_RECORDS));
    let select =
        concat!("SELECT ", columns!(""), ", id FROM records WHERE conversation = ?1 AND seq >= ?2 AND seq < ?3");
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([conversation, at_most(next), at_most(end)], |row| {
        Ok((record_row::read(row)?, row.get::<_, i64>(11)?))
    })?;
    // All rows are read before the first is changed, because SQLite may otherwise see a changed row again.
    let rows: Vec<(Record, i64)> = rows.collect::<Result<_>>()?;
    for (record, row) in rows.iter().filter(|(record, _)| pending.is_about(record)) {
        empty(connection, *row, record, pending.by, indexed)?;
    }
    if end >= pending.by {
        connection.prepare_cached("DELETE FROM redactions WHERE id = ?1")?.execute([id])?;
    } else {
        let mut update = connection.prepare_cached("UPDATE redactions SET next_seq = ?2 WHERE id = ?1")?;
        update.execute([id, at_most(end)])?;
    }
    Ok(true)
}
