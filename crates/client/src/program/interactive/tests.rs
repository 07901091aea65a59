//! Interactive sessions as dialogues: the typed and shown lines of the user, and those of the server.

use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::super::args::Cli;
use super::super::terminal::ScreenItem;
use super::*;
use crate::fake_server::{FakeServer, TEST_TIMEOUT};

/// Plays the dialogue `user` against a server that plays `server_dialogues`, one for each connection. In `user`, the
/// first character of a line is a mark:
///
/// - `>` marks a typed line, and `|` a paste, in which `\n` stands for an LF.
/// - `~` marks a typed line, and `=` a paste, for the chat before the last notice.
/// - `<` marks a shown line. If it ends in `…`, only its start is compared.
/// - `?` marks a returned line.
async fn play<const N: usize>(server_dialogues: [&'static str; N], args: &[&str], user: &str) -> Result<(), CliError> {
    play_with_timing(server_dialogues, args, user, TIMING).await
}

/// The times of a test, in milliseconds.
#[derive(Clone, Copy)]
struct TestTiming {
    delay_max: u64,
    name_taken_patience: u64,
}

const TIMING: TestTiming = TestTiming { delay_max: 20, name_taken_patience: 60_000 };

/// Like [`play`], with other times.
async fn play_with_timing<const N: usize>(
    server_dialogues: [&'static str; N],
    args: &[&str],
    user: &str,
    timing: TestTiming,
) -> Result<(), CliError> {
    let playing = async {
        let server = FakeServer::play(server_dialogues).await;
        let addr = server.addr.to_string();
        let args = ["switchboard", "--color", "never"].iter().chain(args).map(Into::into);
        let options = Cli::parse_args(args).expect("a valid command line").options;
        let connection = ServerConnection::open(&addr, &options).await.expect("the fake server says WELCOME");
        let (mut editor, screen, typist, mut shown) = EditorHandle::fake();
        let delay_max = Duration::from_millis(timing.delay_max);
        let name_taken_patience = Duration::from_millis(timing.name_taken_patience);
        let timing = Timing { backoff: Backoff::new(delay_max / 10, delay_max, 0), name_taken_patience };
        let current_chat = CurrentChat::default();
        let view = View { screen, names: KnownNames::default(), chat: current_chat.clone() };
        let chatting = chat(&addr, &options, connection, &mut editor, view, timing);
        let using_terminal = async {
            let mut previous_chat = current_chat.get();
            let mut last_chat = current_chat.get();
            for line in user.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let (mark, text) = line.split_once(' ').expect("a line begins with a mark and a space");
                let expected = match mark {
                    "<" => text,
                    "?" => {
                        let returned = loop {
                            match shown.recv().await.expect("the session returns a line") {
                                ScreenItem::NewChat => {}
                                ScreenItem::ReturnedLine(line) => break line.text,
                                ScreenItem::Line(line) => panic!("{line:?} is shown, and {text:?} is not returned"),
                            }
                        };
                        assert_eq!(returned, text.replace("\\n", "\n"));
                        continue;
                    }
                    _ => {
                        let is_pasted = matches!(mark, "|" | "=");
                        let chat = if matches!(mark, "~" | "=") { previous_chat.clone() } else { current_chat.get() };
                        let text = text.replace("\\n", "\n");
                        typist.0.send(TypedText { text, is_pasted, chat }).await.expect("the session takes lines");
                        continue;
                    }
                };
                let actual = next_line(&mut shown).await.expect("the session shows a line").replace(&addr, "ADDR");
                if last_chat != current_chat.get() {
                    previous_chat = std::mem::replace(&mut last_chat, current_chat.get());
                }
                match expected.strip_suffix('…') {
                    Some(start) => assert!(actual.starts_with(start), "{actual:?} does not begin with {start:?}"),
                    None => assert_eq!(actual, expected),
                }
            }
            drop(typist);
            assert_eq!(next_line(&mut shown).await, None, "no further line is shown");
        };
        let (result, ()) = tokio::join!(chatting, using_terminal);
        server.finish().await;
        result
    };
    timeout(TEST_TIMEOUT, LocalSet::new().run_until(playing)).await.expect("a test ends in time")
}

/// Returns the next shown line.
async fn next_line(shown: &mut mpsc::Receiver<ScreenItem>) -> Option<String> {
    loop {
        match shown.recv().await? {
            ScreenItem::Line(line) => return Some(line),
            ScreenItem::NewChat => {}
            ScreenItem::ReturnedLine(text) => panic!("{text:?} is returned, but not expected"),
        }
    }
}

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
        < :: Connected to ADDR. /help shows what you can type.
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
    play([server], &["--name", "Noy"], user).await.expect("the session ends without an error");
}

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
        < :: Connected to ADDR. /help shows what you can type.
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
    play([first, second, third], &["--name", "Noy", "--chat", "Elias"], user)
        .await
        .expect("the session ends without an error");
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
        < :: Connected to ADDR. /help shows what you can type.
        < :: You are Noy.
        < Elias: hi
        > WHO
        < :: Here: Noy.
        < :! nothing came from the server for…
        < :: Reconnecting in…
        < :: Reconnected as Noy.";
    play([first, second], &["--name", "Noy", "--ping-after", "2s"], user)
        .await
        .expect("the session ends without an error");
}

