//! TLS for listeners: the server's certificate, and the handshake of each connection.
//!
//! The certificate is one that the operator gives as two PEM files, or one that the server makes for itself. Clients
//! recognize a self-made certificate by the fingerprint that the server prints, so its key stays the same for ever.

mod certificate;
mod plain_text;
mod renewal;
mod self_made;
mod socket;
mod tickets;
mod validity;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ServerConfig, version};
use webpki::EndEntityCert;

pub(crate) use self::certificate::host_name;
pub use self::certificate::{CertificateError, CertificateSource, Fingerprints};
use self::renewal::FileStates;
pub(crate) use self::socket::TlsSocket;
use self::tickets::Tickets;

/// Maximum time of a handshake: two round trips over a bad mobile link, with each packet lost twice.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The protocol name of both dialects in ALPN (RFC 7301). A client that names other protocols only is refused: it is
/// not for this server.
const ALPN: &[u8] = b"switchboard";

/// The protocol name of HTTP/1.1 in ALPN, for web listeners. A browser that offers HTTP/2, too, then takes HTTP/1.1.
const ALPN_HTTP: &[u8] = b"http/1.1";

/// The oldest version of TLS that a server accepts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246), for old clients.
    Tls12,
    /// TLS 1.3 (RFC 8446).
    #[default]
    Tls13,
}

/// The TLS side of a server. Clones share the certificate.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<SharedCertificate>,
    tickets: Arc<Tickets>,
    source: CertificateSource,
    /// The states of the files at the last read.
    read_states: Arc<Mutex<Option<FileStates>>>,
}

impl Tls {
    /// Reads the certificate, or makes one.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] names the file and the fault.
    #[expect(clippy::missing_panics_doc, reason = "the provider supports both versions")]
    pub fn new(source: CertificateSource, oldest: TlsVersion) -> Result<Self, CertificateError> {
        source.prepare(now())?;
        let read_states = Arc::new(Mutex::new(source.file_states()));
        let certificate = Arc::new(SharedCertificate(RwLock::new(Arc::new(source.read()?))));
        let versions: &[_] = match oldest {
            TlsVersion::Tls12 => &[&version::TLS13, &version::TLS12],
            TlsVersion::Tls13 => &[&version::TLS13],
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("the provider supports both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Sessions are resumed by tickets only. The server remembers none.
        let tickets = Arc::new(Tickets::new());
        config.ticketer = Arc::clone(&tickets) as Arc<dyn ProducesTickets>;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate, tickets, source, read_states })
    }

    /// Reads the files of the certificate again, for later handshakes. Returns whether it is another one: then no session
    /// of the old one is resumed. After an error, the old certificate stays.
    fn read_again(&self) -> Result<bool, CertificateError> {
        if self.source == CertificateSource::Temporary {
            return Ok(false);
        }
        let new = Arc::new(self.source.read()?);
        let is_other = new.cert != self.certificate.get().cert;
        *self.certificate.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        if is_other {
            self.tickets.invalidate();
        }
        Ok(is_other)
    }

    /// The hashes that identify the server.
    #[must_use]
    pub fn fingerprints(&self) -> Fingerprints {
        Fingerprints::of(&self.certificate.get())
    }

    /// The time from 1970 to the end of the certificate.
    pub(crate) fn not_after(&self) -> Option<Duration> {
        validity::not_after(self.certificate.get().cert.first()?)
    }

    /// The whole days until the certificate ends. Negative after its end.
    pub(crate) fn days_left(&self) -> Option<i64> {
        const DAY_SECONDS: i64 = 24 * 60 * 60;
        let now = now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let left = self.not_after()?.as_secs().cast_signed() - now.cast_signed();
        Some(left.div_euclid(DAY_SECONDS))
    }

    /// The same side for a web listener, with the certificate in common.
    pub(crate) fn for_http(&self) -> Self {
        let mut config = ServerConfig::clone(self.acceptor.config());
        config.alpn_protocols = vec![ALPN_HTTP.to_vec()];
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), ..self.clone() }
    }

    /// Whether the certificate is for `name`.
    pub(crate) fn vouches_for(&self, name: &str) -> bool {
        let certified = self.certificate.get();
        let certificate = certified.cert.first().and_then(|certificate| EndEntityCert::try_from(certificate).ok());
        let name = ServerName::try_from(name).ok();
        certificate
            .zip(name)
            .is_some_and(|(certificate, name)| certificate.verify_is_valid_for_subject_name(&name).is_ok())
    }

    /// Shakes hands with a client.
    pub(crate) async fn accept(&self, mut stream: TcpStream) -> Result<TlsSocket, std::io::Error> {
        let handshake = async {
            plain_text::refuse(&mut stream).await?;
            self.acceptor.accept(stream).await
        };
        let stream = timeout(HANDSHAKE_MAX, handshake).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
        Ok(TlsSocket::new(stream))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("source", &self.source).finish_non_exhaustive()
    }
}

/// The certificate of all handshakes, which a reload replaces.
#[derive(Debug)]
struct SharedCertificate(RwLock<Arc<CertifiedKey>>);

impl SharedCertificate {
    fn get(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for SharedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

/// The time of the system's calendar, which decides whether a certificate is valid.
#[expect(clippy::disallowed_methods, reason = "certificates are valid in calendar time")]
fn now() -> SystemTime {
    SystemTime::now()
}
