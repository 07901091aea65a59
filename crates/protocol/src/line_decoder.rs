//! Bytes in, lines out.
//!
//! TCP cuts where it likes: half a line may arrive, or ten at once. The decoder hands out what is whole and keeps what
//! is unfinished. A line over the limit is reported once, as soon as the limit is passed, and skipped to its end, so
//! one bad line costs one error and never more memory than the limit. (`protocol.md` §2)

use crate::received_bytes::{RawLine, ReceivedBytes};

/// A line passed its limit before it ended. Its rest is skipped; the next line is read as usual.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line is longer than {max_bytes} bytes with its end: send it in parts")]
pub struct LineTooLong {
    /// The limit that was passed, in bytes with the LF.
    pub max_bytes: usize,
}

/// Cuts a stream of bytes into lines that end in LF.
///
/// Lines that arrive whole are borrowed from what was read; only an unfinished one is copied. Between lines the decoder
/// owns no memory, so a session that waits costs nothing here.
#[derive(Debug)]
pub struct LineDecoder {
    /// The beginning of an unfinished line: never holds an LF, never `max_bytes` or more.
    kept: Vec<u8>,
    /// A line may not have more, its LF included. Not a `usize`, because there is a decoder for each session.
    max_bytes: u32,
    state: State,
}

#[derive(Debug, Eq, PartialEq)]
enum State {
    /// `kept` is the beginning of the next line.
    Collecting,
    /// `kept` was handed out as a whole line and is to be forgotten.
    HandedOut,
    /// The rest of a line that was too long is to be skipped.
    Skipping,
}

