//! Splits one direction of a stream into messages, at each LF or at each segment.

use std::mem;
use std::time::Duration;

use crate::time::Timestamp;

/// Maximum number of bytes kept for a direction: before its framing is known, and for one line. A longer line is split.
const UNFINISHED_MAX_BYTES: usize = 64 * 1024;

/// Maximum number of segments kept for a direction before its framing is known. If more have no LF, each is a message.
const UNFINISHED_MAX_SEGMENTS: usize = 256;

/// Silence after which bytes without an LF are probably a message: programs that send lines do not pause within a line.
/// But a network may delay the rest of a line. So in a direction with earlier lines, the bytes are the start of a line
/// if an LF follows after all.
const QUIET_MIN: Duration = Duration::from_secs(1);

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
    /// Number of the frame with the first byte.
    pub frame: u64,
    /// Capture time of that frame.
    pub time: Option<Timestamp>,
    /// The content, as captured.
    pub bytes: Vec<u8>,
    /// Whether the message is incomplete: the stream ended, or bytes are missing.
    pub is_unfinished: bool,
}

/// Splits one direction of a stream into messages.
#[derive(Debug, Default)]
pub struct MessageFramer {
    framing: Option<Framing>,
    /// Bytes that are no complete message yet.
    unfinished: Vec<u8>,
    /// Segments in `unfinished`: all of them before the framing is known, later only the first and those after a pause.
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
    /// The framing; `None` before it is known.
    #[must_use]
    pub const fn framing(&self) -> Option<Framing> {
        self.framing
    }

    /// Memory held for incomplete messages, in bytes.
    #[must_use]
    pub const fn unfinished_bytes(&self) -> usize {
        self.unfinished.capacity() + self.segments.capacity() * size_of::<SegmentStart>()
    }

    /// Adds the payload of a segment. Passes each message that the payload completes to `emit`.
    pub fn push(&mut self, frame: u64, time: Option<Timestamp>, bytes: &[u8], emit: &mut dyn FnMut(FramedMessage)) {
        let whole = |bytes: &[u8]| FramedMessage { frame, time, bytes: bytes.to_vec(), is_unfinished: false };
        if self.framing.is_none() && self.was_quiet(time) {
            self.switch_to_segments(emit);
        }
        if self.framing == Some(Framing::Segments) {
            return emit(whole(bytes.strip_suffix(b"\n").unwrap_or(bytes)));
        }
        let mut rest = bytes;
        while let Some(lf_at) = memchr::memchr(b'\n', rest) {
            self.framing = Some(Framing::Lines);
            let (line, after) = (&rest[..lf_at], &rest[lf_at + 1..]);
            rest = after;
            let mut message = self.take_unfinished().unwrap_or_else(|| whole(&[]));
            message.bytes.extend_from_slice(line);
            emit(message);
        }
        if !rest.is_empty() {
            if self.framing.is_none() || self.segments.is_empty() || self.was_quiet(time) {
                self.segments.push(SegmentStart { start: self.unfinished.len(), frame, time });
            }
            self.unfinished.extend_from_slice(rest);
            self.last = time;
        }
        if self.unfinished.len() > UNFINISHED_MAX_BYTES || self.segments.len() > UNFINISHED_MAX_SEGMENTS {
            self.end(time, emit);
        }
    }

    /// Notes that the other side sent data. If this direction had no LF so far, its unfinished bytes are messages,
    /// which the other side has answered.
    pub fn answered(&mut self, emit: &mut dyn FnMut(FramedMessage)) {
        if self.framing.is_none() && !self.unfinished.is_empty() {
            self.switch_to_segments(emit);
        }
    }

    /// Notes the end of the stream, or a gap. Passes unfinished bytes to `emit`.
    pub fn end(&mut self, now: Option<Timestamp>, emit: &mut dyn FnMut(FramedMessage)) {
        if self.unfinished.is_empty() {
            return;
        }
        if self.framing.is_none() || self.segments.len() > 1 || self.was_quiet(now) {
            return self.switch_to_segments(emit);
        }
        if let Some(mut message) = self.take_unfinished() {
            message.is_unfinished = true;
            emit(message);
        }
    }

    /// Whether unfinished bytes are older than [`QUIET_MIN`] at `now`.
    fn was_quiet(&self, now: Option<Timestamp>) -> bool {
        let last = self.last.filter(|_| !self.unfinished.is_empty());
        now.zip(last).and_then(|(now, last)| now.since(last)).is_some_and(|quiet| quiet >= QUIET_MIN)
    }

    /// Switches to framing by segments: each segment in `unfinished` is a message.
    fn switch_to_segments(&mut self, emit: &mut dyn FnMut(FramedMessage)) {
        self.framing = Some(Framing::Segments);
        let (bytes, segments) = (mem::take(&mut self.unfinished), mem::take(&mut self.segments));
        let ends = segments.iter().skip(1).map(|next| next.start).chain([bytes.len()]);
        for (&SegmentStart { start, frame, time }, end) in segments.iter().zip(ends) {
            emit(FramedMessage { frame, time, bytes: bytes[start..end].to_vec(), is_unfinished: false });
        }
    }

    /// Removes and returns the unfinished line; `None` if there is none.
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

    /// The messages of some segments, and the framing. `answered` stands for data of the other side, and `quiet` for a
    /// pause.
    fn messages(segments: &[&str]) -> (Vec<String>, Option<Framing>) {
        let mut framer = MessageFramer::default();
        let mut found = Vec::new();
        let mut now = 0;
        let mut emit = |message: FramedMessage| found.push(String::from_utf8(message.bytes).expect("it was text"));
        for segment in segments {
            match *segment {
                "answered" => framer.answered(&mut emit),
                "quiet" => now += 1_000_000_000,
                payload => framer.push(1, Some(Timestamp::from_nanos(now)), payload.as_bytes(), &mut emit),
            }
        }
        framer.end(None, &mut emit);
        (found, framer.framing())
    }

    #[test]
    fn framing_changes_to_segments_after_an_answer_or_silence_without_lf() {
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