#[tokio::test]
async fn after_a_register_timeout_the_session_reconnects_only_on_input() {
    let second = "
        < WELCOME
        > WHO
        < USERS Noy
        .";
    let user = "
        < :: Connected to ADDR. /help shows what you can type.
        < :! the server closed the connection: REGISTER_TIMEOUT: No name was registered in time: connect again.
        < :: Type a command to reconnect.
        > WHO
        < :: Reconnecting in…
        < :: Reconnected.
        < :: Here: Noy.";
    play(["< WELCOME\n< ERROR REGISTER_TIMEOUT", second], &[], user).await.expect("the session ends without an error");
}

#[tokio::test]
async fn with_no_reconnect_a_lost_connection_ends_the_session() {
    let user = "
        < :: Connected to ADDR. /help shows what you can type.
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
    let ended = play([server], &["--no-reconnect", "--chat", "Noy"], user).await;
    assert!(matches!(ended, Err(CliError::Client(Error::Closed(ConnectionError::ClosedByServer)))), "{ended:?}");
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
        < :: Connected to ADDR. /help shows what you can type.
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
    play([server], &["--chat", "Elias"], user).await.expect("the session ends without an error");
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
        < :: Connected to ADDR. /help shows what you can type.
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
        < :: Connected to ADDR. /help shows what you can type.
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
    play([first, TAKEN, TAKEN, TAKEN, TAKEN, TAKEN, TAKEN, last], &["--name", "Noy"], user)
        .await
        .expect("the session ends without an error");
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
        < :: Connected to ADDR. /help shows what you can type.
        < :! the connection was lost before the last line was answered
        < :! the server closed the connection
        < :: Reconnecting in…
        < :: Reconnected.
        < :: You are Noy.
        < :: You are in a chat with Elias: type to talk, DISCONNECT to leave.";
    let args = ["--name", "Noy", "--chat", "Elias"];
    play(["< WELCOME\n> REGISTER Noy", second], &args, user).await.expect("the session ends without an error");
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
        < :: Connected to ADDR. /help shows what you can type.
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
        < :: Connected to ADDR. /help shows what you can type.
        < :! NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.
        < :: REGISTER another name, and CONNECT Elias follows automatically.
        > WHO
        < :: Here: Noy.";
    let args = ["--name", "Noy", "--chat", "Elias"];
    let ended = play([never_registered], &args, user).await;
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
        < :: Connected to ADDR. /help shows what you can type.
        < :! NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.
        < :: REGISTER another name, and CONNECT Elias follows automatically.
        > REGISTER Ada
        < :: You are Ada.
        < :: You are in a chat with Elias: type to talk, DISCONNECT to leave.";
    play([registered_later], &args, user).await.expect("the name is registered and the chat was opened");
}

#[tokio::test]
async fn the_user_can_leave_while_an_answer_is_missing() {
    let user = "
        < :: Connected to ADDR. /help shows what you can type.
        > PING";
    let start = Instant::now();
    play(["< WELCOME\n> PING\n."], &["--timeout", "1h"], user).await.expect("the session ends without an error");
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
        < :: Connected to ADDR. /help shows what you can type.
        > WHO
        < :! no answer within 500ms: the server may be busy; --timeout sets how long to wait
        > PING
        < :: Here: Noy.
        < :: PONG in…";
    play([server], &["--timeout", "500ms"], user).await.expect("the session ends without an error");
}

