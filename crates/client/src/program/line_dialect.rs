//! Chats in the line dialect. The first line from the client is a name, and every later line is `name: message`.
//!
//! In this dialect the server reports failed messages, but does not acknowledge delivered messages. So the client
//! cannot know how many replies are missing. At the end of input the client closes its sending half and reads until the
//! server closes the connection.

use std::io;
use std::time::Duration;

use switchboard_client::ConnectionError;
use switchboard_client::low_level::{LineReader, StreamReader, StreamWriter, greeting_start};
use switchboard_protocol::sanitize;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::args::Options;
use super::chat_formatter::ChatFormatter;
use super::cli_error::CliError;
use super::connecting;
use super::current_chat::CurrentChat;
use super::send_buffer::SendBuffer;
use super::signals::TerminationSignals;
use super::terminal::{EditorHandle, Screen};
use super::{name_prompt, stdin, stdout};

/// The text of `/help`.
const HELP: &str = "Write name: message. /quit leaves, and so does Ctrl-D.";

/// The hint if a server accepts the connection and does not answer to the name.
const SILENT_SERVER_HINT: &str = "It may be the port of another program.";

/// The time limit for each of the last writes, after the user has left.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// Chats, at a terminal or from a script.
pub(crate) async fn run(addr: &str, options: &Options, is_interactive: bool) -> Result<(), CliError> {
    let name = match &options.name {
        Some(name) => check_username(name).map_err(|why| CliError::Usage(why.to_owned()))?.to_owned(),
        None => name_prompt::ask("Enter username: ", |name| check_username(name).map_err(str::to_owned))?,
    };
    let first_line = format!("{name}\n").into_bytes();
    let (read_half, socket) = connecting::connect(addr, options).await?.into_split();
    let lines = LineReader::new(read_half);
    if is_interactive {
        run_terminal(addr, lines, socket, &first_line, options).await
    } else {
        run_script(addr, lines, socket, first_line, options).await
    }
}

/// Checks a name for errors after which the server would close the connection. Returns the name without white space
/// around it.
fn check_username(name: &str) -> Result<&str, &'static str> {
    match name.trim() {
        "" => Err("A username cannot be empty."),
        name if name.contains(':') => Err("A username cannot contain a colon."),
        name if name.contains(char::is_control) => Err("A username cannot contain a control character."),
        name => Ok(name),
    }
}

/// Whether `line` is a refusal. A message begins with its author in brackets, and the greeting with `Welcome`; every
/// other line is a refusal.
fn is_refusal(line: &str) -> bool {
    !line.starts_with('[') && !line.starts_with("Welcome ")
}

async fn run_script(
    addr: &str,
    mut lines: LineReader<StreamReader>,
    mut socket: StreamWriter,
    first_line: Vec<u8>,
    options: &Options,
) -> Result<(), CliError> {
    let sending = async {
        let result = stdin::forward(first_line, &mut socket, |_| ()).await;
        let _ = socket.shutdown().await;
        result
    };
    let mut sending = std::pin::pin!(sending);
    let (mut is_input_sent, mut has_greeting, mut has_refusal) = (false, false, false);
    let reason = loop {
        tokio::select! {
            result = &mut sending, if !is_input_sent => {
                result?;
                is_input_sent = true;
            }
            line = lines.next_line() => match line {
                Ok(line) => {
                    if !has_greeting {
                        check_greeting(addr, &line)?;
                    }
                    has_greeting = true;
                    has_refusal |= print_and_check(&line)?;
                }
                Err(error) => break error,
            },
            // Each arriving line restarts this timer.
            () = sleep(options.timeout), if is_input_sent => return Err(CliError::TimedOut(options.timeout)),
        }
    };
    match reason {
        _ if has_refusal => Err(CliError::Refused),
        ConnectionError::ClosedByServer if is_input_sent => Ok(()),
        reason => Err(reason.into()),
    }
}

/// Prints a line and returns whether it is a refusal.
fn print_and_check(line: &str) -> io::Result<bool> {
    stdout::print_line(line)?;
    Ok(is_refusal(line))
}

async fn run_terminal(
    addr: &str,
    mut lines: LineReader<StreamReader>,
    mut socket: StreamWriter,
    first_line: &[u8],
    options: &Options,
) -> Result<(), CliError> {
    socket.write_all(first_line).await.map_err(CliError::Io)?;
    let welcome = timeout(options.timeout, lines.next_line());
    let welcome = connecting::receive_greeting(addr, SILENT_SERVER_HINT, options, welcome).await;
    let limit = options.timeout;
    let welcome = welcome.map_err(|_| CliError::SilentServer { addr: addr.to_owned(), limit })??;
    check_greeting(addr, &welcome)?;
    if print_and_check(&welcome)? {
        return Err(CliError::Refused);
    }
    let mut signals = TerminationSignals::listen()?;
    let formatter = ChatFormatter::new(options.color);
    let (mut editor, screen) = EditorHandle::start(None, CurrentChat::default(), formatter)?;
    let result = signals.run_until_signal(chat(lines, SendBuffer::new(socket), &mut editor, screen)).await;
    if matches!(result, Err(CliError::Signalled(_))) {
        editor.interrupt().await;
    }
    editor.wait_until_printed().await;
    result
}