impl LineDecoder {
    /// A decoder for lines of at most `max_bytes`, their LF included.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        Self { kept: Vec::new(), max_bytes, state: State::Collecting }
    }

    /// Takes the next line off the front of `received`, without its LF, or `None` once all of `received` is taken.
    ///
    /// Call it until it says `None`: a beginning without an end is kept for the next read.
    ///
    /// ```
    /// use switchboard_protocol::{LineDecoder, ReceivedBytes};
    ///
    /// let mut decoder = LineDecoder::new(4096);
    /// let mut next_line = |received: &mut ReceivedBytes<'_>| {
    ///     decoder.next_line(received).map(|line| line.expect("it is short").as_bytes().to_vec())
    /// };
    /// let mut received = ReceivedBytes::new(b"PING\nWH");
    /// assert_eq!(next_line(&mut received).as_deref(), Some(&b"PING"[..]));
    /// assert_eq!(next_line(&mut received), None);
    /// let mut received = ReceivedBytes::new(b"O\n");
    /// assert_eq!(next_line(&mut received).as_deref(), Some(&b"WHO"[..]));
    /// ```
    #[inline]
    pub fn next_line<'line, 'read: 'line>(
        &'line mut self,
        received: &mut ReceivedBytes<'read>,
    ) -> Option<Result<RawLine<'line>, LineTooLong>> {
        // Where nothing was begun before, a line is handed out as it is.
        if self.kept.is_empty()
            && self.state == State::Collecting
            && let Some(line) = received.take_line(self.max_bytes as usize)
        {
            return Some(Ok(line));
        }
        self.next_cut_line(received)
    }

    /// The same where a line may have begun in an earlier read, or has no end in this one.
    fn next_cut_line<'line, 'read: 'line>(
        &'line mut self,
        received: &mut ReceivedBytes<'read>,
    ) -> Option<Result<RawLine<'line>, LineTooLong>> {
        if self.state == State::HandedOut {
            self.kept.clear();
            self.state = State::Collecting;
        }
        if self.state == State::Skipping {
            if received.take_line(usize::MAX).is_some() {
                self.state = State::Collecting;
            } else {
                received.take(received.as_bytes().len());
            }
        }
        if received.is_empty() {
            if self.kept.is_empty() {
                self.kept = Vec::new();
            }
            return None;
        }

        let room = (self.max_bytes as usize).saturating_sub(self.kept.len());
        let Some(line) = received.take_line(room) else {
            return self.keep_or_refuse(received, room);
        };
        if self.kept.is_empty() {
            return Some(Ok(line));
        }
        self.kept.extend_from_slice(line.as_bytes());
        self.state = State::HandedOut;
        Some(Ok(RawLine::Bytes(&self.kept)))
    }

    /// Whether a line has begun and not ended.
    #[must_use]
    pub fn is_mid_line(&self) -> bool {
        self.state == State::Skipping || (self.state == State::Collecting && !self.kept.is_empty())
    }

    /// No LF among the next `room` bytes of `received`: keeps them if the line may still end in time.
    fn keep_or_refuse(
        &mut self,
        received: &mut ReceivedBytes<'_>,
        room: usize,
    ) -> Option<Result<RawLine<'_>, LineTooLong>> {
        let len = received.as_bytes().len();
        if len < room {
            self.kept.extend_from_slice(received.take(len));
            return None;
        }
        received.take(room);
        self.kept = Vec::new();
        self.state = State::Skipping;
        Some(Err(LineTooLong { max_bytes: self.max_bytes as usize }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `chunks` one after the other and writes down what came out; `None` is a line that was too long.
    fn decode<'a>(max_bytes: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Vec<u8>>> {
        let mut decoder = LineDecoder::new(max_bytes);
        let mut lines = Vec::new();
        for chunk in chunks {
            let mut received =
                if lines.len() % 2 == 0 { ReceivedBytes::new(chunk) } else { ReceivedBytes::with_ascii_scan(chunk) };
            while let Some(line) = decoder.next_line(&mut received) {
                lines.push(line.ok().map(|line| line.as_bytes().to_vec()));
            }
            assert!(decoder.kept.len() < max_bytes, "an unfinished line outgrew the limit");
        }
        lines
    }

    #[test]
    fn lines_end_in_lf_and_only_there() {
        let cases: &[(&[&str], &[Option<&str>])] = &[
            (&["PING\n"], &[Some("PING")]),
            (&["PING\r\n"], &[Some("PING\r")]),
            (&["PI", "NG", "\n"], &[Some("PING")]),
            (&["PING\nWHO\nPI", "NG\n"], &[Some("PING"), Some("WHO"), Some("PING")]),
            (&["\n\n"], &[Some(""), Some("")]),
            (&["PING"], &[]),
            (&[""], &[]),
            // The limit counts the LF: seven bytes and an LF are eight.
            (&["1234567\n"], &[Some("1234567")]),
            (&["12345678\nPING\n"], &[None, Some("PING")]),
            (&["12345", "67", "8", "90", "1\nPING\n"], &[None, Some("PING")]),
            (&["1234567", "\n"], &[Some("1234567")]),
            (&["1234567", "8\n", "PING\n"], &[None, Some("PING")]),
            // Reported once, however much of it follows (tokio's LinesCodec once repeated it).
            (&["12345678", "12345678", "12345678", "\n", "A\n"], &[None, Some("A")]),
        ];
        for (given, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|line| line.map(|line| line.as_bytes().to_vec())).collect();
            assert_eq!(decode(8, given.iter().map(|chunk| chunk.as_bytes())), expected, "given {given:?}");
        }
    }

    #[test]
    fn nothing_is_held_between_lines() {
        let mut decoder = LineDecoder::new(4096);
        for read in [&b"MSG he"[..], &b"llo\n"[..]] {
            let mut received = ReceivedBytes::new(read);
            while decoder.next_line(&mut received).is_some() {}
        }
        assert_eq!(decoder.kept.capacity(), 0);
        assert!(!decoder.is_mid_line());
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_changes_nothing(
            stream in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(1_usize..20, 1..50),
        ) {
            let whole = decode(16, [&stream[..]]);
            let mut rest = &stream[..];
            let mut chunks = Vec::new();
            for cut in cuts {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            chunks.push(rest);
            prop_assert_eq!(decode(16, chunks), whole);
        }
    }
}
