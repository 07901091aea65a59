//! Where a message ends: at LF, or with its segment.

use std::mem;
use std::time::Duration;

use crate::time::Timestamp;

/// What of a direction is kept until its framing is known, and the longest line, in bytes. A longer one is cut there.
const UNFINISHED_MAX_BYTES: usize = 64 * 1024;

/// Segments of a direction that are kept apart until its framing is known. That many without LF are messages.
const UNFINISHED_MAX_SEGMENTS: usize = 256;

/// What was said without LF and is followed by nothing for so long may be a message: nobody who sends lines writes half of
/// one and then waits. But networks and programs pause where they like: where lines were seen, it is half a line if a LF
/// comes after all.
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
pub struct FramedMessage {
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
pub struct MessageFramer {
    framing: Option<Framing>,
    /// What is no whole line yet.
    unfinished: Vec<u8>,
    /// The segments that brought it: all of them until the framing is known, then those before which it was quiet.
    segments: Vec<SegmentStart>,
    /// When the last of them came.
    last: Option<Timestamp>,
}

/// Where the bytes of a segment begin in what is unfinished.
#[derive(Clone, Copy, Debug)]
struct SegmentStart {
    start: usize,
    frame: u64,
    time: Option<Timestamp>,
}

impl MessageFramer {
    /// How messages are parted, if that is known yet.
    #[must_use]
    pub const fn framing(&self) -> Option<Framing> {
        self.framing
    }

    /// What is kept because no message is complete by it, in bytes of memory.
    #[must_use]
    pub const fn unfinished_bytes(&self) -> usize {
        self.unfinished.capacity() + self.segments.capacity() * size_of::<SegmentStart>()
    }

    /// Takes what a segment brought, and gives out the messages that are complete by it.
    pub fn push(&mut self, frame: u64, time: Option<Timestamp>, bytes: &[u8], give: &mut dyn FnMut(FramedMessage)) {
        let whole = |bytes: &[u8]| FramedMessage { frame, time, bytes: bytes.to_vec(), is_unfinished: false };
        if self.framing.is_none() && self.was_quiet(time) {
            self.end_with_segments(give);
        }
        if self.framing == Some(Framing::Segments) {
            return give(whole(bytes.strip_suffix(b"\n").unwrap_or(bytes)));
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
            if self.framing.is_none() || self.segments.is_empty() || self.was_quiet(time) {
                self.segments.push(SegmentStart { start: self.unfinished.len(), frame, time });
            }
            self.unfinished.extend_from_slice(rest);
            self.last = time;
        }
        if self.unfinished.len() > UNFINISHED_MAX_BYTES || self.segments.len() > UNFINISHED_MAX_SEGMENTS {
            self.end(time, give);
        }
    }

    /// The other side says something: if no LF was seen here, it answers what stands here without one.
    pub fn answered(&mut self, give: &mut dyn FnMut(FramedMessage)) {
        if self.framing.is_none() && !self.unfinished.is_empty() {
            self.end_with_segments(give);
        }
    }

    /// Nothing more comes, or bytes are missing: gives out what is unfinished.
    pub fn end(&mut self, now: Option<Timestamp>, give: &mut dyn FnMut(FramedMessage)) {
        if self.unfinished.is_empty() {
            return;
        }
        if self.framing.is_none() || self.segments.len() > 1 || self.was_quiet(now) {
            return self.end_with_segments(give);
        }
        if let Some(mut message) = self.take_unfinished() {
            message.is_unfinished = true;
            give(message);
        }
    }

    /// Whether what is unfinished stood for long before `now`.
    fn was_quiet(&self, now: Option<Timestamp>) -> bool {
        let last = self.last.filter(|_| !self.unfinished.is_empty());
        now.zip(last).and_then(|(now, last)| now.since(last)).is_some_and(|quiet| quiet >= QUIET)
    }

    /// What is unfinished is messages, and what comes is, too.
    fn end_with_segments(&mut self, give: &mut dyn FnMut(FramedMessage)) {
        self.framing = Some(Framing::Segments);
        let (bytes, segments) = (mem::take(&mut self.unfinished), mem::take(&mut self.segments));
        let ends = segments.iter().skip(1).map(|next| next.start).chain([bytes.len()]);
        for (&SegmentStart { start, frame, time }, end) in segments.iter().zip(ends) {
            give(FramedMessage { frame, time, bytes: bytes[start..end].to_vec(), is_unfinished: false });
        }
    }

    /// The unfinished line.
    fn take_unfinished(&mut self) -> Option<FramedMessage> {
        let bytes = mem::take(&mut self.unfinished);
        let &SegmentStart { frame, time, .. } = self.segments.first()?;
        self.segments.clear();
        Some(FramedMessage { frame, time, bytes, is_unfinished: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(segments: &[&str]) -> (Vec<String>, Option<Framing>) {
        let mut lines = MessageFramer::default();
        let mut found = Vec::new();
        let mut now = 0;
        let mut give = |message: FramedMessage| found.push(String::from_utf8(message.bytes).expect("it was text"));
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
            (&["WELCOME\n", "RE", "quiet", "GISTER_OK", "quiet", " Noy\n"], &["WELCOME", "REGISTER_OK Noy"], lines),
            (&["REGISTER Noy\nMSG half ", "quiet", "a line\n"], &["REGISTER Noy", "MSG half a line"], lines),
            (&["User1", "quiet", "User2: hi", "User2: you"], &["User1", "User2: hi", "User2: you"], segments),
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
