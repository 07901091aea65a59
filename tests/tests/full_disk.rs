//! A server on a disk that is full: writers hear it, all others go on, nothing acknowledged is lost, and writing goes on
//! by itself when there is room.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use switchboard_tests::namespace::in_namespace;
use switchboard_tests::process::{ServerProcess, program};
use switchboard_tests::test_client::{TIMEOUT, TestClient};

/// Where the test mounts its small disk. The mount is visible inside the namespaces only.
const DISK: &str = "/mnt";

/// Size of the file that is deleted to make room: a third of the disk. The log of the store has most of the rest.
const FILLER_BYTES: usize = 2 * 1024 * 1024;

const PASSWORD: &str = "correct horse battery staple";

/// Time for which the disk must be full. It is longer than the pauses between the server's attempts to write.
const FULL_TIME: Duration = Duration::from_secs(3);

/// Messages that are stored when there is room again.
const STORED_AFTERWARDS: u64 = 200;

/// Messages of which some do not fit on the disk.
const MESSAGES_MAX: u64 = 9_000;

#[test]
fn full_disk_stops_writers_only_and_heals() {
    let setup = format!("ip link set lo up; mount -t tmpfs -o size=6m tmpfs {DISK}");
    in_namespace("full_disk_stops_writers_only_and_heals", &setup, || {
        let filler = Path::new(DISK).join("filler");
        std::fs::write(&filler, vec![0; FILLER_BYTES]).expect("the disk has room");
        let mut command = Command::new(program("switchboard-server"));
        command.args(["--data", &format!("{DISK}/data")]);
        let mut server = ServerProcess::spawn(command);

        let mut writer = TestClient::account(server.commands, "Noy", PASSWORD);
        writer.send("JOIN #lab");
        writer.expect_reply_prefix("JOIN_OK #lab ");
        let mut reader = TestClient::account(server.commands, "Elias", PASSWORD);
        reader.send("OPEN #lab");
        reader.expect_reply_prefix("OPEN_OK #lab ");
        reader.expect_reply_prefix("LIVE #lab 1");
        let mut guests = [TestClient::guest(server.commands, "Dana"), TestClient::guest(server.commands, "Omer")];

        let acknowledged = fill(&mut writer, &mut reader);
        assert!(acknowledged > 100, "{acknowledged} messages fit on the disk");
        let refused = acknowledged + 1;
        server.log_line_with("no room is left");

        // Everything that writes is refused.
        writer.send("JOIN #other");
        writer.expect_reply("ERROR STORE_FULL #other");
        guests[0].send("CLAIM password another secret");
        guests[0].expect_reply("ERROR STORE_FULL");

        // Everything else goes on.
        let last = acknowledged + 1;
        for client in [&mut writer, &mut reader] {
            client.send("PING");
            client.expect_reply("PONG");
            client.send(&format!("HISTORY #lab {} 1", last + 1));
            let record = client.receive_reply();
            assert!(record.ends_with(&text(acknowledged)), "{record}");
            client.expect_reply(&format!("HISTORY_OK #lab {last} {last}"));
        }
        guests[0].send("CONNECT Omer");
        guests[0].expect_reply("CONNECT_OK Omer");
        guests[1].expect_reply("INCOMING_CONNECTION Dana");
        guests[0].send("MSG still here");
        guests[1].expect_reply("FROM Dana: still here");
        guests[0].expect_reply("MSG_SENT");
        let mut newcomer = TestClient::guest(server.commands, "Tamar");
        check_replay(&mut newcomer, acknowledged);

        // With room, the server goes on by itself, and the refused message is stored once.
        std::fs::remove_file(&filler).expect("the filler exists");
        // The messages after it need more room than the file had: the server has shortened its log.
        for n in refused..refused + STORED_AFTERWARDS {
            assert!(is_stored_within(TIMEOUT, &mut writer, n), "the disk has room again, but message {n} is refused");
            assert_eq!(message(&mut reader), text(n));
        }
        let acknowledged = refused + STORED_AFTERWARDS - 1;
        check_replay(&mut newcomer, acknowledged);

        // All of it lasts.
        drop(server);
        let mut command = Command::new(program("switchboard-server"));
        command.args(["--data", &format!("{DISK}/data")]);
        let server = ServerProcess::spawn(command);
        check_replay(&mut TestClient::guest(server.commands, "Tamar"), acknowledged);
    });
}

/// Writes until the disk is full and stays full. Returns the number of acknowledged messages, all of which the reader
/// hears.
fn fill(writer: &mut TestClient, reader: &mut TestClient) -> u64 {
    for n in 1..MESSAGES_MAX {
        if !is_stored_within(FULL_TIME, writer, n) {
            return n - 1;
        }
        assert_eq!(message(reader), text(n));
    }
    panic!("all messages fit on the disk");
}

/// Sends a message until it is stored. Returns false if the disk was full during all the time.
fn is_stored_within(time: Duration, writer: &mut TestClient, n: u64) -> bool {
    let start = now();
    loop {
        writer.send(&format!("@n={n} SAY #lab {}", text(n)));
        let reply = writer.receive_reply();
        if reply == format!("@n={n} SAID #lab {}", n + 1) {
            return true;
        }
        assert_eq!(reply, format!("@n={n} ERROR STORE_FULL #lab"));
        if start.elapsed() > time {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Checks that the room has all acknowledged messages, once and in order.
fn check_replay(client: &mut TestClient, acknowledged: u64) {
    client.send("OPEN #lab");
    let epoch = client.expect_reply_prefix("OPEN_OK #lab ");
    let epoch = epoch.split(' ').next().expect("an epoch");
    client.expect_reply_prefix("LIVE #lab ");
    client.send("CLOSE #lab");
    client.expect_reply("CLOSE_OK #lab");
    client.send(&format!("OPEN #lab {epoch} 1"));
    client.expect_reply(&format!("OPEN_OK #lab {epoch} 1 {}", acknowledged + 1));
    for n in 1..=acknowledged {
        assert_eq!(message(client), text(n));
    }
    client.expect_reply(&format!("LIVE #lab {}", acknowledged + 1));
    client.send("CLOSE #lab");
    client.expect_reply("CLOSE_OK #lab");
}

fn text(n: u64) -> String {
    format!("message {n} {}", "x".repeat(2000))
}

/// The text of the next line, which is a message of Noy.
fn message(client: &mut TestClient) -> String {
    let line = client.receive_reply();
    let (_, text) = line.split_once(" FROM Noy: ").unwrap_or_else(|| panic!("{line:?} is no message"));
    text.to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a real server lives in real time")]
fn now() -> Instant {
    Instant::now()
}
