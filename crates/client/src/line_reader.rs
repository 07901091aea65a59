//! A server's bytes, as lines.

use std::io;
use std::ops::Range;

use switchboard_protocol::limits::{LINE_CEILING_BYTES, REPLY_MAX_BYTES};
use switchboard_protocol::{LineDecoder, ReceivedBytes};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::connection_error::ConnectionError;

/// Bytes asked of the socket at once: a few hundred short replies.
const CHUNK_BYTES: usize = 16 * 1024;

/// Reads what a server sends, line by line.
///
/// Only the answer to `WHO` grows with the number of users and may have [`REPLY_MAX_BYTES`]. Any other line is held to
/// [`LINE_CEILING_BYTES`], so that a queue of them is bounded in bytes too.
#[derive(Debug)]
pub struct LineReader<R> {
    source: R,
    decoder: LineDecoder,
    chunk: Box<[u8]>,
    /// The part of `chunk` that was read and not yet decoded.
    unread: Range<usize>,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Reads from `source`.
    #[must_use]
    pub fn new(source: R) -> Self {
        Self {
            source,
            decoder: LineDecoder::new(REPLY_MAX_BYTES),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            unread: 0..0,
        }
    }

    /// The next line without its end (LF or CRLF), or why there is none. Bytes that are not UTF-8 become U+FFFD.
    ///
    /// Cancel-safe: a line that was not handed out is handed out by the next call.
    pub async fn next_line(&mut self) -> Result<String, ConnectionError> {
        loop {
            if let Some(line) = self.next_buffered() {
                return line;
            }
            let read = self.source.read(&mut self.chunk).await.map_err(|error| ConnectionError::from_io(&error))?;
            if read == 0 {
                return Err(if self.decoder.is_mid_line() {
                    ConnectionError::MidLine
                } else {
                    ConnectionError::ClosedByServer
                });
            }
            self.unread = 0..read;
        }
    }

    /// The next line among what was read already, if a whole one is there.
    fn next_buffered(&mut self) -> Option<Result<String, ConnectionError>> {
        let mut unread = ReceivedBytes::new(&self.chunk[self.unread.clone()]);
        let line = self.decoder.next_line(&mut unread).map(|line| {
            let line = line.map_err(|error| ConnectionError::LineTooLong { max_bytes: error.max_bytes })?.as_bytes();
            if line.len() >= LINE_CEILING_BYTES && !line.starts_with(b"USERS ") {
                return Err(ConnectionError::LineTooLong { max_bytes: LINE_CEILING_BYTES });
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            Ok(String::from_utf8_lossy(line).into_owned())
        });
        self.unread.start = self.unread.end - unread.as_bytes().len();
        line
    }
}

impl ConnectionError {
    /// A read or a write that failed.
    pub(crate) fn from_io(error: &io::Error) -> Self {
        Self::Failed { reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_end_in_lf_or_crlf_and_the_end_says_how() {
        let long = [&b"FROM Elias: "[..], &vec![b'x'; LINE_CEILING_BYTES], b"\n"].concat();
        // A server may be set to take longer lines than it does by default.
        let far = [&b"FROM Elias: "[..], &vec![b'x'; 60_000], b"\n"].concat();
        let users = [&b"USERS "[..], &vec![b'x'; LINE_CEILING_BYTES]].concat();
        let cases: &[(&[u8], &[&str], ConnectionError)] = &[
            (b"WELCOME\nPONG\r\n", &["WELCOME", "PONG"], ConnectionError::ClosedByServer),
            (b"", &[], ConnectionError::ClosedByServer),
            (b"PONG\nPO", &["PONG"], ConnectionError::MidLine),
            (b"FROM Elias: \xff\n", &["FROM Elias: \u{fffd}"], ConnectionError::ClosedByServer),
            (&far[..], &[str::from_utf8(far.trim_ascii_end()).expect("ASCII")], ConnectionError::ClosedByServer),
            (&long, &[], ConnectionError::LineTooLong { max_bytes: LINE_CEILING_BYTES }),
            (&[&users[..], b"\n"].concat(), &[str::from_utf8(&users).expect("ASCII")], ConnectionError::ClosedByServer),
        ];
        for (given, expected, end) in cases {
            let mut lines = LineReader::new(*given);
            for line in *expected {
                assert_eq!(lines.next_line().await.as_deref(), Ok(*line));
            }
            assert_eq!(lines.next_line().await.as_ref(), Err(end), "given {:?}", given.escape_ascii().to_string());
        }
    }
}
