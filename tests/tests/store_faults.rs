//! A store that is slow, fails or is full, and the clients of its server, over TCP. Each test runs with records in memory
//! and with records on disk.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use switchboard_core::change::ConversationId;
use switchboard_protocol::Dialect;
use switchboard_server::Settings;
use switchboard_store::{MemoryLimits, MemoryStore, ReadLimit, SqliteOptions, SqliteStore, Store, StoreError};
use switchboard_tests::process::EmbeddedServer;
use switchboard_tests::store_gate::{FailedBatch, StoreGate};
use switchboard_tests::test_client::TestClient;
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery staple";

/// Two accounts that have the room `#lab` open. Its last record is 2.
struct Lab {
    noy: TestClient,
    elias: TestClient,
    // Dropped before the gate, which then opens: so the server never waits for a held commit.
    server: EmbeddedServer,
    gate: StoreGate,
    _directory: TempDir,
}

impl Lab {
    fn new(store: Box<dyn Store>, directory: TempDir) -> Self {
        let (gate, store) = StoreGate::new(store);
        let server = EmbeddedServer::with_store(Settings::default(), store);
        let address = server.address(Dialect::Commands);
        let mut noy = TestClient::account(address, "Noy", PASSWORD);
        let mut elias = TestClient::account(address, "Elias", PASSWORD);
        for (client, last) in [(&mut noy, 1), (&mut elias, 2)] {
            client.send("JOIN #lab");
            client.expect_reply(&format!("JOIN_OK #lab {last}"));
        }
        for client in [&mut noy, &mut elias] {
            client.send("OPEN #lab");
            client.expect_reply_prefix("OPEN_OK #lab ");
            client.expect_reply("LIVE #lab 2");
        }
        Self { noy, elias, server, gate, _directory: directory }
    }

    /// A lab for each kind of store.
    fn each() -> impl Iterator<Item = Self> {
        let in_memory = || -> Lab {
            let limits = MemoryLimits { bytes: 1 << 20, records_per_conversation: 1000 };
            Self::new(Box::new(MemoryStore::new(limits)), TempDir::new().expect("a temporary directory"))
        };
        let on_disk = || -> Lab {
            let directory = TempDir::new().expect("a temporary directory");
            let store = SqliteStore::open(directory.path().join("data"), SqliteOptions::default());
            Self::new(Box::new(store.expect("an empty directory")), directory)
        };
        [in_memory as fn() -> Lab, on_disk].into_iter().map(|lab| lab())
    }

    /// Noy says a message again until it is stored: the store needs a moment after a failure.
    #[track_caller]
    fn say_until_stored(&mut self, tag: &str, text: &str, refusal: &str, seq: u64) {
        loop {
            self.noy.send(&format!("{tag} SAY #lab {text}"));
            let mut reply = self.noy.receive_reply();
            if reply == format!("{tag} ERROR {refusal} #lab") {
                continue;
            }
            if reply.starts_with(&format!("{tag};in=#lab;seq={seq};")) {
                reply = self.noy.receive_reply();
            }
            assert_eq!(reply, format!("{tag} SAID #lab {seq}"));
            return;
        }
    }

    /// Elias hears a message of Noy, and nothing before it.
    #[track_caller]
    fn expect_elias_hears(&mut self, seq: u64, text: &str) {
        let record = self.elias.receive_reply();
        let is_expected =
            record.starts_with(&format!("@in=#lab;seq={seq};")) && record.ends_with(&format!(" FROM Noy: {text}"));
        assert!(is_expected, "{record:?} instead of record {seq}, {text:?}");
    }

