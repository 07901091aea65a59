//! Notices a server that is gone without a FIN or RST.
//!
//! A machine that changes its address or loses its network sends and receives nothing more, and an idle connection
//! does not notice it. So the client sends a `PING` after a time of silence. If the silence goes on, the connection is
//! lost. Every received byte ends the silence, not only the answer to the `PING`.

use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::time::{Instant, sleep_until};

use crate::connection_error::ConnectionError;
use crate::deadline;
use crate::line_reader::LineReader;

/// The times of silence after which a client sends a `PING`, and after which it counts the connection as lost. A time
/// that is too long for the system's clock, such as [`Duration::MAX`], means no limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Liveness {
    /// The silence after which the client sends a `PING`. 30 seconds: most routers keep the state of a silent
    /// connection for longer.
    pub ping_after: Duration,
    /// The further silence after which the connection counts as lost. 15 seconds: a healthy server answers a `PING` at
    /// once, and TCP repeats a lost segment several times within this time.
    pub answer_within: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { ping_after: Duration::from_secs(30), answer_within: Duration::from_secs(15) }
    }
}

/// An input of the client, from [`MonitoredReader::next`].
#[derive(Debug, Eq, PartialEq)]
pub enum Received {
    /// A line from the server, without its LF.
    Line(String),
    /// The server is silent: the caller sends a `PING`. Its answer comes in order, after the answers to earlier
    /// requests.
    PingDue,
}

/// A [`LineReader`] that notices a server that is gone.
#[derive(Debug)]
pub struct MonitoredReader<R> {
    lines: LineReader<R>,
    liveness: Liveness,
    /// When [`Received::PingDue`] was last returned.
    ping_due_at: Option<Instant>,
}

impl<R: AsyncRead + Unpin> MonitoredReader<R> {
    /// Monitors the server whose lines `lines` reads.
    #[must_use]
    pub fn new(lines: LineReader<R>, liveness: Liveness) -> Self {
        Self { lines, liveness, ping_due_at: None }
    }

    /// Reads the next line, or returns [`Received::PingDue`] after silence. Returns
    /// [`ConnectionError::Unresponsive`] if the silence goes on, and otherwise the errors of
    /// [`LineReader::next_line`].
    ///
    /// Cancel-safe: if the future is dropped, the next call continues.
    pub async fn next(&mut self) -> Result<Received, ConnectionError> {
        // The program was busy until after the deadline. It may not have written the `PING` yet, so it gets the time
        // again.
        if self.deadline() <= Instant::now() {
            self.ping_due_at = None;
        }
        loop {
            let deadline = self.deadline();
            tokio::select! {
                // Received bytes count even if the program reads them late.
                biased;
                line = self.lines.next_line() => return line.map(Received::Line),
                () = sleep_until(deadline) => {}
            }
            // The bytes of an incomplete line end the silence, too.
            if self.deadline() > deadline {
                continue;
            }
            if self.is_awaiting_answer() {
                return Err(ConnectionError::unresponsive(self.lines.last_read_at().elapsed()));
            }
            self.ping_due_at = Some(Instant::now());
            return Ok(Received::PingDue);
        }
    }

    /// Whether a line of the last read is left, so that [`MonitoredReader::next`] returns it without a read. The lines
    /// of one read are bounded: at most 16 KiB.
    #[must_use]
    pub fn has_buffered_line(&self) -> bool {
        self.lines.has_buffered_line()
    }

    /// The end of the silence that the reader allows.
    fn deadline(&self) -> Instant {
        match self.ping_due_at {
            Some(ping_due_at) if self.is_awaiting_answer() => deadline::after(ping_due_at, self.liveness.answer_within),
            _ => deadline::after(self.lines.last_read_at(), self.liveness.ping_after),
        }
    }

    /// Whether nothing was received since the last `PING` was due.
    fn is_awaiting_answer(&self) -> bool {
        self.ping_due_at.is_some_and(|at| at > self.lines.last_read_at())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const LIVENESS: Liveness = Liveness { ping_after: Duration::from_secs(30), answer_within: Duration::from_secs(15) };

    fn monitored() -> (MonitoredReader<DuplexStream>, DuplexStream) {
        let (client, server) = duplex(1024);
        (MonitoredReader::new(LineReader::new(client), LIVENESS), server)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_makes_a_ping_due_and_then_ends_the_connection() {
        let (mut reader, _server) = monitored();
        let start = Instant::now();
        assert_eq!(reader.next().await, Ok(Received::PingDue));
        assert_eq!(start.elapsed().as_secs(), 30);
        assert_eq!(reader.next().await, Err(ConnectionError::Unresponsive { silent_ms: 45_000 }));
        assert_eq!(start.elapsed().as_secs(), 45);
    }

    #[tokio::test(start_paused = true)]
    async fn every_received_byte_ends_the_silence() {
        let (mut reader, mut server) = monitored();
        let start = Instant::now();
        // Each pair of a wait and bytes: a line, and then a line in two parts.
        let sending = async {
            for (secs, bytes) in [(40, "PONG\n"), (69, "PO"), (98, "NG\n")] {
                tokio::time::sleep_until(start + Duration::from_secs(secs)).await;
                server.write_all(bytes.as_bytes()).await.expect("the reader exists");
            }
        };
        let reading = async {
            let mut received = Vec::new();
            for _ in 0..5 {
                let next = reader.next().await;
                received.push((start.elapsed().as_secs(), next));
            }
            received
        };
        let ((), received) = tokio::join!(sending, reading);
        let pong = || Ok(Received::Line("PONG".to_owned()));
        let expected = [
            (30, Ok(Received::PingDue)),
            (40, pong()),
            (98, pong()),
            (128, Ok(Received::PingDue)),
            (143, Err(ConnectionError::Unresponsive { silent_ms: 45_000 })),
        ];
        assert_eq!(received, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_time_means_no_limit() {
        let (client, mut server) = duplex(1024);
        let liveness = Liveness { ping_after: Duration::MAX, answer_within: Duration::MAX };
        let mut reader = MonitoredReader::new(LineReader::new(client), liveness);
        let silence = tokio::time::timeout(Duration::from_hours(24), reader.next()).await;
        assert!(silence.is_err(), "{silence:?}");
        server.write_all(b"PONG\n").await.expect("the reader exists");
        assert_eq!(reader.next().await, Ok(Received::Line("PONG".to_owned())));
        reader.liveness.ping_after = Duration::from_secs(30);
        assert_eq!(reader.next().await, Ok(Received::PingDue));
        let silence = tokio::time::timeout(Duration::from_hours(24), reader.next()).await;
        assert!(silence.is_err(), "{silence:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_calls_late_gets_the_time_for_the_answer_again() {
        let (mut reader, mut server) = monitored();
        assert_eq!(reader.next().await, Ok(Received::PingDue));
        // The program stops for an hour. Its `PING` may still be in a buffer.
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(reader.next().await, Ok(Received::PingDue));
        server.write_all(b"PONG\n").await.expect("the reader exists");
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(reader.next().await, Ok(Received::Line("PONG".to_owned())));
    }
}
