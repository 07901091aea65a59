//! A process is killed while it writes. Nothing that it has acknowledged may be missing.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use switchboard_core::change::{Change, ConversationId};

use super::home::{ALL, append, record, room};
use super::sqlite_file::check_integrity;
use crate::{Generation, Outcome, SqliteOptions, SqliteStore, Store, Writer};

/// Environment variable with the directory, which is set in the process that is killed.
const DIRECTORY: &str = "SWITCHBOARD_TEST_STORE_DIRECTORY";

const KILLS: u32 = 20;
const ROOMS: usize = 5;

fn text(conversation: u64, seq: u64) -> String {
    format!("record {seq} of {conversation} {}", "x".repeat(usize::try_from(seq % 300).unwrap()))
}

#[test]
fn killed_process_loses_nothing_that_it_acknowledged() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        write_until_killed(Path::new(&directory));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = [0; ROOMS];
    let mut kills_in_traffic = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::kill::killed_process_loses_nothing_that_it_acknowledged", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (go, killer) = mpsc::channel();
        let time = Duration::from_millis(fastrand::u64(0..300));
        let killer = std::thread::spawn(move || {
            // The time runs from the first acknowledgement, because a debug build takes a while to start.
            killer.recv().unwrap();
            std::thread::sleep(time);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        let mut count = 0;
        while let Some(Ok(line)) = lines.next() {
            let mut words = line.split(' ');
            // The test harness prints lines of its own, and the last line may be cut.
            let (Some("acknowledged"), Some(room), Some(seq), Some("end")) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            acknowledged[room.parse::<usize>().unwrap() - 1] = seq.parse().unwrap();
            if count == 0 {
                go.send(()).unwrap();
            }
            count += 1;
        }
        killer.join().unwrap();
        kills_in_traffic += u32::from(count > 1);
        check(directory.path(), &acknowledged);
    }
    assert!(kills_in_traffic > KILLS / 2, "only {kills_in_traffic} of {KILLS} processes wrote more than once");
}

/// Checks that each conversation has at least the acknowledged records, without a gap, and with the right text.
fn check(directory: &Path, acknowledged: &[u64]) {
    let mut store = SqliteStore::open(directory, SqliteOptions::default()).unwrap();
    let snapshot = store.load().unwrap();
    let mut reader = store.reader().unwrap();
    for (conversation, &acknowledged) in (1..).zip(acknowledged) {
        let last = snapshot.conversations.iter().find(|stored| stored.conversation == ConversationId(conversation));
        let last = last.map_or(0, |stored| stored.last);
        assert!(last >= acknowledged, "{acknowledged} was acknowledged in {conversation}, and {last} is the last");
        let records = reader.records(ConversationId(conversation), 1..=u64::MAX, ALL).unwrap().records;
        assert_eq!(records.len() as u64, last);
        for (seq, record) in (1..).zip(&records) {
            assert_eq!((record.seq, &*record.text), (seq, &*text(conversation, seq)));
        }
    }
    drop(reader);
    drop(store);
    check_integrity(&directory.join("switchboard.sqlite"));
}

/// Writes, and prints each acknowledged record.
fn write_until_killed(directory: &Path) {
    let mut store = SqliteStore::open(directory, SqliteOptions::default()).unwrap();
    let mut lasts = [0; ROOMS];
    let snapshot = store.load().unwrap();
    if snapshot.conversations.is_empty() {
        store.commit(&(1..=ROOMS as u64).map(room).collect::<Vec<_>>()).unwrap();
    }
    for stored in &snapshot.conversations {
        lasts[usize::try_from(stored.conversation.0).unwrap() - 1] = stored.last;
    }
    // Each submission with its position, until it is durable.
    let unacknowledged = std::sync::Arc::new(Mutex::new(Vec::<(u64, u64, u64)>::new()));
    let waiting = std::sync::Arc::clone(&unacknowledged);
    let writer = Writer::start(Box::new(store), move |outcome| {
        let Outcome::Durable { position, .. } = outcome else { panic!("{outcome:?}") };
        let mut waiting = waiting.lock().unwrap();
        let durable = waiting.partition_point(|(of, _, _)| *of <= position);
        let lines = waiting.drain(..durable).map(|(_, room, seq)| format!("\nacknowledged {room} {seq} end\n"));
        let lines: String = lines.collect();
        std::io::stdout().write_all(lines.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
    })
    .unwrap();
    loop {
        let index = fastrand::usize(..ROOMS);
        let (room, last) = (index as u64 + 1, &mut lasts[index]);
        let mut changes: Vec<Change> = Vec::new();
        for _ in 0..fastrand::u64(1..20) {
            *last += 1;
            changes.push(append(record(room, *last, &text(room, *last))));
        }
        let mut submitted = unacknowledged.lock().unwrap();
        let position = writer.submit(Generation::default(), &mut changes).unwrap();
        submitted.push((position, room, *last));
        while submitted.len() > 50 {
            drop(submitted);
            std::thread::yield_now();
            submitted = unacknowledged.lock().unwrap();
        }
    }
}
