//! The search: an index of words by FTS5, and the newest records that are not in it yet.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Result, params};
use switchboard_core::change::{ConversationId, Record};

use super::reader::first_record;
use super::record_row::{self, columns};
use super::redaction::Pending;
use crate::memory::is_found;
use crate::store::Found;
use crate::words::{phrases, words};

/// Maximum number of records that a search reads from the index, and of those not in the index yet. Together, they take
/// some tens of milliseconds.
const INDEX_READ_MAX: usize = 10_000;
const TAIL_READ_MAX: usize = 20_000;

/// Maximum number of conversations in a query of the index. With more, the records of other conversations are read, too.
const QUERY_CONVERSATIONS_MAX: usize = 256;

/// Maximum number of phrases in one search. FTS5 refuses deep expressions.
const PHRASES_MAX: usize = 32;

/// Adds the words of a record to the index. Returns whether it has any.
pub(crate) fn add(connection: &Connection, id: i64, record: &Record) -> Result<bool> {
    let Some((words, conversation)) = columns_of(record) else { return Ok(false) };
    let insert = "INSERT INTO record_words (rowid, words, conversation) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(insert)?.execute(params![id, words, conversation])?;
    Ok(true)
}

/// Removes the words of a record from the index. The record must be as it was when it was added.
pub(crate) fn remove(connection: &Connection, id: i64, record: &Record) -> Result<()> {
    let Some((words, conversation)) = columns_of(record) else { return Ok(()) };
    let delete = "INSERT INTO record_words (record_words, rowid, words, conversation) VALUES ('delete', ?1, ?2, ?3)";
    connection.prepare_cached(delete)?.execute(params![id, words, conversation])?;
    Ok(())
}

/// The columns of a record in the index, if it is there.
fn columns_of(record: &Record) -> Option<(String, String)> {
    if !record.kind.is_searched() {
        return None;
    }
    let words = words(&record.text);
    (!words.is_empty()).then(|| (words, format!("c{}", record.conversation.0)))
}

/// Searches. `connection` is in a transaction, so that the index and the records agree.
pub(crate) fn search(
    connection: &Connection,
    conversations: &[ConversationId],
    typed: &str,
    max: usize,
) -> Result<Found> {
    let mut phrases = phrases(typed);
    phrases.truncate(PHRASES_MAX);
    let mut results = Results {
        connection,
        conversations: conversations.iter().copied().collect(),
        seen: HashMap::new(),
        max,
        found: Found { records: Vec::new(), is_complete: true },
    };
    if phrases.is_empty() || conversations.is_empty() {
        return Ok(results.found);
    }
    let indexed = connection.prepare_cached("SELECT indexed FROM counters")?.query_row([], |row| row.get(0))?;
    results.add_tail(indexed, &phrases)?;
    results.add_indexed(&phrases)?;
    Ok(results.found)
}

/// The results of a search, as they are collected.
struct Results<'a> {
    connection: &'a Connection,
    conversations: HashSet<ConversationId>,
    /// The state of the conversations of the results so far: the first record, and unfinished redactions.
    seen: HashMap<ConversationId, (u64, Vec<Pending>)>,
    max: usize,
    found: Found,
}

impl Results<'_> {
    /// Adds results from the records above `indexed`, which are not in the index.
    fn add_tail(&mut self, indexed: i64, phrases: &[String]) -> Result<()> {
        let select = concat!("SELECT ", columns!(""), " FROM records WHERE id > ?1 ORDER BY id DESC");
        let mut select = self.connection.prepare_cached(select)?;
        let mut rows = select.query([indexed])?;
        for _ in 0..TAIL_READ_MAX {
            let Some(row) = rows.next()? else { return Ok(()) };
            if self.conversations.contains(&ConversationId(record_row::unsigned(row, 0)?)) {
                let record = record_row::read(row)?;
                if is_found(&record, phrases) && !self.add(record)? {
                    break;
                }
            }
        }
        self.found.is_complete = false;
        Ok(())
    }

    /// Adds results from the index.
    fn add_indexed(&mut self, phrases: &[String]) -> Result<()> {
        let select = concat!(
            "SELECT ",
            columns!("records."),
            " FROM record_words JOIN records ON records.id = record_words.rowid
             WHERE record_words MATCH ?1 ORDER BY record_words.rowid DESC"
        );
        let mut select = self.connection.prepare_cached(select)?;
        let mut rows = select.query([self.query(phrases)])?;
        for _ in 0..INDEX_READ_MAX {
            let Some(row) = rows.next()? else { return Ok(()) };
            if self.conversations.contains(&ConversationId(record_row::unsigned(row, 0)?))
                && !self.add(record_row::read(row)?)?
            {
                break;
            }
        }
        self.found.is_complete = false;
        Ok(())
    }

    /// The query of FTS5. The words contain only letters, digits and marks, so they need no escape.
    fn query(&self, phrases: &[String]) -> String {
        let quoted: Vec<String> = phrases.iter().map(|phrase| format!("\"{phrase}\"")).collect();
        let words = format!("words : ({})", quoted.join(" AND "));
        if self.conversations.len() > QUERY_CONVERSATIONS_MAX {
            return words;
        }
        let conversations: Vec<String> = self.conversations.iter().map(|id| format!("c{}", id.0)).collect();
        format!("{words} AND conversation : ({})", conversations.join(" OR "))
    }

    /// Adds a record, unless it has expired or is being redacted. Returns false if there are enough records already.
    fn add(&mut self, record: Record) -> Result<bool> {
        let conversation = record.conversation;
        if !self.seen.contains_key(&conversation) {
            let first = first_record(self.connection, conversation)?;
            self.seen.insert(conversation, (first, Pending::read(self.connection, conversation)?));
        }
        let (first, pending) = &self.seen[&conversation];
        let mut visible = record.clone();
        for redaction in pending {
            redaction.apply(&mut visible);
        }
        if record.seq < *first || visible != record {
            return Ok(true);
        }
        if self.found.records.len() >= self.max {
            return Ok(false);
        }
        self.found.records.push(record);
        Ok(true)
    }
}

/// Makes the index empty if its words have another form than those of this program.
pub(crate) fn renew(connection: &Connection, version: i64) -> Result<()> {
    let is_current = connection
        .query_row("SELECT 1 FROM counters WHERE words_version = ?1", [version], |_| Ok(()))
        .optional()?
        .is_some();
    if !is_current {
        connection.execute_batch("INSERT INTO record_words (record_words) VALUES ('delete-all')")?;
        connection.execute("UPDATE counters SET indexed = 0, words_version = ?1", [version])?;
    }
    Ok(())
}
