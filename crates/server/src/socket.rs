//! The stream to a client, through which its session reads and writes.

use std::fmt::Debug;

use switchboard_core::CloseReason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::identity::secure_transport::Transport;

/// The answer of a socket to [`Socket::probe`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Probe {
    /// The peer needs no question now.
    Unneeded,
    /// A question waits for the next flush.
    Asked,
    /// The peer has not answered the last questions.
    Unanswered,
}

/// A stream to the client: a TCP connection, one with TLS, a WebSocket, or a mock in a test.
///
/// An error of the kind `InvalidData` from `poll_read` means that the peer breaks the protocol of the stream. The socket
/// can still write.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Debug {
    /// How the bytes travel, and from where.
    fn transport(&self) -> Option<Transport> {
        None
    }

    /// The TCP connection that carries the bytes, if one does.
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }

    /// Takes the reason for the shutdown that follows, for a peer that can hear it.
    fn set_close_reason(&mut self, _reason: CloseReason) {}

    /// Asks the peer for a sign of life if it has been silent since the last call. TCP needs no question: the system
    /// itself probes silent peers.
    fn probe(&mut self) -> Probe {
        Probe::Unneeded
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

#[cfg(test)]
impl Socket for tokio::io::DuplexStream {}
