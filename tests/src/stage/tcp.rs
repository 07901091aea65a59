//! A real server over TCP, with or without TLS and WebSocket.

use std::collections::HashMap;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use switchboard_protocol::Dialect;
use switchboard_server::Settings;
use switchboard_server::tls::{CertificateSource, Tls, TlsVersion};
use tempfile::TempDir;

use super::{Received, Stage};
use crate::process::EmbeddedServer;
use crate::stream::Stream;
use crate::test_client::TestClient;
use crate::web_client::WebSocketStream;

/// An embedded server, and clients on sockets.
#[derive(Debug)]
pub struct TcpStage {
    server: EmbeddedServer,
    clients: HashMap<String, StageClient>,
    /// Whether a line is sent in up to 100 pieces: byte by byte, if it has no more bytes than that.
    byte_by_byte: bool,
    /// Whether the sessions of the commands dialect use WebSocket.
    uses_web_socket: bool,
    /// The certificate of the server's listener for the commands dialect, if it uses TLS.
    certificate: Option<CertificateDer<'static>>,
    /// The directory of the server's store, if it has one.
    _data: Option<TempDir>,
}

#[derive(Debug)]
struct StageClient {
    connection: TestClient,
    dialect: Dialect,
    /// First line that the client sent. In the line dialect, it is the name of the user, which the fence needs.
    first_line: Option<String>,
}

impl TcpStage {
    /// Starts an embedded server.
    #[must_use]
    pub fn new() -> Self {
        Self::of(EmbeddedServer::start())
    }

    fn of(server: EmbeddedServer) -> Self {
        Self {
            server,
            clients: HashMap::new(),
            byte_by_byte: false,
            uses_web_socket: false,
            certificate: None,
            _data: None,
        }
    }

    /// Like [`Self::new`], but the server stores its conversations on the disk.
    ///
    /// # Panics
    ///
    /// If there is no room for a temporary directory.
    #[must_use]
    pub fn with_data() -> Self {
        let data = TempDir::new().expect("a temporary directory");
        let settings = Settings { data: Some(data.path().join("data")), ..Settings::default() };
        let server = EmbeddedServer::with_settings(settings);
        Self { _data: Some(data), ..Self::of(server) }
    }

    /// Like [`Self::new`], but the sessions of the commands dialect use TLS.
    ///
    /// # Panics
    ///
    /// If the server cannot make a certificate.
    #[must_use]
    pub fn over_tls() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let source = CertificateSource::SelfMade(directory.path().to_owned());
        let tls = Tls::new(source, TlsVersion::default()).expect("a certificate");
        let certificate = CertificateDer::from_pem_file(directory.path().join("tls-certificate.pem"));
        Self { certificate: Some(certificate.expect("a certificate")), ..Self::of(EmbeddedServer::with_tls(tls)) }
    }

    /// Like [`Self::new`], but each byte of a line is sent on its own. A line of more than 100 bytes is sent in up to
    /// 100 longer pieces.
    #[must_use]
    pub fn byte_by_byte() -> Self {
        Self { byte_by_byte: true, ..Self::new() }
    }

    /// Like [`Self::new`], but the sessions of the commands dialect use WebSocket.
    #[must_use]
    pub fn over_web_socket() -> Self {
        Self { uses_web_socket: true, ..Self::new() }
    }

    /// Like [`Self::over_tls`], but the sessions of the commands dialect use WebSocket.
    #[must_use]
    pub fn over_web_socket_with_tls() -> Self {
        Self { uses_web_socket: true, ..Self::over_tls() }
    }

    fn client(&mut self, who: &str) -> &mut StageClient {
        self.clients.get_mut(who).unwrap_or_else(|| panic!("{who} has opened no session"))
    }
}

impl Default for TcpStage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage for TcpStage {
    fn open(&mut self, who: &str, dialect: Dialect) {
        let address = self.server.address(dialect);
        let is_commands = dialect == Dialect::Commands;
        let address = if self.uses_web_socket && is_commands { self.server.web_address() } else { address };
        let stream = match &self.certificate {
            Some(certificate) if is_commands => Stream::connect_tls(address, certificate.clone()),
            _ => Stream::connect(address),
        };
        let connection = if self.uses_web_socket && is_commands {
            TestClient::over_web_socket(WebSocketStream::open(stream))
        } else {
            TestClient::over_stream(stream)
        };
        self.clients.insert(who.to_owned(), StageClient { connection, dialect, first_line: None });
    }

    fn send(&mut self, who: &str, bytes: &[u8]) {
        let byte_by_byte = self.byte_by_byte;
        let client = self.client(who);
        if client.first_line.is_none() {
            client.first_line = String::from_utf8_lossy(bytes).lines().next().map(|line| line.trim().to_owned());
        }
        let piece_len = if byte_by_byte { bytes.len().div_ceil(100) } else { bytes.len() };
        for piece in bytes.chunks(piece_len.max(1)) {
            client.connection.write(piece);
        }
    }

    fn receive(&mut self, who: &str) -> Received {
        self.client(who).connection.receive()
    }

    fn receive_pending(&mut self, who: &str) -> Option<String> {
        // A fence: a request whose reply arrives after all lines that the server sent before it.
        let StageClient { connection, dialect, first_line } = self.client(who);
        let (request, reply) = match dialect {
            Dialect::Commands => ("PING".to_owned(), "PONG"),
            Dialect::Line => {
                let name = first_line.as_deref().expect("a session with a fence has registered");
                (format!("{name}: fence"), "You cannot send messages to yourself.")
            }
        };
        connection.send(&request);
        match connection.receive() {
            Received::Line(line) if line == reply => None,
            received => Some(format!("{received:?}")),
        }
    }

    fn half_close(&mut self, who: &str) {
        self.client(who).connection.half_close();
    }

    fn close(&mut self, who: &str) {
        // The server closes its side once the session has ended for all others, too.
        if let Some(mut client) = self.clients.remove(who) {
            client.connection.half_close();
            while let Received::Line(_) = client.connection.receive() {}
        }
    }
}
