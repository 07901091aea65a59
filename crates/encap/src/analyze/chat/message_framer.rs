//! Message framing: by LF, or by segments.

use std::mem;
use std::time::Duration;

use crate::time::Timestamp;

/// Most bytes of a direction kept until its framing is known, and of a line. A longer line is split there.
const UNFINISHED_MAX_BYTES: usize = 64 * 1024;

/// Most segments of a direction kept until its framing is known. That many segments without an LF are messages.
const UNFINISHED_MAX_SEGMENTS: usize = 256;

/// Bytes without an LF that are followed by this much silence are probably a message: programs that send lines do not
/// pause within one. Networks may, though. So in a direction with earlier lines, the bytes are half a line if an LF
/// still follows.
const QUIET: Duration = Duration::from_secs(1);

/// The rule by which a direction separates its messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// Each message ends in LF, independent of segments (`protocol.md` §2).
    Lines,
    /// Each segment is a message, as for programs that take the bytes of one read as a message (`protocol.md` §8.2).
    Segments,
}

/// One message, without its LF.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FramedMessage {
    /// The frame with its first byte.
    pub frame: u64,
    /// Capture time of that frame.
    pub time: Option<Timestamp>,
    /// Its content, as captured.
    pub bytes: Vec<u8>,
    /// Whether the stream ended, or bytes are missing, before the message was complete.
    pub is_unfinished: bool,
}

/// Splits one direction of a stream into messages.
#[derive(Debug, Default)]
pub struct MessageFramer {
    framing: Option<Framing>,
    /// Bytes that are no complete message yet.
    unfinished: Vec<u8>,
    /// Segments in `unfinished`: all of them until the framing is known, later only those that follow a pause.
    segments: Vec<SegmentStart>,
    /// Capture time of the latest segment in `unfinished`.
    last: Option<Timestamp>,
}

/// The start of a segment within `unfinished`.
#[derive(Clone, Copy, Debug)]
struct SegmentStart {
    start: usize,
    frame: u64,
    time: Option<Timestamp>,
}

impl MessageFramer {
    /// The framing, once it is known.
    #[must_use]
    pub const fn framing(&self) -> Option<Framing> {
        self.framing
    }

    /// Memory held for incomplete messages, in bytes.
    #[must_use]
    pub const fn unfinished_bytes(&self) -> usize {
        self.unfinished.capacity() + self.segments.capacity() * size_of::<SegmentStart>()
    }

    /// Adds the payload of a segment, and passes the messages that it completes to `give`.
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

    /// Notes that the other side sent data. If this direction had no LF so far, its bytes are a message, which is
    /// answered.
    pub fn answered(&mut self, give: &mut dyn FnMut(FramedMessage)) {
        if self.framing.is_none() && !self.unfinished.is_empty() {
            self.end_with_segments(give);
        }
    }

    /// Notes the end of the stream, or a gap, and passes unfinished bytes to `give`.
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

    /// Whether unfinished bytes are older than [`QUIET`] at `now`.
    fn was_quiet(&self, now: Option<Timestamp>) -> bool {
        let last = self.last.filter(|_| !self.unfinished.is_empty());
        now.zip(last).and_then(|(now, last)| now.since(last)).is_some_and(|quiet| quiet >= QUIET)
    }

    /// Switches to framing by segments: each segment in `unfinished` is a message.
    fn end_with_segments(&mut self, give: &mut dyn FnMut(FramedMessage)) {
        self.framing = Some(Framing::Segments);
        let (bytes, segments) = (mem::take(&mut self.unfinished), mem::take(&mut self.segments));
        let ends = segments.iter().skip(1).map(|next| next.start).chain([bytes.len()]);
        for (&SegmentStart { start, frame, time }, end) in segments.iter().zip(ends) {
            give(FramedMessage { frame, time, bytes: bytes[start..end].to_vec(), is_unfinished: false });
        }
    }

    /// Removes the unfinished line.
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
        let mut framer = MessageFramer::default();
        let mut found = Vec::new();
        let mut now = 0;
        let mut give = |message: FramedMessage| found.push(String::from_utf8(message.bytes).expect("it was text"));
        for segment in segments {
            match *segment {
                "answered" => framer.answered(&mut give),
                "quiet" => now += 1_000_000_000,
                payload => framer.push(1, Some(Timestamp::from_nanos(now)), payload.as_bytes(), &mut give),
            }
        }
        framer.end(None, &mut give);
        (found, framer.framing())
    }

    #[test]
    fn framing_is_by_lf_unless_bytes_without_lf_are_answered_or_followed_by_silence() {
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
