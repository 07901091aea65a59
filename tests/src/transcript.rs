//! A dialogue between clients and the server, as readable text.
//!
//! ```text
//! noy   + commands        opens a session of a dialect
//! noy   < WELCOME         receives a line
//! noy   > REGISTER Noy    sends a line
//! noy   >- REGIS          sends a part of a line
//! noy   .                 receives nothing more
//! noy   |                 closes the sending side, but can still receive
//! noy   -                 closes the session
//! noy   x                 finds the session closed by the server
//! # a comment
//! ```
//!
//! After `>` and `<` comes one space and then the line. The escapes are `\r`, `\n`, `\t`, `\s` (a trailing space),
//! `\\`, `\xHH`, `\u{…}`, and `\{4096 x}` for 4,096 times `x`. At the end, no open session may have received a line
//! that is not in the transcript.

use std::collections::HashMap;

use switchboard_protocol::Dialect;

use crate::stage::{Received, Stage};

/// The action in one line of a transcript.
#[derive(Clone, Debug)]
struct TranscriptStep {
    line_number: usize,
    who: String,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Open(Dialect),
    Send(Vec<u8>),
    Receive(Vec<u8>),
    ReceiveNothing,
    HalfClose,
    Close,
    ExpectClosed,
}

/// A parsed transcript.
#[derive(Clone, Debug)]
pub struct Transcript {
    file: String,
    steps: Vec<TranscriptStep>,
}

impl Transcript {
    /// Parses a transcript. `file` is its name in failures.
    ///
    /// # Panics
    ///
    /// If a line is not valid.
    #[must_use]
    pub fn parse(file: &str, text: &str) -> Self {
        let steps = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
            .map(|(index, line)| {
                parse_step(index + 1, line).unwrap_or_else(|| panic!("{file}:{}: invalid line {line:?}", index + 1))
            })
            .collect();
        Self { file: file.to_owned(), steps }
    }

    /// Plays the transcript on a stage.
    ///
    /// # Panics
    ///
    /// If a client does not receive the lines of the transcript. The message names file and line.
    pub fn play(&self, stage: &mut dyn Stage) {
        // Each open session, and whether its client has sent whole lines only.
        let mut open_sessions = HashMap::new();
        for TranscriptStep { line_number, who, action } in &self.steps {
            let place = format!("{}:{line_number}: {who}", self.file);
            match action {
                Action::Open(dialect) => {
                    stage.open(who, *dialect);
                    open_sessions.insert(who, true);
                }
                Action::Send(bytes) => {
                    stage.send(who, bytes);
                    open_sessions.insert(who, bytes.ends_with(b"\n"));
                }
                Action::Receive(expected) => {
                    let expected = String::from_utf8_lossy(expected).into_owned();
                    assert_eq!(
                        stage.receive(who),
                        Received::Line(expected),
                        "{place}: left was received, right was expected"
                    );
                }
                Action::ReceiveNothing => {
                    assert_eq!(stage.receive_pending(who), None, "{place} received a line instead of nothing");
                }
                Action::HalfClose => {
                    stage.half_close(who);
                    open_sessions.remove(who);
                }
                Action::Close => {
                    stage.close(who);
                    open_sessions.remove(who);
                }
                Action::ExpectClosed => {
                    assert_eq!(stage.receive(who), Received::End, "{place} expected the session to be closed");
                    open_sessions.remove(who);
                }
            }
        }
        for (who, has_sent_whole_lines) in open_sessions {
            // A client in the middle of a line cannot send the fence that proves silence.
            if has_sent_whole_lines {
                let place = format!("{}: at the end, {who}", self.file);
                assert_eq!(stage.receive_pending(who), None, "{place} received a line that is not in the transcript");
            }
        }
    }
}

fn parse_step(line_number: usize, line: &str) -> Option<TranscriptStep> {
    let (who, action) = line.split_once(char::is_whitespace)?;
    let action = action.trim_start();
    let (mark, argument) = action.split_once(' ').unwrap_or((action, ""));
    let unescape_line = |argument| {
        let mut bytes = unescape(argument)?;
        bytes.push(b'\n');
        Some(bytes)
    };
    let action = match (mark, argument) {
        ("+", "commands") => Action::Open(Dialect::Commands),
        ("+", "line") => Action::Open(Dialect::Line),
        (">", text) => Action::Send(unescape_line(text)?),
        (">-", text) => Action::Send(unescape(text)?),
        ("<", text) => Action::Receive(unescape(text)?),
        (".", "") => Action::ReceiveNothing,
        ("|", "") => Action::HalfClose,
        ("-", "") => Action::Close,
        ("x", "") => Action::ExpectClosed,
        _ => return None,
    };
    Some(TranscriptStep { line_number, who: who.to_owned(), action })
}

/// Replaces the escapes in a line of a transcript. Returns `None` if an escape is not valid.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut unread = text;
    while let Some((plain, escape)) = unread.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let kind = escape.chars().next()?;
        unread = &escape[kind.len_utf8()..];
        match kind {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            's' => bytes.push(b' '),
            '\\' => bytes.push(b'\\'),
            'x' => {
                bytes.push(u8::from_str_radix(unread.get(..2)?, 16).ok()?);
                unread = &unread[2..];
            }
            'u' => {
                let (hex, after) = unread.strip_prefix('{')?.split_once('}')?;
                let c = char::from_u32(u32::from_str_radix(hex, 16).ok()?)?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                unread = after;
            }
            '{' => {
                let (repeat, after) = unread.split_once('}')?;
                let (count, unit) = repeat.split_once(' ')?;
                bytes.extend_from_slice(unit.repeat(count.parse().ok()?).as_bytes());
                unread = after;
            }
            _ => return None,
        }
    }
    bytes.extend_from_slice(unread.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_decode_to_bytes() {
        let cases: &[(&str, Option<&[u8]>)] = &[
            ("plain", Some(b"plain")),
            (r"a\r\n\t\s\\b", Some(b"a\r\n\t \\b")),
            (r"\x00\xff", Some(b"\x00\xff")),
            (r"\u{5e9}", Some("ש".as_bytes())),
            (r"<\{3 ab}>", Some(b"<ababab>")),
            (r"\q", None),
            (r"\x0", None),
        ];
        for (given, expected) in cases {
            assert_eq!(unescape(given).as_deref(), *expected, "given {given:?}");
        }
    }
}