/// Sends typed lines and shows server lines, until the user leaves or the connection ends.
async fn chat(
    mut lines: LineReader<StreamReader>,
    mut out: SendBuffer,
    editor: &mut EditorHandle,
    screen: Screen,
) -> Result<(), CliError> {
    let mut has_left = false;
    loop {
        tokio::select! {
            biased;
            line = editor.lines.recv(), if out.is_empty() => {
                let Some(line) = line else { break };
                if !line.is_pasted && line.text.trim() == "/help" {
                    screen.show(HELP.to_owned()).await;
                } else {
                    line.text.lines().for_each(|line| out.push_line(line));
                }
            }
            _ = editor.exited.changed(), if !has_left => has_left = true,
            // Each write and each arriving line restart this timer. So a server that reads slowly still gets all typed
            // lines.
            () = sleep(LAST_WRITE_TIMEOUT), if has_left => break,
            () = out.write_some() => {}
            line = lines.next_line() => match line {
                Ok(line) => screen.show(sanitize(&line).into_owned()).await,
                Err(error) => {
                    screen.show(format!("{error}: Ctrl-D leaves")).await;
                    while editor.lines.recv().await.is_some() {}
                    return Err(error.into());
                }
            },
        }
    }
    out.shut_down().await;
    Ok(())
}

/// Fails if the server's first line belongs to the commands dialect, or to HTTP or redis. These servers take the name
/// for a request and refuse it.
fn check_greeting(addr: &str, line: &str) -> Result<(), CliError> {
    match line {
        "WELCOME" => Err(CliError::WrongDialect { addr: addr.to_owned() }),
        _ if line.starts_with("HTTP/") || line.starts_with("-ERR ") => {
            Err(CliError::OtherProtocol { addr: addr.to_owned(), line: greeting_start(line) })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use switchboard_client::low_level::connect;
    use tokio::task::LocalSet;

    use super::*;
    use crate::fake_server::{FakeServer, TEST_TIMEOUT};
    use crate::program::terminal::ScreenItem;
    use crate::program::typed_text::TypedText;

    #[test]
    fn a_name_that_would_end_the_session_is_rejected() {
        let cases = [
            ("User1", Ok("User1")),
            (" User1\r\n", Ok("User1")),
            ("two words", Ok("two words")),
            ("", Err("A username cannot be empty.")),
            (" \n", Err("A username cannot be empty.")),
            ("Us:er", Err("A username cannot contain a colon.")),
            ("a\nb", Err("A username cannot contain a control character.")),
        ];
        for (given, expected) in cases {
            assert_eq!(check_username(given), expected, "given {given:?}");
        }
    }

    /// Plays a session against a server that plays `dialogue`. The user types the lines `typed` and leaves. Returns the
    /// result of the session and the shown lines.
    async fn play(dialogue: &'static str, typed: &[&str]) -> (Result<(), CliError>, Vec<String>) {
        let playing = async {
            let server = FakeServer::play([dialogue]).await;
            let (read_half, socket) =
                connect(&server.addr, TEST_TIMEOUT).await.expect("the fake server listens").into_split();
            let (mut editor, screen, typist, mut shown) = EditorHandle::fake();
            for line in typed {
                let text = TypedText { text: (*line).to_owned(), ..TypedText::default() };
                typist.0.send(text).await.expect("there is room");
            }
            drop(typist);
            let ended = chat(LineReader::new(read_half), SendBuffer::new(socket), &mut editor, screen).await;
            server.finish().await;
            let lines = std::iter::from_fn(|| shown.try_recv().ok()).map(|item| match item {
                ScreenItem::Line(line) => line,
                other => panic!("the line dialect has no chats: {other:?}"),
            });
            (ended, lines.collect())
        };
        timeout(TEST_TIMEOUT, LocalSet::new().run_until(playing)).await.expect("a test ends in time")
    }

    #[tokio::test]
    async fn help_is_shown_and_all_other_lines_are_sent() {
        let (ended, shown) = play("> User2: hi\n> /who\n.", &["User2: hi", "/help", "/who"]).await;
        ended.expect("the session ends without an error");
        assert_eq!(shown, [HELP]);
    }

    #[tokio::test]
    async fn the_user_can_leave_while_the_server_does_not_read() {
        let playing = async {
            let server = FakeServer::spawn(async |connection| {
                sleep(TEST_TIMEOUT).await;
                drop(connection);
            })
            .await;
            let (read_half, socket) =
                connect(&server.addr, TEST_TIMEOUT).await.expect("the fake server listens").into_split();
            let (mut editor, screen, typist, _shown) = EditorHandle::fake();
            // More bytes than the buffers of both sockets can hold.
            let text = TypedText { text: "x".repeat(64 * 1024 * 1024), ..TypedText::default() };
            typist.0.send(text).await.expect("there is room");
            drop(typist);
            chat(LineReader::new(read_half), SendBuffer::new(socket), &mut editor, screen).await
        };
        let ended = timeout(TEST_TIMEOUT / 2, LocalSet::new().run_until(playing)).await;
        ended.expect("the session ends in time").expect("the session ends without an error");
    }
}
