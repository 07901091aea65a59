//! Requests and events of a session of version 2.

use super::*;

#[tokio::test]
async fn a_guest_enters_a_room_and_leaves_it() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(GUEST).await;
            connection.play("> JOIN #LAB\n< JOIN_OK #lab 2\n> OPEN #LAB\n< OPEN_OK #lab e1 1 2\n< LIVE #lab 2").await;
            connection
                .play(
                    "
                    > HISTORY #lab 3 100
                    < @in=#lab;seq=1;at=2026-11-28T22:10:37.123Z;by=7;past=1 JOINED Elias
                    < @in=#lab;seq=2;at=2026-11-28T22:10:37.123Z;by=7;past=1 FROM Elias: hello
                    < HISTORY_OK #lab 1 2
                    > SAY #lab hello yourself
                    < @in=#lab;seq=3;at=2026-11-28T22:10:37.123Z FROM Noy: hello yourself
                    < SAID #lab 3
                    > SAY #lab again
                    < ERROR QUOTA_FULL #lab
                    > LEAVE #lab
                    < LEAVE_OK #lab 3
                    > CLOSE #LAB
                    < CLOSE_OK #lab
                    .",
                )
                .await;
        })
        .await;
        let mut chat = Chat::start(&server);
        chat.expect(GUEST_EVENTS).await;
        chat.request(open("#LAB", true));
        chat.expect(["Opened #lab e1 2: 1 JOINED Elias 2 FROM Elias: hello", "Items #lab: live 2"]).await;
        chat.request(say("hello yourself", 1));
        let mut events = [chat.next().await, chat.next().await];
        events.sort();
        assert_eq!(events, ["Items #lab: 3 FROM Noy: hello yourself", "Said 1 3"]);
        chat.request(say("again", 2));
        chat.expect(["NotSaid 2 QUOTA_FULL…"]).await;
        chat.request(say("two\nlines", 3));
        chat.expect(["NotSaid 3 …"]).await;
        chat.request(Request::Leave { target: "#lab".to_owned() });
        chat.expect(["Closed #lab you have left it."]).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn each_request_has_its_event() {
    let lab = || "#lab".to_owned();
    let cases: Vec<(Request, &str, &str)> = vec![
        (
            Request::Older { target: lab(), before: 3, count: 9 },
            "> HISTORY #lab 3 9\n< @in=#lab;seq=2;at=2026-11-28T22:10:37.123Z;past=1 FROM Elias: hi\n< HISTORY_OK #lab 2 2",
            "Older #lab 3: 2 FROM Elias: hi",
        ),
        (
            Request::Members { target: lab() },
            "> MEMBERS #lab\n< MEMBER #lab Noy owner\n< MEMBERS_OK #lab 1",
            "Members #lab Noy:owner",
        ),
        (
            Request::Readers { target: lab(), seq: 9 },
            "> READERS #lab 9\n< READERS #lab 9 Elias,Dana",
            "Readers #lab 9 Elias Dana",
        ),
        (
            Request::Search { target: None, words: "cats".to_owned() },
            "> SEARCH * cats\n< @more=1 SEARCH_OK * 0",
            "Found cats true:",
        ),
        (Request::Rooms, "> ROOMS\n< ROOM #lab 3 cats\n< ROOMS_OK 1", "Rooms #lab"),
        (Request::Who, "> WHO\n< USERS Noy,Dana", "Users Noy Dana"),
        (line("topic #lab cats"), "> TOPIC #lab cats\n< TOPIC_OK #lab 9", "Answer TOPIC_OK #lab 9"),
        (
            line("devices"),
            "> DEVICES\n< DEVICE main connected this\n< DEVICES_OK 1",
            "Answer DEVICE main connected this|DEVICES_OK 1",
        ),
        (line("kick #lab Dana"), "> KICK #lab Dana\n< ERROR NOT_ALLOWED #lab", "Refused KICK #lab: NOT_ALLOWED…"),
        (line("open #lab"), "", "Refused OPEN #lab: OPEN is not sent as you type it…"),
        (line("dance"), "", "Refused DANCE: no such command…"),
        (open("#secret", false), "> OPEN #secret\n< ERROR NOT_A_MEMBER #secret", "Closed #secret NOT_A_MEMBER…"),
        (
            Request::Leave { target: "#old".to_owned() },
            "> LEAVE #old\n< ERROR UNAVAILABLE #old",
            "Refused LEAVE #old: …",
        ),
        (Request::Rename { name: "noy".to_owned() }, "", "Refused REGISTER noy: you are Noy already."),
        // No answer. The next event is that of the next request.
        (Request::Read { target: lab(), seq: 9 }, "> READ #lab 9\n< READ_OK #lab 9", ""),
        (Request::Close { target: lab() }, "", ""),
        (
            Request::BeginChat { name: "g7".to_owned() },
            "> OPEN g7\n< ERROR USER_NOT_FOUND g7\n> CONNECT g7\n< CONNECT_OK g7",
            "ChatBegan g7 false",
        ),
        (say_in_chat("g7", "hi", 4), "> MSG hi\n< MSG_SENT", "Said 4 0"),
        (say_in_chat("Dana", "a secret", 5), "", "NotSaid 5 the chat with Dana is over…"),
        (Request::EndChat, "> DISCONNECT\n< DISCONNECT_OK", "ChatEnded false"),
        (Request::EndChat, "> DISCONNECT\n< ERROR NOT_CONNECTED", "Refused DISCONNECT: NOT_CONNECTED…"),
    ];
    run_local(async {
        let dialogues: Vec<String> = cases.iter().map(|(_, dialogue, _)| (*dialogue).to_owned()).collect();
        let server = FakeServer::listen(async move |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(&[ACCOUNT, "< LOGIN_OK Noy main", ACCOUNT_LISTS].concat()).await;
            for dialogue in dialogues {
                connection.play(&dialogue).await;
            }
            connection.expect_eof().await;
        })
        .await;
        let mut chat = Chat::start_in(logged_in(&server), &server, |_| {});
        chat.expect(ACCOUNT_EVENTS).await;
        for (request, _, event) in cases {
            chat.request(request);
            if !event.is_empty() {
                chat.expect([event]).await;
            }
        }
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn news_are_passed_on_in_their_order() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(&[ACCOUNT, "< LOGIN_OK Noy main", ACCOUNT_LISTS].concat()).await;
            connection
                .play(
                    "
                    < CONVERSATION #lab e1 1 10 4
                    < READ #lab 10
                    < CAME Dana
                    < GONE Dana
                    < NOTICE the server restarts at 18:00
                    < @in=#new;seq=2;at=2026-11-28T22:10:37.123Z;by=7 INVITED Elias Noy
                    < INCOMING_CONNECTION g7
                    < FROM g7: hi
                    < PEER_DISCONNECTED
                    .",
                )
                .await;
        })
        .await;
        let mut chat = Chat::start_in(logged_in(&server), &server, |_| {});
        chat.expect(ACCOUNT_EVENTS).await;
        chat.expect(["Conversation #lab 10 4", "ReadMoved #lab 10", "Came Dana", "Gone Dana"]).await;
        chat.expect(["Notice the server restarts at 18:00", "Invited #new Elias"]).await;
        chat.expect(["ChatBegan g7 true", "ChatMessage g7: hi", "ChatEnded true"]).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn messages_of_an_earlier_run_wait_and_are_told_if_refused() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(&[ACCOUNT, "< LOGIN_OK Noy main"].concat()).await;
            // The messages come before all requests.
            connection.play("> @n=2 SAY #lab one\n> @n=3 SAY Elias two").await;
            connection.play(ACCOUNT_LISTS).await;
            connection.play("< @n=2 SAID #lab 10\n< @n=3 ERROR USER_NOT_FOUND Elias\n.").await;
        })
        .await;
        let state = logged_in(&server);
        let outbox = "switchboard outbox 1\nSAY 2 #lab one\nSAY 3 Elias two\n";
        std::fs::write(files(&state, &server).outbox_path(), outbox).expect("room on the disk");
        let mut chat = Chat::start_in(state, &server, |_| {});
        chat.expect(["Connecting", "Connected Noy main version 2 durable", "Unanswered #lab:one Elias:two"]).await;
        chat.expect(["Conversations #lab 9 4", "Users Noy"]).await;
        chat.expect(["Refused SAY Elias two: USER_NOT_FOUND…", "UnansweredDone"]).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_guest_enters_a_room_again_that_the_server_has_forgotten() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(GUEST).await;
            connection.play("> JOIN #lab\n< JOIN_OK #lab 0\n> OPEN #lab\n< OPEN_OK #lab e1 1 0\n< LIVE #lab 0").await;
            // The server has closed the room.
            connection.play("< CLOSE_OK #lab\n> OPEN #lab e1 0\n< ERROR ROOM_NOT_FOUND #lab").await;
            connection.play("> JOIN #lab\n< JOIN_OK #lab 0\n> OPEN #lab e1 0\n< OPEN_OK #lab e2 1 0").await;
            connection.play("< GAP #lab 0 0 LOST\n< LIVE #lab 0\n> CLOSE #lab\n< CLOSE_OK #lab").await;
            connection.play("> OPEN #lab e2 0\n< OPEN_OK #lab e2 1 0\n< LIVE #lab 0\n.").await;
        })
        .await;
        let mut chat = Chat::start(&server);
        chat.expect(GUEST_EVENTS).await;
        chat.request(open("#lab", true));
        chat.expect(["Opened #lab e1 0:"]).await;
        chat.expect_items("live 0 gap 0 0 live 0").await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_records_waits_and_delays_no_answer() {
    run_local(async {
        const RECORDS: u64 = 6_000;
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(GUEST).await;
            connection.play("> OPEN #lab\n< OPEN_OK #lab e1 1 0\n< LIVE #lab 0").await;
            let mut after = 0;
            loop {
                let records: String = (after + 1..=RECORDS).map(|seq| record(seq, "FROM Elias: flood")).collect();
                connection.send(records.as_bytes()).await;
                // The session closes a conversation whose reader is slow, and opens it again.
                let line = connection.read_line().await;
                match line.as_deref() {
                    Some("CLOSE #lab") => connection.send(b"CLOSE_OK #lab\n").await,
                    Some("WHO") => {
                        connection.send(b"USERS Noy\n").await;
                        connection.expect_line("CLOSE #lab").await;
                        connection.send(b"CLOSE_OK #lab\n").await;
                    }
                    None => return,
                    Some(other) => panic!("{other:?}"),
                }
                let line = loop {
                    match connection.read_line().await {
                        Some(line) if line == "WHO" => connection.send(b"USERS Noy\n").await,
                        Some(line) => break line,
                        None => return,
                    }
                };
                after = line.strip_prefix("OPEN #lab e1 ").expect("a position").parse().expect("a number");
                connection.send(format!("OPEN_OK #lab e1 1 {RECORDS}\n").as_bytes()).await;
            }
        })
        .await;
        let mut chat = Chat::start(&server);
        chat.expect(GUEST_EVENTS).await;
        chat.request(open("#lab", false));
        chat.expect(["Opened #lab e1 0:"]).await;
        // The App takes nothing until the queues are full. The answer to its request then comes first.
        while chat.network.events.records.len() < BATCHES_MAX {
            tokio::task::yield_now().await;
        }
        chat.request(Request::Who);
        while chat.network.events.events.is_empty() {
            tokio::task::yield_now().await;
        }
        chat.expect(["Users Noy"]).await;
        let mut expected = 1;
        while expected <= RECORDS {
            match timeout(TEST_TIMEOUT, chat.network.events.next()).await.expect("an event in time") {
                Some(NetworkEvent::Items { items, .. }) => {
                    assert!(items.len() <= 256, "{}", items.len());
                    for item in items {
                        if let Item::Record(record) = item {
                            assert_eq!(record.seq, expected);
                            expected += 1;
                        }
                    }
                }
                Some(NetworkEvent::RoundTrip(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        chat.close().await;
        server.finish().await;
    })
    .await;
}
