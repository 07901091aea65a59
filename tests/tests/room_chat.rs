//! The chat in the room of a link, on a real terminal and with a real server.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use switchboard_protocol::Dialect;
use switchboard_server::tls::{CertificateSource, Tls, TlsVersion};
use switchboard_tests::process::{EmbeddedServer, program};
use switchboard_tests::stage::Received;
use switchboard_tests::terminal::Terminal;
use switchboard_tests::test_client::TestClient;

/// A server with TLS, and the link to its room `#lab`.
struct Setup {
    folder: tempfile::TempDir,
    server: EmbeddedServer,
    link: String,
}

impl Setup {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = CertificateSource::SelfMade(folder.path().to_owned());
        let tls = Tls::new(source, TlsVersion::default()).expect("a certificate");
        let key = tls.fingerprints().key;
        let server = EmbeddedServer::with_tls(tls);
        let link = format!("switchboard://{}/#lab?key={key}", server.address(Dialect::Commands));
        Self { folder, server, link }
    }

    /// A guest who has the room open.
    fn guest(&self, name: &str) -> TestClient {
        let mut guest =
            TestClient::connect_tls(self.server.address(Dialect::Commands), certificate(self.folder.path()));
        guest.expect("WELCOME");
        for request in ["HELLO 2", &format!("REGISTER {name}"), "JOIN #lab", "OPEN #lab", "WATCH"] {
            guest.send(request);
            let _ = guest.receive_reply();
        }
        guest
    }

    fn chat(&self, args: &[&str]) -> Terminal {
        let args = [&[&*self.link], args].concat();
        Terminal::start(program("switchboard").to_str().expect("a UTF-8 path"), &args)
    }
}

fn certificate(folder: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(folder.join("tls-certificate.pem")).expect("a certificate")
}

/// Receives lines until one ends in `end`.
fn expect_end(client: &mut TestClient, end: &str) {
    loop {
        match client.receive() {
            Received::Line(line) if line.ends_with(end) => return,
            Received::Line(_) => {}
            other => panic!("no line ends in {end:?}: {other:?}"),
        }
    }
}

#[test]
fn link_leads_into_its_room() {
    let setup = Setup::start();
    let mut dana = setup.guest("Dana");
    dana.send("SAY #lab who has the adapter?");
    expect_end(&mut dana, "SAID #lab 1");

    let terminal = setup.chat(&["--name", "Noy"]);
    terminal.wait_for_text("who has the adapter?");
    expect_end(&mut dana, "CAME Noy");
    terminal.type_in("it is on the shelf");
    terminal.enter();
    expect_end(&mut dana, " FROM Noy: it is on the shelf");
    terminal.type_in("half a line");
    dana.send("SAY #lab thanks");
    terminal.wait_for_text("thanks");
    terminal.wait_for_text("half a line");
    // The own message is shown once.
    assert_eq!(terminal.screen().matches("it is on the shelf").count(), 1, "{}", terminal.screen());
    terminal.control('c');
    terminal.type_in("/quit");
    terminal.enter();
    expect_end(&mut dana, "GONE Noy");
}
