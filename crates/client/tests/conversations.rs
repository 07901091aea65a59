//! Tests the library of version 2 against a fake server, which can fail at any moment.

mod fake_server;
#[path = "conversations/news.rs"]
mod news;

use std::time::Duration;

use fake_server::{FakeConnection, FakeServer, TEST_TIMEOUT, run_local};
use switchboard_client::conversations::{
    Conversation, Delivery, GapReason, Identity, Item, LinkState, Position, Secret, Session, SessionOptions, Start,
};
use switchboard_client::{ConnectionError, Error, ErrorCode};
use tokio::time::timeout;

/// A dialogue that begins each session of the account Noy.
const LOGIN: &str = "
    < WELCOME
    > HELLO 2
    < HELLO_OK 2 switchboard durable
    > LOGIN Noy laptop password hunter2
    < LOGIN_OK Noy laptop";

/// A dialogue that begins each session of the guest Noy.
const REGISTER: &str = "
    < WELCOME
    > HELLO 2
    < HELLO_OK 2 switchboard
    > REGISTER Noy
    < REGISTER_OK Noy";

fn account() -> Identity {
    Identity::password("Noy", "laptop", Secret::new("hunter2"))
}

async fn connect(server: &FakeServer, identity: Identity, options: SessionOptions) -> Session {
    Session::connect(server.addr, identity, options).await.expect("the server plays the login")
}

/// The next item in the form `seq text`, `gap from to`, or `live last`.
async fn next(conversation: &mut Conversation) -> String {
    let item = timeout(TEST_TIMEOUT, conversation.next()).await.expect("an item in time").expect("an item");
    match item.expect("no error") {
        Item::Record(record) => format!("{} {}", record.seq, record.text),
        Item::Gap(gap) => format!("gap {} {}", gap.from, gap.to),
        Item::Live(live) => format!("live {}", live.last),
        other => format!("{other:?}"),
    }
}

fn record(seq: u64) -> String {
    format!("@in=#lab;seq={seq};at=2026-11-28T22:10:37.123Z;by=7 FROM Elias: text {seq}\n")
}

/// Reads a line of the form `@n=41 SAY #lab hello`. Returns its number.
async fn expect_say(connection: &mut FakeConnection, rest: &str) -> u64 {
    let line = connection.read_line().await.expect("a message");
    let (n, actual) = line.strip_prefix("@n=").and_then(|line| line.split_once(' ')).expect("a numbered message");
    assert_eq!(actual, rest);
    n.parse().expect("a number")
}

