//! The connection: failures, loss and return, names.

use super::*;
use crate::program::machine_device;

#[tokio::test]
async fn a_failed_first_attempt_is_not_the_end() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            drop(FakeConnection::accept(&listener).await);
            FakeConnection::accept(&listener).await.play("< ERROR SERVER_FULL").await;
            FakeConnection::accept(&listener).await.play(&[GUEST, "."].concat()).await;
        })
        .await;
        let mut chat = Chat::start(&server);
        chat.expect(["Connecting", "Lost the server closed the connection.", "Connecting"]).await;
        chat.request(line("WIRE"));
        chat.expect(["Refused WIRE: there is no connection."]).await;
        chat.expect(["Lost the server closed the connection: SERVER_FULL…"]).await;
        chat.request(Request::ConnectNow);
        chat.expect(GUEST_EVENTS).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn without_reconnecting_a_failed_attempt_is_the_end() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            drop(FakeConnection::accept(&listener).await);
            FakeConnection::accept(&listener).await.play(&[GUEST, "."].concat()).await;
        })
        .await;
        let state = tempfile::tempdir().expect("a directory");
        let mut chat = Chat::start_in(state, &server, |settings| settings.reconnects = false);
        chat.expect(["Connecting", "Ended the server closed the connection."]).await;
        // The user may still want it.
        chat.request(Request::ConnectNow);
        chat.expect(GUEST_EVENTS).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_name_waits_for_another_one() {
    run_local(async {
        let refuse = |name: &str, code: &str| {
            format!("< WELCOME\n> HELLO 2\n< HELLO_OK 2 s\n> REGISTER {name}\n< ERROR {code}\n.")
        };
        let server = FakeServer::listen(async move |listener| {
            FakeConnection::accept(&listener).await.play(&refuse("Noa", "NAME_TAKEN")).await;
            FakeConnection::accept(&listener).await.play(&refuse("Dana", "INVALID_NAME")).await;
            FakeConnection::accept(&listener).await.play(&[GUEST, "."].concat()).await;
        })
        .await;
        let state = tempfile::tempdir().expect("a directory");
        let mut chat = Chat::start_in(state, &server, |settings| settings.name = "Noa".to_owned());
        chat.expect(["Connecting", "NameRefused Noa NAME_TAKEN: …"]).await;
        chat.request(Request::Rename { name: "Dana".to_owned() });
        chat.expect(["Connecting", "NameRefused Dana INVALID_NAME: …"]).await;
        // This one is not even sent.
        chat.request(Request::Rename { name: "two words".to_owned() });
        chat.expect(["Connecting", "NameRefused two words name has…"]).await;
        chat.request(Request::Rename { name: "Noy".to_owned() });
        chat.expect(GUEST_EVENTS).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn conversations_go_on_after_a_lost_connection() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(GUEST).await;
            connection.play("> OPEN #lab\n< OPEN_OK #lab e1 1 0\n< LIVE #lab 0").await;
            connection.send(record(1, "FROM Elias: hi").as_bytes()).await;
            connection.play("> SAY #lab lost").await;
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play("< WELCOME\n> HELLO 2\n< HELLO_OK 2 s\n> REGISTER Noy\n< REGISTER_OK Noy").await;
            connection.play("> OPEN #lab e1 1\n< OPEN_OK #lab e1 1 2").await;
            connection.send(record(2, "FROM Elias: still here").as_bytes()).await;
            connection.play("< LIVE #lab 2\n> WATCH\n< WATCH_OK\n> WHO\n< USERS Noy\n> PING\n< PONG\n.").await;
        })
        .await;
        let mut chat = Chat::start(&server);
        chat.expect(GUEST_EVENTS).await;
        chat.request(open("#lab", false));
        chat.expect(["Opened #lab e1 0:"]).await;
        chat.expect_items("live 0 1 FROM Elias: hi").await;
        chat.request(say("lost", 1));
        let mut events = vec![chat.next().await, chat.next().await, chat.next().await, chat.next().await];
        events.extend([chat.next().await, chat.next().await]);
        // The tasks of messages, records and the connection are independent.
        let has = |start: &str| events.iter().any(|event| event.starts_with(start));
        for start in [
            "NotSaid 1 unknown ",
            "Lost ",
            "Connecting",
            "Connected Noy guest",
            "Users Noy",
            "Items #lab: 2 FROM Elias: still here",
        ] {
            assert!(has(start), "{start:?} is not among {events:?}");
        }
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_displaced_session_waits_until_the_user_wants_it_again() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(ACCOUNT).await;
            connection.play("< LOGIN_OK Noy main").await;
            connection.play(ACCOUNT_LISTS).await;
            connection.play("> OPEN #lab\n< OPEN_OK #lab e1 1 0\n< LIVE #lab 0").await;
            connection.play("> ROOMS\n< ROOMS_OK 0\n< ERROR DISPLACED").await;
            drop(connection);
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(ACCOUNT).await;
            // The same user goes on with the same conversations.
            connection.play("< LOGIN_OK Noy main\n> OPEN #lab e1 0").await;
            connection.play("< OPEN_OK #lab e1 1 0\n< LIVE #lab 0\n> WATCH\n< WATCH_OK\n> CONVERSATIONS").await;
            connection.play("< CONVERSATIONS_OK 0\n> WHO\n< USERS Noy\n> PING\n< PONG\n.").await;
        })
        .await;
        let mut chat = Chat::start_in(logged_in(&server), &server, |_| {});
        chat.expect(ACCOUNT_EVENTS).await;
        chat.request(open("#lab", false));
        chat.expect(["Opened #lab e1 0:", "Items #lab: live 0"]).await;
        chat.request(Request::Rooms);
        chat.expect(["Rooms", "Ended DISPLACED: another program…"]).await;
        chat.request(Request::ConnectNow);
        chat.expect(["Connecting", "Connected Noy main version 2 durable"]).await;
        let mut events = [chat.next().await, chat.next().await, chat.next().await];
        events.sort();
        assert_eq!(events, ["Conversations", "Items #lab: live 0", "Users Noy"]);
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_login_replaces_the_guest_and_stores_a_token() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut guest = FakeConnection::accept(&listener).await;
            guest.play(GUEST).await;
            let device = machine_device::name();
            let welcome = format!("< WELCOME\n> HELLO 2\n< HELLO_OK 2 s durable\n> LOGIN Noy {device}");
            let logged_in = format!("< LOGIN_OK Noy {device}");
            let mut refused = FakeConnection::accept(&listener).await;
            refused.play(&format!("{welcome} password wrong\n< ERROR LOGIN_FAILED\n.")).await;
            let mut account = FakeConnection::accept(&listener).await;
            let login = format!("{welcome} password hunter2\n{logged_in}\n> TOKEN\n< TOKEN_OK t0k");
            account.play(&login).await;
            guest.expect_eof().await;
            drop(guest);
            account.play(ACCOUNT_LISTS).await;
            account.expect_eof().await;
            drop(account);
            // The next run of the program.
            let mut account = FakeConnection::accept(&listener).await;
            account.play(&format!("{welcome} token t0k\n{logged_in}{ACCOUNT_LISTS}.")).await;
        })
        .await;
        let connected = format!("Connected Noy {} version 2 durable", machine_device::name());
        let account_events = ["Connecting", &connected, "Conversations #lab 9 4", "Users Noy"];
        let mut chat = Chat::start(&server);
        chat.expect(GUEST_EVENTS).await;
        let login = |password| Request::LogIn { name: "Noy".to_owned(), password: Secret::new(password) };
        chat.request(login("wrong"));
        chat.expect(["PasswordRefused Noy LOGIN_FAILED…"]).await;
        chat.request(login("hunter2"));
        chat.expect(&account_events[1..]).await;
        let state = chat.close().await;
        let mut chat = Chat::start_in(state, &server, |_| {});
        chat.expect(account_events).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_new_device_asks_for_the_password_until_it_is_right() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let login = "< WELCOME\n> HELLO 2\n< HELLO_OK 2 s durable\n> LOGIN Noy laptop password ";
            let mut refused = FakeConnection::accept(&listener).await;
            refused.play(&[login, "wrong\n< ERROR LOGIN_FAILED\n."].concat()).await;
            let mut account = FakeConnection::accept(&listener).await;
            account.play(&[login, "hunter2\n< LOGIN_OK Noy laptop\n> TOKEN\n< TOKEN_OK t0k"].concat()).await;
            account.play(&[ACCOUNT_LISTS, "."].concat()).await;
        })
        .await;
        let state = tempfile::tempdir().expect("a directory");
        let mut chat = Chat::start_in(state, &server, |settings| settings.device = Some("laptop".to_owned()));
        // Nothing is sent before the user has typed the password.
        chat.expect(["Connecting", "LoginNeeded Noy NOT_LOGGED_IN: the device laptop has not logged in yet…"]).await;
        let login = |password| Request::LogIn { name: "Noy".to_owned(), password: Secret::new(password) };
        chat.request(login("wrong"));
        chat.expect(["Connecting", "LoginNeeded Noy LOGIN_FAILED…"]).await;
        chat.request(login("hunter2"));
        chat.expect(["Connecting", "Connected Noy laptop version 2 durable"]).await;
        chat.expect(&ACCOUNT_EVENTS[2..]).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_claimed_name_becomes_a_device_with_a_token() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            let mut guest = FakeConnection::accept(&listener).await;
            guest.play(GUEST).await;
            guest.play("> CLAIM password hunter2\n< CLAIM_OK Noy").await;
            let mut account = FakeConnection::accept(&listener).await;
            account.play("< WELCOME\n> HELLO 2\n< HELLO_OK 2 s durable\n> LOGIN Noy main password hunter2").await;
            // The session that has sent CLAIM is the same device.
            guest.play("< ERROR DISPLACED").await;
            drop(guest);
            account.play("< LOGIN_OK Noy main\n> TOKEN\n< ERROR NOT_SECURE").await;
            account.play(&[ACCOUNT_LISTS, "."].concat()).await;
        })
        .await;
        let mut chat = Chat::start(&server);
        chat.expect(GUEST_EVENTS).await;
        chat.request(Request::Claim { password: Secret::new("hunter2") });
        chat.expect(["TokenNotStored NOT_SECURE…"]).await;
        chat.expect(&ACCOUNT_EVENTS[1..]).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}
