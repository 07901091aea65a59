//! The line dialect: a name, then `name: message`, and what arrives as it arrives.
//!
//! It says when a message could not be delivered and not when it was, so there is no telling what is still due: at the
//! end of input the server is told so, and what it has left to say is read until it closes.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use switchboard_client::Closed;
use switchboard_client::parts::{Lines, dial};
use switchboard_protocol::limits::LINE_MAX_BYTES;
use switchboard_protocol::show;
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{sleep, timeout};

use super::args::Options;
use super::completion::Names;
use super::failure::Failure;
use super::terminal::Terminal;
use super::{output, pump};

/// Chats, at a terminal or from a script.
pub(crate) async fn run(addr: &str, options: &Options, is_interactive: bool) -> Result<(), Failure> {
    let name = match &options.name {
        Some(name) => checked(name).map_err(|why| Failure::Usage(why.to_owned()))?.to_owned(),
        None => ask_name()?,
    };
    let (read_half, socket) = dial(&addr, options.timeout).await?.into_split();
    let (lines, first) = (Lines::new(read_half), format!("{name}\n").into_bytes());
    if is_interactive {
        at_terminal(lines, socket, &first, options).await
    } else {
        from_script(lines, socket, first, options).await
    }
}

/// Asks for a name, as often as it takes at a terminal, once in a script.
fn ask_name() -> Result<String, Failure> {
    loop {
        output::prompt("Enter username: ")?;
        let mut name = Vec::new();
        let read = io::stdin().lock().take(LINE_MAX_BYTES as u64).read_until(b'\n', &mut name)?;
        match str::from_utf8(&name).map_err(|_| "A username is UTF-8.").and_then(checked) {
            Ok(name) => return Ok(name.to_owned()),
            Err(why) if io::stdin().is_terminal() && read > 0 => output::line(why)?,
            Err(why) => return Err(Failure::Usage(why.to_owned())),
        }
    }
}

/// What the server would close the connection for.
fn checked(name: &str) -> Result<&str, &'static str> {
    match name.trim() {
        "" => Err("A username cannot be empty."),
        name if name.contains(':') => Err("A username cannot contain a colon."),
        name if name.contains(char::is_control) => Err("A username cannot contain a control character."),
        name => Ok(name),
    }
}

/// Whether the server refused something: it says so in a sentence, where a message has its author in brackets.
fn is_refusal(line: &str) -> bool {
    !line.starts_with('[') && !line.starts_with("Welcome ")
}

async fn from_script(
    mut lines: Lines<OwnedReadHalf>,
    mut socket: OwnedWriteHalf,
    name: Vec<u8>,
    options: &Options,
) -> Result<(), Failure> {
    let sending = async {
        let sent = pump::run(name, &mut socket, |_| ()).await;
        let _ = socket.shutdown().await;
        sent
    };
    let mut sending = std::pin::pin!(sending);
    let (mut has_sent, mut has_refused) = (false, false);
    let closed = loop {
        tokio::select! {
            sent = &mut sending, if !has_sent => {
                sent?;
                has_sent = true;
            }
            line = lines.next() => match line {
                Ok(line) => has_refused |= shown(&line)?,
                Err(closed) => break closed,
            },
            () = sleep(options.timeout), if has_sent => return Err(Failure::TimedOut(options.timeout)),
        }
    };
    match closed {
        _ if has_refused => Err(Failure::Refusals),
        Closed::ByServer if has_sent => Ok(()),
        closed => Err(closed.into()),
    }
}

/// Prints a line, and says whether it is a refusal.
fn shown(line: &str) -> io::Result<bool> {
    output::line(line)?;
    Ok(is_refusal(line))
}

async fn at_terminal(
    mut lines: Lines<OwnedReadHalf>,
    mut socket: OwnedWriteHalf,
    name: &[u8],
    options: &Options,
) -> Result<(), Failure> {
    socket.write_all(name).await.map_err(Failure::Io)?;
    let welcome = timeout(options.timeout, lines.next()).await.map_err(|_| Failure::TimedOut(options.timeout))??;
    if shown(&welcome)? {
        return Err(Failure::Refusals);
    }
    let (mut terminal, screen) = Terminal::start(Names::default())?;
    loop {
        tokio::select! {
            biased;
            line = terminal.lines.recv() => {
                let Some(line) = line else { break };
                // Why it cannot be sent is for the reading side to find out.
                let _ = socket.write_all(format!("{line}\n").as_bytes()).await;
            }
            line = lines.next() => match line {
                Ok(line) => screen.show(show::safe(&line).into_owned()).await,
                Err(closed) => {
                    screen.show(format!("{closed}: Ctrl-D leaves")).await;
                    while terminal.lines.recv().await.is_some() {}
                    return Err(closed.into());
                }
            },
        }
    }
    let _ = socket.shutdown().await;
    drop(screen);
    terminal.printed().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_server_would_close_for_is_not_sent() {
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
            assert_eq!(checked(given), expected, "given {given:?}");
        }
    }
}
