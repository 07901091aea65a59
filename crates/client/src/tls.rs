//! The TLS handshake with a server, and the decision whether its key is the right one.
//!
//! A server with a self-made certificate is recognized by the hash of its key, which join links carry. Otherwise one of
//! the system's authorities has to vouch for the certificate. Sessions are never resumed: a resumed handshake shows no
//! certificate, so a key that has changed would stay unnoticed.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sha2::{Digest as _, Sha256};
use switchboard_protocol::{HostPort, JoinLink, KeyHash};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, version,
};

use crate::connect::connect_tcp;
use crate::deadline;
use crate::error::Error;

/// The protocol name of both dialects in ALPN (RFC 7301).
const ALPN: &[u8] = b"switchboard";

/// The protocol name of HTTP/1.1 in ALPN, which begins a WebSocket.
const ALPN_HTTP: &[u8] = b"http/1.1";

/// The key that a server has shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerKey {
    /// The hash of the public key.
    pub hash: KeyHash,
    /// The SHA-256 hash of the certificate, in the form in which servers and browsers show it: `AB:CD:…`.
    pub certificate: String,
    /// Whether an authority that this system trusts vouches for the certificate.
    pub is_vouched_for: bool,
}

/// Asks a server for its key, and closes the connection. The listener may be one for WebSockets. `limit` is the time
/// limit.
pub async fn fetch_key(address: &HostPort, limit: Duration) -> Result<ServerKey, Error> {
    let deadline = deadline::after(Instant::now(), limit);
    let stream = connect_tcp(address, limit).await?;
    let link = JoinLink { address: address.clone(), room: None, key: None };
    let verifier = Arc::new(Verifier::new(AcceptedKey::Any));
    shake_hands(stream, &link, Arc::clone(&verifier), &[ALPN, ALPN_HTTP], deadline, limit).await?;
    // Without a certificate, the handshake fails.
    verifier.shown.get().cloned().ok_or_else(|| handshake_error(&link, "the server has shown no certificate"))
}

/// Shakes hands with the server of `link`, before `deadline`.
pub(crate) async fn connect_tls(
    stream: TcpStream,
    link: &JoinLink,
    deadline: Instant,
    limit: Duration,
) -> Result<Box<TlsStream<TcpStream>>, Error> {
    let accepted = link.key.clone().map_or(AcceptedKey::VouchedFor, AcceptedKey::This);
    let verifier = Arc::new(Verifier::new(accepted));
    let shaken = shake_hands(stream, link, Arc::clone(&verifier), &[ALPN], deadline, limit).await;
    match (shaken, &verifier.accepted, verifier.shown.get()) {
        (Err(_), AcceptedKey::This(expected), Some(shown)) if *expected != shown.hash => Err(Error::OtherKey {
            addr: link.address.to_string(),
            expected: expected.clone(),
            found: shown.hash.clone(),
        }),
        (Err(Error::Handshake { reason, .. }), AcceptedKey::VouchedFor, Some(shown)) if !shown.is_vouched_for => {
            Err(Error::UnknownKey { addr: link.address.to_string(), key: shown.hash.clone(), reason })
        }
        (shaken, _, _) => shaken,
    }
}

/// The settings of TLS for the server of `link`, and the name that its certificate is checked against. For programs that
/// open their connections themselves.
pub fn client_config(link: &JoinLink) -> Result<(Arc<ClientConfig>, ServerName<'static>), Error> {
    config_for(link, ALPN)
}

/// Like [`client_config`], for WebSockets at the address of `link`.
pub fn websocket_client_config(link: &JoinLink) -> Result<(Arc<ClientConfig>, ServerName<'static>), Error> {
    config_for(link, ALPN_HTTP)
}

fn config_for(link: &JoinLink, alpn: &[u8]) -> Result<(Arc<ClientConfig>, ServerName<'static>), Error> {
    let accepted = link.key.clone().map_or(AcceptedKey::VouchedFor, AcceptedKey::This);
    config_with(link, Arc::new(Verifier::new(accepted)), &[alpn])
}

