//! A store in a directory, as a database of SQLite.

mod batch;
mod directory;
mod failure;
mod load;
mod maintenance;
mod migrations;
mod reader;
mod record_row;
mod redaction;
mod restore;
mod search;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use switchboard_core::change::{Change, Snapshot};

use self::batch::Batch;
pub use self::directory::prepare_directory;
use self::directory::{Directory, FileId, file_id};
use self::failure::Place;
use self::reader::SqliteReader;
pub use self::restore::{BackupContents, Restore};
use crate::error::StoreError;
use crate::store::{Reader, Store, Trimmed};

/// The name of the database in its directory.
pub const SQLITE_FILE: &str = "switchboard.sqlite";

/// The first version of SQLite whose write-ahead log loses no commit when it begins anew during a checkpoint.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// The number of pages in the write-ahead log (64 MiB) above which a commit moves them to the database. A large log
/// pays when records go to many conversations, because a page that many commits change is moved once.
const AUTOCHECKPOINT_PAGES: i64 = 16_000;

/// Length of the log, in bytes, above which a commit waits for the readers, so that the log can begin anew. Otherwise
/// reads that overlap without a pause would let it grow for ever.
const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The number of changes between two looks at the length of the log.
const LOG_LOOK_CHANGES: usize = 4096;

/// How long an operation waits for a lock of another process, such as `sqlite3`.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Memory for pages of the database, in KiB: for the connection that writes, and for each reader.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
const READER_CACHE_KIB: i64 = 4 * 1024;

/// Number of prepared statements that a connection keeps. It is above the number of different statements.
const STATEMENTS: usize = 64;

/// The settings of a [`SqliteStore`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SqliteOptions {
    /// Whether records can be searched. Without, no words are indexed. When search is switched on again, the records in
    /// between are indexed first.
    pub search: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { search: true }
    }
}

/// A store in a directory.
#[derive(Debug)]
pub struct SqliteStore {
    directory: Directory,
    place: Place,
    options: SqliteOptions,
    /// The file that was opened first.
    file_id: Option<FileId>,
    /// Whether a file was removed or replaced. The readers still have the old one, so only a restart helps.
    is_removed: bool,
    /// `None` after a failed [`reopen`](Store::reopen).
    open: Option<Open>,
}

/// An open database.
#[derive(Debug)]
struct Open {
    connection: Connection,
    log_id: Option<FileId>,
    /// The id of the next record.
    next_record: i64,
    /// The search knows the words of all records up to this id.
    indexed: i64,
    /// The number of changes since the log was last moved to the database in a pause.
    changes_in_log: usize,
    /// Whether the log may have text that was redacted, expired or deleted.
    has_deleted_text_in_log: bool,
    /// The number of changes since the last look at the length of the log.
    changes_since_look: usize,
}

impl SqliteStore {
    /// Opens the store in this directory, which is created if it does not exist.
    pub fn open(directory: impl Into<PathBuf>, options: SqliteOptions) -> Result<Self, StoreError> {
        let directory = directory.into();
        if rusqlite::version_number() < SQLITE_VERSION_MIN {
            let reason = format!(
                "SQLite {} can lose commits: build the server with SQLite 3.51.3 or later",
                rusqlite::version()
            );
            return Err(StoreError::Unavailable { place: directory, reason });
        }
        let directory = Directory::lock(directory)?;
        let place = Place(directory.path().join(SQLITE_FILE));
        let open = Open::new(&directory, &place)?;
        let file_id = file_id(&place.0);
        Ok(Self { directory, place, options, file_id, is_removed: false, open: Some(open) })
    }

    /// The path of the database.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.place.0
    }

    fn opened(&mut self) -> Result<(&mut Open, &Place), StoreError> {
        match &mut self.open {
            Some(open) => Ok((open, &self.place)),
            None => Err(self.place.unavailable("it could not be opened again after an error")),
        }
    }

    /// Checks that the directory still has the files to which commits go. Otherwise a restart would not find them.
    fn check_files(&mut self) -> Result<(), StoreError> {
        let log_id = || file_id(&maintenance::log_path(&self.place.0));
        let is_log_kept = self.open.as_ref().is_none_or(|open| open.log_id == log_id());
        if file_id(&self.place.0) != self.file_id || !is_log_kept {
            self.is_removed = true;
            if let Some(open) = &self.open {
                // If only the log was removed, this saves its records.
                let _ = maintenance::empty_log(&open.connection);
            }
        }
        if self.is_removed {
            return Err(self.place.unavailable(
                "it, or its log, was removed or replaced while the server was running: put it back and restart the server",
            ));
        }
        Ok(())
    }
}

