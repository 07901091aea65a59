//! A dialogue between clients and the server, as readable text.
//!
//! ```text
//! noy   + commands        opens a session of a dialect
//! noy   + version2        opens a session of version 2 of the commands dialect, up to its HELLO_OK
//! noy   < WELCOME         receives a line
//! noy   > REGISTER Noy    sends a line
//! noy   >- REGIS          sends a part of a line
//! noy   .                 receives nothing more
//! noy   |                 closes the sending side, but can still receive
//! noy   -                 closes the session
//! noy   x                 finds the session closed by the server
//! * store holds           a direction for the stage: bare.rs has the list
//! # a comment
//! ```
//!
//! After `>` and `<` comes one space and then the line. The escapes are `\r`, `\n`, `\t`, `\s` (a trailing space),
//! `\\`, `\xHH`, `\u{…}`, and `\{4096 x}` for 4,096 times `x`. At the end, no open session may have received a line
//! that is not in the transcript.
//!
//! `<lab>` stands for a word that the server chooses, such as an epoch. The first received line with it defines the word,
//! and later lines must have the same word, or send it. `<at>` stands for any time, and `<rest>` for any end of a line.

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
    OpenVersion2,
    Direct(String),
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
        let has_directions = self.steps.iter().any(|step| matches!(step.action, Action::Direct(_)));
        if has_directions && !stage.follows_directions() {
            return;
        }
        let mut words = Words::default();
        // Each open session, and whether its client has sent whole lines only.
        let mut open_sessions = HashMap::new();
        for TranscriptStep { line_number, who, action } in &self.steps {
            let place = format!("{}:{line_number}: {who}", self.file);
            match action {
                Action::Open(dialect) => {
                    stage.open(who, *dialect);
                    open_sessions.insert(who, true);
                }
                Action::OpenVersion2 => {
                    stage.open(who, Dialect::Commands);
                    open_sessions.insert(who, true);
                    assert_eq!(stage.receive(who), Received::Line("WELCOME".to_owned()), "{place}");
                    stage.send(who, b"HELLO 2\n");
                    let hello = stage.receive(who);
                    let is_hello = matches!(&hello, Received::Line(line) if line.starts_with("HELLO_OK 2 "));
                    assert!(is_hello, "{place} received {hello:?} instead of HELLO_OK 2");
                }
                Action::Direct(direction) => assert!(stage.follow(direction), "{place}: no direction {direction:?}"),
                Action::Send(bytes) => {
                    stage.send(who, &words.replace(bytes));
                    open_sessions.insert(who, bytes.ends_with(b"\n"));
                }
                Action::Receive(expected) => {
                    let expected = String::from_utf8_lossy(expected).into_owned();
                    let received = stage.receive(who);
                    let is_expected = matches!(&received, Received::Line(line) if words.matches(&expected, line));
                    assert!(is_expected, "{place} received {received:?} instead of {expected:?}, where {words:?}");
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

/// The words that stand for others in this transcript.
#[derive(Debug, Default)]
struct Words(HashMap<String, String>);

impl Words {
    /// Whether a received line is the expected one. Defines the words that are new.
    fn matches(&mut self, expected: &str, received: &str) -> bool {
        let Some((before, name, after)) = split_word(expected) else { return expected == received };
        let Some(rest) = received.strip_prefix(before) else { return false };
        if name == "rest" {
            return after.is_empty();
        }
        let (word, rest) = rest.split_at(rest.find([' ', ';']).unwrap_or(rest.len()));
        let is_same = match (name, self.0.get(name)) {
            ("at", _) => is_time(word),
            (_, Some(known)) => known == word,
            (_, None) => !word.is_empty(),
        };
        if is_same && name != "at" {
            self.0.insert(name.to_owned(), word.to_owned());
        }
        is_same && self.matches(after, rest)
    }

    /// Puts the known words into a line to send.
    fn replace(&self, line: &[u8]) -> Vec<u8> {
        let Ok(mut line) = String::from_utf8(line.to_vec()) else { return line.to_vec() };
        for (name, word) in &self.0 {
            line = line.replace(&format!("<{name}>"), word);
        }
        line.into_bytes()
    }
}

/// Splits a line at its first `<word>`, into the text before, the name, and the text after it.
fn split_word(line: &str) -> Option<(&str, &str, &str)> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    line.match_indices('<').find_map(|(start, _)| {
        let (name, after) = line[start + 1..].split_once('>')?;
        is_name(name).then(|| (&line[..start], name, after))
    })
}

/// Whether a word has the form `2026-11-28T22:10:37.123Z`.
fn is_time(word: &str) -> bool {
    let form = "0000-00-00T00:00:00.000Z";
    let has_form = |(byte, form): (u8, u8)| if form == b'0' { byte.is_ascii_digit() } else { byte == form };
    word.len() == form.len() && word.bytes().zip(form.bytes()).all(has_form)
}

fn parse_step(line_number: usize, line: &str) -> Option<TranscriptStep> {
    let (who, action) = line.split_once(char::is_whitespace)?;
    let action = action.trim_start();
    if who == "*" {
        return Some(TranscriptStep { line_number, who: who.to_owned(), action: Action::Direct(action.to_owned()) });
    }
    let (mark, argument) = action.split_once(' ').unwrap_or((action, ""));
    let unescape_line = |argument| {
        let mut bytes = unescape(argument)?;
        bytes.push(b'\n');
        Some(bytes)
    };
    let action = match (mark, argument) {
        ("+", "commands") => Action::Open(Dialect::Commands),
        ("+", "line") => Action::Open(Dialect::Line),
        ("+", "version2") => Action::OpenVersion2,
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
    fn words_keep_the_meaning_of_their_first_use() {
        let mut words = Words::default();
        let cases = [
            ("OPEN_OK #lab <lab> 1 2", "OPEN_OK #lab abc 1 2", true),
            ("OPEN_OK #lab <lab> 1 2", "OPEN_OK #lab abd 1 2", false),
            ("@in=#lab;at=<at>;by=1 FROM x", "@in=#lab;at=2026-11-28T22:10:37.123Z;by=1 FROM x", true),
            ("@in=#lab;at=<at>;by=1 FROM x", "@in=#lab;at=yesterday;by=1 FROM x", false),
            ("EPOCHS <den> <lab>", "EPOCHS def abc", true),
            ("EPOCHS <den> <lab>", "EPOCHS abc abc", false),
            ("TEXT <", "TEXT <", true),
            ("HELLO_OK 2 <server> <rest>", "HELLO_OK 2 here and there", true),
            ("HELLO_OK 2 <server> <rest>", "HELLO_OK 2 elsewhere ", false),
        ];
        for (expected, received, is_match) in cases {
            assert_eq!(words.matches(expected, received), is_match, "{expected:?} and {received:?}");
        }
        assert_eq!(words.replace(b"OPEN #lab <lab> 1\n"), b"OPEN #lab abc 1\n");
    }

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
