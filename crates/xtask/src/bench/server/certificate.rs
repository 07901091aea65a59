//! A certificate for the compared servers, and the TLS of the load generator, which accepts no other one.
//!
//! All servers use the same version of TLS, cipher and key exchange. A session resumes no earlier one, so each opens with
//! a full handshake.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme, version};
use switchboard_bench::TlsClient;

/// The name of the servers in their certificate.
const SERVER_NAME: &str = "localhost";

/// A certificate with an ECDSA key of P-256, in two PEM files.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) file: PathBuf,
    pub(super) key_file: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes a certificate in `folder`.
    pub(super) fn make(folder: &Path) -> Result<Self, String> {
        let [file, key_file] = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
        let made = KeyPair::generate().and_then(|key| {
            let certificate = CertificateParams::new([SERVER_NAME.to_owned()])?.self_signed(&key)?;
            Ok((certificate, key))
        });
        let (certificate, key) = made.map_err(|error| format!("cannot make a certificate: {error}"))?;
        fs::write(&file, certificate.pem())
            .and_then(|()| fs::write(&key_file, key.serialize_pem()))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok(Self { file, key_file, der: certificate.der().clone() })
    }

    /// The TLS of sessions with a server that has this certificate.
    pub(super) fn client(&self) -> Result<TlsClient, String> {
        let provider = CryptoProvider {
            cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![ring::kx_group::X25519],
            ..ring::default_provider()
        };
        let verifier = KnownCertificate { der: self.der.clone() };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| format!("cannot use TLS 1.3: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        let server_name = ServerName::try_from(SERVER_NAME).map_err(|error| error.to_string())?;
        Ok(TlsClient { config: Arc::new(config), server_name })
    }
}

/// Accepts one certificate. The signature of a handshake is not checked: the load generator has started the server
/// itself, and the check would take more of its core than the signature takes of the server's.
#[derive(Debug)]
struct KnownCertificate {
    der: CertificateDer<'static>,
}

impl ServerCertVerifier for KnownCertificate {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *certificate == self.der {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
