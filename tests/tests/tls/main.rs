//! TLS: OpenSSL and our client as judges, keys that change, certificates that are renewed, and clients that never finish
//! the handshake.

mod changed_key;
mod outsiders;
mod s_client;
mod server;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use switchboard_tests::process::program;
use switchboard_tests::test_client::{TIMEOUT, TestClient};
use tempfile::TempDir;

use self::server::{TlsServer, certificate_files, make_certificate, text};

#[test]
fn client_accepts_the_key_of_its_link_or_of_the_first_contact_and_no_other() {
    let server = TlsServer::start(&[]);
    let who = |link: &str| server.client(&["who", link]);

    let first = who(&server.link());
    assert!(first.status.success(), "{}", text(&first.stderr));
    let fingerprint = "First contact with 127.0.0.1";
    assert!(text(&first.stderr).contains(fingerprint), "{}", text(&first.stderr));
    let second = who(&server.link());
    assert!(second.status.success() && second.stderr.is_empty(), "{}", text(&second.stderr));
    let pinned = who(&format!("{}/?key={}", server.link(), server.key));
    assert!(pinned.status.success() && pinned.stderr.is_empty(), "{}", text(&pinned.stderr));

    // Another server takes its place.
    let impostor = TlsServer::start(&[]);
    let known = server.folder.path().join("state/switchboard/known-servers");
    let lines = fs::read_to_string(&known).expect("known servers");
    assert_eq!(lines, format!("{} {}\n", server.address, server.key));
    // A mistyped link is refused, and the known key stays.
    let wrong_pin = who(&format!("{}/?key={}", server.link(), impostor.key));
    let error = text(&wrong_pin.stderr);
    assert_eq!(wrong_pin.status.code(), Some(3), "{error}");
    for part in ["IS NOT THE EXPECTED ONE", "link may be mistyped", &server.key, &impostor.key] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(fs::read_to_string(&known).expect("known servers"), lines);
    assert!(who(&server.link()).status.success());
    fs::write(&known, format!("{} {}\n", impostor.address, server.key)).expect("a file");
    let refused = who(&impostor.link());
    let error = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{error}");
    for part in ["IS NOT THE EXPECTED ONE", &server.key, &impostor.key, "known-servers"] {
        assert!(error.contains(part), "{error}");
    }

    // A new link is trusted, and its key replaces the old one.
    assert!(who(&format!("{}/?key={}", impostor.link(), impostor.key)).status.success());
    assert!(who(&impostor.link()).status.success());
}

#[test]
fn client_says_when_the_port_has_no_tls() {
    let server = TlsServer::start(&[]);
    let link = format!("switchboard://{}/?key={}", server.process.commands, server.key);
    let output = server.client(&["who", &link]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("Is this the port for TLS?"), "{}", text(&output.stderr));
}

#[test]
fn account_talks_over_tls_with_the_stored_messages_of_the_plain_port() {
    let server = TlsServer::start(&[]);
    let mut noy = TestClient::account(server.process.commands, "Noy", "correct horse battery");
    noy.send("JOIN #lab");
    noy.expect_reply("JOIN_OK #lab 1");
    noy.send("SAY #lab hello");
    noy.expect_reply("SAID #lab 2");

    let link = server.link();
    let history = server.client(&["history", &link, "#lab"]);
    assert!(text(&history.stdout).ends_with(" Noy: hello\n"), "{}", text(&history.stderr));
    let said = server.client(&["say", &link, "#lab", "from a guest over TLS"]);
    assert!(said.status.success(), "{}", text(&said.stderr));
    noy.send("HISTORY #lab 4 1");
    assert!(noy.receive_reply().ends_with(": from a guest over TLS"));
}

#[test]
fn link_that_names_a_room_needs_no_conversation() {
    let server = TlsServer::start(&[]);
    let link = format!("{}/#lab?key={}", server.link(), server.key);
    let mut noy = TestClient::account(server.process.commands, "Noy", "correct horse battery");
    noy.send("JOIN #lab");
    noy.expect_reply("JOIN_OK #lab 1");

    let said = server.client(&["say", &link, "who", "has the adapter?"]);
    assert!(said.status.success(), "{}", text(&said.stderr));
    let history = server.client(&["history", &link]);
    assert!(text(&history.stdout).ends_with(": who has the adapter?\n"), "{}", text(&history.stderr));

    let listening = server.start_client(&["listen", &link, "--name", "Eva", "--join", "--count", "1"]);
    wait_until_open(&mut noy, "Eva");
    noy.send("SAY #lab it is on the shelf");
    noy.expect_reply("SAID #lab 3");
    let heard = listening.wait_with_output().expect("the client ends");
    assert!(text(&heard.stdout).ends_with(" Noy: it is on the shelf\n"), "{}", text(&heard.stderr));

    let without = server.client(&["listen", &server.link(), "--join"]);
    assert_eq!(without.status.code(), Some(2));
    assert!(text(&without.stderr).contains("or a link that names a room"), "{}", text(&without.stderr));
}

/// Waits until a guest has the room `#lab` open.
#[expect(clippy::disallowed_methods, reason = "a real server lives in real time")]
fn wait_until_open(member: &mut TestClient, guest: &str) {
    let (start, expected) = (Instant::now(), format!("MEMBER #lab {guest} guest"));
    while start.elapsed() < TIMEOUT {
        member.send("MEMBERS #lab");
        let mut is_open = false;
        loop {
            let line = member.receive_reply();
            is_open |= line == expected;
            if line.starts_with("MEMBERS_OK ") {
                break;
            }
        }
        if is_open {
            return;
        }
    }
    panic!("{guest} does not open the room");
}

