//! Dialogues with a server that closes the connection or stops answering.

use switchboard_client::{ConnectionError, Error};

use super::{TIMING, TestTiming, play, play_to_result, play_with_timing};
use crate::program::cli_error::CliError;

#[tokio::test]
async fn the_session_reconnects_under_the_same_name() {
    let first = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > CONNECT Elias
        < CONNECT_OK Elias
        > PING
        < ERROR SERVER_SHUTDOWN Back in a moment.";
    let second = "
        < WELCOME
        > REGISTER Noy
        < ERROR NAME_TAKEN
        .";
    let third = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > CONNECT Elias
        < CONNECT_OK Elias
        .";
    let user = "
        < :: You are Noy.
        < :: You are in a chat with Elias: type to talk, DISCONNECT to leave.
        > PING
        < :! the connection was lost before the last line was answered
        < :! the server closed the connection: SERVER_SHUTDOWN: Back in a moment.
        < :: Reconnecting in…
        > hello?
        < :! not connected: that line was not sent
        < :: Noy is still taken, probably by your lost connection. Trying again in…
        < :: Reconnected as Noy.
        < :: Your chat with Elias is over: CONNECT Elias opens another.
        > CONNECT Elias
        < :: You are in a chat with Elias: type to talk, DISCONNECT to leave.";
    play([first, second, third], &["--name", "Noy", "--chat", "Elias"], user).await;
}

#[tokio::test]
async fn a_silent_server_is_probed_and_a_lost_one_is_noticed() {
    let first = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > PING
        < PONG
        > PING
        < FROM Elias: hi
        > WHO
        < PONG
        < USERS Noy
        > PING
        .";
    let second = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        .";
    let user = "
        < :: You are Noy.
        < Elias: hi
        > WHO
        < :: Here: Noy.
        < :! nothing came from the server for…
        < :: Reconnecting in…
        < :: Reconnected as Noy.";
    play([first, second], &["--name", "Noy", "--ping-after", "2s"], user).await;
}

#[tokio::test]
async fn after_a_register_timeout_the_session_reconnects_only_on_input() {
    let second = "
        < WELCOME
        > WHO
        < USERS Noy
        .";
    let user = "
        < :! the server closed the connection: REGISTER_TIMEOUT: No name was registered in time: connect again.
        < :: Type a command to reconnect.
        > WHO
        < :: Reconnecting in…
        < :: Reconnected.
        < :: Here: Noy.";
    play(["< WELCOME\n< ERROR REGISTER_TIMEOUT", second], &[], user).await;
}

#[tokio::test]
async fn with_no_reconnect_a_lost_connection_ends_the_session() {
    let user = "
        < :: You are in a chat with Noy: type to talk, DISCONNECT to leave.
        < :! the server closed the connection
        < :: Ctrl-D or /quit leaves.
        > hello
        < :! not connected: that line was not sent
        > REGISTER Ada
        < :! not connected: that line was not sent
        > /help
        <   REGISTER NAME …";
    let server = "< WELCOME\n> CONNECT Noy\n< CONNECT_OK Noy";
    let ended = play_to_result([server], &["--no-reconnect", "--chat", "Noy"], user).await;
    assert!(matches!(ended, Err(CliError::Client(Error::Closed(ConnectionError::ClosedByServer)))), "{ended:?}");
}

#[tokio::test]
async fn a_name_that_stays_taken_is_tried_again_after_the_register_timeout() {
    let taken = "
        < WELCOME
        > REGISTER Noy
        < ERROR NAME_TAKEN
        < ERROR REGISTER_TIMEOUT";
    let last = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        .";
    let user = "
        < :: You are Noy.
        < :! the server closed the connection
        < :: Reconnecting in…
        < :! NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.
        < :: Reconnected, but without a name: REGISTER another.
        < :! the server closed the connection: REGISTER_TIMEOUT: No name was registered in time: connect again.
        < :: Reconnecting in…
        < :: Reconnected as Noy.";
    let first = "< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy";
    let timing = TestTiming { name_taken_patience: 0, ..TIMING };
    play_with_timing([first, taken, last], &["--name", "Noy"], user, timing)
        .await
        .expect("the session ends without an error");
}

#[tokio::test]
async fn a_taken_name_is_tried_until_the_lost_session_is_gone() {
    const TAKEN: &str = "
        < WELCOME
        > REGISTER Noy
        < ERROR NAME_TAKEN
        .";
    let last = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        .";
    let user = "
        < :: You are Noy.
        < :! the server closed the connection
        < :: Reconnecting in…
        < :: Noy is still taken, probably by your lost connection. Trying again in…
        < :: Noy is still taken, probably by your lost connection. Trying again in…
        < :: Noy is still taken, probably by your lost connection. Trying again in…
        < :: Noy is still taken, probably by your lost connection. Trying again in…
        < :: Noy is still taken, probably by your lost connection. Trying again in…
        < :: Noy is still taken, probably by your lost connection. Trying again in…
        < :: Reconnected as Noy.";
    let first = "< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy";
    play([first, TAKEN, TAKEN, TAKEN, TAKEN, TAKEN, TAKEN, last], &["--name", "Noy"], user).await;
}

#[tokio::test]
async fn an_unanswered_register_is_repeated_after_a_reconnect() {
    let second = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > CONNECT Elias
        < CONNECT_OK Elias
        .";
    let user = "
        < :! the connection was lost before the last line was answered
        < :! the server closed the connection
        < :: Reconnecting in…
        < :: Reconnected.
        < :: You are Noy.
        < :: You are in a chat with Elias: type to talk, DISCONNECT to leave.";
    let args = ["--name", "Noy", "--chat", "Elias"];
    play(["< WELCOME\n> REGISTER Noy", second], &args, user).await;
}

#[tokio::test]
async fn another_name_and_help_work_without_a_connection() {
    let server = "
        < WELCOME
        > REGISTER Ada
        < REGISTER_OK Ada
        > CONNECT Elias
        < CONNECT_OK Elias
        .";
    let user = "
        < :! the connection was lost before the last line was answered
        < :! the server closed the connection
        < :: Reconnecting in…
        < :: Not yet: the server closed the connection. Reconnecting in…
        > /help
        <   REGISTER NAME …
        > REGISTER no name
        < :! name has ' '…
        > REGISTER Ada
        < :: You will be Ada.
        < :: Reconnecting in…
        < :: Reconnected as Ada.
        < :: You are in a chat with Elias: type to talk, DISCONNECT to leave.";
    let first = "< WELCOME\n> REGISTER Noy";
    let timing = TestTiming { delay_max: 5000, ..TIMING };
    let ended = play_with_timing([first, "", server], &["--name", "Noy", "--chat", "Elias"], user, timing).await;
    ended.expect("the session ends without an error");
}
