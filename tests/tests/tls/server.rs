//! A server with TLS, for the tests.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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

    /// Starts a server with a certificate from files, which can be replaced.
    pub(crate) fn start_with_files(flags: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        make_certificate(folder.path());
        let [certificate, key] = certificate_files(folder.path()).map(|file| file.display().to_string());
        Self::start_in(folder, &[&["--tls-cert", &certificate, "--tls-key", &key], flags].concat())
    }

    /// Replaces the certificate and its key in the files, and waits until the server uses them.
    pub(crate) fn replace_certificate(&mut self) {
        self.replace_files();
        self.process.signal("HUP");
        self.process.log_line_with("\"TLS certificate\"");
    }

    /// Replaces the files of the certificate as programs that renew certificates do: each file by a complete one.
    pub(crate) fn replace_files(&self) {
        let new = TempDir::new_in(self.folder.path()).expect("a temporary folder");
        make_certificate(new.path());
        for (new, old) in certificate_files(new.path()).iter().zip(certificate_files(self.folder.path())) {
            fs::rename(new, old).expect("a new file");
        }
    }

    /// The self-made certificate.
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
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.with_own_state(command).spawn().expect("the client can be started")
    }

    /// Lets a client keep its state in the folder of this server.
    pub(crate) fn with_own_state(&self, mut client: Command) -> Command {
        client.env("XDG_STATE_HOME", self.folder.path().join("state"));
        client
    }
}

/// The files of a certificate and its key.
pub(crate) fn certificate_files(folder: &Path) -> [PathBuf; 2] {
    ["certificate.pem", "key.pem"].map(|name| folder.join(name))
}

/// Makes a certificate with OpenSSL, in two files.
pub(crate) fn make_certificate(folder: &Path) {
    let [certificate, key] = certificate_files(folder);
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=CA:FALSE", "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output()
        .expect("openssl can be started");
    assert!(made.status.success(), "{}", text(&made.stderr));
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
