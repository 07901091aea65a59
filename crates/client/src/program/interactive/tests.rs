//! Interactive sessions as dialogues: the typed and shown lines of the user, and those of the server.

mod conversation;
mod reconnect;
mod returned_line;

use std::iter;
use std::time::Duration;

use switchboard_client::low_level::Backoff;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::server_connection::ServerConnection;
use super::{Timing, View, chat};
use crate::fake_server::{FakeServer, TEST_TIMEOUT};
use crate::program::args::Cli;
use crate::program::cli_error::CliError;
use crate::program::completion::KnownNames;
use crate::program::current_chat::CurrentChat;
use crate::program::terminal::{EditorHandle, ScreenItem};
use crate::program::typed_text::TypedText;

/// Plays the dialogue `user` against a server that plays `server_dialogues`, one for each connection. Panics if the
/// session ends with an error. In `user`, the first character of a line is a mark:
///
/// - `>` marks a typed line, and `|` a paste, in which `\n` stands for an LF.
/// - `~` marks a typed line, and `=` a paste, for the chat before the last notice.
/// - `<` marks a shown line. If it ends in `…`, only its start is compared.
/// - `?` marks an unsent line that the editor gets back.
///
/// Each session begins with the same notice. `user` has the lines after it.
async fn play<const N: usize>(server_dialogues: [&'static str; N], args: &[&str], user: &str) {
    play_to_result(server_dialogues, args, user).await.expect("the session ends without an error");
}

/// Like [`play`], but returns the result of the session.
async fn play_to_result<const N: usize>(
    server_dialogues: [&'static str; N],
    args: &[&str],
    user: &str,
) -> Result<(), CliError> {
    play_with_timing(server_dialogues, args, user, TIMING).await
}

/// The notice at the beginning of each session, as a line of a dialogue.
const FIRST_LINE: &str = "< :: Connected to ADDR. /help shows what you can type.";

/// The times of a test, in milliseconds.
#[derive(Clone, Copy)]
struct TestTiming {
    delay_max: u64,
    name_taken_patience: u64,
}

const TIMING: TestTiming = TestTiming { delay_max: 20, name_taken_patience: 60_000 };

/// Like [`play_to_result`], with other times.
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
            for line in iter::once(FIRST_LINE).chain(user.lines()).map(str::trim).filter(|line| !line.is_empty()) {
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
