//! Restores a backup: checks it, and copies it into a new directory, in which each conversation has a new epoch.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, Result};

use super::directory::Directory;
use super::failure::Place;
use super::{SQLITE_FILE, migrations};
use crate::error::StoreError;

/// The name of the copy until it is complete.
const UNFINISHED: &str = "restoring.sqlite";

/// The files that an interrupted restore leaves. A directory with no other files counts as empty.
const LEFTOVERS: [&str; 4] = ["lock", UNFINISHED, "restoring.sqlite-journal", "server-id"];

/// A client that has read further than the backup could miss new records without notice, if the epoch stayed the same.
/// SQLite's `random()` has 64 random bits, as the epochs of the core have. An id of an account that was made after the
/// backup must not go to another person: a million is far more than the accounts that are made between two backups.
const RENEW: &str = "UPDATE conversations SET epoch = random();
    UPDATE counters SET next_account = next_account + 1000000;";

/// A complete copy of a backup, which has not its name yet.
#[derive(Debug)]
pub struct Restore {
    directory: Directory,
    contents: BackupContents,
}

/// The numbers of rows in a backup.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BackupContents {
    /// Number of accounts.
    pub accounts: u64,
    /// Number of conversations.
    pub conversations: u64,
    /// Number of records.
    pub records: u64,
}

impl Restore {
    /// Checks the backup `file`, and copies it into this directory, which must be empty or not exist.
    pub fn copy(file: &Path, directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let directory = directory.into();
        check_empty(&directory)?;
        let source = Place(file.to_owned());
        let backup = open_backup(file, &source)?;
        check(&backup, &source)?;

        let directory = Directory::lock(directory)?;
        // A server may have started in it while the backup was checked.
        check_empty(directory.path())?;
        let copy = Place(directory.path().join(UNFINISHED));
        let to_copy = |error: std::io::Error| StoreError::from_io(&copy.0, &error);
        if copy.0.exists() {
            fs::remove_file(&copy.0).map_err(to_copy)?;
        }
        directory.create_file(&copy.0)?;
        let path = copy.0.to_str().ok_or_else(|| copy.unavailable("the path of the directory is not UTF-8"))?;
        // This reads a write-ahead log beside the backup, too.
        backup.execute("VACUUM INTO ?1", [path]).map_err(|error| copy.error(&error))?;
        drop(backup);

        let mut connection = Connection::open(&copy.0).map_err(|error| copy.error(&error))?;
        migrations::migrate(&mut connection, &copy)?;
        connection.execute_batch(&format!("BEGIN; {RENEW} COMMIT")).map_err(|error| copy.error(&error))?;
        let contents = count(&connection).map_err(|error| copy.error(&error))?;
        drop(connection);
        File::open(&copy.0).and_then(|file| file.sync_all()).map_err(to_copy)?;
        Ok(Self { directory, contents })
    }

    /// Names the copy, so that a server can use the directory.
    pub fn finish(self) -> Result<BackupContents, StoreError> {
        let directory = self.directory.path();
        let named = fs::rename(directory.join(UNFINISHED), directory.join(SQLITE_FILE));
        named.map_err(|error| StoreError::from_io(directory, &error))?;
        self.directory.sync()?;
        Ok(self.contents)
    }
}

fn check_empty(directory: &Path) -> Result<(), StoreError> {
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::from_io(directory, &error)),
    };
    for entry in entries {
        let name = entry.map_err(|error| StoreError::from_io(directory, &error))?.file_name();
        if !LEFTOVERS.iter().any(|leftover| name == *leftover) {
            return Err(StoreError::NotEmpty { place: directory.to_owned() });
        }
    }
    Ok(())
}

/// Opens a backup to read it. Without a log beside it, nobody else writes it, and SQLite is told so: otherwise it would
/// need to create files beside it.
fn open_backup(file: &Path, place: &Place) -> Result<Connection, StoreError> {
    let metadata = file.metadata().map_err(|error| StoreError::from_io(file, &error))?;
    if !metadata.is_file() {
        return Err(StoreError::Foreign { place: file.to_owned() });
    }
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let mut uri = "file:".to_owned();
    for &byte in file.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    if !Path::new(&log).exists() {
        uri.push_str("?immutable=1");
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags).map_err(|error| place.error(&error))
}

/// Checks that a file is an undamaged store, of this or an earlier version.
fn check(backup: &Connection, place: &Place) -> Result<(), StoreError> {
    migrations::check_origin(backup, place)?;
    let text = |pragma: &str| backup.query_row(pragma, [], |row| row.get::<_, String>(0));
    let number = |pragma: &str| backup.query_row(pragma, [], |row| row.get::<_, i64>(0));
    if number("PRAGMA user_version").map_err(|error| place.error(&error))? == 0 {
        return Err(StoreError::Foreign { place: place.0.clone() });
    }
    match text("PRAGMA integrity_check").map_err(|error| place.error(&error))? {
        result if result == "ok" => Ok(()),
        reason => Err(StoreError::Damaged { place: place.0.clone(), reason }),
    }
}

fn count(connection: &Connection) -> Result<BackupContents> {
    let count = |table: &str| {
        let select = format!("SELECT count(*) FROM {table}");
        connection.query_row(&select, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    };
    Ok(BackupContents {
        accounts: count("accounts")?,
        conversations: count("conversations WHERE NOT is_deleted")?,
        records: count("records")?,
    })
}
