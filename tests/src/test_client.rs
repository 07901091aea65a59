//! A client on a socket.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::stage::Received;

/// Longest wait for an expected event: far longer than normal, so that a test passes on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to a server, used line by line.
#[derive(Debug)]
pub struct TestClient {
    reader: BufReader<Stream>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buf),
            Self::Tls(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
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
        Self { reader: BufReader::new(Stream::Plain(connect_tcp(address))) }
    }

    /// Connects to a server with TLS. Its certificate must be `certificate`, and hold the name `localhost`.
    ///
    /// # Panics
    ///
    /// If the connection or the handshake fails.
    #[must_use]
    pub fn connect_tls(address: SocketAddr, certificate: CertificateDer<'_>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.into_owned()).expect("a certificate");
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a valid configuration");
        let mut stream = StreamOwned::new(session, connect_tcp(address));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).expect("the server shakes hands");
        }
        Self { reader: BufReader::new(Stream::Tls(Box::new(stream))) }
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
        let _ = match self.reader.get_mut() {
            Stream::Plain(stream) => stream.shutdown(Shutdown::Write),
            Stream::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush()
            }
        };
    }

    /// The socket, for all operations besides lines.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match self.reader.get_ref() {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }
}

fn connect_tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout above zero");
    stream.set_write_timeout(Some(TIMEOUT)).expect("a timeout above zero");
    stream
}
