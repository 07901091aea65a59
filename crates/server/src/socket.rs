//! The stream to a client, through which its session reads and writes.

use std::fmt::Debug;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::identity::secure_transport::Transport;

/// A stream to the client: a TCP connection, or a mock in a test.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Debug {
    /// How the bytes travel, and from where.
    fn transport(&self) -> Option<Transport> {
        None
    }

    /// The TCP connection that carries the bytes, if one does.
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }
}

impl Socket for TcpStream {
    fn transport(&self) -> Option<Transport> {
        self.peer_addr().ok().map(Transport::Tcp)
    }

    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

#[cfg(test)]
impl Socket for tokio::io::Empty {}
