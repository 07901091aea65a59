//! The example bot does what it says.

#[path = "../examples/echo_bot.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a main of its own")]
mod echo_bot;
mod fake;

use fake::{Fake, PATIENCE, Talk};
use switchboard_client::{ConnectionError, Error};
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio::time::timeout;

#[tokio::test]
async fn it_says_back_what_it_is_told_until_the_server_ends() {
    let bot = async {
        let server = Fake::play(["
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
        server.done().await;
    };
    timeout(PATIENCE, LocalSet::new().run_until(bot)).await.expect("it ends in time");
}

#[tokio::test]
async fn it_says_back_twenty_thousand_messages_that_come_at_once() {
    const MESSAGES: usize = 20_000;
    let bot = async {
        let server = Fake::with(async |listener: TcpListener| {
            let mut talk = Talk::accept(&listener).await;
            talk.play("< WELCOME\n> REGISTER echo\n< REGISTER_OK echo\n< INCOMING_CONNECTION Noy").await;
            let messages: Vec<_> = (0..MESSAGES).map(|message| format!("FROM Noy: {message}\n")).collect();
            talk.say(messages.concat().as_bytes()).await;
            for message in 0..MESSAGES {
                talk.hear(&format!("MSG {message}")).await;
                talk.say(b"MSG_SENT\n").await;
            }
        })
        .await;
        let ended = echo_bot::echo(&server.addr.to_string()).await;
        assert!(matches!(ended, Err(Error::Closed(ConnectionError::ClosedByServer))), "{ended:?}");
        server.done().await;
    };
    timeout(3 * PATIENCE, LocalSet::new().run_until(bot)).await.expect("it ends in time");
}
