//! Chats in a room as dialogues: the typed and shown lines of the user, and the lines of the server.

use switchboard_client::conversations::{Identity, Secret, Session};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::*;
use crate::fake_server::{FakeServer, TEST_TIMEOUT};
use crate::program::args::Cli;
use crate::program::terminal::ScreenItem;

/// The beginning of a guest's session in a room with two records.
const GUEST: &str = "
    < WELCOME
    > HELLO 2
    < HELLO_OK 2 switchboard
    > REGISTER Noy
    < REGISTER_OK Noy
    > JOIN #lab
    < JOIN_OK #lab 2
    > OPEN #lab
    < OPEN_OK #lab e1 1 2
    < LIVE #lab 2
    > HISTORY #lab 3 20
    < @in=#lab;seq=1;at=2026-11-28T22:10:37.123Z;by=7;past=1 JOINED Elias
    < @in=#lab;seq=2;at=2026-11-28T22:10:38.123Z;by=7;past=1 FROM Elias: hello
    < HISTORY_OK #lab 1 2\n";

/// What the guest sees of it.
const GUEST_SEES: &str = "
    < :: Connected to ADDR as Noy, a guest. /help shows what you can type.
    < :: You are in #lab. Its last 2 records, from 2026-11-28 22:10 UTC on:
    < :: Elias joined.
    < Elias: hello\n";

/// The beginning of an account's session in a new room.
const ACCOUNT: &str = "
    < WELCOME
    > HELLO 2
    < HELLO_OK 2 switchboard
    > LOGIN Noy main password hunter2
    < LOGIN_OK Noy main
    > JOIN #lab
    < JOIN_OK #lab 1
    > OPEN #lab
    < OPEN_OK #lab e1 1 1
    < LIVE #lab 1
    > HISTORY #lab 2 20
    < @in=#lab;seq=1;at=2026-11-28T22:10:37.123Z;by=3;past=1 JOINED Noy
    < HISTORY_OK #lab 1 1\n";

/// What the account sees of it.
const ACCOUNT_SEES: &str = "
    < :: Connected to ADDR as Noy. /help shows what you can type.
    < :: You are in #lab. Its last record, of 2026-11-28 22:10 UTC:
    < :: Noy joined.\n";

fn guest() -> Identity {
    Identity::guest("Noy")
}

fn account() -> Identity {
    Identity::password("Noy", "main", Secret::new("hunter2"))
}

