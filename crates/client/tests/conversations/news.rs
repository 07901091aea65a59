//! Lines that answer no request, and requests that a program writes as lines.

use switchboard_client::conversations::{News, NewsReceiver, UnansweredMessage};

use super::*;

async fn connect_with_news(server: &FakeServer, identity: Identity) -> (Session, NewsReceiver) {
    let connecting = Session::connect_with_news(server.addr, identity, SessionOptions::default());
    connecting.await.expect("the server plays the login")
}

async fn next_news(news: &mut NewsReceiver) -> News {
    timeout(TEST_TIMEOUT, news.next()).await.expect("news in time").expect("the session goes on")
}

/// The answer to a request, as lines.
async fn answer(session: &Session, line: &str) -> Vec<String> {
    let replies = session.request(line).await.unwrap_or_else(|error| panic!("{line:?} gave {error:?}"));
    let to_text = |reply: &switchboard_client::conversations::TaggedReply<'_>| {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        String::from_utf8(bytes).expect("a reply is UTF-8").trim_end().to_owned()
    };
    replies.iter().map(to_text).collect()
}

#[tokio::test]
async fn lines_that_answer_nothing_are_news() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            // From the first line after the login on, also in the same segment.
            connection.play("< CONVERSATION #lab e1 1 9 4\n> OPEN #lab\n< OPEN_OK #lab e1 1 9\n< LIVE #lab 9").await;
            connection
                .play(
                    "
                    < @in=#new;seq=2;at=2026-11-28T22:10:37.123Z;by=7 INVITED Elias Noy
                    < @in=#new;seq=3;at=2026-11-28T22:10:37.123Z;by=7 INVITED Elias Dana
                    < @in=#lab;seq=10;at=2026-11-28T22:10:37.123Z;by=7 INVITED Elias Noy
                    < READ #lab 9
                    < CAME Dana
                    < GONE Dana
                    < NOTICE the server restarts at 18:00
                    < INCOMING_CONNECTION guest-7
                    < FROM guest-7: hi
                    < PEER_DISCONNECTED
                    .",
                )
                .await;
        })
        .await;
        let (session, mut news) = connect_with_news(&server, account()).await;
        let lab = session.open("#lab", Start::Now).await.expect("the room opens");
        let News::Conversation(info) = next_news(&mut news).await else { panic!("a conversation") };
        assert_eq!((&*info.target, info.last, info.read), ("#lab", 9, 4));
        let News::Invited(record) = next_news(&mut news).await else { panic!("an invitation") };
        assert_eq!((&*record.target, &*record.author), ("#new", "Elias"));
        let owned = str::to_owned;
        for expected in [
            News::ReadMoved { target: owned("#lab"), seq: 9 },
            News::Came { name: owned("Dana") },
            News::Gone { name: owned("Dana") },
            News::Notice { text: owned("the server restarts at 18:00") },
            News::ChatBegan { name: owned("guest-7"), is_incoming: true },
            News::ChatMessage { name: owned("guest-7"), text: owned("hi") },
            News::ChatEnded { by_peer: true },
        ] {
            assert_eq!(next_news(&mut news).await, expected);
        }
        session.close().await;
        assert_eq!(news.next().await, None);
        drop(lab);
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_request_is_any_line_with_an_answer() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection
                .play(
                    "
                    > INVITE #lab Elias
                    < INVITE_OK #lab 9
                    > MEMBERS #lab
                    < MEMBER #lab Noy owner
                    < CAME Dana
                    < MEMBER #lab Elias invited
                    < MEMBERS_OK #lab 2
                    > READERS #lab 9
                    < READERS #lab 9 Noy
                    > WATCH
                    < WATCH_OK
                    > WIRE
                    < WIRE_OK open=1 rtt_us=41
                    > KICK #lab Dana
                    < ERROR USER_NOT_FOUND #lab
                    > SEARCH * cats
                    < @past=1;in=#lab;seq=3;at=2026-11-28T22:10:37.123Z;by=7 FROM Elias: cats
                    < @more=1 SEARCH_OK * 1
                    > READERS #lab 9
                    < @more=1 READERS #lab 9 Noy,Elias
                    .",
                )
                .await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        assert_eq!(answer(&session, " invite #lab Elias").await, ["INVITE_OK #lab 9"]);
        let members = ["MEMBER #lab Noy owner", "MEMBER #lab Elias invited", "MEMBERS_OK #lab 2"];
        assert_eq!(answer(&session, "MEMBERS #lab").await, members);
        assert_eq!(answer(&session, "READERS #lab 9").await, ["READERS #lab 9 Noy"]);
        session.watch().await.expect("an answer");
        assert_eq!(answer(&session, "WIRE").await, ["WIRE_OK open=1 rtt_us=41"]);
        let refused = session.request("KICK #lab Dana").await.expect_err("the server refuses");
        assert!(matches!(refused, Error::Refused { code: ErrorCode::UserNotFound, .. }), "{refused:?}");
        let found = session.search(None, "cats").await.expect("an answer");
        assert_eq!((found.items.len(), found.has_more), (1, true));
        let readers = session.readers("#lab", 9).await.expect("an answer");
        assert_eq!((readers.names.len(), readers.has_more), (2, true));
        for line in ["OPEN #lab", "HELLO 2", "connect #lab", "LOGIN Noy main token t", "@n=7 SAY #lab hi"] {
            let error = session.request(line).await.expect_err(line);
            assert!(matches!(error, Error::ChangesSession { .. }), "{line:?} gave {error:?}");
        }
        for line in ["", "DANCE", "KICK #lab", "WHO is here", "a\u{7}b"] {
            let error = session.request(line).await.expect_err(line);
            assert!(matches!(error, Error::Request(_) | Error::Blank), "{line:?} gave {error:?}");
        }
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_chat_of_version_1_ends_with_its_connection() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(REGISTER).await;
            connection.play("> CONNECT Elias").await;
            // In one segment, so that only the order of the lines tells the order of the events.
            connection.play("<| CONNECT_OK Elias\\nFROM Elias: hi\\n\n> MSG hello\n< MSG_SENT\n> MSG lost").await;
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(REGISTER).await;
            connection.play("> DISCONNECT\n< DISCONNECT_OK\n.").await;
        })
        .await;
        let (session, mut news) = connect_with_news(&server, Identity::guest("Noy")).await;
        assert_eq!(answer(&session, "CONNECT Elias").await, ["CONNECT_OK Elias"]);
        let elias = || "Elias".to_owned();
        assert_eq!(next_news(&mut news).await, News::ChatBegan { name: elias(), is_incoming: false });
        assert_eq!(next_news(&mut news).await, News::ChatMessage { name: elias(), text: "hi".to_owned() });
        session.say_in_chat("elias", "hello").await.expect("an answer");
        for name in ["Dana", "E"] {
            let over = session.say_in_chat(name, "a secret").await.expect_err("the chat is with another user");
            assert!(matches!(over, Error::ChatIsOver { .. }), "{over:?}");
        }
        let lost = session.say_in_chat("Elias", "lost").await.expect_err("the connection is lost");
        assert!(matches!(lost, Error::OutcomeUnknown { .. }), "{lost:?}");
        assert_eq!(next_news(&mut news).await, News::ChatEnded { by_peer: false });
        let over = session.say_in_chat("Elias", "a secret").await.expect_err("the chat is over");
        assert!(matches!(over, Error::ChatIsOver { .. }), "{over:?}");
        // There is no chat whose end would be news.
        assert_eq!(answer(&session, "DISCONNECT").await, ["DISCONNECT_OK"]);
        session.close().await;
        assert_eq!(news.next().await, None);
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn an_account_connects_only_to_guests() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection
                .play("> OPEN Elias\n< OPEN_OK Elias e1 1 0\n< LIVE Elias 0\n> CLOSE Elias\n< CLOSE_OK Elias")
                .await;
            connection.play("> OPEN guest-7\n< ERROR USER_NOT_FOUND guest-7\n> CONNECT guest-7").await;
            connection.play("< CONNECT_OK guest-7\n.").await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        let error = session.request("CONNECT Elias").await.expect_err("Elias has an account");
        assert!(matches!(error, Error::ChangesSession { verb: "CONNECT", .. }), "{error:?}");
        assert_eq!(answer(&session, "CONNECT guest-7").await, ["CONNECT_OK guest-7"]);
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_program_sees_the_messages_of_its_earlier_run() {
    run_local(async {
        let directory = tempfile::tempdir().expect("a directory");
        let outbox = directory.path().join("outbox");
        let file = "switchboard outbox 1\nSAY 1 #lab one\nSAY 2 Elias two\nSAY 3 #lab three\nDONE 1\n";
        std::fs::write(&outbox, file).expect("room on the disk");
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.play("> @n=3 SAY #lab three\n> @n=2 SAY Elias two\n> PING\n< PONG").await;
            connection.play("< @n=3 SAID #lab 7\n< @n=2 ERROR USER_NOT_FOUND Elias\n.").await;
        })
        .await;
        let options = SessionOptions { outbox: Some(outbox), ..SessionOptions::default() };
        let session = connect(&server, account(), options).await;
        let message = |target: &str, text: &str| UnansweredMessage { target: target.to_owned(), text: text.to_owned() };
        let unanswered = session.unanswered().await.expect("the session goes on");
        assert_eq!(unanswered, [message("Elias", "two"), message("#lab", "three")]);
        session.ping().await.expect("an answer");
        let refused = session.flush().await.expect("the session goes on");
        assert_eq!(refused.iter().map(|refused| &*refused.text).collect::<Vec<_>>(), ["two"]);
        assert!(session.unanswered().await.expect("the session goes on").is_empty());
        session.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_program_need_not_wait_for_the_next_attempt() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            FakeConnection::accept(&listener).await.play(LOGIN).await;
            // Each of these attempts fails, so that the delay grows to seconds.
            for _ in 0..7 {
                drop(FakeConnection::accept(&listener).await);
            }
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(LOGIN).await;
            connection.expect_eof().await;
        })
        .await;
        let session = connect(&server, account(), SessionOptions::default()).await;
        let mut link = session.link();
        let start = tokio::time::Instant::now();
        let mut delays = Duration::ZERO;
        loop {
            link.changed().await.expect("the session goes on");
            match link.borrow_and_update().clone() {
                LinkState::Reconnecting { delay, .. } => {
                    delays += delay;
                    session.connect_now();
                }
                LinkState::Connected => break,
                _ => {}
            }
        }
        // At least half of 0.5 + 1 + 2 + 4 + 8 + 16 + 30 + 30 s.
        assert!(delays > Duration::from_secs(45), "{delays:?}");
        assert!(start.elapsed() < delays / 2, "{:?}", start.elapsed());
        session.close().await;
        server.finish().await;
    })
    .await;
}
