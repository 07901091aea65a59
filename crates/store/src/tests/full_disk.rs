//! A full disk: reported, reads go on, and writing goes on when there is room.
//!
//! The test runs itself again in a user and mount namespace of its own, where it may mount a small file system.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use switchboard_core::change::ConversationId;

use super::home::{ALL, append, record, room};
use super::sqlite_file::check_integrity;
use crate::{Generation, Outcome, SqliteOptions, SqliteStore, Store, StoreError, Writer};

/// Environment variable with the mount point, which is set inside the namespaces.
const MOUNT: &str = "SWITCHBOARD_TEST_SMALL_DISK";

const ROOM: ConversationId = ConversationId(1);
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn full_disk_is_reported_and_heals() {
    if let Some(mount) = std::env::var_os(MOUNT) {
        fill_and_heal(Path::new(&mount));
        return;
    }
    let mount = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec"])
        .arg("mount -t tmpfs -o size=4m tmpfs \"$2\"; exec \"$0\" --exact \"$1\" --nocapture")
        .arg(std::env::current_exe().unwrap())
        .arg("tests::full_disk::full_disk_is_reported_and_heals")
        .arg(mount.path())
        .env(MOUNT, mount.path())
        .output()
        .expect("unshare is installed (Debian: util-linux)");
    let out = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{out}\n{errors}");
    assert!(out.contains("1 passed"), "the test did not run in the namespaces: {out}");
}

fn fill_and_heal(mount: &Path) {
    let directory = mount.join("data");
    let ballast = mount.join("ballast");
    std::fs::write(&ballast, vec![0; 1536 * 1024]).unwrap();
    let mut store = SqliteStore::open(&directory, SqliteOptions::default()).unwrap();
    let file = store.file().to_owned();
    store.commit(&[room(1)]).unwrap();
    let mut reader = store.reader().unwrap();
    let (report, outcomes) = mpsc::channel();
    let writer = Writer::start(Box::new(store), move |outcome| drop(report.send(outcome))).unwrap();
    let next = || loop {
        match outcomes.recv_timeout(PATIENCE).expect("the writer reports an outcome") {
            // The search lags behind on a full disk.
            Outcome::MaintenanceFailed { error } => assert!(matches!(error, StoreError::Full { .. }), "{error}"),
            outcome => return outcome,
        }
    };

    let text = "x".repeat(3000);
    let mut acknowledged = 0;
    let error = loop {
        let seq = acknowledged + 1;
        writer.submit(Generation::default(), &mut vec![append(record(1, seq, &text))]).unwrap();
        match next() {
            Outcome::Durable { .. } => acknowledged = seq,
            Outcome::Failed { error } => break error,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(acknowledged > 50, "{acknowledged}");
    let Outcome::Reloaded { snapshot } = next() else { panic!("the state is loaded") };
    assert_eq!(snapshot.conversations[0].last, acknowledged);
    // Nothing is written, and everything is read, while the disk is full.
    assert!(outcomes.recv_timeout(Duration::from_millis(500)).is_err());
    assert_eq!(reader.records(ROOM, 1..=u64::MAX, ALL).unwrap().records.len() as u64, acknowledged);

    std::fs::remove_file(&ballast).unwrap();
    let Outcome::Writable { generation, .. } = next() else { panic!("changes are taken") };
    for seq in acknowledged + 1..=acknowledged + 100 {
        writer.submit(generation, &mut vec![append(record(1, seq, "room again"))]).unwrap();
        let outcome = next();
        assert!(matches!(outcome, Outcome::Durable { .. }), "{outcome:?}");
    }
    assert_eq!(reader.records(ROOM, 1..=u64::MAX, ALL).unwrap().records.len() as u64, acknowledged + 100);
    writer.close();
    drop(reader);
    check_integrity(&file);
}