/// Plays the dialogue `user` against a server that plays `servers`, one for each connection. In `user`, the first
/// character of a line is a mark: `>` a typed line, `|` a paste in which `\n` stands for an LF, `<` a shown line. If a
/// shown line ends in `…`, only its start is compared. The user leaves at the line `.`, or else at the end.
async fn play<const N: usize>(servers: [&[&str]; N], identity: Identity, user: &[&str]) -> Result<(), CliError> {
    let playing = async {
        // A dialogue of a test lives as long as its process.
        let server = FakeServer::play(servers.map(|parts| &*parts.concat().leak())).await;
        let addr = server.addr.to_string();
        let args = ["switchboard", "--color", "never"].iter().map(Into::into);
        let options = Cli::parse_args(args).expect("a valid command line").options;
        let session = Session::connect(&addr, identity, open_session::session_options(&options)).await;
        let session = session.expect("the fake server plays the login");
        let conversation = enter(&session, "#lab", Start::Now).await.expect("the room opens");
        let (mut editor, screen, typist, mut shown) = EditorHandle::fake();
        let mut typist = Some(typist);
        let current_chat = CurrentChat::default();
        current_chat.set_peer(Some("#lab"));
        let mut chat = RoomChat::new(&addr, &options, conversation, screen, KnownNames::default());
        let chatting = async {
            let result = chat.run(&mut editor).await;
            // Before the conversation is dropped, which would close it on the server.
            session.close().await;
            drop(chat);
            result
        };
        let using_terminal = async {
            let user = user.concat();
            for line in user.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let (mark, text) = line.split_once(' ').unwrap_or((line, ""));
                if mark == "." {
                    typist = None;
                    continue;
                }
                if mark != "<" {
                    let (text, is_pasted) = (text.replace("\\n", "\n"), mark == "|");
                    let typed = TypedText { text, is_pasted, chat: current_chat.get() };
                    let (lines, _) = typist.as_ref().expect("the user has not left");
                    lines.send(typed).await.expect("the chat takes lines");
                    continue;
                }
                let actual = next_line(&mut shown).await.expect("the chat shows a line").replace(&addr, "ADDR");
                match text.strip_suffix('…') {
                    Some(start) => assert!(actual.starts_with(start), "{actual:?} does not begin with {start:?}"),
                    None => assert_eq!(actual, text),
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

async fn next_line(shown: &mut mpsc::Receiver<ScreenItem>) -> Option<String> {
    match shown.recv().await? {
        ScreenItem::Line(line) => Some(line),
        other => panic!("the chat of a room does not change: {other:?}"),
    }
}

#[tokio::test]
async fn a_guest_sees_the_room_and_its_own_lines_only_once() {
    let server = "
        < @in=#lab;seq=3;at=2026-11-28T22:10:39.123Z;by=8 JOINED Dana
        > SAY #lab hello yourself
        < @in=#lab;seq=4;at=2026-11-28T22:10:40.123Z FROM Noy: hello yourself
        < SAID #lab 4
        < @in=#lab;seq=5;at=2026-11-28T22:10:41.123Z;by=8 FROM Dana: hello yourself
        < @in=#lab;seq=6;at=2026-11-28T22:10:42.123Z;by=8 LEFT Dana
        > SAY #lab /etc
        < @in=#lab;seq=7;at=2026-11-28T22:10:43.123Z FROM Noy: /etc
        < SAID #lab 7
        .";
    let user = "
        < :: Dana joined.
        > hello yourself
        < Dana: hello yourself
        < :: Dana left.
        > //etc";
    play([&[GUEST, server]], guest(), &[GUEST_SEES, user]).await.expect("the chat ends without an error");
}

#[tokio::test]
async fn commands_work_in_a_room() {
    let server = "
        > WHO
        < USERS Noy,Elias
        > PING
        < PONG
        > SAY #lab WHO
        < ERROR NOT_ALLOWED #lab
        > SAY Elias are you there?
        < ERROR NOT_LOGGED_IN Elias
        > SAY #lab one
        < SAID #lab 3
        > SAY #lab /quit
        < SAID #lab 4
        .";
    let user = "
        > who
        < :: On this server: Noy, Elias.
        > PING
        < :: PONG in…
        > MSG WHO
        < :! NOT_ALLOWED: …
        > /msg Elias
        < :! not sent: write a text after the name, as /msg NAME TEXT
        > /msg Elias are you there?
        < :! NOT_LOGGED_IN: …
        > CONNECT Elias
        < :! CONNECT is not for a room: you are Noy here. For a chat with one user, open the link to ADDR without its room
        > /dance
        < :! no such command: /dance. /help lists the commands
        | one\\n/quit
        > /leave";
    play([&[GUEST, server]], guest(), &[GUEST_SEES, user]).await.expect("the chat ends without an error");
}

#[tokio::test]
async fn an_account_that_leaves_the_room_is_not_a_member_any_more() {
    let server = "
        > LEAVE #lab
        < LEAVE_OK #lab 2
        .";
    play([&[ACCOUNT, server]], account(), &[ACCOUNT_SEES, "> /leave"]).await.expect("the chat ends without an error");
}

#[tokio::test]
async fn the_chat_goes_on_after_a_lost_connection_and_tells_of_gaps() {
    let first = "
        < @in=#lab;seq=3;at=2026-11-28T22:10:39.123Z;by=7 FROM Elias: before
        < ERROR SERVER_SHUTDOWN";
    let second = "
        < WELCOME
        > HELLO 2
        < HELLO_OK 2 switchboard
        > REGISTER Noy
        < REGISTER_OK Noy
        > OPEN #lab e1 3
        < OPEN_OK #lab e1 1 6
        < @in=#lab;seq=6;at=2026-11-28T22:10:40.123Z;by=7 FROM Elias: after
        < LIVE #lab 6
        .";
    let user = "
        < Elias: before
        < :! the server closed the connection: SERVER_SHUTDOWN: The server is shutting down: connect again later.
        < :: Reconnecting in…
        < :: Reconnected.
        < :: Records 4 to 5 are missing: LOST.
        < Elias: after";
    play([&[GUEST, first], &[second]], guest(), &[GUEST_SEES, user]).await.expect("the chat ends without an error");
}

#[tokio::test]
async fn a_guest_enters_a_room_again_that_the_server_has_forgotten() {
    let second = "
        < WELCOME
        > HELLO 2
        < HELLO_OK 2 switchboard
        > REGISTER Noy
        < REGISTER_OK Noy
        > OPEN #lab e1 2
        < ERROR NOT_A_MEMBER #lab
        > JOIN #lab
        < JOIN_OK #lab 0
        > OPEN #lab e1 2
        < OPEN_OK #lab e2 1 0
        < GAP #lab 0 0 LOST
        > CLOSE #lab
        < CLOSE_OK #lab
        > OPEN #lab e2 0
        < OPEN_OK #lab e2 1 0
        < LIVE #lab 0
        < @in=#lab;seq=1;at=2026-11-28T22:10:40.123Z;by=7 FROM Elias: again
        .";
    let user = "
        < :! the server closed the connection…
        < :: Reconnecting in…
        < :: Reconnected.
        < :: Records are missing: LOST. The last ones that are there follow, also known ones.
        < Elias: again";
    play([&[GUEST], &[second]], guest(), &[GUEST_SEES, user]).await.expect("the chat ends without an error");
}

#[tokio::test]
async fn an_account_that_is_removed_does_not_come_back() {
    let server = "
        < @in=#lab;seq=2;at=2026-11-28T22:10:39.123Z;by=7 BANNED Elias Noy
        > OPEN #lab e1 2
        < ERROR NOT_A_MEMBER #lab
        .";
    let user = "
        < :: Elias banned Noy.
        < :! NOT_A_MEMBER: …
        < :: The chat in this room is over. Ctrl-D or /quit leaves.
        > hello?
        < :! the chat is over: that line was not sent";
    let ended = play([&[ACCOUNT, server]], account(), &[ACCOUNT_SEES, user]).await;
    assert!(matches!(&ended, Err(CliError::Client(Error::Ended(_)))), "{ended:?}");
}

#[tokio::test]
async fn the_user_can_leave_while_an_answer_is_missing() {
    let user = "
        > PING
        .
        < :! no answer came to the last line";
    let server = "
        > PING
        .";
    play([&[GUEST, server]], guest(), &[GUEST_SEES, user]).await.expect("the chat ends without an error");
}
