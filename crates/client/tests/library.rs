//! Tests the library against a fake server.

mod fake_server;

use std::time::Duration;

use fake_server::{FakeConnection, FakeServer, TEST_TIMEOUT, run_local};
use switchboard_client::{
    Client, ConnectOptions, ConnectionError, EVENTS_HARD_BYTES, EVENTS_SOFT_BYTES, Error, Event, Events, Liveness,
};
use switchboard_protocol::limits::LINE_CEILING_BYTES;
use switchboard_protocol::{ErrorCode, Reply};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Runs `test` with a client that is connected to `server`. When the test has dropped the client, the server must
/// finish.
async fn with_client(server: impl Future<Output = FakeServer>, test: impl AsyncFnOnce(Client, Events)) {
    with_client_options(server, &ConnectOptions::default(), test).await;
}

/// Like [`with_client`], with `options`.
async fn with_client_options(
    server: impl Future<Output = FakeServer>,
    options: &ConnectOptions,
    test: impl AsyncFnOnce(Client, Events),
) {
    run_local(async {
        let server = server.await;
        let (client, events) = Client::connect_with(server.addr, options).await.expect("the fake server says WELCOME");
        test(client, events).await;
        server.finish().await;
    })
    .await;
}

/// Options with a short silence before each `PING`.
fn pings(ping_after: Duration, answer_within: Duration) -> ConnectOptions {
    ConnectOptions { liveness: Liveness { ping_after, answer_within }, ..ConnectOptions::default() }
}

fn message(from: &str, text: &str) -> Event {
    Event::Message { name: from.to_owned(), text: text.to_owned() }
}

