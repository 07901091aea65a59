//! A script: lines in, lines out.
//!
//! What is read from standard input is sent as it is, so that the server's own parser is what answers, and nothing waits
//! for anything: a script of a thousand lines is sent as fast as the server takes it. Each line that the server sends is
//! printed, `WELCOME` too, in the order in which it came and made safe to show. With `--json` it is an object instead: a
//! reply has a `reply` (`{"reply":"USERS","names":["Noy"]}`, as the protocol's [`Reply`] is written), anything that
//! answers nothing has an `event` (as [`Event`] is written).
//!
//! AddrArg the end of input the replies that are still due are waited for: one for each line that is not blank.

use std::cell::Cell;
use std::future::pending;
use std::io;

use serde::Serialize;
use switchboard_client::low_level::{Incoming, LineReader, connect_tcp};
use switchboard_client::{ConnectionError, Error, Event};
use switchboard_protocol::limits::{LINE_MAX_BYTES, TEXT_MAX_BYTES};
use switchboard_protocol::{LineDecoder, ReceivedBytes, Reply, commands};
use tokio::time::{self, Instant};

use super::args::Options;
use super::cli_error::CliError;
use super::{stdin, stdout};

/// Runs the script on standard input.
pub(crate) async fn run(addr: &str, options: &Options) -> Result<(), CliError> {
    let (read_half, mut socket) = connect_tcp(&addr, options.timeout).await?.into_split();
    let mut lines = LineReader::new(read_half);
    let mut printer = ReplyPrinter { json: options.json, answered: 0, refused: 0, close_reason: None };
    let welcome = time::timeout(options.timeout, lines.next_line()).await;
    let welcome = welcome.map_err(|_| Error::WelcomeTimeout { addr: addr.to_owned(), limit: options.timeout })??;
    printer.print(&welcome)?;

    let due = Cell::new(0);
    let mut input = LineDecoder::new(LINE_MAX_BYTES);
    let count = |bytes: &[u8]| due.set(due.get() + replies_due(&mut input, bytes));
    let mut sending = std::pin::pin!(stdin::forward(first_lines(options)?, &mut socket, count));
    // Set once all is sent, and moved by every reply: a long script is not cut off while it is being answered.
    let mut deadline: Option<Instant> = None;
    while deadline.is_none() || printer.answered < due.get() {
        let timed_out = async {
            match deadline {
                Some(deadline) => time::sleep_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::select! {
            sent = &mut sending, if deadline.is_none() => {
                sent?;
                deadline = Some(Instant::now() + options.timeout);
            }
            line = lines.next_line() => match line {
                Ok(line) => {
                    if printer.print(&line)? && deadline.is_some() {
                        deadline = Some(Instant::now() + options.timeout);
                    }
                }
                Err(closed) => return Err(printer.connection_lost(closed)?),
            },
            () = timed_out => return Err(CliError::TimedOut(options.timeout)),
        }
    }
    if let Some(closed) = printer.close_reason.take() {
        return Err(printer.connection_lost(closed)?);
    }
    match printer.refused {
        0 => Ok(()),
        _ => Err(CliError::Refused),
    }
}

/// What `--name` and `--chat` say before the script does.
fn first_lines(options: &Options) -> Result<Vec<u8>, CliError> {
    let mut first = String::new();
    for (verb, name) in [("REGISTER", &options.name), ("CONNECT", &options.chat)] {
        if let Some(name) = name {
            if name.contains(char::is_control) {
                return Err(CliError::Usage(format!("{} is no name: it has a control character", name.escape_debug())));
            }
            first.extend([verb, " ", name, "\n"]);
        }
    }
    Ok(first.into_bytes())
}

/// How many replies the lines that end in `bytes` will have: none for a blank one, one for any other, however wrong.
fn replies_due(input: &mut LineDecoder, read: &[u8]) -> u64 {
    let mut unread = ReceivedBytes::new(read);
    let mut due = 0;
    while let Some(line) = input.next_line(&mut unread) {
        let is_blank = line.is_ok_and(|line| matches!(commands::parse(line, TEXT_MAX_BYTES), Ok(None)));
        due += u64::from(!is_blank);
    }
    due
}

/// Prints what the server says, and counts it.
struct ReplyPrinter {
    json: bool,
    answered: u64,
    refused: u64,
    /// Why the server is closing, once it has said so.
    close_reason: Option<ConnectionError>,
}

impl ReplyPrinter {
    /// Prints one line; says whether it answered something.
    fn print(&mut self, line: &str) -> io::Result<bool> {
        let incoming = Incoming::parse(line);
        if let Incoming::Event(Event::Notice { code, detail }) = &incoming {
            self.close_reason = Some(ConnectionError::ClosedWithCode { code: *code, detail: detail.clone() });
        }
        let is_answer = matches!(incoming, Incoming::Answer(_));
        self.answered += u64::from(is_answer);
        self.refused += u64::from(matches!(incoming, Incoming::Answer(Err(_))));
        if !self.json {
            stdout::print_line(line)?;
            return Ok(is_answer);
        }
        match (commands::parse_reply(line), incoming) {
            (Ok(reply), Incoming::Answer(_)) | (Ok(reply @ Reply::Welcome), _) => stdout::print_json(&reply)?,
            (Err(_), Incoming::Answer(_)) => stdout::print_json(&UnknownError::new(line))?,
            (_, Incoming::Event(event)) => stdout::print_json(&event)?,
        }
        Ok(is_answer)
    }

    /// The connection is over too early.
    fn connection_lost(&mut self, closed: ConnectionError) -> io::Result<CliError> {
        let closed = self.close_reason.take().unwrap_or(closed);
        if self.json {
            stdout::print_json(&Event::Closed(closed.clone()))?;
        }
        Ok(closed.into())
    }
}

/// An `ERROR` whose code this version does not know, in the form of those that it knows.
#[derive(Serialize)]
struct UnknownError<'a> {
    reply: &'static str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl<'a> UnknownError<'a> {
    fn new(line: &'a str) -> Self {
        let error = line.strip_prefix("ERROR ").unwrap_or(line).trim_end();
        let (code, detail) = match error.split_once(' ') {
            Some((code, detail)) => (code, Some(detail)),
            None => (error, None),
        };
        Self { reply: "ERROR", code, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_but_a_blank_one_is_due_a_reply() {
        let long = [&[b'x'; 2 * LINE_MAX_BYTES][..], b"\nPING\n"].concat();
        let cases: &[(&[&[u8]], u64)] = &[
            (&[b"PING\nWHO\n"], 2),
            (&[b"PI", b"NG\n", b"W"], 1),
            (&[b"\n \r\n\t\n"], 0),
            (&[b"\xff\n\x07\nMSG\n"], 3),
            (&[&long], 2),
        ];
        for (given, expected) in cases {
            let mut input = LineDecoder::new(LINE_MAX_BYTES);
            let due: u64 = given.iter().map(|bytes| replies_due(&mut input, bytes)).sum();
            assert_eq!(due, *expected, "given {:?}", given.concat().escape_ascii().to_string());
        }
    }
}
