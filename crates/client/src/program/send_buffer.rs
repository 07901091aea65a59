//! A write buffer, so that a session can do other work while the server does not read.

use std::future::pending;

use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::OwnedWriteHalf;

/// Queued lines, and the socket to which they are written. The caller takes no input from the user while bytes are
/// queued. So a server that does not read stops the input, and the queue does not fill the memory.
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

    /// Writes some of the queued bytes. If no bytes are queued, the future never completes, so that another branch of
    /// `select!` can run. Cancel-safe.
    pub(crate) async fn write_some(&mut self) {
        if self.queued.is_empty() {
            return pending().await;
        }
        match self.socket.write(&self.queued).await {
            Ok(written) => drop(self.queued.drain(..written)),
            // The reading side also fails, and reports the reason.
            Err(_) => self.queued.clear(),
        }
    }

    /// Closes the sending half of the connection.
    pub(crate) async fn shut_down(&mut self) {
        let _ = self.socket.shutdown().await;
    }
}