fn config_with(
    link: &JoinLink,
    verifier: Arc<Verifier>,
    alpn: &[&[u8]],
) -> Result<(Arc<ClientConfig>, ServerName<'static>), Error> {
    let (host, _) = link.address.pair();
    // A certificate has no zones (RFC 4007 §11).
    let host = host.split_once('%').map_or(host, |(address, _)| address);
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| handshake_error(link, "the host is neither a name nor an address"))?;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|error| handshake_error(link, error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::disabled();
    Ok((Arc::new(config), name))
}

async fn shake_hands(
    stream: TcpStream,
    link: &JoinLink,
    verifier: Arc<Verifier>,
    alpn: &[&[u8]],
    deadline: Instant,
    limit: Duration,
) -> Result<Box<TlsStream<TcpStream>>, Error> {
    let (config, name) = config_with(link, verifier, alpn)?;
    let shaken = timeout_at(deadline, TlsConnector::from(config).connect(name, stream)).await;
    let timed_out = |_| Error::ConnectTimeout { addr: link.address.to_string(), limit };
    Ok(Box::new(shaken.map_err(timed_out)?.map_err(|error| handshake_error(link, error))?))
}

fn handshake_error(link: &JoinLink, reason: impl fmt::Display) -> Error {
    Error::Handshake { addr: link.address.to_string(), reason: reason.to_string() }
}

/// Which keys are accepted.
#[derive(Clone, Debug)]
enum AcceptedKey {
    /// Any key: the caller only wants to see it.
    Any,
    /// This key alone.
    This(KeyHash),
    /// A key in a certificate for which an authority vouches.
    VouchedFor,
}

/// Checks the certificate of a server, and remembers its key.
#[derive(Debug)]
struct Verifier {
    accepted: AcceptedKey,
    provider: Arc<CryptoProvider>,
    /// The authorities of this system, once they are read.
    authorities: OnceLock<Arc<WebPkiServerVerifier>>,
    /// The key of the first handshake.
    shown: OnceLock<ServerKey>,
}

impl Verifier {
    fn new(accepted: AcceptedKey) -> Self {
        Self {
            accepted,
            provider: Arc::new(ring::default_provider()),
            authorities: OnceLock::new(),
            shown: OnceLock::new(),
        }
    }

    /// The check by the authorities of this system.
    fn authorities(&self) -> Result<&WebPkiServerVerifier, rustls::Error> {
        if let Some(authorities) = self.authorities.get() {
            return Ok(authorities);
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider)).build();
        let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(self.authorities.get_or_init(|| verifier))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let hash = key_hash(certificate)?;
        let vouched_for = match &self.accepted {
            AcceptedKey::This(_) => Ok(ServerCertVerified::assertion()),
            AcceptedKey::Any | AcceptedKey::VouchedFor => self
                .authorities()
                .and_then(|authorities| authorities.verify_server_cert(certificate, chain, name, &[], now)),
        };
        let shown = ServerKey {
            hash: hash.clone(),
            certificate: with_colons(&Sha256::digest(certificate)),
            is_vouched_for: vouched_for.is_ok() && !matches!(self.accepted, AcceptedKey::This(_)),
        };
        // Later handshakes with the same configuration show the same key, or fail.
        let _ = self.shown.set(shown);
        match &self.accepted {
            AcceptedKey::Any => {}
            AcceptedKey::This(expected) if *expected == hash => {}
            AcceptedKey::This(_) => {
                return Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
            }
            AcceptedKey::VouchedFor => return vouched_for,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The hash of the public key in a certificate.
fn key_hash(certificate: &CertificateDer<'_>) -> Result<KeyHash, rustls::Error> {
    let bad_encoding = || rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
    let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|_| bad_encoding())?;
    let digest = Sha256::digest(parsed.subject_public_key_info());
    KeyHash::new(&Base64UrlUnpadded::encode_string(&digest)).map_err(|_| bad_encoding())
}

fn with_colons(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}
