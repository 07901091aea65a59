//! Script mode: sends lines from standard input and prints lines from the server.
//!
//! The program sends the lines unchanged, as fast as the server reads them, and does not wait for replies. It prints
//! each line from the server, including `WELCOME`, sanitized and in the order of arrival. With `--json` each line is an
//! object: a reply has the key `reply` (`{"reply":"USERS","names":["Noy"]}`, the JSON form of [`Reply`]), and an event
//! has the key `event` (the JSON form of [`Event`]).
//!
//! At the end of input the program waits for the missing replies: one for each line that is not blank.
//!
//! Plain mode is script mode at a terminal: the user types the lines, the kernel edits them, a [`Prompt`] tells when to
//! type, and a [`PartnerGuard`] keeps messages from a new chat partner that the user has not seen yet.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;

use serde::Serialize;
use switchboard_client::low_level::{Incoming, LineReader};
use switchboard_client::{ConnectionError, Error, Event};
use switchboard_protocol::limits::{LINE_MAX_BYTES, TEXT_MAX_BYTES};
use switchboard_protocol::{LineDecoder, ReceivedBytes, Reply, commands};
use tokio::time::{self, Instant};

use super::args::Options;
use super::cli_error::CliError;
use super::connecting;
use super::partner_guard::PartnerGuard;
use super::prompt::Prompt;
use super::{stdin, stdout};

