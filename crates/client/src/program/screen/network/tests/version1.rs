//! A server that knows only version 1.

use super::*;

/// The question for version 2, on a connection of its own.
const NO_VERSION_2: &str = "< WELCOME\n> HELLO 2\n< ERROR UNKNOWN_COMMAND\n.";

const REGISTER: &str = "< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy\n> WHO\n< USERS Noy,Elias\n> PING\n< PONG\n";

const EVENTS: [&str; 3] = ["Connecting", "Connected Noy guest version 1", "Users Noy Elias"];

#[tokio::test]
async fn two_users_chat() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            FakeConnection::accept(&listener).await.play(NO_VERSION_2).await;
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(REGISTER).await;
            connection
                .play(
                    "
                    > CONNECT Elias
                    <| CONNECT_OK Elias\\nFROM Elias: hi\\n
                    > MSG hello
                    < MSG_SENT
                    <| PEER_DISCONNECTED\\nINCOMING_CONNECTION Dana\\n
                    > DISCONNECT
                    < DISCONNECT_OK
                    > CONNECT nobody
                    < ERROR USER_NOT_FOUND
                    > DANCE
                    < ERROR UNKNOWN_COMMAND
                    > WHO
                    < USERS Noy
                    .",
                )
                .await;
        })
        .await;
        let mut chat = Chat::start(&server);
        chat.expect(EVENTS).await;
        chat.request(Request::BeginChat { name: "Elias".to_owned() });
        chat.expect(["ChatBegan Elias false", "ChatMessage Elias: hi"]).await;
        chat.request(say_in_chat("elias", "hello", 1));
        chat.expect(["Said 1 0", "ChatEnded true", "ChatBegan Dana true"]).await;
        // A sentence for Elias does not reach Dana.
        chat.request(say_in_chat("Elias", "a secret", 2));
        chat.expect(["NotSaid 2 the chat with Elias is over…"]).await;
        chat.request(Request::EndChat);
        chat.expect(["ChatEnded false"]).await;
        chat.request(Request::BeginChat { name: "nobody".to_owned() });
        chat.expect(["Refused CONNECT nobody: USER_NOT_FOUND…"]).await;
        chat.request(line("DANCE"));
        chat.expect(["Refused DANCE: UNKNOWN_COMMAND…"]).await;
        chat.request(line("WHO"));
        chat.expect(["Answer USERS Noy"]).await;
        chat.request(open("#lab", true));
        chat.expect(["Closed #lab this server knows only chats…"]).await;
        chat.request(say("hi", 3));
        chat.expect(["NotSaid 3 this server knows only chats…"]).await;
        chat.request(Request::Claim { password: Secret::new("hunter2") });
        chat.expect(["Refused CLAIM: this server knows only chats…"]).await;
        chat.request(line("two\nlines"));
        chat.expect(["Refused TWO lines: …"]).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_comes_back_with_its_name() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            FakeConnection::accept(&listener).await.play(NO_VERSION_2).await;
            let mut connection = FakeConnection::accept(&listener).await;
            connection.play(REGISTER).await;
            connection.play("< INCOMING_CONNECTION Elias\n> MSG lost").await;
            drop(connection);
            // The server still counts the lost connection.
            FakeConnection::accept(&listener).await.play(NO_VERSION_2).await;
            let taken = "< WELCOME\n> REGISTER Noy\n< ERROR NAME_TAKEN\n.";
            FakeConnection::accept(&listener).await.play(taken).await;
            FakeConnection::accept(&listener).await.play(NO_VERSION_2).await;
            FakeConnection::accept(&listener).await.play(&[REGISTER, "."].concat()).await;
        })
        .await;
        let mut chat = Chat::start(&server);
        chat.expect(EVENTS).await;
        chat.expect(["ChatBegan Elias true"]).await;
        chat.request(say_in_chat("Elias", "lost", 1));
        chat.expect(["NotSaid 1 unknown no answer came…", "ChatEnded false", "Lost the server closed the connection."])
            .await;
        chat.expect(["Connecting", "Lost your name is still taken…"]).await;
        chat.request(Request::ConnectNow);
        chat.expect(EVENTS).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn without_reconnecting_a_lost_connection_is_the_end() {
    run_local(async {
        let server = FakeServer::listen(async |listener| {
            FakeConnection::accept(&listener).await.play(NO_VERSION_2).await;
            FakeConnection::accept(&listener).await.play(REGISTER).await;
        })
        .await;
        let state = tempfile::tempdir().expect("a directory");
        let mut chat = Chat::start_in(state, &server, |settings| settings.reconnects = false);
        chat.expect(EVENTS).await;
        chat.expect(["Ended the server closed the connection."]).await;
        chat.close().await;
        server.finish().await;
    })
    .await;
}
