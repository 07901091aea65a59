//! A script: lines in, lines out.
//!
//! What is read from standard input is sent as it is, so that the server's own parser is what answers, and nothing waits
//! for anything: a script of a thousand lines is sent as fast as the server takes it. Each line that the server sends is
//! printed, `WELCOME` too, in the order in which it came and made safe to show. With `--json` it is an object instead: a
//! reply has a `reply` (`{"reply":"USERS","names":["Noy"]}`, as the protocol's [`Reply`] is written), anything that
//! answers nothing has an `event` (as [`Event`] is written).
//!
//! At the end of input the replies that are still due are waited for: one for each line that is not blank.

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
use super::failure::Failure;
use super::{output, pump};

/// Runs the script on standard input.
pub(crate) async fn run(addr: &str, options: &Options) -> Result<(), Failure> {
    let (read_half, mut socket) = connect_tcp(&addr, options.timeout).await?.into_split();
    let mut lines = LineReader::new(read_half);
    let mut printer = Printer { json: options.json, answered: 0, refused: 0, said_why: None };
    let welcome = time::timeout(options.timeout, lines.next_line()).await;
    let welcome = welcome.map_err(|_| Error::WelcomeTimeout { addr: addr.to_owned(), limit: options.timeout })??;
    printer.take(&welcome)?;

    let due = Cell::new(0);
    let mut input = LineDecoder::new(LINE_MAX_BYTES);
    let count = |bytes: &[u8]| due.set(due.get() + replies_due(&mut input, bytes));
    let mut sending = std::pin::pin!(pump::run(first_lines(options)?, &mut socket, count));
    // Set once all is sent, and moved by every reply: a long script is not cut off while it is being answered.
    let mut deadline: Option<Instant> = None;
    while deadline.is_none() || printer.answered < due.get() {
        let too_late = async {
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
                    if printer.take(&line)? && deadline.is_some() {
                        deadline = Some(Instant::now() + options.timeout);
                    }
                }
                Err(closed) => return Err(printer.lost(closed)?),
            },
            () = too_late => return Err(Failure::TimedOut(options.timeout)),
        }
    }
    if let Some(closed) = printer.said_why.take() {
        return Err(printer.lost(closed)?);
    }
    match printer.refused {
        0 => Ok(()),
        _ => Err(Failure::Refusals),
    }
}

/// What `--name` and `--chat` say before the script does.
fn first_lines(options: &Options) -> Result<Vec<u8>, Failure> {
    let mut first = String::new();
    for (verb, name) in [("REGISTER", &options.name), ("CONNECT", &options.chat)] {
        if let Some(name) = name {
            if name.contains(char::is_control) {
                return Err(Failure::Usage(format!("{} is no name: it has a control character", name.escape_debug())));
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
struct Printer {
    json: bool,
    answered: u64,
    refused: u64,
    /// Why the server is closing, once it has said so.
    said_why: Option<ConnectionError>,
}

impl Printer {
    /// Prints one line; says whether it answered something.
    fn take(&mut self, line: &str) -> io::Result<bool> {
        let heard = Incoming::parse(line);
        if let Incoming::Event(Event::Notice { code, detail }) = &heard {
            self.said_why = Some(ConnectionError::ClosedWithCode { code: *code, detail: detail.clone() });
        }
        let is_answer = matches!(heard, Incoming::Answer(_));
        self.answered += u64::from(is_answer);
        self.refused += u64::from(matches!(heard, Incoming::Answer(Err(_))));
        if !self.json {
            output::line(line)?;
            return Ok(is_answer);
        }
        match (commands::parse_reply(line), heard) {
            (Ok(reply), Incoming::Answer(_)) | (Ok(reply @ Reply::Welcome), _) => output::json(&reply)?,
            (Err(_), Incoming::Answer(_)) => output::json(&UnknownError::new(line))?,
            (_, Incoming::Event(event)) => output::json(&event)?,
        }
        Ok(is_answer)
    }

    /// The connection is over too early.
    fn lost(&mut self, closed: ConnectionError) -> io::Result<Failure> {
        let closed = self.said_why.take().unwrap_or(closed);
        if self.json {
            output::json(&Event::Closed(closed.clone()))?;
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