#[tokio::test]
async fn a_conversation_continues_after_its_last_record_on_a_new_connection() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #LAB\n< OPEN_OK #lab e1 1 4\n< LIVE #lab 4").await;
            connection.send((record(5) + &record(6)).as_bytes()).await;
            // A line that is cut counts as not received.
            connection.send(&record(7).as_bytes()[..30]).await;
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #LAB e1 6\n< OPEN_OK #lab e1 1 8").await;
            connection.send((record(7) + &record(8)).as_bytes()).await;
            connection.play("< LIVE #lab 8\n.").await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        let mut lab = session.open("#LAB", Start::Now).await.expect("the room opens");
        assert_eq!((lab.target(), lab.position().to_string().as_str()), ("#lab", "e1/4"));
        for expected in ["live 4", "5 text 5", "6 text 6", "7 text 7", "8 text 8", "live 8"] {
            assert_eq!(next(&mut lab).await, expected);
        }
        assert_eq!(*lab.position(), Position { epoch: "e1".to_owned(), number: 8 });
        // Before the conversation is dropped, which would close it on the server.
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn requests_of_version_1_are_answered() {
    run_local(async {
        let dialogue = "> WHO\n< USERS Noy,Elias\n> PING\n< PONG\n.";
        let server = FakeServer::play([&*[REGISTER, "\n", dialogue].concat().leak()]).await;
        let session = connect(&server, Identity::guest("Noy"), SessionOptions::default()).await;
        assert!(session.is_guest());
        assert_eq!(session.who().await.expect("an answer"), ["Noy", "Elias"]);
        assert!(session.ping().await.expect("an answer") < TEST_TIMEOUT);
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn an_unanswered_message_is_sent_again_with_its_number() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            let first = expect_say(&mut connection, "SAY #lab one").await;
            let second = expect_say(&mut connection, "SAY #lab two").await;
            connection.send(format!("@n={first} SAID #lab 7\n").as_bytes()).await;
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            assert_eq!(expect_say(&mut connection, "SAY #lab two").await, second);
            connection.send(format!("@n={second} ERROR UNAVAILABLE #lab\n").as_bytes()).await;
            assert_eq!(expect_say(&mut connection, "SAY #lab two").await, second);
            connection.send(format!("@n={second} SAID #lab 8\n").as_bytes()).await;
            connection.expect_eof().await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        assert_eq!(session.delivery(), Delivery::OnceUntilExit);
        let (one, two) = tokio::join!(session.say("#lab", "one"), session.say("#lab", "two"));
        assert_eq!((one.expect("it is stored"), two.expect("it is stored")), (7, 8));
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_message_in_the_outbox_file_is_sent_by_the_next_session() {
    run_local(async {
        let directory = tempfile::tempdir().expect("a directory");
        let options =
            SessionOptions { outbox: Some(directory.path().join("outbox")), reconnect: false, ..Default::default() };
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            let first = expect_say(&mut connection, "SAY #lab one").await;
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            assert_eq!(expect_say(&mut connection, "SAY #lab one").await, first);
            let second = expect_say(&mut connection, "SAY #lab two").await;
            assert!(second > first);
            connection.send(format!("@n={first} SAID #lab 7\n@n={second} SAID #lab 8\n").as_bytes()).await;
            connection.expect_eof().await;
        })
        .await;
        let session = connect(&server, account(), options.clone()).await;
        assert_eq!(session.delivery(), Delivery::OnceAcrossRestarts);
        let lost = session.say("#lab", "one").await.expect_err("the connection is lost");
        assert!(matches!(lost, Error::Ended(_)), "{lost:?}");
        let in_use = Session::connect(server.addr, account(), options.clone()).await;
        drop(session);
        // The driver of the first session may still hold the file.
        let session = match in_use {
            Ok(session) => session,
            Err(Error::Outbox { .. }) => connect(&server, account(), options).await,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(session.say("#lab", "two").await.expect("it is stored"), 8);
        session.flush().await.expect("nothing is unanswered");
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_slow_reader_delays_neither_other_conversations_nor_answers() {
    run_local(async {
        const RECORDS: u64 = 3000;
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #lab e1 0\n< OPEN_OK #lab e1 1 3000").await;
            let mut after = 0;
            let mut is_opened = false;
            loop {
                let records: String = (after + 1..=RECORDS).map(record).collect();
                connection.send(records.as_bytes()).await;
                connection.send(format!("LIVE #lab {RECORDS}\n").as_bytes()).await;
                // The last part fits into the queue.
                if RECORDS - after <= 900 {
                    break;
                }
                connection.play("> CLOSE #lab\n< CLOSE_OK #lab").await;
                if !is_opened {
                    connection.play("> OPEN Elias\n< OPEN_OK Elias e2 1 1\n< LIVE Elias 1").await;
                    connection.send(record(2).replace("#lab", "Elias").as_bytes()).await;
                    is_opened = true;
                }
                let line = connection.read_line().await.expect("it opens again");
                after = line.strip_prefix("OPEN #lab e1 ").expect("a position").parse().expect("a number");
                connection.send(b"OPEN_OK #lab e1 1 3000\n").await;
            }
            connection.expect_eof().await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        let start = Start::After(Position { epoch: "e1".to_owned(), number: 0 });
        let mut lab = session.open("#lab", start).await.expect("the room opens");
        // Nobody reads `lab` meanwhile.
        let mut elias = session.open("Elias", Start::Now).await.expect("the conversation opens");
        assert_eq!((next(&mut elias).await.as_str(), next(&mut elias).await.as_str()), ("live 1", "2 text 2"));
        for seq in 1..=RECORDS {
            assert_eq!(next(&mut lab).await, format!("{seq} text {seq}"));
        }
        assert_eq!(next(&mut lab).await, "live 3000");
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_reader_hears_of_every_gap() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #lab e1 2\n< OPEN_OK #lab e1 5 9\n< GAP #lab 3 4 EXPIRED").await;
            connection.send((record(5) + &record(8)).as_bytes()).await;
            // The epoch changes in the middle of the session.
            connection.play("< LIVE #lab 9\n< OPEN_OK #lab e2 2 3\n< GAP #lab 0 0 LOST\n< LIVE #lab 3").await;
            // This record comes again after the position.
            connection.send(record(4).as_bytes()).await;
            connection.play("> CLOSE #lab\n< CLOSE_OK #lab\n> OPEN #lab e2 1\n< OPEN_OK #lab e2 2 4").await;
            connection.send((record(2) + &record(3) + &record(4)).as_bytes()).await;
            connection.play("< LIVE #lab 4\n.").await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        let start = Start::After(Position { epoch: "e1".to_owned(), number: 2 });
        let mut lab = session.open("#lab", start).await.expect("the room opens");
        let expected =
            ["gap 3 4", "5 text 5", "gap 6 7", "8 text 8", "gap 9 9", "live 9", "gap 0 0", "2 text 2", "3 text 3"];
        for expected in expected.into_iter().chain(["4 text 4", "live 4"]) {
            assert_eq!(next(&mut lab).await, expected);
        }
        assert_eq!(lab.position().to_string(), "e2/4");
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn after_lost_records_a_reader_gets_the_last_ones_that_are_there() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            // The gap does not arrive.
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #lab e1 9000\n< OPEN_OK #lab e2 1 2000").await;
            drop(connection);
            // It arrives, and the connection is lost before the answer to `CLOSE`.
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #lab e1 9000\n< OPEN_OK #lab e2 1 2000\n< GAP #lab 0 0 LOST").await;
            connection.play("< LIVE #lab 2000\n> CLOSE #lab").await;
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #lab e2 976\n< OPEN_OK #lab e2 1 2000").await;
            connection.send(record(977).as_bytes()).await;
            connection.expect_eof().await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        let start = Start::After(Position { epoch: "e1".to_owned(), number: 9000 });
        let mut lab = session.open("#lab", start).await.expect("the room opens");
        // A program may store this position before it has the gap.
        assert_eq!(lab.position().to_string(), "e2/976");
        for expected in ["gap 0 0", "977 text 977"] {
            assert_eq!(next(&mut lab).await, expected);
        }
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_reader_can_begin_with_the_first_record() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #lab\n< OPEN_OK #lab e1 1 2\n< LIVE #lab 2\n> CLOSE #lab").await;
            // This record comes again after the position.
            connection.send(record(3).as_bytes()).await;
            connection.play("< CLOSE_OK #lab\n> OPEN #lab e1 0\n< OPEN_OK #lab e1 1 3").await;
            connection.send((record(1) + &record(2) + &record(3)).as_bytes()).await;
            connection.play("< LIVE #lab 3\n.").await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        let mut lab = session.open("#lab", Start::Beginning).await.expect("the room opens");
        for expected in ["1 text 1", "2 text 2", "3 text 3", "live 3"] {
            assert_eq!(next(&mut lab).await, expected);
        }
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_reader_who_is_removed_hears_why() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #lab\n< OPEN_OK #lab e1 1 2\n< LIVE #lab 2").await;
            connection.send(record(3).replace("FROM Elias: text 3", "KICKED Elias Noy").as_bytes()).await;
            connection.play("> OPEN #lab e1 3\n< ERROR NOT_A_MEMBER #lab\n.").await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        let mut lab = session.open("#lab", Start::Now).await.expect("the room opens");
        assert_eq!((next(&mut lab).await.as_str(), next(&mut lab).await.as_str()), ("live 2", "3 Noy"));
        let Some(Err(Error::Ended(reason))) = lab.next().await else { panic!("the conversation ends") };
        assert!(matches!(&*reason, Error::Refused { code: ErrorCode::NotAMember, .. }), "{reason:?}");
        assert!(lab.next().await.is_none());
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_conversation_that_the_server_closes_ends_with_the_reason() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #lab\n< OPEN_OK #lab e1 1 2\n< LIVE #lab 2").await;
            connection.play("> OPEN #old\n< OPEN_OK #old e2 1 2\n< LIVE #old 2\n> CLOSE #old").await;
            // The answer to the request comes after a line that nobody asked for.
            connection.play("< CLOSE_OK #lab\n< CLOSE_OK #old\n> OPEN #lab e1 2\n< ERROR NOT_A_MEMBER #lab\n.").await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        let mut lab = session.open("#lab", Start::Now).await.expect("the room opens");
        drop(session.open("#old", Start::Now).await.expect("the room opens"));
        assert_eq!(next(&mut lab).await, "live 2");
        let Some(Err(Error::Ended(reason))) = lab.next().await else { panic!("the conversation ends") };
        assert!(matches!(&*reason, Error::Refused { code: ErrorCode::NotAMember, .. }), "{reason:?}");
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn the_message_of_a_guest_is_sent_at_most_once() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(REGISTER).await;
            connection.play("> SAY #lab one\n< SAID #lab 1\n> SAY #lab two").await;
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(REGISTER).await;
            connection.play("> SAY #lab three\n< SAID #lab 2\n.").await;
        })
        .await;
        let session = connect(&server, Identity::guest("Noy"), SessionOptions::default()).await;
        assert_eq!(session.delivery(), Delivery::AtMostOnce);
        assert_eq!(session.say("#lab", "one").await.expect("it is stored"), 1);
        let unknown = session.say("#lab", "two").await.expect_err("the connection is lost");
        assert!(matches!(unknown, Error::OutcomeUnknown { .. }), "{unknown:?}");
        assert_eq!(session.say("#lab", "three").await.expect("it is stored"), 2);
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_displaced_session_does_not_come_back() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #lab\n< OPEN_OK #lab e1 1 2\n< LIVE #lab 2\n< ERROR DISPLACED").await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        let mut link = session.link();
        let mut lab = session.open("#lab", Start::Now).await.expect("the room opens");
        assert_eq!(next(&mut lab).await, "live 2");
        let Some(Err(Error::Ended(reason))) = lab.next().await else { panic!("the session ends") };
        let expected = ConnectionError::ClosedWithCode { code: ErrorCode::Displaced, detail: None };
        assert!(matches!(&*reason, Error::Closed(actual) if *actual == expected), "{reason:?}");
        link.wait_for(|state| *state == LinkState::Ended).await.expect("the session ends");
        let refused = session.rooms().await.expect_err("the session has ended");
        assert!(matches!(refused, Error::Ended(_)), "{refused:?}");
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn answers_come_in_any_order_and_lists_are_complete() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> OPEN #lab\n< OPEN_OK #lab e1 1 9\n< LIVE #lab 9").await;
            let n = expect_say(&mut connection, "SAY #lab hi").await;
            // A record that is not part of the answer, and a hidden one that is.
            let past = |seq| record(seq).replace(";by=7", ";by=7;past=1");
            let lines = [past(3), "GAP #lab 4 4 HIDDEN\n".to_owned(), record(10), past(5)].concat();
            connection.play("> HISTORY #lab 6 3").await;
            connection.send(lines.as_bytes()).await;
            connection.send(b"HISTORY_OK #lab 3 5\n").await;
            connection.play("> ROOMS\n< ROOM #lab 3 all about cats\n< ROOM #empty 0 \n< ROOMS_OK 2").await;
            connection
                .play(
                    "
                    > CONVERSATIONS
                    < CONVERSATION #lab e1 1 9 4
                    < CONVERSATION #lab e1 1 10 4
                    < CONVERSATIONS_OK 1",
                )
                .await;
            connection.play("> READ #lab 10\n< READ #lab 9\n< READ_OK #lab 10").await;
            connection.send(format!("@n={n} SAID #lab 11\n").as_bytes()).await;
            connection.play("> SEARCH * cats\n< SEARCH_OK * 0\n> TOKEN\n< ERROR UNAVAILABLE\n.").await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        assert!(session.is_durable());
        let mut lab = session.open("#lab", Start::Now).await.expect("the room opens");
        let said = tokio::spawn({
            let session = session.clone();
            async move { session.say("#lab", "hi").await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        let history = session.history("#lab", 6, 3).await.expect("an answer");
        let numbers: Vec<_> = history
            .iter()
            .map(|item| match item {
                Item::Record(record) => record.seq,
                Item::Gap(gap) if gap.reason == GapReason::Hidden => gap.from,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(numbers, [3, 4, 5]);
        let rooms = session.rooms().await.expect("an answer");
        assert_eq!((rooms.len(), &*rooms[0].topic, rooms[0].members), (2, "all about cats", 3));
        let conversations = session.conversations().await.expect("an answer");
        assert_eq!((conversations.len(), conversations[0].last), (1, 10));
        assert_eq!(session.read("#lab", 10).await.expect("an answer"), 10);
        assert_eq!(said.await.expect("no panic").expect("it is stored"), 11);
        assert!(session.search(None, "cats").await.expect("an answer").items.is_empty());
        let refused = session.token().await.expect_err("the server refuses");
        assert!(matches!(refused, Error::Refused { code: ErrorCode::Unavailable, .. }), "{refused:?}");
        assert_eq!((next(&mut lab).await.as_str(), next(&mut lab).await.as_str()), ("live 9", "10 text 10"));
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_server_of_version_1_and_a_wrong_password_are_errors() {
    run_local(async {
        let server = FakeServer::play([
            "< WELCOME\n> HELLO 2\n< ERROR UNKNOWN_COMMAND\n.",
            "< WELCOME\n> HELLO 2\n< HELLO_OK 2 s\n> LOGIN Noy laptop password hunter2\n< ERROR LOGIN_FAILED\n.",
        ])
        .await;
        let error = Session::connect(server.addr, account(), SessionOptions::default()).await.expect_err("version 1");
        assert!(matches!(error, Error::NoVersion2 { .. }), "{error:?}");
        let error = Session::connect(server.addr, account(), SessionOptions::default()).await.expect_err("refused");
        assert!(matches!(error, Error::Refused { code: ErrorCode::LoginFailed, .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn targets_and_texts_stay_in_one_line() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.expect_eof().await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        assert!(!format!("{session:?} {:?}", account()).contains("hunter2"));
        for target in ["", "two words", "a\nUNCLAIM"] {
            let error = session.say(target, "hi").await.expect_err(target);
            assert!(matches!(error, Error::NotAWord { .. } | Error::Text(_)), "{target:?} gave {error:?}");
            session.open(target, Start::Now).await.expect_err(target);
            session.history(target, 1, 1).await.expect_err(target);
        }
        for text in ["", " ", "two\nlines"] {
            session.say("#lab", text).await.expect_err(text);
        }
        session.close().await;
        server.finish().await;
    })
    .await;
}
