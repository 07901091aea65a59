//! Where a message ends: at LF, or with its segment.

use std::mem;
use std::time::Duration;

use crate::time::Timestamp;

/// What of a direction is kept until its framing is known, and the longest line, in bytes. A longer one is cut there.
const UNFINISHED_MAX_BYTES: usize = 64 * 1024;

/// What was said without LF and is followed by nothing for so long is a message: nobody who sends lines
/// writes half of one and then waits.
const QUIET: Duration = Duration::from_secs(1);

/// How a direction parts its messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// By LF, wherever TCP cuts (`protocol.md` §2).
    Lines,
    /// By segments: what one read gives is a message (`protocol.md` §8.2).
    Segments,
}

/// One message, without what ends it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The frame that brought its first byte.
    pub frame: u64,
    /// When that was captured.
    pub time: Option<Timestamp>,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether the stream ended, or bytes are missing, before it was complete.
    pub is_unfinished: bool,
}

/// Parts one direction into messages.
#[derive(Debug, Default)]
pub struct Lines {
    framing: Option<Framing>,
    /// Segments that are no whole line yet.
    unfinished: Vec<Message>,
    unfinished_bytes: usize,
}

impl Lines {
    /// How messages are parted, if that is known yet.
    #[must_use]
    pub const fn framing(&self) -> Option<Framing> {
        self.framing
    }

    /// Takes what a segment brought, and gives out the messages that are complete by it.
    pub fn push(&mut self, frame: u64, time: Option<Timestamp>, bytes: &[u8], give: &mut dyn FnMut(Message)) {
        let whole = |bytes: &[u8]| Message { frame, time, bytes: bytes.to_vec(), is_unfinished: false };
        if self.framing == Some(Framing::Segments) {
            return give(whole(bytes.strip_suffix(b"\n").unwrap_or(bytes)));
        }
        if self.was_quiet(time) {
            self.end_with_segments(give);
            return self.push(frame, time, bytes, give);
        }
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            self.framing = Some(Framing::Lines);
            let (line, after) = (&rest[..at], &rest[at + 1..]);
            rest = after;
            let mut message = self.take_unfinished().unwrap_or_else(|| whole(&[]));
            message.bytes.extend_from_slice(line);
            give(message);
        }
        if !rest.is_empty() {
            self.unfinished_bytes += rest.len();
            self.unfinished.push(whole(rest));
        }
        if self.unfinished_bytes > UNFINISHED_MAX_BYTES {
            self.end(time, give);
        }
    }

    /// The other side says something: if no LF was seen here, it answers what stands here without one.
    pub fn answered(&mut self, give: &mut dyn FnMut(Message)) {
        if self.framing.is_none() && !self.unfinished.is_empty() {
            self.end_with_segments(give);
        }
    }

    /// Nothing more comes, or bytes are missing: gives out what is unfinished.
    pub fn end(&mut self, time: Option<Timestamp>, give: &mut dyn FnMut(Message)) {
        if self.framing != Some(Framing::Lines) || self.was_quiet(time) {
            return self.end_unfinished(give);
        }
        if let Some(mut message) = self.take_unfinished() {
            message.is_unfinished = true;
            give(message);
        }
    }

    fn end_unfinished(&mut self, give: &mut dyn FnMut(Message)) {
        if !self.unfinished.is_empty() {
            self.end_with_segments(give);
        }
    }

    /// Whether what is unfinished stood for long before `now`.
    fn was_quiet(&self, now: Option<Timestamp>) -> bool {
        let last = self.unfinished.last().and_then(|message| message.time);
        now.zip(last).and_then(|(now, last)| now.since(last)).is_some_and(|quiet| quiet >= QUIET)
    }

    /// What is unfinished is messages, and what comes is, too.
    fn end_with_segments(&mut self, give: &mut dyn FnMut(Message)) {
        self.framing = Some(Framing::Segments);
        self.unfinished_bytes = 0;
        self.unfinished.drain(..).for_each(give);
    }

    /// The unfinished line, put together.
    fn take_unfinished(&mut self) -> Option<Message> {
        self.unfinished_bytes = 0;
        let mut pieces = mem::take(&mut self.unfinished).into_iter();
        let mut message = pieces.next()?;
        pieces.for_each(|piece| message.bytes.extend_from_slice(&piece.bytes));
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(segments: &[&str]) -> (Vec<String>, Option<Framing>) {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        let mut now = 0;
        let mut give = |message: Message| found.push(String::from_utf8(message.bytes).expect("it was text"));
        for segment in segments {
            match *segment {
                "answered" => lines.answered(&mut give),
                "quiet" => now += 1_000_000_000,
                said => lines.push(1, Some(Timestamp::from_nanos(now)), said.as_bytes(), &mut give),
            }
        }
        lines.end(None, &mut give);
        (found, lines.framing())
    }

    #[test]
    fn lines_end_at_lf_and_segments_where_they_are_answered_without() {
        let (lines, segments) = (Some(Framing::Lines), Some(Framing::Segments));
        let table: &[(&[&str], &[&str], Option<Framing>)] = &[
            (&[], &[], None),
            (&["PING\n"], &["PING"], lines),
            (&["PI", "NG\nWHO\nMS", "answered", "G x\n"], &["PING", "WHO", "MSG x"], lines),
            (&["PING\n", "WH"], &["PING", "WH"], lines),
            (&["User1", "answered", "User2: hi", "User2: you"], &["User1", "User2: hi", "User2: you"], segments),
            (&["User1", "answered", "User2: hi\n"], &["User1", "User2: hi"], segments),
            (&["Welcome\n", "[a] hi", "quiet", "[b] you"], &["Welcome", "[a] hi", "[b] you"], segments),
            (&["User1", "User2: hi"], &["User1", "User2: hi"], segments),
        ];
        for (given, expected, framing) in table {
            let (found, found_framing) = messages(given);
            assert_eq!(
                (found, found_framing),
                (expected.iter().map(|s| (*s).to_owned()).collect(), *framing),
                "{given:?}"
            );
        }
    }
}
