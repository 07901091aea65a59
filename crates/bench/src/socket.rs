//! The socket of a session: TCP, TLS over TCP, or a WebSocket over either.

mod tls;
mod websocket;

use std::io::{self, Read, Write};
use std::net::Shutdown;

use self::tls::TlsStream;
use self::websocket::WebSocket;
use crate::error::Error;
use crate::transport::Transport;

/// A socket over the TCP connection `S`, blocking or not.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    stream: Stream<S>,
    websocket: Option<Box<WebSocket>>,
}

#[derive(Debug)]
enum Stream<S> {
    Tcp(S),
    Tls(Box<TlsStream<S>>),
}

/// A TCP connection whose sending direction can be closed.
pub(crate) trait CloseSending {
    fn close_sending(&self) -> io::Result<()>;
}

impl CloseSending for mio::net::TcpStream {
    fn close_sending(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl CloseSending for std::net::TcpStream {
    fn close_sending(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl<S> Socket<S> {
    /// Puts the layers of `transport` on a TCP connection, which may not be established yet.
    pub(crate) fn new(tcp: S, transport: &Transport) -> Result<Self, Error> {
        let stream = match &transport.tls {
            Some(client) => Stream::Tls(Box::new(TlsStream::new(tcp, client)?)),
            None => Stream::Tcp(tcp),
        };
        let websocket = transport.websocket.as_ref().map(|client| Box::new(WebSocket::new(client)));
        Ok(Self { stream, websocket })
    }

    /// The TCP connection.
    pub(crate) fn tcp(&self) -> &S {
        match &self.stream {
            Stream::Tcp(tcp) => tcp,
            Stream::Tls(tls) => &tls.tcp,
        }
    }

    /// The TCP connection.
    pub(crate) fn tcp_mut(&mut self) -> &mut S {
        match &mut self.stream {
            Stream::Tcp(tcp) => tcp,
            Stream::Tls(tls) => &mut tls.tcp,
        }
    }

    /// Whether a short read means that the TCP connection has no more bytes (epoll(7)).
    pub(crate) fn is_drained_by_short_read(&self) -> bool {
        matches!((&self.stream, &self.websocket), (Stream::Tcp(_), None))
    }

    /// Whether it has accepted bytes that the TCP connection has not accepted.
    pub(crate) fn has_unsent(&self) -> bool {
        let is_encrypted_unsent = match &self.stream {
            Stream::Tcp(_) => false,
            Stream::Tls(tls) => tls.connection.wants_write(),
        };
        is_encrypted_unsent || self.websocket.as_ref().is_some_and(|websocket| websocket.has_unsent())
    }
}

impl<S: Read + Write + CloseSending> Socket<S> {
    /// Closes the sending direction. An error is reported by the next read.
    pub(crate) fn close_sending(&mut self) {
        if let Some(websocket) = &mut self.websocket {
            // The server answers the Close, and closes the TCP connection (RFC 6455 §7.1.1).
            websocket.encode_close();
            let _ = self.flush();
            return;
        }
        if let Stream::Tls(tls) = &mut self.stream {
            tls.connection.send_close_notify();
            if tls.flush().is_err() {
                // The rest of the encrypted bytes leaves when the connection is writable again.
                return;
            }
        }
        let _ = self.tcp().close_sending();
    }
}

impl<S: Read + Write> Read for Socket<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(websocket) = &mut self.websocket else { return self.stream.read(buffer) };
        loop {
            if websocket.is_closed {
                return Ok(0);
            }
            let received = self.stream.read(&mut buffer[websocket::DECODE_RESERVE..])?;
            if received == 0 {
                return Ok(0);
            }
            let end = websocket::DECODE_RESERVE + received;
            let decoded = websocket.decode(&mut buffer[..end])?;
            // The end of the opening handshake, or an answer to a Ping.
            match websocket.send_to(&mut self.stream) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ if decoded > 0 => return Ok(decoded),
                _ => {}
            }
        }
    }
}

impl<S: Read + Write> Write for Socket<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(websocket) = &mut self.websocket else { return self.stream.write(bytes) };
        // Accepts no bytes before the stream has accepted all earlier ones.
        websocket.send_to(&mut self.stream)?;
        websocket.encode(bytes);
        match websocket.send_to(&mut self.stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(websocket) = &mut self.websocket {
            websocket.send_to(&mut self.stream)?;
        }
        self.stream.flush()
    }
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl<S: Read + Write> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
