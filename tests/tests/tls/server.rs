//! A server with TLS, for the tests.

use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use switchboard_tests::process::{ServerProcess, program};
use tempfile::TempDir;

/// A server with TLS, and the file of its certificate.
pub(crate) struct TlsServer {
    pub(crate) process: ServerProcess,
    pub(crate) address: SocketAddr,
    /// The hash of its key.
    pub(crate) key: String,
    pub(crate) folder: TempDir,
}

impl TlsServer {
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_in(TempDir::new().expect("a temporary folder"), flags)
    }

    pub(crate) fn start_in(folder: TempDir, flags: &[&str]) -> Self {
        let mut command = Command::new(program("switchboard-server"));
        command.args(["--listen-tls", "127.0.0.1:0", "--data"]).arg(folder.path().join("data")).args(flags);
        let mut process = ServerProcess::spawn(command);
        let line = process.log_line_with(r#""message":"listening","dialect":"commands","address":"127.0.0.1"#);
        let field = |name: &str| -> String {
            let (_, after) = line.split_once(&format!(r#""{name}":""#)).expect(name);
            after.split('"').next().expect("the end of the value").to_owned()
        };
        let address = field("address").parse().expect("an address");
        Self { address, key: field("key"), process, folder }
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.folder.path().join("data/tls-certificate.pem")).expect("a certificate")
    }

    pub(crate) fn link(&self) -> String {
        format!("switchboard://{}", self.address)
    }

    /// Runs the client with a state of its own.
    pub(crate) fn client(&self, args: &[&str]) -> Output {
        self.start_client(args).wait_with_output().expect("the client ends")
    }

    /// Starts the client with a state of its own.
    pub(crate) fn start_client(&self, args: &[&str]) -> Child {
        let mut command = Command::new(program("switchboard"));
        command.args(args).env("XDG_STATE_HOME", self.folder.path().join("state")).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the client can be started")
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
