//! `WIRE`, with `ss` of iproute2 as the judge: both read the same socket of the server.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use switchboard_protocol::Dialect;
use switchboard_server::tls::{CertificateSource, Tls, TlsVersion};
use switchboard_tests::process::EmbeddedServer;
use switchboard_tests::stream::Stream;
use switchboard_tests::test_client::{TIMEOUT, TestClient};
use switchboard_tests::web_client::WebSocketStream;

/// The figures of `WIRE_OK`.
fn wire(client: &mut TestClient) -> HashMap<String, String> {
    client.send("WIRE");
    let words = client.expect_reply_prefix("WIRE_OK ");
    let pairs = words.split(' ').map(|word| word.split_once('=').expect("a key and a value"));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The words of `ss` about the server's socket of this client.
fn socket_statistics(client: &TestClient) -> Vec<String> {
    let port = |address: std::io::Result<std::net::SocketAddr>| address.expect("a connected socket").port();
    let server = format!("sport = :{}", port(client.socket().peer_addr()));
    let client = format!("dport = :{}", port(client.socket().local_addr()));
    let output = Command::new("ss").args(["-tinH", &server, "and", &client]).output();
    let output = output.expect("ss of iproute2 is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

/// Waits until the client has acknowledged all bytes, so that its next segment changes no figure by an acknowledgement.
fn settled_statistics(client: &TestClient) -> Vec<String> {
    let until = now() + TIMEOUT;
    while now() < until {
        let words = socket_statistics(client);
        if !words.is_empty() && !words.iter().any(|word| word.starts_with("unacked:")) {
            return words;
        }
    }
    panic!("the client does not acknowledge all bytes");
}

#[expect(clippy::disallowed_methods, reason = "the kernel acknowledges in real time")]
fn now() -> Instant {
    Instant::now()
}

/// The value of a word such as `cwnd:10`. `ss` leaves out counters that are zero.
fn value<'a>(words: &'a [String], key: &str) -> &'a str {
    words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix(':')).unwrap_or("0")
}

/// A time of `ss`, which is in milliseconds, in microseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times are short")]
fn micros(millis: &str) -> u64 {
    (millis.parse::<f64>().expect("a time") * 1e3).round() as u64
}

#[test]
fn figures_are_those_of_the_kernel() {
    let server = EmbeddedServer::start();
    let mut client = TestClient::version2(server.address(Dialect::Commands));
    for request in ["PING", "WHO", "NOSUCH"] {
        client.send(request);
        let _ = client.receive_reply();
    }
    let before = settled_statistics(&client);
    let figures = wire(&mut client);
    let number = |key: &str| figures[key].parse::<u64>().expect("a number");
    let counter = |key: &str| value(&before, key).parse::<u64>().expect("a number");

    assert_eq!((&*figures["transport"], number("open"), number("waiting")), ("tcp", 0, 0));
    let (rtt, rttvar) = value(&before, "rtt").split_once('/').expect("two times");
    assert_eq!((number("rtt_us"), number("rttvar_us")), (micros(rtt), micros(rttvar)));
    assert_eq!(number("rto_us"), micros(value(&before, "rto")));
    for (key, of_ss) in [("mss", "mss"), ("cwnd", "cwnd"), ("sent_bytes", "bytes_sent"), ("acked_bytes", "bytes_acked")]
    {
        assert_eq!(number(key), counter(of_ss), "{key}, where ss says {before:?}");
    }
    assert_eq!(number("received_bytes"), counter("bytes_received") + "WIRE\n".len() as u64);
    assert_eq!((number("unacked"), number("retransmitted")), (0, 0));
    assert_eq!(number("sent_bytes"), number("acked_bytes"));
    assert!(number("rtt_us") > 0 && number("mss") > 500, "{figures:?}");
}

#[test]
fn carrier_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let source = CertificateSource::SelfMade(directory.path().to_owned());
    let server = EmbeddedServer::with_tls(Tls::new(source, TlsVersion::default()).expect("a certificate"));
    let (commands, web) = (server.address(Dialect::Commands), server.web_address());
    let tls = |address| Stream::connect_tls(address, certificate_in(directory.path()));
    let web_socket = |stream| {
        // The certificate is for this name.
        let (response, socket) = WebSocketStream::try_open(stream, &["Host: localhost"]);
        assert_eq!(response.status, 101);
        TestClient::over_web_socket(socket)
    };
    for (mut client, transport) in [
        (TestClient::over_stream(tls(commands)), "tls"),
        (web_socket(Stream::connect(web)), "websocket"),
        (web_socket(tls(web)), "websocket-tls"),
    ] {
        client.expect("WELCOME");
        client.send("HELLO 2");
        client.expect_reply_prefix("HELLO_OK 2 ");
        let figures = wire(&mut client);
        assert_eq!(figures["transport"], transport);
        // The handshakes, the records of TLS and the frames of a WebSocket are payload of TCP.
        assert!(figures["received_bytes"].parse::<usize>().expect("a number") > "HELLO 2\nWIRE\n".len());
    }
}

fn certificate_in(directory: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(directory.join("tls-certificate.pem")).expect("a certificate")
}
