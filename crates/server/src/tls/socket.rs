//! A TLS connection as the socket of an outbox.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::identity::secure_transport::Transport;
use crate::socket::Socket;

/// A TLS connection. Boxed, because TLS keeps more than a kilobyte of state for each connection.
#[derive(Debug)]
pub(crate) struct TlsSocket(Box<TlsStream<TcpStream>>);

impl TlsSocket {
    pub(crate) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self(Box::new(stream))
    }
}

impl AsyncRead for TlsSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        // TLS itself may have an answer, such as the refusal of a renegotiation. The session may have none for long. What
        // the TCP socket does not take now leaves with the next write, which also shows an error.
        if self.0.get_ref().1.wants_write() {
            let _ = Pin::new(&mut self.0).poll_flush(cx);
        }
        read
    }
}

impl AsyncWrite for TlsSocket {
    /// Takes no bytes before the TCP socket has taken all earlier ones. Otherwise they would pile up encrypted, where no
    /// outbox counts them.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.0).poll_flush(cx))?;
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Socket for TlsSocket {
    fn transport(&self) -> Option<Transport> {
        self.0.get_ref().0.peer_addr().ok().map(Transport::Tls)
    }

    fn tcp(&self) -> Option<&TcpStream> {
        Some(self.0.get_ref().0)
    }
}
