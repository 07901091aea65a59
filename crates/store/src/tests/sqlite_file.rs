//! The directory and the file of the SQLite store.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use switchboard_core::change::{Change, ConversationId, UnixMillis};

use super::home::{Home, append, open, record, room};
use crate::{SqliteOptions, SqliteStore, Store, StoreError};

/// Checks a file with the `sqlite3` program if it is installed, and otherwise with the library.
pub(crate) fn check_integrity(file: &Path) {
    assert_eq!(query(file, "PRAGMA integrity_check"), "ok");
    assert_eq!(query(file, "PRAGMA foreign_key_check"), "");
}

/// The first column of the first row, as text.
fn query(file: &Path, sql: &str) -> String {
    if let Ok(output) = Command::new("sqlite3").arg("-batch").arg(file).arg(sql).output() {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    }
    let connection = Connection::open(file).unwrap();
    let mut select = connection.prepare(sql).unwrap();
    let mut rows = select.query([]).unwrap();
    let Some(row) = rows.next().unwrap() else { return String::new() };
    match row.get::<_, rusqlite::types::Value>(0).unwrap() {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

fn try_open(directory: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(directory, SqliteOptions::default())
}

#[test]
fn other_programs_can_read_the_file() {
    let mut home = Home::sqlite();
    home.commit(&[room(1), append(record(1, 1, "שלום")), append(record(1, 2, "two"))]);
    home.maintain();
    let file = home.directory.as_ref().unwrap().path().join("switchboard.sqlite");
    // While the server runs, and after it.
    for _ in 0..2 {
        check_integrity(&file);
        assert_eq!(query(&file, "SELECT text FROM records WHERE seq = 1"), "שלום");
        assert_eq!(query(&file, "PRAGMA application_id"), 0x5357_4244.to_string());
        assert_eq!(query(&file, "PRAGMA user_version"), "4");
        assert_eq!(query(&file, "PRAGMA journal_mode"), "wal");
        home = home.restart();
    }
}

#[test]
fn file_of_the_first_version_is_migrated() {
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let connection = Connection::open(directory.path().join("switchboard.sqlite")).unwrap();
    connection.execute_batch(include_str!("../sqlite/schema.sql")).unwrap();
    connection.pragma_update(None, "application_id", 0x5357_4244).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let insert = "INSERT INTO conversations VALUES (1, '#lab', NULL, NULL, 5, '', 0, 2, NULL, NULL);
         INSERT INTO heads VALUES (1, 1, 1);
         INSERT INTO records VALUES (1, 1, 1, 77, NULL, 'Noy', 1, 'old', NULL, NULL, NULL, NULL)";
    connection.execute_batch(insert).unwrap();
    drop(connection);
    let mut store = open(&directory);
    assert_eq!(store.load().unwrap().conversations[0].last_at, UnixMillis(77));
    store.commit(&[append(record(1, 2, "text"))]).unwrap();
    assert_eq!(store.load().unwrap().conversations[0].last, 2);
    assert_eq!(query(store.file(), "PRAGMA user_version"), "4");
}

#[test]
fn rows_of_a_deleted_conversation_leave_the_file() {
    let mut home = Home::sqlite();
    home.commit(&[room(1), room(2), append(record(2, 1, "stays"))]);
    home.commit(&(1..=600).map(|seq| append(record(1, seq, "secret"))).collect::<Vec<_>>());
    home.maintain();
    home.commit(&[Change::ConversationDeleted { conversation: ConversationId(1) }]);
    home.maintain();
    let file = home.directory.as_ref().unwrap().path().join("switchboard.sqlite");
    for (table, expected) in [("records", "1"), ("conversations", "1"), ("heads", "1"), ("expiring", "0")] {
        assert_eq!(query(&file, &format!("SELECT count(*) FROM {table}")), expected, "{table}");
    }
    check_integrity(&file);
}

#[test]
fn directory_and_files_are_private() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("new/data");
    let mut store = try_open(&directory).unwrap();
    store.commit(&[room(1)]).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let names: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for name in names {
        assert_eq!(mode(&name), 0o600, "{}", name.display());
    }
}

#[test]
fn directory_that_others_can_enter_is_corrected_if_empty_and_else_refused() {
    let directory = tempfile::tempdir().unwrap();
    let set_mode = |mode| std::fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
    let mode = || directory.path().metadata().unwrap().permissions().mode() & 0o777;
    set_mode(0o755);
    drop(try_open(directory.path()).unwrap());
    assert_eq!(mode(), 0o700);
    for exposed in [0o755, 0o710, 0o770, 0o701] {
        set_mode(exposed);
        let error = try_open(directory.path()).unwrap_err();
        assert_eq!(error, StoreError::Exposed { place: directory.path().to_owned(), mode: exposed });
        assert!(error.to_string().contains(&format!("(mode {exposed:04o})")), "{error}");
        assert_eq!(mode(), exposed);
    }
    // A directory without a store may be one of the system, for which advice on permissions would be wrong.
    std::fs::remove_file(directory.path().join("switchboard.sqlite")).unwrap();
    let error = try_open(directory.path()).unwrap_err();
    assert_eq!(error, StoreError::NoStore { place: directory.path().to_owned() });
    assert_eq!(mode(), 0o701);
}

#[test]
fn file_in_the_place_of_the_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "a file").unwrap();
    let error = try_open(&file).unwrap_err().to_string();
    assert!(error.ends_with("file: cannot be used: this is a file, and the store needs a directory"), "{error}");
}