impl Open {
    fn new(directory: &Directory, place: &Place) -> Result<Self, StoreError> {
        directory.create_file(&place.0)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&place.0, flags).map_err(|error| place.error(&error))?;
        migrations::check_origin(&connection, place)?;
        let opened = Self::configure(&connection)
            .and_then(|()| connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0)));
        match opened {
            Ok(mode) if mode == "wal" => {}
            Ok(mode) => return Err(place.unavailable(&format!("the file system allows no write-ahead log ({mode})"))),
            Err(error) => return Err(place.error(&error)),
        }
        migrations::migrate(&mut connection, place)?;
        // If an earlier process ended between the write of a commit and its sync, the commit is readable, but a power
        // failure could still undo it. On a full disk, the log is synced before the checkpoint fails.
        let moved = maintenance::empty_log(&connection).map_err(|error| place.error(&error));
        if let Err(error) = moved
            && !matches!(error, StoreError::Full { .. })
        {
            return Err(error);
        }
        let (next_record, indexed) = maintenance::begin(&mut connection).map_err(|error| place.error(&error))?;
        Ok(Self {
            connection,
            log_id: file_id(&maintenance::log_path(&place.0)),
            next_record,
            indexed,
            changes_in_log: 0,
            // An earlier process may have left it.
            has_deleted_text_in_log: true,
            changes_since_look: 0,
        })
    }

    fn configure(connection: &Connection) -> Result<(), rusqlite::Error> {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.busy_timeout(LOCK_WAIT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // A commit returns after the log is synced to the disk.
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // Deleted and redacted text leaves the file.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", AUTOCHECKPOINT_PAGES)
    }
}

impl Drop for SqliteStore {
    /// Moves the log to the database, so that the file alone has all records, also if another program keeps it open. Then
    /// closes the database before the directory is unlocked.
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            // If this fails, the next start reads the log.
            let _ = maintenance::empty_log(&open.connection);
        }
    }
}

impl Store for SqliteStore {
    fn is_durable(&self) -> bool {
        true
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        let (open, place) = self.opened()?;
        load::load(&mut open.connection).map_err(|error| place.error(&error))
    }

    fn commit(&mut self, batch: &[Change]) -> Result<Vec<Trimmed>, StoreError> {
        let (open, place) = self.opened()?;
        let next_record = Batch::commit(&mut open.connection, place, open.next_record, open.indexed, batch)?;
        open.next_record = next_record;
        open.changes_in_log += batch.len();
        open.changes_since_look += batch.len();
        open.has_deleted_text_in_log |= batch.iter().any(deletes_text);
        if open.changes_since_look >= LOG_LOOK_CHANGES {
            open.changes_since_look = 0;
            if maintenance::log_path(&place.0).metadata().is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
                // The batch is durable already. A fault of the disk shows in the next commit.
                let _ = maintenance::empty_log(&open.connection);
            }
        }
        self.check_files()?;
        Ok(Vec::new())
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(SqliteReader::open(self.place.clone(), self.options)?))
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.check_files()?;
        // Close the old connection first: it may hold a lock.
        self.open = None;
        self.open = Some(Open::new(&self.directory, &self.place)?);
        Ok(())
    }

    fn check_writable(&mut self) -> Result<(), StoreError> {
        self.check_files()?;
        if let Some(open) = &self.open {
            // Steps of maintenance are not synced. If a sync has failed since, the disk may not have their part of the
            // log, and a later commit behind it would be lost with it. The log may also take most of the disk, and its
            // records need far less room in the database.
            match maintenance::empty_log(&open.connection).map_err(|error| self.place.error(&error)) {
                // The check of the room tells when it goes on.
                Ok(true) | Err(StoreError::Full { .. }) => {}
                Ok(false) => {
                    return Err(self.place.unavailable("its log cannot be emptied while a long read needs it"));
                }
                Err(error) => return Err(error),
            }
        }
        self.probe()
    }

    fn probe(&mut self) -> Result<(), StoreError> {
        self.directory.check_room()?;
        let (open, place) = self.opened()?;
        let written = open.connection.execute("UPDATE counters SET checks = checks + 1", []);
        written.map(drop).map_err(|error| place.error(&error))
    }

    fn maintain(&mut self) -> Result<bool, StoreError> {
        let search = self.options.search;
        let (open, place) = self.opened()?;
        let stepped = match maintenance::step(open, search) {
            Ok(false) if open.has_deleted_text_in_log => {
                Err(place.unavailable("a long read keeps deleted text in the log"))
            }
            stepped => stepped.map_err(|error| place.error(&error)),
        };
        // A commit without a sync would be reported as durable. Without a connection, it fails, and the store is reopened.
        if stepped.is_err() && !maintenance::is_synced(&open.connection) {
            self.open = None;
        }
        stepped
    }
}

fn deletes_text(change: &Change) -> bool {
    matches!(
        change,
        Change::Redacted { .. }
            | Change::Expired { .. }
            | Change::ConversationDeleted { .. }
            | Change::AccountDeleted { .. }
    )
}
