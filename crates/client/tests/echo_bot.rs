//! The example bot does what it says.

#[path = "../examples/echo_bot.rs"]
#[allow(dead_code, unreachable_pub, reason = "an example has a main of its own")]
mod echo_bot;
mod fake;

use fake::{Fake, PATIENCE};
use switchboard_client::{Closed, Error};
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
        assert!(matches!(ended, Err(Error::Closed(Closed::WithCode { .. }))), "{ended:?}");
        server.done().await;
    };
    timeout(PATIENCE, LocalSet::new().run_until(bot)).await.expect("it ends in time");
}