#[test]
fn renewed_certificate_is_used_at_once_and_a_damaged_one_is_not() {
    let mut server = TlsServer::start_with_files(&[]);
    let [certificate_file, key_file] = certificate_files(server.folder.path());
    let certificate = || CertificateDer::from_pem_file(&certificate_file).expect("a certificate");
    let talk = |address, certificate| {
        let mut client = TestClient::connect_tls(address, certificate);
        client.expect("WELCOME");
        client
    };
    let mut early = talk(server.address, certificate());

    // With a signal, and without one: the server sees that the files are others.
    for has_signal in [true, false] {
        if has_signal {
            server.replace_certificate();
        } else {
            server.replace_files();
            server.process.log_line_with("\"TLS certificate\"");
        }
        talk(server.address, certificate());
        early.send("PING");
        early.expect("PONG");
    }

    let last = certificate();
    fs::write(&key_file, "damaged").expect("a file");
    let error = server.process.log_line_with("certificate not reloaded");
    assert!(error.contains("this is not a private key in PEM"), "{error}");
    talk(server.address, last.clone());
    // A certificate with the key of another one is refused, too.
    let other = TempDir::new().expect("a temporary folder");
    make_certificate(other.path());
    let [_, other_key_file] = certificate_files(other.path());
    fs::copy(other_key_file, &key_file).expect("a new file");
    server.process.log_line_with("certificate not reloaded");
    talk(server.address, last);
}

#[test]
fn two_files_belong_together() {
    let output = Command::new(program("switchboard-server")).args(["--tls-cert", "certificate.pem"]).output();
    let output = output.expect("the server can be started");
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("tls-cert needs tls-key"), "{}", text(&output.stderr));
}

#[test]
fn plain_text_gets_one_line_that_names_tls() {
    let mut server = TlsServer::start(&[]);
    // As `nc` does: more lines than the server reads before its answer, and no end of the input.
    for text in ["REGISTER Noy\n".repeat(1000), "\n".to_owned(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()] {
        let mut stream = TcpStream::connect(server.address).expect("the server listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout above zero");
        stream.write_all(text.as_bytes()).expect("a new connection");
        let mut received = String::new();
        stream.read_to_string(&mut received).expect("the server closes without a reset");
        let expected = "ERROR WRONG_PROTOCOL This port takes TLS, not plain text: try openssl s_client -quiet -connect \
                        HOST:PORT, or another port.\n";
        assert_eq!(received, expected, "{text:.20}");
        drop(stream);
        server.process.log_line_with("the client speaks plain text");
    }
    // The plain port names TLS in turn.
    let mut stream = TcpStream::connect(server.process.commands).expect("the server listens");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout above zero");
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01").expect("a new connection");
    let mut received = String::new();
    stream.read_to_string(&mut received).expect("the server closes without a reset");
    assert!(received.ends_with("ERROR WRONG_PROTOCOL This port takes lines of chat in plain text, not TLS: try nc.\n"));
}

/// Time after which the server gives up a handshake, with room for a busy machine.
const HANDSHAKE_GIVEN_UP: Duration = Duration::from_secs(16);

#[expect(clippy::disallowed_methods, reason = "a real server lives in real time")]
#[test]
fn unfinished_handshakes_end_and_disturb_nobody() {
    let server = TlsServer::start(&[]);
    let start = Instant::now();
    let connect = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(server.address).expect("the server listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout above zero");
        stream.write_all(bytes).expect("a new connection");
        stream
    };
    // A record header (RFC 8446 §5.1) for 512 bytes of a handshake, of which three follow.
    let silent: Vec<_> = (0..100).map(|_| connect(b"")).collect();
    let partial: Vec<_> = (0..100).map(|_| connect(b"\x16\x03\x01\x02\x00\x01\x00\x01")).collect();
    let mut received = [0; 64];
    // Rubbish gets an alert (RFC 8446 §6) at once.
    let len = connect(b"\x80rubbish").read(&mut received).expect("an alert");
    assert_eq!(received[..len][..2], [0x15, 0x03]);

    let mut noy = TestClient::connect_tls(server.address, server.certificate());
    noy.expect("WELCOME");
    noy.send("PING");
    noy.expect("PONG");

    for mut stream in silent.into_iter().chain(partial) {
        while stream.read(&mut received).is_ok_and(|len| len > 0) {}
        assert!(start.elapsed() < HANDSHAKE_GIVEN_UP, "a handshake lasts {:?}", start.elapsed());
    }
    noy.send("PING");
    noy.expect("PONG");
}

/// Limit for the memory of an idle session with TLS. rustls keeps 8.4 KB of buffers and keys.
const IDLE_SESSION_MAX_BYTES: usize = 10 * 1024;

#[test]
fn idle_session_with_tls_costs_less_than_10_kib() {
    const SESSIONS: usize = 400;
    let server = TlsServer::start(&[]);
    let open = |count: usize| -> Vec<TestClient> {
        let sessions = (0..count).map(|_| {
            let mut client = TestClient::connect_tls(server.address, server.certificate());
            client.expect("WELCOME");
            client
        });
        sessions.collect()
    };
    let _first = open(50);
    let before = server.process.resident_bytes();
    let _idle = open(SESSIONS);
    let per_session = (server.process.resident_bytes() - before) / SESSIONS;
    println!("{per_session} bytes for each idle session");
    assert!(per_session < IDLE_SESSION_MAX_BYTES, "an idle session costs {per_session} bytes");
}