#[tokio::test]
async fn a_line_for_an_earlier_chat_comes_back() {
    let server = "
        < WELCOME
        > CONNECT Noy
        < CONNECT_OK Noy
        > PING
        <| PONG\\nPEER_DISCONNECTED\\nINCOMING_CONNECTION Ada\\n
        > WHO
        < USERS Ada
        > MSG now for Ada
        < MSG_SENT
        .";
    let user = "
        < :: Connected to ADDR. /help shows what you can type.
        < :: You are in a chat with Noy: type to talk, DISCONNECT to leave.
        > PING
        < :: PONG in…
        < :: Noy left the chat.
        < :: Ada opened a chat with you: type to answer, DISCONNECT to leave.
        ~ for Noy only
        < :: You wrote this for Noy. Enter sends it to Ada, Ctrl-C clears it.
        ? for Noy only
        ~ DISCONNECT
        < :: You wrote this for Noy. Enter sends it to Ada, Ctrl-C clears it.
        ? DISCONNECT
        ~ WHO
        < :: Here: Ada.
        > now for Ada";
    play([server], &["--chat", "Noy"], user).await.expect("the session ends without an error");
}

#[tokio::test]
async fn a_line_does_not_overtake_the_end_of_its_chat_in_the_same_segment() {
    // One more line than the session handles before it sends a line.
    let n_messages = RECEIVED_FIRST_MAX_LINES + 1;
    let messages = "FROM Noy: more\\n".repeat(n_messages);
    let server = format!(
        "
        < WELCOME
        > CONNECT Noy
        < CONNECT_OK Noy
        > PING
        <| PONG\\n{messages}PEER_DISCONNECTED\\nINCOMING_CONNECTION Ada\\n
        > WHO
        < USERS Ada
        ."
    );
    let shown_messages = "< Noy: more\n".repeat(n_messages);
    let user = format!(
        "
        < :: Connected to ADDR. /help shows what you can type.
        < :: You are in a chat with Noy: type to talk, DISCONNECT to leave.
        > PING
        > for Noy only
        < :: PONG in…
        {shown_messages}
        < :: Noy left the chat.
        < :: Ada opened a chat with you: type to answer, DISCONNECT to leave.
        < :: You wrote this for Noy. Enter sends it to Ada, Ctrl-C clears it.
        ? for Noy only
        > WHO
        < :: Here: Ada."
    );
    play([server.leak()], &["--chat", "Noy"], &user).await.expect("the session ends without an error");
}

#[tokio::test]
async fn a_name_with_a_line_feed_is_not_two_commands() {
    let user = r"
        < :: Connected to ADDR. /help shows what you can type.
        < :! byte 14 begins the control character '\n': only a tab may be sent";
    let ended = play(["< WELCOME\n."], &["--chat", "Elias\nDISCONNECT"], user).await;
    assert!(matches!(ended, Err(CliError::Refused)), "{ended:?}");
}

#[tokio::test]
async fn a_paste_is_sent_as_messages_until_the_chat_ends() {
    let server = "
        < WELCOME
        > CONNECT Noy
        < CONNECT_OK Noy
        > MSG DISCONNECT
        < MSG_SENT
        > MSG /quit
        < MSG_SENT
        > MSG 1
        <| MSG_SENT\\nPEER_DISCONNECTED\\nINCOMING_CONNECTION Ada\\n
        > DISCONNECT
        < DISCONNECT_OK
        .";
    let user = concat!(
        r"
        < :: Connected to ADDR. /help shows what you can type.
        < :: You are in a chat with Noy: type to talk, DISCONNECT to leave.
        | DISCONNECT\n/quit
        | 1\n2\n3\n4\n5
        < :: Noy left the chat.
        < :: Ada opened a chat with you: type to answer, DISCONNECT to leave.
        < :! 4 pasted lines were not sent: the chat with Noy is over
        > DISCONNECT
        < :: You left the chat with Ada.
        = a\nb
        < :: You wrote this for Ada, and that chat is over: it was not sent.
        ? a\nb
        | WHO\nPING
        < :! you are not in a chat: use REGISTER NAME and then CONNECT NAME. WHO lists the users.",
        " Pasted text is never a command"
    );
    play([server], &["--chat", "Noy"], user).await.expect("the session ends without an error");
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
        < :: Connected to ADDR. /help shows what you can type.
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
    play([server], &[], user).await.expect("the session ends without an error");
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
        < :: Connected to ADDR. /help shows what you can type.
        < *: You are in a chat with Elias: type to talk, DISCONNECT to leave.
        < !: NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.
        < \u{301}: Reconnected.
        < \u{3a}: Reconnected.
        < \u{3a}!: NAME_TAKEN";
    play([server], &[], user).await.expect("the session ends without an error");
}
