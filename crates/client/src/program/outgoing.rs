//! Lines on their way to the server, for a session that never waits for them to leave.

use std::future::pending;

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::OwnedWriteHalf;

/// What waits to be written, and where to. It is for its user to put nothing in while something waits, so that a server
/// that does not read is felt by who types.
#[derive(Debug)]
pub(crate) struct Outgoing {
    socket: OwnedWriteHalf,
    waiting: Vec<u8>,
}

impl Outgoing {
    pub(crate) fn new(socket: OwnedWriteHalf) -> Self {
        Self { socket, waiting: Vec::new() }
    }

    pub(crate) fn put(&mut self, line: &str) {
        self.waiting.extend_from_slice(line.as_bytes());
        self.waiting.push(b'\n');
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes some of what waits; without end where nothing does. Cancel-safe.
    pub(crate) async fn write(&mut self) {
        if self.waiting.is_empty() {
            return pending().await;
        }
        match self.socket.write(&self.waiting).await {
            Ok(written) => drop(self.waiting.drain(..written)),
            // Why nothing can be sent any more is for the reading side to find out.
            Err(_) => self.waiting.clear(),
        }
    }

    /// Says that no more comes.
    pub(crate) async fn shut_down(&mut self) {
        let _ = self.socket.shutdown().await;
    }
}