    /// The server has handled all earlier lines of the client, and has sent nothing for them.
    #[track_caller]
    fn expect_nothing(client: &mut TestClient) {
        client.send("PING");
        client.expect("PONG");
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { place: "the test's disk".into(), reason: "the test says so".to_owned() }
}

#[test]
fn a_slow_commit_delays_only_the_lines_that_need_it() {
    for mut lab in Lab::each() {
        lab.gate.hold();
        lab.noy.send("@n=1 SAY #lab one");
        Lab::expect_nothing(&mut lab.noy);
        Lab::expect_nothing(&mut lab.elias);
        lab.noy.send("WHO");
        lab.noy.expect_reply("USERS Noy,Elias");
        lab.elias.send("HISTORY #lab 100 1");
        lab.elias.expect_reply_prefix("@in=#lab;seq=2;");
        lab.elias.expect_reply("HISTORY_OK #lab 2 2");

        // An error keeps its place behind the answer that waits.
        lab.noy.send("SAY #nowhere two");
        Lab::expect_nothing(&mut lab.noy);

        lab.gate.open();
        lab.noy.expect_reply_prefix("@n=1;in=#lab;seq=3;");
        lab.noy.expect_reply("@n=1 SAID #lab 3");
        lab.noy.expect_reply("ERROR ROOM_NOT_FOUND #nowhere");
        lab.expect_elias_hears(3, "one");
    }
}

#[test]
fn a_failed_commit_is_reported_and_its_message_is_stored_once() {
    for batch in [FailedBatch::IsLost, FailedBatch::IsStored] {
        for mut lab in Lab::each() {
            lab.gate.hold();
            lab.noy.send("@n=1 SAY #lab one");
            Lab::expect_nothing(&mut lab.noy);
            lab.gate.fail(batch, unavailable());
            lab.noy.expect_reply("@n=1 ERROR UNAVAILABLE #lab");
            if batch == FailedBatch::IsStored {
                lab.noy.expect_reply_prefix("@n=1;in=#lab;seq=3;");
                lab.expect_elias_hears(3, "one");
            }

            // Nothing can be stored, and readers go on.
            lab.elias.send("JOIN #den");
            lab.elias.expect_reply("ERROR UNAVAILABLE #den");
            lab.elias.send("HISTORY #lab 3 1");
            lab.elias.expect_reply_prefix("@in=#lab;seq=2;");
            lab.elias.expect_reply("HISTORY_OK #lab 2 2");

            lab.gate.open();
            lab.say_until_stored("@n=1", "one", "UNAVAILABLE", 3);
            if batch == FailedBatch::IsLost {
                lab.expect_elias_hears(3, "one");
            }
            lab.say_until_stored("@n=2", "two", "UNAVAILABLE", 4);
            lab.expect_elias_hears(4, "two");
        }
    }
}

#[test]
fn a_full_store_refuses_writers_until_there_is_room() {
    for mut lab in Lab::each() {
        lab.gate.fail(FailedBatch::IsLost, StoreError::Full { place: "the test's disk".into() });
        lab.noy.send("@n=1 SAY #lab one");
        lab.noy.expect_reply("@n=1 ERROR STORE_FULL #lab");
        lab.noy.send("@n=1 SAY #lab one");
        lab.noy.expect_reply("@n=1 ERROR STORE_FULL #lab");
        lab.elias.send("HISTORY #lab 100 1");
        lab.elias.expect_reply_prefix("@in=#lab;seq=2;");
        lab.elias.expect_reply("HISTORY_OK #lab 2 2");

        lab.gate.open();
        lab.say_until_stored("@n=1", "one", "STORE_FULL", 3);
        lab.expect_elias_hears(3, "one");
    }
}

#[test]
fn a_device_that_returns_before_its_message_is_stored_gets_the_same_number() {
    for mut lab in Lab::each() {
        lab.gate.hold();
        lab.noy.send("@n=1 SAY #lab one");
        Lab::expect_nothing(&mut lab.noy);
        let mut noy = TestClient::version2(lab.server.address(Dialect::Commands));
        noy.send(&format!("LOGIN Noy main password {PASSWORD}"));
        noy.expect_reply("LOGIN_OK Noy main");
        noy.send("@n=1 SAY #lab one");
        Lab::expect_nothing(&mut noy);

        lab.gate.open();
        noy.expect_reply("@n=1 SAID #lab 3");
        lab.expect_elias_hears(3, "one");
        Lab::expect_nothing(&mut lab.elias);
    }
}

#[test]
fn a_panic_of_the_store_is_a_failed_commit() {
    for mut lab in Lab::each() {
        lab.gate.panic_once();
        lab.noy.send("@n=1 SAY #lab one");
        lab.noy.expect_reply("@n=1 ERROR UNAVAILABLE #lab");
        lab.say_until_stored("@n=1", "one", "UNAVAILABLE", 3);
        lab.expect_elias_hears(3, "one");
    }
}

#[test]
fn a_stopped_server_leaves_a_single_file_with_all_records() {
    let directory = TempDir::new().expect("a temporary directory");
    let store = SqliteStore::open(directory.path(), SqliteOptions::default()).expect("an empty directory");
    let file = store.file().to_owned();
    let Lab { mut noy, server, .. } = Lab::new(Box::new(store), TempDir::new().expect("a temporary directory"));
    noy.send("HISTORY #lab 100 1");
    noy.expect_reply_prefix("@in=#lab;seq=2;");
    noy.expect_reply("HISTORY_OK #lab 2 2");
    noy.send("@n=1 SAY #lab one");
    noy.expect_reply_prefix("@n=1;in=#lab;seq=3;");
    noy.expect_reply("@n=1 SAID #lab 3");
    server.stop();

    let mut names: Vec<_> =
        directory.path().read_dir().expect("the directory").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["lock", "switchboard.sqlite"]);
    let copy = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir();
    let copy = copy.expect("a temporary directory");
    std::fs::copy(&file, copy.path().join("switchboard.sqlite")).expect("room for a copy");
    let store = SqliteStore::open(copy.path(), SqliteOptions::default()).expect("a copy of the store");
    let all = ReadLimit { records: 100, bytes: 100_000 };
    let page = store.reader().expect("a reader").records(ConversationId(1), 1..=100, all).expect("the records");
    assert_eq!(page.records.len(), 3);
    assert_eq!(&*page.records[2].text, "one");
}
