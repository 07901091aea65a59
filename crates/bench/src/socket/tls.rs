//! TLS over a TCP connection.

use std::io::{self, Read, Write};

use rustls::ClientConnection;

use crate::error::Error;
use crate::transport::TlsClient;

/// TLS over a TCP connection. The handshake is a part of the first reads and writes.
#[derive(Debug)]
pub(super) struct TlsStream<S> {
    pub(super) tcp: S,
    pub(super) connection: ClientConnection,
}

impl<S> TlsStream<S> {
    pub(super) fn new(tcp: S, client: &TlsClient) -> Result<Self, Error> {
        let connection = ClientConnection::new(client.config.clone(), client.server_name.clone());
        let connection = connection.map_err(|error| Error::Transport { source: io::Error::other(error) })?;
        Ok(Self { tcp, connection })
    }
}

impl<S: Read + Write> TlsStream<S> {
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
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
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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

    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }
}
