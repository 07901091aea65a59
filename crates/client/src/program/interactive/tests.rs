//! A session at a terminal as a dialogue: what is typed and seen, and what the server says.

use tokio::task::LocalSet;
use tokio::time::timeout;

use super::super::args::Cli;
use super::*;
use crate::fake_server::{FakeServer, TEST_TIMEOUT};

/// Plays what a person types (`>`) and sees (`<`; a line that ends in `…` goes on as it likes), against a server
/// that plays its own side of it.
async fn play<const N: usize>(server: [&'static str; N], args: &[&str], person: &str) -> Result<(), CliError> {
    play_with(server, args, person, Duration::from_millis(20)).await
}

/// The same, with waits of at most `wait` before connecting again.
async fn play_with<const N: usize>(
    server: [&'static str; N],
    args: &[&str],
    person: &str,
    wait: Duration,
) -> Result<(), CliError> {
    let playing = async {
        let server = FakeServer::play(server).await;
        let addr = server.addr.to_string();
        let args = ["switchboard", "--color", "never"].iter().chain(args).map(Into::into);
        let options = Cli::parse_args(args).expect("a good command line").options;
        let connection = ServerConnection::open(&addr, &options).await.expect("the fake server says WELCOME");
        let (mut editor, screen, typed, mut shown) = EditorHandle::fake();
        let backoff = Backoff::new(wait / 10, wait, 0);
        let chatting = chat(&addr, &options, connection, &mut editor, screen, KnownNames::default(), backoff);
        let at_terminal = async {
            for line in person.lines().map(str::trim).filter(|line| !line.is_empty()) {
                if let Some(line) = line.strip_prefix("> ") {
                    typed.0.send(line.to_owned()).await.expect("the session takes lines");
                    continue;
                }
                let expected = line.strip_prefix("< ").expect("a line is typed or seen");
                let seen = shown.recv().await.expect("the session shows lines").replace(&addr, "ADDR");
                match expected.strip_suffix('…') {
                    Some(beginning) => assert!(seen.starts_with(beginning), "{seen:?} is not {expected:?}"),
                    None => assert_eq!(seen, expected),
                }
            }
            drop(typed);
            assert_eq!(shown.recv().await, None);
        };
        let (ended, ()) = tokio::join!(chatting, at_terminal);
        server.finish().await;
        ended
    };
    timeout(TEST_TIMEOUT, LocalSet::new().run_until(playing)).await.expect("a test ends in time")
}

#[tokio::test]
async fn a_person_chats() {
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
    let person = r"
        < * Connected to ADDR. /help shows what you can type.
        < * You are Noy.
        > hello?
        < ! you are in no chat: CONNECT NAME opens one, WHO lists who is here
        > who
        < * Here: Noy, El\u{202e}ias.
        > PING now
        < ! UNKNOWN_COMMAND: No such command: use REGISTER, CONNECT, MSG, DISCONNECT, PING or WHO.
        > /dance
        < ! no such command: /dance. /help lists what there is
        > connect elias
        < * You are in a chat with Elias: type to talk, DISCONNECT to leave.
        > who are you?
        < Elias: \u{1b}[2Jme
        > //etc
        > MSG hi
        < * MSG_SENT
        > bye
        < * Elias left the chat.
        < * Ada opened a chat with you: type to answer, DISCONNECT to leave.
        > DISCONNECT
        < * You left the chat with Ada.";
    play([server], &["--name", "Noy"], person).await.expect("it ends well");
}

#[tokio::test]
async fn a_lost_connection_is_got_back_under_the_same_name() {
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
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        < * You are Noy.
        < * You are in a chat with Elias: type to talk, DISCONNECT to leave.
        > PING
        < ! the connection was lost before the last line was answered
        < ! the server closed the connection: SERVER_SHUTDOWN: Back in a moment.
        < * Connecting again in…
        > hello?
        < ! not connected: that line was not sent
        < * Not yet: NAME_TAKEN: Somebody else has that name: choose another. Connecting again in…
        < * Connected again as Noy.
        < * Your chat with Elias is over: CONNECT Elias opens another.
        > CONNECT Elias
        < * You are in a chat with Elias: type to talk, DISCONNECT to leave.";
    play([first, second, third], &["--name", "Noy", "--chat", "Elias"], person).await.expect("it ends well");
}

#[tokio::test]
async fn who_takes_no_name_in_time_is_asked_before_connecting_again() {
    let second = "
        < WELCOME
        > WHO
        < USERS Noy
        .";
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        < ! the server closed the connection: REGISTER_TIMEOUT: No name was registered in time: connect again.
        < * Type a command to connect again.
        > WHO
        < * Connecting again in…
        < * Connected again.
        < * Here: Noy.";
    play(["< WELCOME\n< ERROR REGISTER_TIMEOUT", second], &[], person).await.expect("it ends well");
}

#[tokio::test]
async fn without_reconnecting_a_lost_connection_is_the_end() {
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        < ! the server closed the connection
        < * Ctrl-D or /quit leaves.";
    let ended = play(["< WELCOME"], &["--no-reconnect"], person).await;
    assert!(matches!(ended, Err(CliError::Client(Error::Closed(ConnectionError::ClosedByServer)))), "{ended:?}");
}

#[tokio::test]
async fn what_comes_in_one_segment_is_shown_in_its_order() {
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
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        < * You are in a chat with Elias: type to talk, DISCONNECT to leave.
        < Elias: greetings
        < * Elias left the chat.
        > hello?
        < ! you are in no chat: REGISTER NAME, then CONNECT NAME opens one, WHO lists who is here
        > CONNECT Ada
        < * You are in a chat with Ada: type to talk, DISCONNECT to leave.
        > DISCONNECT
        < * You left the chat with Ada.
        < * Elias opened a chat with you: type to answer, DISCONNECT to leave.
        > hi
        > PING
        < * PONG in…";
    play([server], &["--chat", "Elias"], person).await.expect("it ends well");
}

#[tokio::test]
async fn who_finds_the_name_taken_comes_back_without_it() {
    const TAKEN: &str = "
        < WELCOME
        > REGISTER Noy
        < ERROR NAME_TAKEN
        .";
    let last = "
        < WELCOME
        > REGISTER Noy
        < ERROR NAME_TAKEN
        > REGISTER Ada
        < REGISTER_OK Ada
        .";
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        < * You are Noy.
        < ! the server closed the connection
        < * Connecting again in…
        < * Not yet: NAME_TAKEN: Somebody else has that name: choose another. Connecting again in…
        < * Not yet: NAME_TAKEN: Somebody else has that name: choose another. Connecting again in…
        < * Not yet: NAME_TAKEN: Somebody else has that name: choose another. Connecting again in…
        < ! NAME_TAKEN: Somebody else has that name: choose another.
        < * Connected again, but without a name: REGISTER takes another.
        > REGISTER Ada
        < * You are Ada.";
    let first = "< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy";
    play([first, TAKEN, TAKEN, TAKEN, last], &["--name", "Noy"], person).await.expect("it ends well");
}

#[tokio::test]
async fn a_name_that_was_asked_for_when_the_connection_was_lost_is_asked_for_again() {
    let second = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > CONNECT Elias
        < CONNECT_OK Elias
        .";
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        < ! the connection was lost before the last line was answered
        < ! the server closed the connection
        < * Connecting again in…
        < * Connected again.
        < * You are Noy.
        < * You are in a chat with Elias: type to talk, DISCONNECT to leave.";
    let args = ["--name", "Noy", "--chat", "Elias"];
    play(["< WELCOME\n> REGISTER Noy", second], &args, person).await.expect("it ends well");
}

#[tokio::test]
async fn another_name_and_help_may_be_asked_for_while_there_is_no_connection() {
    let server = "
        < WELCOME
        > REGISTER Ada
        < REGISTER_OK Ada
        > CONNECT Elias
        < CONNECT_OK Elias
        .";
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        < ! the connection was lost before the last line was answered
        < ! the server closed the connection
        < * Connecting again in…
        < * Not yet: the server closed the connection. Connecting again in…
        > /help
        <   REGISTER NAME …
        > REGISTER no name
        < ! name has ' '…
        > REGISTER Ada
        < * You will be Ada.
        < * Connecting again in…
        < * Connected again as Ada.
        < * You are in a chat with Elias: type to talk, DISCONNECT to leave.";
    let first = "< WELCOME\n> REGISTER Noy";
    let slow = Duration::from_secs(5);
    let ended = play_with([first, "", server], &["--name", "Noy", "--chat", "Elias"], person, slow).await;
    ended.expect("it ends well");
}

#[tokio::test]
async fn the_chat_of_the_command_line_waits_for_a_name() {
    let refused = "
        < WELCOME
        > REGISTER Noy
        < ERROR NAME_TAKEN
        > WHO
        < USERS Noy
        .";
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        < ! NAME_TAKEN: Somebody else has that name: choose another.
        < * REGISTER another name, and CONNECT Elias follows by itself.
        > WHO
        < * Here: Noy.";
    let args = ["--name", "Noy", "--chat", "Elias"];
    let ended = play([refused], &args, person).await;
    assert!(matches!(ended, Err(CliError::Refused)), "the command line asked for more: {ended:?}");

    let another = "
        < WELCOME
        > REGISTER Noy
        < ERROR NAME_TAKEN
        > REGISTER Ada
        < REGISTER_OK Ada
        > CONNECT Elias
        < CONNECT_OK Elias
        .";
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        < ! NAME_TAKEN: Somebody else has that name: choose another.
        < * REGISTER another name, and CONNECT Elias follows by itself.
        > REGISTER Ada
        < * You are Ada.
        < * You are in a chat with Elias: type to talk, DISCONNECT to leave.";
    play([another], &args, person).await.expect("it has both now");
}

#[tokio::test]
async fn a_server_that_does_not_answer_keeps_nobody_from_leaving() {
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        > PING";
    let began = Instant::now();
    play(["< WELCOME\n> PING\n."], &["--timeout", "1h"], person).await.expect("it ends well");
    assert!(began.elapsed() < TEST_TIMEOUT / 2, "it took {:?}", began.elapsed());
}

#[tokio::test]
async fn an_answer_that_is_late_is_said_to_be_and_finds_its_question() {
    let server = "
        < WELCOME
        > WHO
        > PING
        < USERS Noy
        < PONG
        .";
    let person = "
        < * Connected to ADDR. /help shows what you can type.
        > WHO
        < ! no answer within 500ms: the server may be busy; --timeout sets how long to wait
        > PING
        < * Here: Noy.
        < * PONG in…";
    play([server], &["--timeout", "500ms"], person).await.expect("it ends well");
}
