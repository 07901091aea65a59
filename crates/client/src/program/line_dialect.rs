//! Chats in the line dialect. The first line from the client is a name, and every later line is `name: message`.
//!
//! In this dialect the server reports failed messages, but does not acknowledge delivered messages. So the client
//! cannot know how many replies are missing. At the end of input the client closes its sending half and reads until the
//! server closes the connection.

use switchboard_client::ConnectionError;
use switchboard_client::low_level::{LineReader, StreamReader, StreamWriter, greeting_start};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::args::Options;
use super::cli_error::CliError;
use super::connecting;
use super::prompt::Prompt;
use super::{name_prompt, stdin, stdout};

/// The hint if a server accepts the connection and does not answer to the name.
const SILENT_SERVER_HINT: &str = "It may be the port of another program.";

/// Sends the lines of standard input and prints the lines of the server. `has_prompt`: a user types the lines.
pub(crate) async fn run(addr: &str, options: &Options, has_prompt: bool) -> Result<(), CliError> {
    let name = match &options.name {
        Some(name) => check_username(name).map_err(|why| CliError::Usage(why.to_owned()))?.to_owned(),
        None => name_prompt::ask("Enter username: ", |name| check_username(name).map_err(str::to_owned))?,
    };
    let first_line = format!("{name}\n").into_bytes();
    let (read_half, mut socket) = connecting::connect(addr, options).await?.into_split();
    let mut lines = LineReader::new(read_half);
    if !has_prompt {
        return forward_lines(addr, lines, socket, Input { first_line, has_prompt }, options).await;
    }
    // A user waits for the answer to the name before the first message.
    socket.write_all(&first_line).await.map_err(CliError::Io)?;
    let welcome = timeout(options.timeout, lines.next_line());
    let welcome = connecting::receive_greeting(addr, SILENT_SERVER_HINT, options, welcome).await;
    let limit = options.timeout;
    let welcome = welcome.map_err(|_| CliError::SilentServer { addr: addr.to_owned(), limit })??;
    check_greeting(addr, &welcome)?;
    stdout::print_line(&welcome)?;
    if is_refusal(&welcome) {
        return Err(CliError::Refused);
    }
    forward_lines(addr, lines, socket, Input { first_line: Vec::new(), has_prompt }, options).await
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

/// The lines to send.
struct Input {
    /// The name, unless the server has answered it.
    first_line: Vec<u8>,
    has_prompt: bool,
}

/// Sends `input` and then standard input, and prints the lines of the server.
async fn forward_lines(
    addr: &str,
    mut lines: LineReader<StreamReader>,
    mut socket: StreamWriter,
    input: Input,
    options: &Options,
) -> Result<(), CliError> {
    let prompt = Prompt::new(input.has_prompt);
    let mut has_greeting = input.first_line.is_empty();
    let sending = async {
        let result = stdin::forward(input.first_line, &mut socket, |_| prompt.entered()).await;
        let _ = socket.shutdown().await;
        result
    };
    let mut sending = std::pin::pin!(sending);
    let (mut is_input_sent, mut has_refusal) = (false, false);
    let reason = loop {
        tokio::select! {
            result = &mut sending, if !is_input_sent => {
                result?;
                // Ctrl-D leaves the cursor behind the prompt.
                prompt.begin_output()?;
                is_input_sent = true;
            }
            line = lines.next_line() => match line {
                Ok(line) => {
                    if !has_greeting {
                        check_greeting(addr, &line)?;
                    }
                    has_greeting = true;
                    has_refusal |= is_refusal(&line);
                    prompt.begin_output()?;
                    stdout::print_line(&line)?;
                }
                Err(error) => break error,
            },
            shown = prompt.show_when_due(), if !is_input_sent => shown?,
            // Each arriving line restarts this timer.
            () = sleep(options.timeout), if is_input_sent => return Err(CliError::TimedOut(options.timeout)),
        }
    };
    prompt.begin_output()?;
    match reason {
        _ if has_refusal => Err(CliError::Refused),
        ConnectionError::ClosedByServer if is_input_sent => Ok(()),
        reason => Err(reason.into()),
    }
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
    use super::*;

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
}
