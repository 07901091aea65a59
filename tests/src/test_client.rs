//! A client on a socket.

use std::fmt::Debug;
use std::io::{BufRead as _, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::stage::Received;
use crate::stream::Stream;
use crate::web_client::WebSocketStream;

/// Longest wait for an expected event: far longer than normal, so that a test passes on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to a server, used line by line.
#[derive(Debug)]
pub struct TestClient {
    reader: BufReader<Box<dyn Connection>>,
}

/// The connection of a client.
trait Connection: Read + Write + Debug + Send {
    fn half_close(&mut self);
    fn socket(&self) -> &TcpStream;
}

impl Connection for Stream {
    fn half_close(&mut self) {
        self.half_close();
    }

    fn socket(&self) -> &TcpStream {
        self.socket()
    }
}

impl Connection for WebSocketStream {
    fn half_close(&mut self) {
        self.close();
    }

    fn socket(&self) -> &TcpStream {
        self.stream_ref().socket()
    }
}

impl TestClient {
    /// Connects to a server.
    ///
    /// # Panics
    ///
    /// If the connection fails.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(Stream::connect(address))
    }

    /// Connects to a server with TLS. Its certificate must be `certificate`, and hold the name `localhost`.
    ///
    /// # Panics
    ///
    /// If the connection or the handshake fails.
    #[must_use]
    pub fn connect_tls(address: SocketAddr, certificate: CertificateDer<'_>) -> Self {
        Self::over(Stream::connect_tls(address, certificate))
    }

    /// Uses `stream`, which may be a WebSocket to the server.
    #[must_use]
    pub fn over_web_socket(stream: WebSocketStream) -> Self {
        Self::over(stream)
    }

    /// Uses `stream`.
    #[must_use]
    pub fn over_stream(stream: Stream) -> Self {
        Self::over(stream)
    }

    fn over(connection: impl Connection + 'static) -> Self {
        Self { reader: BufReader::new(Box::new(connection)) }
    }

    /// Connects to a listener of the commands dialect and registers a name.
    ///
    /// # Panics
    ///
    /// If the server's replies are not the expected ones.
    #[must_use]
    pub fn registered(address: SocketAddr, name: &str) -> Self {
        let mut client = Self::connect(address);
        client.expect("WELCOME");
        client.send(&format!("REGISTER {name}"));
        client.expect(&format!("REGISTER_OK {name}"));
        client
    }

    /// Connects to a listener of the commands dialect, and opens version 2 of the protocol.
    ///
    /// # Panics
    ///
    /// If the server's replies are not the expected ones.
    #[must_use]
    pub fn version2(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.expect("WELCOME");
        client.send("HELLO 2");
        client.expect_reply_prefix("HELLO_OK 2 ");
        client
    }

    /// Like [`Self::version2`], and registers a name.
    ///
    /// # Panics
    ///
    /// If the server's replies are not the expected ones.
    #[must_use]
    pub fn guest(address: SocketAddr, name: &str) -> Self {
        let mut client = Self::version2(address);
        client.send(&format!("REGISTER {name}"));
        client.expect_reply(&format!("REGISTER_OK {name}"));
        client
    }

    /// Like [`Self::guest`], and makes the name an account. The session is its device `main`.
    ///
    /// # Panics
    ///
    /// If the server's replies are not the expected ones.
    #[must_use]
    pub fn account(address: SocketAddr, name: &str, password: &str) -> Self {
        let mut client = Self::guest(address, name);
        client.send(&format!("CLAIM password {password}"));
        client.expect_reply(&format!("CLAIM_OK {name}"));
        client
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes());
    }

    /// Sends bytes. If the connection is closed, the next [`Self::receive`] reports it.
    pub fn write(&mut self, bytes: &[u8]) {
        let stream = self.reader.get_mut();
        let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    }

    /// Receives the next line or the end of the session. Returns [`Received::Silence`] if neither arrives within
    /// [`TIMEOUT`].
    pub fn receive(&mut self) -> Received {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(0) => Received::End,
            Ok(_) => Received::Line(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Received::Silence,
            Err(_) => Received::End,
        }
    }

    /// Receives the next line, which must be `line`.
    ///
    /// # Panics
    ///
    /// If another line, the end or nothing arrives.
    #[track_caller]
    pub fn expect(&mut self, line: &str) {
        assert_eq!(self.receive(), Received::Line(line.to_owned()));
    }

    /// Receives the next line of version 2, and ignores news of conversations that are not open. They may come at any
    /// time.
    ///
    /// # Panics
    ///
    /// If the end or nothing arrives.
    #[track_caller]
    pub fn receive_reply(&mut self) -> String {
        loop {
            match self.receive() {
                Received::Line(line) if line.starts_with("CONVERSATION ") => {}
                Received::Line(line) => return line,
                other => panic!("{other:?} instead of a line"),
            }
        }
    }

    /// Like [`Self::receive_reply`], but the line must be `line`.
    ///
    /// # Panics
    ///
    /// If another line, the end or nothing arrives.
    #[track_caller]
    pub fn expect_reply(&mut self, line: &str) {
        assert_eq!(self.receive_reply(), line);
    }

    /// Like [`Self::receive_reply`], but the line must begin with `prefix`. Returns the rest of the line.
    ///
    /// # Panics
    ///
    /// If another line, the end or nothing arrives.
    #[track_caller]
    pub fn expect_reply_prefix(&mut self, prefix: &str) -> String {
        let line = self.receive_reply();
        line.strip_prefix(prefix).unwrap_or_else(|| panic!("{line:?} instead of {prefix:?}")).to_owned()
    }

    /// Receives the end of the session.
    ///
    /// # Panics
    ///
    /// If a line or nothing arrives.
    #[track_caller]
    pub fn expect_end(&mut self) {
        assert_eq!(self.receive(), Received::End);
    }

    /// Closes the sending side.
    pub fn half_close(&mut self) {
        self.reader.get_mut().half_close();
    }

    /// The socket, for all operations besides lines.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref().socket()
    }
}
