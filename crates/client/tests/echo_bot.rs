//! Tests the example bot.

#[path = "../examples/echo_bot.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has its own main function")]
mod echo_bot;
mod fake_server;

use fake_server::{FakeServer, TEST_TIMEOUT};
use switchboard_client::{ConnectionError, Error};
use tokio::task::LocalSet;
use tokio::time::timeout;

#[tokio::test]
async fn the_bot_echoes_messages_until_the_server_closes() {
    let bot = async {
        let server = FakeServer::play(["
            < WELCOME
            > REGISTER echo
            < REGISTER_OK echo
            < INCOMING_CONNECTION Noy
            < FROM Noy: hello
            > MSG hello
            < MSG_SENT
            < FROM Noy: goodbye
            < PEER_DISCONNECTED
            > MSG goodbye
            < ERROR NOT_CONNECTED
            < ERROR SERVER_SHUTDOWN"])
        .await;
        let ended = echo_bot::echo(&server.addr.to_string()).await;
        assert!(matches!(ended, Err(Error::Closed(ConnectionError::ClosedWithCode { .. }))), "{ended:?}");
        server.finish().await;
    };
    timeout(TEST_TIMEOUT, LocalSet::new().run_until(bot)).await.expect("the bot ends in time");
}

#[tokio::test]
async fn the_bot_echoes_twenty_thousand_messages_that_arrive_at_once() {
    const MESSAGES: usize = 20_000;
    let bot = async {
        let server = FakeServer::spawn(async |mut connection| {
            connection.play("< WELCOME\n> REGISTER echo\n< REGISTER_OK echo\n< INCOMING_CONNECTION Noy").await;
            let messages: Vec<_> = (0..MESSAGES).map(|message| format!("FROM Noy: {message}\n")).collect();
            connection.send(messages.concat().as_bytes()).await;
            for message in 0..MESSAGES {
                connection.expect_line(&format!("MSG {message}")).await;
                connection.send(b"MSG_SENT\n").await;
            }
        })
        .await;
        let ended = echo_bot::echo(&server.addr.to_string()).await;
        assert!(matches!(ended, Err(Error::Closed(ConnectionError::ClosedByServer))), "{ended:?}");
        server.finish().await;
    };
    timeout(3 * TEST_TIMEOUT, LocalSet::new().run_until(bot)).await.expect("the bot ends in time");
}
