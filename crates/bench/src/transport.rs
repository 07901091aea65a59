//! The layers between a session and the server's port.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

/// The layers between a session and the server's port. The default is TCP alone.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// Encrypts the sessions.
    pub tls: Option<TlsClient>,
}

/// The client side of TLS, shared by all sessions. Each session shakes hands in full if `config` does not resume sessions.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// The versions, the ciphers and the check of the server's certificate.
    pub config: Arc<ClientConfig>,
    /// The name of the server that its certificate is checked against.
    pub server_name: ServerName<'static>,
}
