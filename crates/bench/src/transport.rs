//! The layers between a session and the server's port.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

/// The layers between a session and the server's port. The default is TCP alone.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// Encrypts the sessions.
    pub tls: Option<TlsClient>,
    /// Carries the sessions in the frames of a WebSocket.
    pub websocket: Option<WebSocketClient>,
}

/// The client side of TLS, shared by all sessions. Each session shakes hands in full if `config` does not resume sessions.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// The versions, the ciphers and the check of the server's certificate.
    pub config: Arc<ClientConfig>,
    /// The name of the server that its certificate is checked against.
    pub server_name: ServerName<'static>,
}

/// The client side of WebSockets (RFC 6455).
#[derive(Clone, Debug)]
pub struct WebSocketClient {
    /// The value of the header `Host`.
    pub host: String,
    /// The path of the request, such as `/ws`.
    pub path: String,
    /// The subprotocol that the client asks for.
    pub subprotocol: Option<&'static str>,
    /// What the messages carry.
    pub kind: MessageKind,
}

/// What the messages of a WebSocket carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageKind {
    /// Text messages, each with a line of the protocol, without its LF.
    Lines,
    /// Binary messages, which may cut the bytes of the protocol anywhere.
    Bytes,
}
