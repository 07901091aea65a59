//! Lines on their way to the server, for a session that never waits for them to leave.

use std::future::pending;

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::OwnedWriteHalf;

/// What waits to be written, and where to. It is for its user to put nothing in while something waits, so that a server
/// that does not read is felt by who types.
#[derive(Debug)]
pub(crate) struct SendBuffer {
    socket: OwnedWriteHalf,
    queued: Vec<u8>,
}

impl SendBuffer {
    pub(crate) fn new(socket: OwnedWriteHalf) -> Self {
        Self { socket, queued: Vec::new() }
    }

    pub(crate) fn push_line(&mut self, line: &str) {
        self.queued.extend_from_slice(line.as_bytes());
        self.queued.push(b'\n');
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// Writes some of what waits; without end where nothing does. Cancel-safe.
    pub(crate) async fn write_some(&mut self) {
        if self.queued.is_empty() {
            return pending().await;
        }
        match self.socket.write(&self.queued).await {
            Ok(written) => drop(self.queued.drain(..written)),
            // Why nothing can be sent any more is for the reading side to find out.
            Err(_) => self.queued.clear(),
        }
    }

    /// Says that no more comes.
    pub(crate) async fn shut_down(&mut self) {
        let _ = self.socket.shutdown().await;
    }
}
