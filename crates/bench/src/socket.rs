//! The socket of a session: TCP, or TLS over TCP.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use rustls::ClientConnection;

use crate::error::Error;
use crate::transport::Transport;

/// A socket over the TCP connection `S`, blocking or not.
#[derive(Debug)]
pub(crate) enum Socket<S> {
    Tcp(S),
    Tls(Box<TlsSocket<S>>),
}

/// TLS over a TCP connection. The handshake is a part of the first reads and writes.
#[derive(Debug)]
pub(crate) struct TlsSocket<S> {
    tcp: S,
    connection: ClientConnection,
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
        let Some(tls) = &transport.tls else { return Ok(Self::Tcp(tcp)) };
        let connection = ClientConnection::new(tls.config.clone(), tls.server_name.clone());
        let connection = connection.map_err(|error| Error::Tls { source: io::Error::other(error) })?;
        Ok(Self::Tls(Box::new(TlsSocket { tcp, connection })))
    }

    /// The TCP connection.
    pub(crate) fn tcp(&self) -> &S {
        match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => &tls.tcp,
        }
    }

    /// The TCP connection.
    pub(crate) fn tcp_mut(&mut self) -> &mut S {
        match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => &mut tls.tcp,
        }
    }

    /// Whether a short read means that the TCP connection has no more bytes (epoll(7)).
    pub(crate) fn is_drained_by_short_read(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    /// Whether it has accepted bytes that the TCP connection has not accepted.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Tls(tls) => tls.connection.wants_write(),
        }
    }
}

impl<S: Read + Write + CloseSending> Socket<S> {
    /// Closes the sending direction. An error is reported by the next read.
    pub(crate) fn close_sending(&mut self) {
        if let Self::Tls(tls) = self {
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
        match self {
            Self::Tcp(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl<S: Read + Write> Write for Socket<S> {
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

impl<S: Read + Write> TlsSocket<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            // The end of the connection is the next result of the reader.
            self.connection.read_tls(&mut self.tcp)?;
            let processed = self.connection.process_new_packets();
            // A part of the handshake, or the alert of an error.
            match self.flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                flushed => flushed?,
            }
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    /// Accepts no bytes before the TCP connection has accepted all earlier ones.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let accepted = self.connection.writer().write(bytes)?;
        if accepted == 0 && !bytes.is_empty() {
            // The bytes before the end of the handshake have a bound.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match self.flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(accepted),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }
}