/// Runs the script on standard input. `has_prompt`: a user types it.
pub(crate) async fn run(addr: &str, options: &Options, has_prompt: bool) -> Result<(), CliError> {
    let (read_half, mut socket) = connecting::connect(addr, options).await?.into_split();
    let mut lines = LineReader::new(read_half);
    let prompt = Prompt::new(has_prompt);
    let guard = RefCell::new(PartnerGuard::default());
    let mut printer = ReplyPrinter {
        prompt: &prompt,
        guard: &guard,
        is_json: options.json,
        n_answers: 0,
        n_refusals: 0,
        close_reason: None,
    };
    let welcome = time::timeout(options.timeout, lines.next_line());
    let welcome = connecting::receive_greeting(addr, connecting::SILENT_SERVER_HINT, options, welcome).await;
    let welcome = welcome.map_err(|_| Error::WelcomeTimeout { addr: addr.to_owned(), limit: options.timeout })??;
    printer.print(&welcome)?;

    let n_expected = Cell::new(0);
    let mut input = LineDecoder::new(LINE_MAX_BYTES);
    let prepare = |bytes: &mut Vec<u8>| {
        prompt.entered();
        if has_prompt {
            guard.borrow_mut().pass(bytes);
        }
        n_expected.set(n_expected.get() + count_requests(&mut input, bytes));
    };
    let mut sending = std::pin::pin!(stdin::forward(first_lines(options)?, &mut socket, prepare));
    // Set when all lines are sent. Each reply then extends the deadline, so that a long script can finish.
    let mut deadline: Option<Instant> = None;
    while deadline.is_none() || printer.n_answers < n_expected.get() {
        let timed_out = async {
            match deadline {
                Some(deadline) => time::sleep_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::select! {
            result = &mut sending, if deadline.is_none() => {
                result?;
                // Ctrl-D leaves the cursor behind the prompt.
                prompt.begin_output()?;
                deadline = Some(Instant::now() + options.timeout);
            }
            line = lines.next_line() => match line {
                Ok(line) => {
                    if printer.print(&line)? && deadline.is_some() {
                        deadline = Some(Instant::now() + options.timeout);
                    }
                }
                Err(error) => return Err(printer.connection_lost(error)?),
            },
            shown = prompt.show_when_due(), if deadline.is_none() => shown?,
            () = timed_out => return Err(CliError::TimedOut(options.timeout)),
        }
    }
    if let Some(reason) = printer.close_reason.take() {
        return Err(printer.connection_lost(reason)?);
    }
    match printer.n_refusals {
        0 => Ok(()),
        _ => Err(CliError::Refused),
    }
}

/// The lines for `--name` and `--chat`, which precede the script.
fn first_lines(options: &Options) -> Result<Vec<u8>, CliError> {
    options.check_names()?;
    let mut lines = String::new();
    for (verb, name) in [("REGISTER", &options.name), ("CONNECT", &options.chat)] {
        if let Some(name) = name {
            lines.extend([verb, " ", name, "\n"]);
        }
    }
    Ok(lines.into_bytes())
}

/// Counts the lines that end in `bytes` and get a reply. Only a blank line gets no reply; an invalid line gets an
/// `ERROR`.
fn count_requests(input: &mut LineDecoder, bytes: &[u8]) -> u64 {
    let mut received = ReceivedBytes::new(bytes);
    let mut count = 0;
    while let Some(line) = input.next_line(&mut received) {
        let is_blank = line.is_ok_and(|line| matches!(commands::parse(line, TEXT_MAX_BYTES), Ok(None)));
        count += u64::from(!is_blank);
    }
    count
}

/// Prints lines from the server and counts the answers.
struct ReplyPrinter<'a> {
    prompt: &'a Prompt,
    guard: &'a RefCell<PartnerGuard>,
    /// Whether to print each line as JSON.
    is_json: bool,
    /// The number of answers, including refusals.
    n_answers: u64,
    n_refusals: u64,
    /// The reason for closing the connection, if the server has announced one.
    close_reason: Option<ConnectionError>,
}

impl ReplyPrinter<'_> {
    /// Prints one line. Returns whether it is an answer.
    fn print(&mut self, line: &str) -> io::Result<bool> {
        let incoming = Incoming::parse(line);
        if let Incoming::Event(Event::Notice { code, detail }) = &incoming {
            self.close_reason = Some(ConnectionError::ClosedWithCode { code: *code, detail: detail.clone() });
        }
        if let Incoming::Event(Event::IncomingConnection { name }) = &incoming {
            self.guard.borrow_mut().partner_came(name);
        }
        let is_answer = matches!(incoming, Incoming::Answer(_));
        self.n_answers += u64::from(is_answer);
        self.n_refusals += u64::from(matches!(incoming, Incoming::Answer(Err(_))));
        self.prompt.begin_output()?;
        if !self.is_json {
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

    /// Reports that the connection ended before the script did. With `--json` it prints the event. Returns the error
    /// with which the program ends.
    fn connection_lost(&mut self, error: ConnectionError) -> io::Result<CliError> {
        let reason = self.close_reason.take().unwrap_or(error);
        self.prompt.begin_output()?;
        if self.is_json {
            stdout::print_json(&Event::Closed(reason.clone()))?;
        }
        Ok(reason.into())
    }
}

/// The JSON form of an `ERROR` with an unknown code. It has the same keys as the JSON form of [`Reply::Error`].
#[derive(Serialize)]
struct UnknownError<'a> {
    reply: &'static str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl<'a> UnknownError<'a> {
    fn new(line: &'a str) -> Self {
        let code_and_detail = line.strip_prefix("ERROR ").unwrap_or(line).trim_end();
        let (code, detail) = match code_and_detail.split_once(' ') {
            Some((code, detail)) => (code, Some(detail)),
            None => (code_and_detail, None),
        };
        Self { reply: "ERROR", code, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_except_blank_ones_counts_as_a_request() {
        // A line over the limit also gets one reply.
        let too_long = [&[b'x'; 2 * LINE_MAX_BYTES][..], b"\nPING\n"].concat();
        let cases: &[(&[&[u8]], u64)] = &[
            (&[b"PING\nWHO\n"], 2),
            (&[b"PI", b"NG\n", b"W"], 1),
            (&[b"\n \r\n\t\n"], 0),
            (&[b"\xff\n\x07\nMSG\n"], 3),
            (&[&too_long], 2),
        ];
        for (reads, expected) in cases {
            let mut input = LineDecoder::new(LINE_MAX_BYTES);
            let count: u64 = reads.iter().map(|bytes| count_requests(&mut input, bytes)).sum();
            assert_eq!(count, *expected, "given {:?}", reads.concat().escape_ascii().to_string());
        }
    }
}
