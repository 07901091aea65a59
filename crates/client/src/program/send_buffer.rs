//! A write buffer for a session that never blocks on a write.

use std::future::pending;

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::OwnedWriteHalf;

/// Buffered lines and the socket to write them to. The caller takes no input while bytes are queued, so a server that
/// does not read slows down the user's input and does not fill the memory.
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

    /// Writes some of the queued bytes. Never returns if none are queued. Cancel-safe.
    pub(crate) async fn write_some(&mut self) {
        if self.queued.is_empty() {
            return pending().await;
        }
        match self.socket.write(&self.queued).await {
            Ok(written) => drop(self.queued.drain(..written)),
            // The reading side finds and reports the reason.
            Err(_) => self.queued.clear(),
        }
    }

    /// Closes the sending half of the connection.
    pub(crate) async fn shut_down(&mut self) {
        let _ = self.socket.shutdown().await;
    }
}