#[tokio::test]
async fn each_command_sends_one_line_and_returns_its_answer() {
    let dialogue = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > WHO
        < USERS Noy,Elias
        > CONNECT elias
        < CONNECT_OK Elias
        > MSG   two  spaces
        < MSG_SENT
        > PING
        < PONG
        > DISCONNECT
        < DISCONNECT_OK
        > HELLO 2
        < ERROR UNKNOWN_COMMAND
        > WHO
        < USERS\u{20}
        .";
    with_client(FakeServer::play([dialogue]), async |client, _events| {
        assert_eq!(client.register("Noy").await.expect("registered"), "Noy");
        assert_eq!(client.who().await.expect("answered"), ["Noy", "Elias"]);
        assert_eq!(client.connect_to("elias").await.expect("connected"), "Elias");
        client.send("  two  spaces").await.expect("accepted");
        assert!(client.ping().await.expect("answered") < TEST_TIMEOUT);
        client.disconnect().await.expect("left");
        let refused = client.request("HELLO 2").await;
        assert!(matches!(refused, Err(Error::Refused { code: ErrorCode::UnknownCommand, .. })), "{refused:?}");
        assert!(matches!(client.request("WHO").await, Ok(Reply::Users { names }) if names.iter().count() == 0));
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_an_error_with_the_servers_code() {
    let dialogue = "
        < WELCOME
        > REGISTER Noy
        < ERROR NAME_TAKEN
        > CONNECT ghost
        < ERROR USER_NOT_FOUND Nobody of that name.
        > MSG hi
        < ERROR FUTURE_CODE with a detail
        > MSG hi
        < ERROR FUTURE_CODE
        > PING
        < MSG_SENT
        > PING
        < PONG
        .";
    with_client(FakeServer::play([dialogue]), async |client, _events| {
        let errors = [
            client.register("Noy").await.expect_err("name taken").to_string(),
            client.connect_to("ghost").await.expect_err("no such user").to_string(),
            client.send("hi").await.expect_err("refused").to_string(),
            client.send("hi").await.expect_err("refused").to_string(),
            client.ping().await.expect_err("another answer").to_string(),
        ];
        assert_eq!(
            errors,
            [
                "NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.",
                "USER_NOT_FOUND: Nobody of that name.",
                "FUTURE_CODE: with a detail",
                "FUTURE_CODE: the server refused, for a reason that this version does not know",
                "the server answered \"MSG_SENT\", which does not answer PING",
            ]
        );
        client.ping().await.expect("the session goes on");
    })
    .await;
}

#[tokio::test]
async fn invalid_names_texts_and_lines_are_not_sent() {
    let dialogue = "
        < WELCOME
        > PING
        < PONG
        .";
    with_client(FakeServer::play([dialogue]), async |client, _events| {
        assert!(matches!(client.register("two words").await, Err(Error::Name(_))));
        assert!(matches!(client.connect_to("a\nMSG b").await, Err(Error::Text(_))));
        assert!(matches!(client.send("a\nDISCONNECT").await, Err(Error::Text(_))));
        assert!(matches!(client.send(&"x".repeat(LINE_CEILING_BYTES)).await, Err(Error::Text(_))));
        assert!(matches!(client.request("PING\rPING").await, Err(Error::Text(_))));
        assert!(matches!(client.request(&"x".repeat(LINE_CEILING_BYTES)).await, Err(Error::Text(_))));
        assert!(matches!(client.request(" \t").await, Err(Error::Blank)));
        for blank in ["", " \t"] {
            assert!(matches!(client.send(blank).await, Err(Error::Blank)));
        }
        client.ping().await.expect("answered");
    })
    .await;
}

#[tokio::test]
async fn the_server_decides_on_the_text_limit() {
    // Longer than the default limit of a server, which is 3,840 bytes.
    let text = "x".repeat(5_000);
    let dialogue = format!("< WELCOME\n> MSG {text}\n< MSG_SENT\n> MSG {text}\n< ERROR TEXT_TOO_LONG\n.");
    with_client(FakeServer::play([dialogue.leak()]), async |client, _events| {
        client.send(&text).await.expect("this server accepts it");
        let refused = client.send(&text).await;
        assert!(matches!(refused, Err(Error::Refused { code: ErrorCode::TextTooLong, .. })), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn dropping_a_command_does_not_shift_later_answers() {
    let dialogue = "
        < WELCOME
        > WHO
        > PING
        < USERS Noy
        < PONG
        .";
    with_client(FakeServer::play([dialogue]), async |client, _events| {
        let mut who = Box::pin(client.who());
        // A timeout of zero still polls the future once, so the command is queued.
        assert!(timeout(Duration::ZERO, &mut who).await.is_err());
        drop(who);
        client.ping().await.expect("the answer to PING is PONG");
    })
    .await;
}

#[tokio::test]
async fn concurrent_commands_get_their_answers_in_order() {
    const MESSAGES: usize = 2_000;
    // A refusal in between shows that each command gets its own answer.
    let is_refused = |message: usize| message.is_multiple_of(7);
    let server = FakeServer::spawn(async move |mut connection| {
        connection.send(b"WELCOME\n").await;
        for message in 0..MESSAGES {
            connection.expect_line(&format!("MSG {message}")).await;
            connection.send(if is_refused(message) { b"ERROR NOT_CONNECTED\n" } else { b"MSG_SENT\n" }).await;
        }
        connection.expect_eof().await;
    });
    with_client(server, async |client, _events| {
        let sending: Vec<_> = (0..MESSAGES)
            .map(|message| {
                let client = client.clone();
                tokio::task::spawn_local(async move { client.send(&message.to_string()).await })
            })
            .collect();
        for (message, sent) in sending.into_iter().enumerate() {
            assert_eq!(sent.await.expect("no panic").is_err(), is_refused(message), "message {message}");
        }
    })
    .await;
}

#[tokio::test]
async fn events_are_separated_from_answers() {
    let dialogue = "
        < WELCOME
        > WHO
        < INCOMING_CONNECTION Elias
        < FROM Elias: PONG: not an answer
        < HELLO_OK 2
        < USERS Noy,Elias
        < PEER_DISCONNECTED
        < PONG
        < ERROR SERVER_SHUTDOWN";
    with_client(FakeServer::play([dialogue]), async |client, mut events| {
        assert_eq!(client.who().await.expect("answered"), ["Noy", "Elias"]);
        assert_eq!(events.next().await, Some(Event::IncomingConnection { name: "Elias".to_owned() }));
        assert_eq!(events.next().await, Some(message("Elias", "PONG: not an answer")));
        assert_eq!(events.next().await, Some(Event::Unknown { line: "HELLO_OK 2".to_owned() }));
        assert_eq!(events.next().await, Some(Event::PeerDisconnected));
        assert_eq!(events.next().await, Some(Event::Unknown { line: "PONG".to_owned() }));
        assert_eq!(events.next().await, Some(Event::Notice { code: ErrorCode::ServerShutdown, detail: None }));
        let closed = ConnectionError::ClosedWithCode { code: ErrorCode::ServerShutdown, detail: None };
        assert_eq!(events.next().await, Some(Event::Closed(closed.clone())));
        assert_eq!(events.next().await, None);
        assert!(matches!(client.ping().await, Err(Error::Closed(why)) if why == closed));
    })
    .await;
}

#[tokio::test]
async fn a_command_in_flight_returns_the_reason_for_the_end_of_the_connection() {
    let cases = [
        ("< WELCOME\n> WHO\n<| USERS Noy,El", ConnectionError::MidLine),
        ("< WELCOME\n> WHO", ConnectionError::ClosedByServer),
        (
            "< WELCOME\n> WHO\n< ERROR REGISTER_TIMEOUT",
            ConnectionError::ClosedWithCode { code: ErrorCode::RegisterTimeout, detail: None },
        ),
    ];
    for (dialogue, expected) in cases {
        with_client(FakeServer::play([dialogue]), async |client, _events| {
            let who = client.who().await;
            assert!(matches!(&who, Err(Error::Closed(why)) if *why == expected), "{dialogue:?} gave {who:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_silent_server_gets_a_ping_and_the_session_stays_if_it_answers() {
    // The answers to the client's own PING do not reach the program, and no command gets the answer of another.
    let dialogue = "
        < WELCOME
        > PING
        < PONG
        > PING
        < FROM Elias: before WHO
        > WHO
        < PONG
        < USERS Noy
        > PING
        < FROM Elias: hi
        < PONG
        .";
    let options = pings(Duration::from_millis(200), TEST_TIMEOUT);
    with_client_options(FakeServer::play([dialogue]), &options, async |client, mut events| {
        assert_eq!(events.next().await, Some(message("Elias", "before WHO")));
        assert_eq!(client.who().await.expect("answered"), ["Noy"]);
        assert_eq!(events.next().await, Some(message("Elias", "hi")));
        drop(client);
        assert_eq!(events.next().await, Some(Event::Closed(ConnectionError::ClosedByServer)));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_a_ping_is_lost() {
    let dialogue = "
        < WELCOME
        > WHO
        > PING
        .";
    let options = pings(Duration::from_secs(2), Duration::from_millis(50));
    with_client_options(FakeServer::play([dialogue]), &options, async |client, mut events| {
        let who = client.who().await;
        assert!(matches!(&who, Err(Error::Closed(ConnectionError::Unresponsive { silent_ms: 2050.. }))), "{who:?}");
        let event = events.next().await;
        assert!(matches!(event, Some(Event::Closed(ConnectionError::Unresponsive { .. }))), "{event:?}");
    })
    .await;
}

#[tokio::test]
async fn a_full_event_queue_is_not_silence() {
    let options = pings(Duration::from_millis(200), Duration::from_millis(50));
    with_client_options(server_with_long_lines(), &options, async |_client, mut events| {
        // The client has stopped reading for longer than it allows a silence.
        tokio::time::sleep(Duration::from_millis(500)).await;
        for event in 0..LONG_LINE_COUNT {
            let event_taken = events.next().await;
            assert!(matches!(event_taken, Some(Event::Message { .. })), "event {event}: {event_taken:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_line_over_the_limit_ends_the_connection() {
    let server = FakeServer::spawn(async |mut connection| {
        connection.send(b"WELCOME\nFROM Elias: ").await;
        connection.send(&vec![b'x'; LINE_CEILING_BYTES]).await;
        connection.send(b"\nPONG\n").await;
        connection.expect_eof().await;
    });
    with_client(server, async |_client, mut events| {
        let closed = ConnectionError::LineTooLong { max_bytes: LINE_CEILING_BYTES };
        assert_eq!(events.next().await, Some(Event::Closed(closed)));
    })
    .await;
}

#[tokio::test]
async fn invalid_utf_8_is_replaced() {
    let server = FakeServer::spawn(async |mut connection| {
        connection.send(b"WELCOME\r\nFROM Elias: caf\xe9\r\n").await;
        connection.expect_eof().await;
    });
    with_client(server, async |_client, mut events| {
        assert_eq!(events.next().await, Some(message("Elias", "caf\u{fffd}")));
    })
    .await;
}

/// The number of events that [`server_with_many_events`] sends before its answer. Their lines alone have as many bytes
/// as the soft limit, so their size in memory exceeds it.
const EVENT_COUNT: usize = EVENTS_SOFT_BYTES / "FROM Elias: 0\n".len();

/// A server that sends [`EVENT_COUNT`] events and then an answer.
async fn server_with_many_events() -> FakeServer {
    FakeServer::spawn(async |mut connection| {
        connection.send(b"WELCOME\n").await;
        connection.expect_line("PING").await;
        let events: Vec<_> = (0..EVENT_COUNT).map(|event| format!("FROM Elias: {event}\n")).collect();
        connection.send(events.concat().as_bytes()).await;
        connection.send(b"PONG\n").await;
        connection.expect_eof().await;
    })
    .await
}

#[tokio::test]
async fn an_answer_is_read_after_many_untaken_events() {
    with_client(server_with_many_events(), async |client, mut events| {
        client.ping().await.expect("answered before any event is taken");
        for event in 0..EVENT_COUNT {
            assert_eq!(events.next().await, Some(message("Elias", &event.to_string())));
        }
    })
    .await;
}

/// The length of the message text in each line of [`send_long_lines`].
const LONG_TEXT_BYTES: usize = 60_000;

/// The number of lines that [`send_long_lines`] sends. Together they exceed the hard limit.
const LONG_LINE_COUNT: usize = 1_200;
const _: () = assert!(LONG_LINE_COUNT * LONG_TEXT_BYTES > EVENTS_HARD_BYTES);

/// A server that sends more bytes of events than the hard limit.
async fn server_with_long_lines() -> FakeServer {
    FakeServer::spawn(async |mut connection| {
        connection.send(b"WELCOME\n").await;
        send_long_lines(&mut connection).await.expect("the client continues to read when events are taken");
        connection.expect_eof().await;
    })
    .await
}

async fn send_long_lines(connection: &mut FakeConnection) -> std::io::Result<()> {
    let line = format!("FROM Elias: {}\n", "x".repeat(LONG_TEXT_BYTES));
    for _ in 0..LONG_LINE_COUNT {
        connection.try_send(line.as_bytes()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_commands_a_full_event_queue_stops_reading_and_loses_nothing() {
    with_client(server_with_long_lines(), async |_client, mut events| {
        // Without backpressure, this time would be enough to fill the queue beyond its hard limit.
        tokio::time::sleep(Duration::from_millis(500)).await;
        for event in 0..LONG_LINE_COUNT {
            assert!(matches!(events.next().await, Some(Event::Message { .. })), "event {event}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_event_queue_is_bounded_while_an_answer_is_missing() {
    let server = FakeServer::spawn(async |mut connection| {
        connection.send(b"WELCOME\n").await;
        connection.expect_line("PING").await;
        send_long_lines(&mut connection).await.expect_err("the client closes the connection");
    });
    with_client(server, async |client, mut events| {
        let closed = ConnectionError::EventsNotTaken { max_bytes: EVENTS_HARD_BYTES };
        let pinged = client.ping().await;
        assert!(matches!(&pinged, Err(Error::Closed(why)) if *why == closed), "{pinged:?}");
        let mut queued = 0;
        let last = loop {
            match events.next().await {
                Some(Event::Message { .. }) => queued += 1,
                last => break last,
            }
        };
        assert_eq!(last, Some(Event::Closed(closed)));
        assert_eq!(queued, EVENTS_HARD_BYTES / (LONG_TEXT_BYTES + "Elias".len() + size_of::<Event>()));
    })
    .await;
}

#[tokio::test]
async fn events_are_discarded_after_their_receiver_is_dropped() {
    with_client(server_with_many_events(), async |client, events| {
        drop(events);
        client.ping().await.expect("answered");
    })
    .await;
}

#[tokio::test]
async fn the_longest_time_limit_means_no_limit() {
    let options = ConnectOptions { limit: Duration::MAX, ..pings(Duration::MAX, Duration::MAX) };
    with_client_options(FakeServer::play(["< WELCOME\n> WHO\n< USERS Noy\n."]), &options, async |client, _events| {
        assert_eq!(client.who().await.expect("answered"), ["Noy"]);
    })
    .await;
}

#[tokio::test]
async fn a_failed_connect_names_its_reason() {
    run_local(async {
        let closed_port = TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("bound");
        let error = Client::connect(closed_port).await.expect_err("nobody listens").to_string();
        let expected = "connection refused. Is the server running? Start it with: switchboard-server";
        assert_eq!(error, format!("cannot reach {closed_port}: {expected}"));

        let server = FakeServer::play(["< ERROR SERVER_FULL", "< HTTP/1.1 400 Bad \u{1b}[31mRequest"]).await;
        let error = Client::connect(server.addr).await.expect_err("the server is full").to_string();
        assert_eq!(error, "the server closed the connection: SERVER_FULL: The server is full: try again later.");
        let error = Client::connect(server.addr).await.expect_err("the server is not a chat server").to_string();
        assert!(error.contains(r#"its first line is "HTTP/1.1 400 Bad \u{1b}[31mRequest""#), "{error}");
        server.finish().await;

        let silent = FakeServer::play(["."]).await;
        let limit = Duration::from_millis(50);
        let error = Client::connect_within(silent.addr, limit).await.expect_err("the server sends nothing");
        assert!(matches!(error, Error::WelcomeTimeout { .. }), "{error}");
        silent.finish().await;
    })
    .await;
}
