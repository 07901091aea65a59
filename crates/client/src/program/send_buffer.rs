//! A write buffer, so that a session can do other work while the server does not read.

use std::future::pending;

use switchboard_client::low_level::{StreamWriter, write_some};
use tokio::io::AsyncWriteExt as _;

/// Queued lines, and the socket to which they are written. The caller takes no input from the user while bytes are
/// queued. So a server that does not read stops the input, and the queue does not fill the memory.
#[derive(Debug)]
pub(crate) struct SendBuffer {
    socket: StreamWriter,
    queued: Vec<u8>,
    /// Whether TLS may hold encrypted bytes that the TCP socket has not taken.
    must_flush: bool,
}

impl SendBuffer {
    pub(crate) fn new(socket: StreamWriter) -> Self {
        Self { socket, queued: Vec::new(), must_flush: false }
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
        if self.queued.is_empty() && !self.must_flush {
            return pending().await;
        }
        if let Ok(written) = write_some(&mut self.socket, &self.queued).await {
            self.queued.drain(..written);
            self.must_flush = written > 0;
        } else {
            // The reading side also fails, and reports the reason.
            self.queued.clear();
            self.must_flush = false;
        }
    }

    /// Closes the sending half of the connection.
    pub(crate) async fn shut_down(&mut self) {
        let _ = self.socket.shutdown().await;
    }
}
