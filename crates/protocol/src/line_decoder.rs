//! Splits a byte stream into lines.
//!
//! One TCP read may hold half a line or ten lines. The decoder returns complete lines, and keeps an incomplete line
//! until its end arrives. As soon as a line exceeds the limit, the decoder reports one error and skips the rest.
//! So a line that is too long never costs more memory than the limit. (`protocol.md` §2)

use crate::received_bytes::{RawLine, ReceivedBytes};

/// A line exceeded its limit. The decoder skips the rest of it and continues with the next line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line is longer than {max_bytes} bytes, including its end: send it in parts")]
pub struct LineTooLong {
    /// The limit in bytes, LF included.
    pub max_bytes: usize,
}

/// Splits a byte stream into lines that end in LF.
///
/// A line that arrives in one read is borrowed from that read; only an incomplete line is copied. Between lines the
/// decoder owns no memory, so an idle session needs no memory here.
#[derive(Debug)]
pub struct LineDecoder {
    /// The start of an incomplete line: no LF, fewer than `max_bytes` bytes.
    partial: Vec<u8>,
    /// The longest line in bytes, LF included. A `u32` saves memory, because each session has a decoder.
    max_bytes: u32,
    state: State,
}

#[derive(Debug, Eq, PartialEq)]
enum State {
    /// `partial` holds the start of the next line.
    Collecting,
    /// The last call returned `partial` as a line. The next call clears `partial`.
    Returned,
    /// The bytes up to the next LF belong to a line that was too long.
    Skipping,
}

impl LineDecoder {
    /// Creates a decoder for lines of at most `max_bytes` bytes, LF included.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let max_bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        Self { partial: Vec::new(), max_bytes, state: State::Collecting }
    }

    /// Takes the next line from the front of `received`, without its LF. Returns `None` when `received` is empty, and
    /// one error for a line over the limit.
    ///
    /// Call it until it returns `None`: the last call stores an incomplete line, which a later read completes.
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
        // Fast path: no incomplete line is stored, so the next line can be borrowed.
        if self.partial.is_empty()
            && self.state == State::Collecting
            && let Some(line) = received.take_line(self.max_bytes as usize)
        {
            return Some(Ok(line));
        }
        self.next_split_line(received)
    }

    /// The slow path: the line began in an earlier read, does not end in this read, or is too long.
    fn next_split_line<'line, 'read: 'line>(
        &'line mut self,
        received: &mut ReceivedBytes<'read>,
    ) -> Option<Result<RawLine<'line>, LineTooLong>> {
        if self.state == State::Returned {
            self.partial.clear();
            self.state = State::Collecting;
        }
        if self.state == State::Skipping {
            if received.take_line(usize::MAX).is_some() {
                self.state = State::Collecting;
            } else {
                // All received bytes belong to the line that was too long.
                received.take(received.as_bytes().len());
            }
        }
        if received.is_empty() {
            if self.partial.is_empty() {
                // An idle session holds no memory.
                self.partial = Vec::new();
            }
            return None;
        }

        let room = (self.max_bytes as usize).saturating_sub(self.partial.len());
        let Some(line) = received.take_line(room) else {
            return self.store_or_reject(received, room);
        };
        if self.partial.is_empty() {
            return Some(Ok(line));
        }
        self.partial.extend_from_slice(line.as_bytes());
        self.state = State::Returned;
        Some(Ok(RawLine::Bytes(&self.partial)))
    }

    /// Whether a line has begun but not ended.
    #[must_use]
    pub fn is_mid_line(&self) -> bool {
        self.state == State::Skipping || (self.state == State::Collecting && !self.partial.is_empty())
    }

    /// Handles input without an LF in its first `room` bytes: stores the input if the line can still end within the
    /// limit, else reports the line as too long.
    fn store_or_reject(
        &mut self,
        received: &mut ReceivedBytes<'_>,
        room: usize,
    ) -> Option<Result<RawLine<'_>, LineTooLong>> {
        let len = received.as_bytes().len();
        if len < room {
            self.partial.extend_from_slice(received.take(len));
            return None;
        }
        received.take(room);
        self.partial = Vec::new();
        self.state = State::Skipping;
        Some(Err(LineTooLong { max_bytes: self.max_bytes as usize }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `chunks` one after the other and collects the lines. `None` stands for a line that was too long.
    fn decode<'a>(max_bytes: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Vec<u8>>> {
        let mut decoder = LineDecoder::new(max_bytes);
        let mut lines = Vec::new();
        for chunk in chunks {
            // Both kinds of reads must give the same lines.
            let mut received =
                if lines.len() % 2 == 0 { ReceivedBytes::new(chunk) } else { ReceivedBytes::with_ascii_scan(chunk) };
            while let Some(line) = decoder.next_line(&mut received) {
                lines.push(line.ok().map(|line| line.as_bytes().to_vec()));
            }
            assert!(decoder.partial.len() < max_bytes, "an incomplete line exceeds the limit");
        }
        lines
    }

    #[test]
    fn lf_ends_a_line_and_a_long_line_gives_one_error() {
        let cases: &[(&[&str], &[Option<&str>])] = &[
            (&["PING\n"], &[Some("PING")]),
            (&["PING\r\n"], &[Some("PING\r")]),
            (&["PI", "NG", "\n"], &[Some("PING")]),
            (&["PING\nWHO\nPI", "NG\n"], &[Some("PING"), Some("WHO"), Some("PING")]),
            (&["\n\n"], &[Some(""), Some("")]),
            (&["PING"], &[]),
            (&[""], &[]),
            // The limit of eight bytes includes the LF.
            (&["1234567\n"], &[Some("1234567")]),
            (&["12345678\nPING\n"], &[None, Some("PING")]),
            (&["12345", "67", "8", "90", "1\nPING\n"], &[None, Some("PING")]),
            (&["1234567", "\n"], &[Some("1234567")]),
            (&["1234567", "8\n", "PING\n"], &[None, Some("PING")]),
            // One error, although three more chunks of the line follow. (tokio's `LinesCodec` once repeated the error.)
            (&["12345678", "12345678", "12345678", "\n", "A\n"], &[None, Some("A")]),
        ];
        for (given, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|line| line.map(|line| line.as_bytes().to_vec())).collect();
            assert_eq!(decode(8, given.iter().map(|chunk| chunk.as_bytes())), expected, "given {given:?}");
        }
    }

    #[test]
    fn no_memory_is_held_between_lines() {
        let mut decoder = LineDecoder::new(4096);
        for read in [&b"MSG he"[..], &b"llo\n"[..]] {
            let mut received = ReceivedBytes::new(read);
            while decoder.next_line(&mut received).is_some() {}
        }
        assert_eq!(decoder.partial.capacity(), 0);
        assert!(!decoder.is_mid_line());
    }

    proptest! {
        #[test]
        fn decoder_yields_same_lines_for_any_split(
            stream in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            chunk_lens in proptest::collection::vec(1_usize..20, 1..50),
        ) {
            let expected = decode(16, [&stream[..]]);
            let mut remaining = &stream[..];
            let mut chunks = Vec::new();
            for chunk_len in chunk_lens {
                let chunk = remaining.split_off(..chunk_len.min(remaining.len())).expect("the range is in bounds");
                chunks.push(chunk);
            }
            chunks.push(remaining);
            prop_assert_eq!(decode(16, chunks), expected);
        }
    }
}
