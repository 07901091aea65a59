//! Reads a server's lines from a stream.

use std::io;
use std::ops::Range;

use switchboard_protocol::limits::{LINE_CEILING_BYTES, REPLY_MAX_BYTES};
use switchboard_protocol::{LineDecoder, ReceivedBytes};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::Instant;

use crate::connection_error::ConnectionError;

/// The largest read in bytes: a few hundred short replies.
const CHUNK_BYTES: usize = 16 * 1024;

/// Reads a server's lines one by one.
///
/// The `USERS` line grows with the number of users and may have up to [`REPLY_MAX_BYTES`] bytes. The limit of all other
/// lines is [`LINE_CEILING_BYTES`], so that a queue of lines is bounded in bytes.
#[derive(Debug)]
pub struct LineReader<R> {
    source: R,
    decoder: LineDecoder,
    chunk: Box<[u8]>,
    /// The part of `chunk` that holds received bytes not yet decoded.
    undecoded: Range<usize>,
    /// When the last bytes were read, or when this reader was created.
    last_read_at: Instant,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Creates a reader of `source`.
    #[must_use]
    pub fn new(source: R) -> Self {
        Self {
            source,
            decoder: LineDecoder::new(REPLY_MAX_BYTES),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            undecoded: 0..0,
            last_read_at: Instant::now(),
        }
    }

    /// Reads the next line. Returns it without its LF or CRLF; invalid UTF-8 becomes U+FFFD. At the end of the stream
    /// it returns the reason as an error.
    ///
    /// Cancel-safe: if the future is dropped, the next call returns the line.
    pub async fn next_line(&mut self) -> Result<String, ConnectionError> {
        loop {
            if let Some(line) = self.next_buffered() {
                return line;
            }
            let n_read = self.source.read(&mut self.chunk).await.map_err(|error| ConnectionError::from_io(&error))?;
            if n_read == 0 {
                return Err(if self.decoder.is_mid_line() {
                    ConnectionError::MidLine
                } else {
                    ConnectionError::ClosedByServer
                });
            }
            self.undecoded = 0..n_read;
            self.last_read_at = Instant::now();
        }
    }

    /// When the last bytes were read, or when this reader was created.
    pub(crate) fn last_read_at(&self) -> Instant {
        self.last_read_at
    }

    /// Whether the rest of the last read has an LF, so that [`LineReader::next_line`] returns without a read.
    pub(crate) fn has_buffered_line(&self) -> bool {
        self.chunk[self.undecoded.clone()].contains(&b'\n')
    }

    /// Returns the next complete line of the last read, or `None` if the last read has no further LF.
    fn next_buffered(&mut self) -> Option<Result<String, ConnectionError>> {
        let mut received = ReceivedBytes::new(&self.chunk[self.undecoded.clone()]);
        let line = self.decoder.next_line(&mut received).map(|line| {
            let line = line.map_err(|error| ConnectionError::LineTooLong { max_bytes: error.max_bytes })?.as_bytes();
            if line.len() >= LINE_CEILING_BYTES && !line.starts_with(b"USERS ") {
                return Err(ConnectionError::LineTooLong { max_bytes: LINE_CEILING_BYTES });
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            Ok(String::from_utf8_lossy(line).into_owned())
        });
        self.undecoded.start = self.undecoded.end - received.as_bytes().len();
        line
    }
}

impl ConnectionError {
    /// Converts the error of a read or write.
    pub(crate) fn from_io(error: &io::Error) -> Self {
        Self::Failed { reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_yields_its_lines_and_then_the_reason_for_its_end() {
        let too_long = [&b"FROM Elias: "[..], &vec![b'x'; LINE_CEILING_BYTES], b"\n"].concat();
        // A server can be configured with a line limit above the default, so this line is allowed.
        let long = [&b"FROM Elias: "[..], &vec![b'x'; 60_000], b"\n"].concat();
        let users = [&b"USERS "[..], &vec![b'x'; LINE_CEILING_BYTES]].concat();
        let cases: &[(&[u8], &[&str], ConnectionError)] = &[
            (b"WELCOME\nPONG\r\n", &["WELCOME", "PONG"], ConnectionError::ClosedByServer),
            (b"", &[], ConnectionError::ClosedByServer),
            (b"PONG\nPO", &["PONG"], ConnectionError::MidLine),
            (b"FROM Elias: \xff\n", &["FROM Elias: \u{fffd}"], ConnectionError::ClosedByServer),
            (&long[..], &[str::from_utf8(long.trim_ascii_end()).expect("ASCII")], ConnectionError::ClosedByServer),
            (&too_long, &[], ConnectionError::LineTooLong { max_bytes: LINE_CEILING_BYTES }),
            (&[&users[..], b"\n"].concat(), &[str::from_utf8(&users).expect("ASCII")], ConnectionError::ClosedByServer),
        ];
        for (stream, expected_lines, reason) in cases {
            let mut lines = LineReader::new(*stream);
            for line in *expected_lines {
                assert_eq!(lines.next_line().await.as_deref(), Ok(*line));
            }
            assert_eq!(lines.next_line().await.as_ref(), Err(reason), "given {:?}", stream.escape_ascii().to_string());
        }
    }
}
