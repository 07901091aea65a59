//! A server whose web listener also takes HTTPS, for the tests.

use std::net::SocketAddr;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use switchboard_tests::process::ServerProcess;
use switchboard_tests::stream::Stream;
use tempfile::TempDir;

/// A server with TLS on its web listener.
pub(crate) struct WebServer {
    pub(crate) process: ServerProcess,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl WebServer {
    /// Starts a server. Its listener for TLS makes the certificate, which the web listener then also has.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let data = folder.path().join("data");
        let own = ["--listen-web", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--data"];
        let flags = [&own, &[data.to_str().expect("a UTF-8 path")][..], flags].concat();
        let mut process = ServerProcess::start(&flags);
        let address = process.web_address();
        Self { process, address, folder }
    }

    /// The file of the self-made certificate.
    pub(crate) fn certificate_file(&self) -> PathBuf {
        self.folder.path().join("data/tls-certificate.pem")
    }

    pub(crate) fn connect(&self) -> Stream {
        Stream::connect(self.address)
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.certificate_file()).expect("a certificate")
    }

    pub(crate) fn connect_tls(&self) -> Stream {
        Stream::connect_tls(self.address, self.certificate())
    }
}