#[test]
fn second_server_is_refused() {
    let home = Home::sqlite();
    let directory = home.directory.as_ref().unwrap().path().to_owned();
    let error = try_open(&directory).unwrap_err();
    assert_eq!(error, StoreError::Locked { place: directory.clone() });
    assert!(error.to_string().ends_with("another server uses this directory: stop it, or choose another directory"));
    let Home { store, directory: kept, .. } = home;
    drop(store);
    try_open(&directory).unwrap();
    drop(kept);
}

#[test]
fn newer_and_foreign_files_are_refused_and_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let file = open(&directory).file().to_owned();
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 5).unwrap();
    let before = std::fs::read(&file).unwrap();
    let error = try_open(directory.path()).unwrap_err();
    assert_eq!(error, StoreError::WrongVersion { place: file.clone(), found: 5, known: 4 });
    assert_eq!(std::fs::read(&file).unwrap(), before);

    std::fs::remove_file(&file).unwrap();
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
    assert_eq!(try_open(directory.path()).unwrap_err(), StoreError::Foreign { place: file.clone() });

    std::fs::write(&file, "This is a letter, and no database. ".repeat(100)).unwrap();
    assert_eq!(try_open(directory.path()).unwrap_err(), StoreError::Foreign { place: file });
}

#[test]
fn damaged_file_is_reported() {
    let mut home = Home::sqlite();
    home.commit(&[room(1)]);
    home.commit(&(1..=500).map(|seq| append(record(1, seq, &"x".repeat(1000)))).collect::<Vec<_>>());
    let Home { store, directory: Some(directory), .. } = home else { panic!("SQLite has a directory") };
    drop(store);
    let file = directory.path().join("switchboard.sqlite");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100 * 4096..110 * 4096].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    let store = open(&directory);
    let result = store.reader().unwrap().records(ConversationId(1), 1..=500, super::home::ALL);
    assert!(matches!(result, Err(StoreError::Damaged { .. })), "{result:?}");
}

#[test]
fn directory_that_cannot_be_made_is_named() {
    let parent = tempfile::NamedTempFile::new().unwrap();
    let error = try_open(&parent.path().join("data")).unwrap_err();
    let StoreError::Unavailable { place, reason } = error else { panic!("{error}") };
    assert_eq!((place, reason.as_str()), (parent.path().join("data"), "Not a directory (os error 20)"));
}

#[test]
fn closed_store_has_all_records_in_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(&directory);
    let file = store.file().to_owned();
    store.commit(&[room(1), append(record(1, 1, "one")), append(record(1, 2, "two"))]).unwrap();
    // Another program keeps the files open, so the log stays, but it must be empty.
    let other = Connection::open(&file).unwrap();
    other.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0)).unwrap();
    drop(store);
    assert_eq!(directory.path().join("switchboard.sqlite-wal").metadata().unwrap().len(), 0);
    let copy = tempfile::tempdir().unwrap();
    let copied = copy.path().join("switchboard.sqlite");
    std::fs::copy(&file, &copied).unwrap();
    check_integrity(&copied);
    assert_eq!(query(&copied, "SELECT count(*) FROM records"), "2");
}

#[test]
fn removed_or_replaced_files_are_noticed_before_a_commit_is_acknowledged() {
    let remove_directory = |directory: &Path| std::fs::remove_dir_all(directory).unwrap();
    let remove_file = |directory: &Path| std::fs::remove_file(directory.join("switchboard.sqlite")).unwrap();
    let remove_log = |directory: &Path| std::fs::remove_file(directory.join("switchboard.sqlite-wal")).unwrap();
    let replace = |directory: &Path| {
        let file = directory.join("switchboard.sqlite");
        std::fs::copy(&file, directory.join("copy")).unwrap();
        std::fs::rename(directory.join("copy"), file).unwrap();
    };
    let changes = [remove_directory as fn(&Path), remove_file, remove_log, replace];
    for (change, is_log) in changes.into_iter().zip([false, false, true, false]) {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("data");
        let mut store = try_open(&directory).unwrap();
        let reader = store.reader().unwrap();
        store.commit(&[room(1), append(record(1, 1, "one"))]).unwrap();
        change(&directory);
        let expected = "removed or replaced while the server was running: put it back and restart the server";
        let error = store.commit(&[append(record(1, 2, "two"))]).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
        // A new file must not take the place of the old one, whose records the readers have.
        for _ in 0..2 {
            let error = store.reopen().and_then(|()| store.check_writable()).unwrap_err();
            assert!(error.to_string().ends_with(expected), "{error}");
        }
        drop((store, reader));
        if is_log {
            assert_eq!(query(&directory.join("switchboard.sqlite"), "SELECT count(*) FROM records"), "2");
        }
    }
}

#[test]
fn creation_that_was_interrupted_is_finished() {
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap();
    let file = directory.path().join("switchboard.sqlite");
    let create = |file: &Path| drop(std::fs::File::create(file).unwrap());
    let set_mode = |file: &Path| {
        let connection = Connection::open(file).unwrap();
        connection.pragma_update(None, "journal_mode", "wal").unwrap();
    };
    for begin in [create as fn(&Path), set_mode] {
        begin(&file);
        let mut store = open(&directory);
        store.commit(&[room(1), append(record(1, 1, "one"))]).unwrap();
        drop(store);
        check_integrity(&file);
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn store_is_writable_only_after_its_log_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(&directory);
    store.commit(&[room(1), append(record(1, 1, "one"))]).unwrap();
    let other = Connection::open(store.file()).unwrap();
    let read = other.unchecked_transaction().unwrap();
    read.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0)).unwrap();
    store.reopen().unwrap();
    let error = store.check_writable().unwrap_err();
    assert!(error.to_string().ends_with("its log cannot be emptied while a long read needs it"), "{error}");
    drop(read);
    store.check_writable().unwrap();
}
