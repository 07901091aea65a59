//! Tests the example of a durable bot.

#[path = "../examples/durable_bot.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has its own main function")]
mod durable_bot;
mod fake_server;

use std::path::Path;

use fake_server::{FakeConnection, FakeServer, run_local};
use switchboard_client::conversations::Secret;
use switchboard_client::{ConnectionError, Error, ErrorCode};
use tokio::task::JoinHandle;

const LOGIN: &str = "
    < WELCOME
    > HELLO 2
    < HELLO_OK 2 switchboard durable
    > LOGIN echo main password hunter2
    < LOGIN_OK echo main";

const REVOKED: Error = Error::Closed(ConnectionError::ClosedWithCode { code: ErrorCode::Revoked, detail: None });

fn record(seq: u64, author: &str, text: &str) -> String {
    format!("@in=#lab;seq={seq};at=2026-11-28T22:10:37.123Z;by=7 FROM {author}: {text}\n")
}

/// Reads a line of the form `@n=41 SAY #lab hello`. Returns its number.
async fn expect_say(connection: &mut FakeConnection, text: &str) -> u64 {
    let line = connection.read_line().await.expect("a message");
    let (n, rest) = line.strip_prefix("@n=").and_then(|line| line.split_once(' ')).expect("a numbered message");
    assert_eq!(rest, format!("SAY #lab {text}"));
    n.parse().expect("a number")
}

/// Starts the bot in a task.
fn start(server: &FakeServer, state: &Path) -> JoinHandle<Result<(), Error>> {
    let (addr, state) = (server.addr.to_string(), state.to_owned());
    tokio::task::spawn_local(async move { durable_bot::echo(&addr, "#lab", &state, Secret::new("hunter2")).await })
}

#[tokio::test]
async fn the_bot_creates_its_account_and_echoes_each_message_once() {
    run_local(async {
        let state = tempfile::tempdir().expect("a directory");
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection
                .play(
                    "
                    < WELCOME
                    > HELLO 2
                    < HELLO_OK 2 switchboard durable
                    > LOGIN echo main password hunter2
                    < ERROR LOGIN_FAILED
                    .",
                )
                .await;
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection
                .play(
                    "
                    < WELCOME
                    > HELLO 2
                    < HELLO_OK 2 switchboard durable
                    > REGISTER echo
                    < REGISTER_OK echo
                    > CLAIM password hunter2
                    < CLAIM_OK echo
                    .",
                )
                .await;
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> JOIN #lab\n< JOIN_OK #lab 1\n> OPEN #lab\n< OPEN_OK #lab e1 1 1\n< LIVE #lab 1").await;
            connection.send(record(2, "Noy", "hi").as_bytes()).await;
            let first = expect_say(&mut connection, "2 Noy: hi").await;
            // The connection is lost before the answer. The message was stored.
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            let mut lines = [connection.read_line().await, connection.read_line().await].map(Option::unwrap_or_default);
            lines.sort();
            assert_eq!(lines, [format!("@n={first} SAY #lab 2 Noy: hi"), "OPEN #lab e1 2".to_owned()]);
            let answers =
                format!("OPEN_OK #lab e1 1 3\n{}LIVE #lab 3\n@n={first} SAID #lab 3\n", record(3, "echo", "2 Noy: hi"));
            connection.send(answers.as_bytes()).await;
            connection.play("< ERROR REVOKED").await;
        })
        .await;
        let bot = start(&server, state.path());
        let ended = bot.await.expect("no panic").expect_err("the server removes the device");
        assert_eq!(ended.to_string(), REVOKED.to_string());
        server.finish().await;
        assert_eq!(std::fs::read_to_string(state.path().join("position")).expect("a position"), "e1/2");
    })
    .await;
}

#[tokio::test]
async fn a_bot_that_was_killed_echoes_only_what_it_has_not_echoed() {
    run_local(async {
        let state = tempfile::tempdir().expect("a directory");
        std::fs::write(state.path().join("position"), "e1/4").expect("room on the disk");
        std::fs::write(state.path().join("outbox"), "switchboard outbox 1\nSAY 41 #lab 6 Dana: two\n")
            .expect("room on the disk");
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            let mut lines = [connection.read_line().await, connection.read_line().await].map(Option::unwrap_or_default);
            lines.sort();
            assert_eq!(lines, ["@n=41 SAY #lab 6 Dana: two", "JOIN #lab"]);
            connection.send(b"JOIN_OK #lab 9\n@n=41 SAID #lab 9\n").await;
            connection.play("> OPEN #lab e1 4\n< OPEN_OK #lab e1 1 9").await;
            // The echo of record 5 was stored, but the bot was killed before it stored its position.
            let missed = [
                record(5, "Noy", "one"),
                record(6, "Dana", "two"),
                record(7, "echo", "5 Noy: one"),
                record(8, "Noy", "three"),
                record(9, "echo", "6 Dana: two"),
            ];
            connection.send(missed.concat().as_bytes()).await;
            connection.play("< LIVE #lab 9").await;
            let n = expect_say(&mut connection, "8 Noy: three").await;
            connection.send(format!("@n={n} SAID #lab 10\n").as_bytes()).await;
            connection.send(record(11, "Noy", "four").as_bytes()).await;
            let n = expect_say(&mut connection, "11 Noy: four").await;
            connection.send(format!("@n={n} SAID #lab 12\n").as_bytes()).await;
            connection.play("< ERROR REVOKED").await;
        })
        .await;
        let bot = start(&server, state.path());
        let ended = bot.await.expect("no panic").expect_err("the server removes the device");
        assert_eq!(ended.to_string(), REVOKED.to_string());
        server.finish().await;
        assert_eq!(std::fs::read_to_string(state.path().join("position")).expect("a position"), "e1/11");
        assert_eq!(std::fs::read_to_string(state.path().join("outbox")).expect("a file"), "switchboard outbox 1\n");
    })
    .await;
}
