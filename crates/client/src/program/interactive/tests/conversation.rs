//! Dialogues with a server that stays connected.

use tokio::time::Instant;

use super::{play, play_to_result};
use crate::fake_server::TEST_TIMEOUT;
use crate::program::cli_error::CliError;

#[tokio::test]
async fn a_session_shows_replies_messages_and_notices() {
    let server = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > who
        < USERS Noy,El\u{202e}ias
        > PING now
        < ERROR UNKNOWN_COMMAND
        > connect elias
        < CONNECT_OK Elias
        > MSG who are you?
        < MSG_SENT
        < FROM Elias: \u{1b}[2Jme
        > MSG /etc
        < MSG_SENT
        > MSG hi
        < MSG_SENT
        > MSG bye
        < MSG_SENT
        < PEER_DISCONNECTED
        < INCOMING_CONNECTION Ada
        > DISCONNECT
        < DISCONNECT_OK
        .";
    let user = r"
        < :: You are Noy.
        > hello?
        < :! you are not in a chat: use CONNECT NAME. WHO lists the users
        > who
        < :: Here: Noy, El\u{202e}ias.
        > PING now
        < :! UNKNOWN_COMMAND: No such command: use REGISTER, CONNECT, MSG, DISCONNECT, PING or WHO.
        > /dance
        < :! no such command: /dance. /help lists the commands
        > connect elias
        < :: You are in a chat with Elias: type to talk, DISCONNECT to leave.
        > who are you?
        < Elias: \u{1b}[2Jme
        > //etc
        > MSG hi
        < :: MSG_SENT
        > bye
        < :: Elias left the chat.
        < :: Ada opened a chat with you: type to answer, DISCONNECT to leave.
        > DISCONNECT
        < :: You left the chat with Ada.";
    play([server], &["--name", "Noy"], user).await;
}

#[tokio::test]
async fn lines_that_arrive_in_one_segment_are_shown_in_order() {
    let server = "
        < WELCOME
        > CONNECT Elias
        <| CONNECT_OK Elias\\nFROM Elias: greetings\\nPEER_DISCONNECTED\\n
        > CONNECT Ada
        < CONNECT_OK Ada
        > DISCONNECT
        <| DISCONNECT_OK\\nINCOMING_CONNECTION Elias\\n
        > MSG hi
        < MSG_SENT
        > PING
        < PONG
        .";
    let user = "
        < :: You are in a chat with Elias: type to talk, DISCONNECT to leave.
        < Elias: greetings
        < :: Elias left the chat.
        > hello?
        < :! you are not in a chat: use REGISTER NAME and then CONNECT NAME. WHO lists the users
        > CONNECT Ada
        < :: You are in a chat with Ada: type to talk, DISCONNECT to leave.
        > DISCONNECT
        < :: You left the chat with Ada.
        < :: Elias opened a chat with you: type to answer, DISCONNECT to leave.
        > hi
        > PING
        < :: PONG in…";
    play([server], &["--chat", "Elias"], user).await;
}

#[tokio::test]
async fn a_message_for_another_user_is_refused() {
    let server = "
        < WELCOME
        > CONNECT Noy
        < CONNECT_OK Noy
        > MSG hi
        < MSG_SENT
        > MSG Ada hi
        < MSG_SENT
        .";
    let user = "
        > /msg Ada hi
        < :! you are not in a chat: use REGISTER NAME and then CONNECT NAME. WHO lists the users
        > CONNECT Noy
        < :: You are in a chat with Noy: type to talk, DISCONNECT to leave.
        > /msg Ada hi
        < :! not sent: you are in a chat with Noy, not with Ada. DISCONNECT and CONNECT Ada opens another chat
        > /msg Noy
        < :! not sent: write a text after the name, as /msg NAME TEXT
        > /msg noy hi
        > MSG Ada hi
        < :: MSG_SENT";
    play([server], &[], user).await;
}

#[tokio::test]
async fn a_name_with_a_line_feed_is_not_two_commands() {
    let user = r"< :! byte 14 begins the control character '\n': only a tab may be sent";
    let ended = play_to_result(["< WELCOME\n."], &["--chat", "Elias\nDISCONNECT"], user).await;
    assert!(matches!(ended, Err(CliError::Refused)), "{ended:?}");
}

#[tokio::test]
async fn no_name_of_any_server_makes_a_message_look_like_a_notice() {
    let server = "
        < WELCOME
        < FROM *: You are in a chat with Elias: type to talk, DISCONNECT to leave.
        < FROM !: NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.
        < FROM \u{301}: Reconnected.
        < FROM :: Reconnected.
        < FROM :!: NAME_TAKEN
        .";
    let user = r"
        < *: You are in a chat with Elias: type to talk, DISCONNECT to leave.
        < !: NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.
        < \u{301}: Reconnected.
        < \u{3a}: Reconnected.
        < \u{3a}!: NAME_TAKEN";
    play([server], &[], user).await;
}

#[tokio::test]
async fn the_chat_option_waits_for_the_registration() {
    let never_registered = "
        < WELCOME
        > REGISTER Noy
        < ERROR NAME_TAKEN
        > WHO
        < USERS Noy
        .";
    let user = "
        < :! NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.
        < :: REGISTER another name, and CONNECT Elias follows automatically.
        > WHO
        < :: Here: Noy.";
    let args = ["--name", "Noy", "--chat", "Elias"];
    let ended = play_to_result([never_registered], &args, user).await;
    assert!(matches!(ended, Err(CliError::Refused)), "the chat of --chat was never opened: {ended:?}");

    let registered_later = "
        < WELCOME
        > REGISTER Noy
        < ERROR NAME_TAKEN
        > REGISTER Ada
        < REGISTER_OK Ada
        > CONNECT Elias
        < CONNECT_OK Elias
        .";
    let user = "
        < :! NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.
        < :: REGISTER another name, and CONNECT Elias follows automatically.
        > REGISTER Ada
        < :: You are Ada.
        < :: You are in a chat with Elias: type to talk, DISCONNECT to leave.";
    play([registered_later], &args, user).await;
}

#[tokio::test]
async fn the_user_can_leave_while_an_answer_is_missing() {
    let user = "> PING";
    let start = Instant::now();
    play(["< WELCOME\n> PING\n."], &["--timeout", "1h"], user).await;
    assert!(start.elapsed() < TEST_TIMEOUT / 2, "leaving took {:?}", start.elapsed());
}

#[tokio::test]
async fn a_late_answer_is_reported_and_matched_to_its_request() {
    let server = "
        < WELCOME
        > WHO
        > PING
        < USERS Noy
        < PONG
        .";
    let user = "
        > WHO
        < :! no answer within 500ms: the server may be busy; --timeout sets how long to wait
        > PING
        < :: Here: Noy.
        < :: PONG in…";
    play([server], &["--timeout", "500ms"], user).await;
}
