//! The web listener with TLS and behind proxies: who is on the network must use HTTPS, and only trusted proxies may say
//! where a client is.

use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use switchboard_tests::process::ServerProcess;
use switchboard_tests::web_client::{Response, WebSocketStream, request};
use tempfile::TempDir;

use crate::server::WebServer;

/// Sends a request after `before`, with further headers.
fn get(server: &WebServer, before: &[u8], path: &str, headers: &str) -> Option<Response> {
    let mut stream = server.connect();
    stream.write_all(before).expect("a new connection");
    request(&mut BufReader::new(stream), &format!("GET {path} HTTP/1.1\nHost: localhost\n{headers}"))
}

#[test]
fn one_port_takes_https_too() {
    let server = WebServer::start(&[]);
    let page = |stream| request(&mut BufReader::new(stream), "GET / HTTP/1.1\nHost: localhost").expect("a response");
    assert_eq!(page(server.connect()).status, 200);
    assert_eq!(page(server.connect_tls()).status, 200);
    for (scheme, status) in [("https", 101), ("http", 403)] {
        let origin = format!("Origin: {scheme}://localhost");
        let (response, _) = WebSocketStream::try_open(server.connect_tls(), &["Host: localhost", &origin]);
        assert_eq!(response.status, status, "{scheme}");
    }
}

#[test]
fn page_learns_links_and_fingerprint_for_others() {
    let mut server =
        WebServer::start(&["--server-name", "lab", "--trusted-proxy", "127.0.0.1", "--web-host", "chat.example"]);
    let about = get(&server, b"", "/about.json", "").expect("a response");
    assert_eq!(about.header("content-type"), Some("application/json"));
    let about: serde_json::Value = serde_json::from_slice(&about.body).expect("JSON");
    let text = |name: &str| about[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("server"), "lab");
    assert_eq!(text("page"), "http://localhost/");
    assert!(text("link").starts_with("switchboard://localhost:") && text("link").contains("/?key="), "{about}");
    assert_eq!(text("fingerprint").split(':').count(), 32, "{about}");
    // The listener with TLS is on loopback only.
    let forwarded = "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https";
    let mut reader = BufReader::new(server.connect());
    let head = format!("GET /about.json HTTP/1.1\nHost: chat.example\n{forwarded}");
    let remote = request(&mut reader, &head).expect("a response").text();
    assert!(remote.contains(r#""page":"https://chat.example/""#) && !remote.contains("link"), "{remote}");
    let code = get(&server, b"", "/join.svg?room=lab", "").expect("a response");
    assert_eq!((code.status, code.header("content-type")), (200, Some("image/svg+xml")));
    assert!(code.text().starts_with("<svg "), "{}", code.text());
    assert_eq!(get(&server, b"", "/join.svg?text=anything", "").expect("a response").status, 400);
    server.process.signal("TERM");
    assert!(server.process.wait().success());
}

#[test]
fn client_of_a_trusted_proxy_counts_where_it_is() {
    let server = WebServer::start(&["--trusted-proxy", "127.0.0.1", "--max-sessions-per-address", "1"]);
    let status = |headers: &str| get(&server, b"", "/", headers).expect("a response").status;
    assert_eq!(status(""), 200, "the proxy itself");
    assert_eq!(status("X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https"), 200);
    assert_eq!(status("X-Forwarded-For: 127.0.0.1, 192.0.2.1"), 308, "a client that claims to be local");
    assert_eq!(status("X-Forwarded-For: unknown"), 400);
    let redirect = get(&server, b"", "/a?b=c", "X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http");
    let redirect = redirect.expect("a response");
    assert_eq!((redirect.status, redirect.header("location")), (308, Some("https://localhost/a?b=c")));

    let open = |client: &str| {
        let forwarded = format!("X-Forwarded-For: {client}");
        let headers = ["Host: localhost", "Origin: https://localhost", "X-Forwarded-Proto: https", &forwarded];
        WebSocketStream::try_open(server.connect(), &headers)
    };
    let (first, _first) = open("192.0.2.1");
    let (second, _) = open("192.0.2.1");
    let (other, _) = open("192.0.2.2");
    assert_eq!((first.status, second.status, other.status), (101, 503, 101));
}

#[test]
fn proxy_protocol_names_the_client_of_a_trusted_proxy() {
    let server = WebServer::start(&["--trusted-proxy", "127.0.0.0/8"]);
    let status = |before: &[u8]| get(&server, before, "/", "").map(|response| response.status);
    assert_eq!(status(b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n"), Some(308));
    assert_eq!(status(b"PROXY TCP4 127.0.0.1 127.0.0.1 50000 443\r\n"), Some(200));
    assert_eq!(status(b"PROXY UNKNOWN\r\n"), Some(200));
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xc3\x50\x01\xbb";
    assert_eq!(status(v2), Some(308));
    let v2_with_tls =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x14\xc0\0\x02\x01\xc0\0\x02\x02\xc3\x50\x01\xbb\x20\0\x05\x01\0\0\0\0";
    assert_eq!(status(v2_with_tls), Some(200), "the proxy has ended the TLS of the client");
    assert_eq!(status(b"PROXY TCP4 everywhere\r\n"), None, "a malformed header");
    assert_eq!(status(&[b"PROXY ", &[b'x'; 200][..]].concat()), None, "an endless header");
}

#[test]
fn stop_waits_for_no_connection_without_a_session() {
    // Less than the time that a handshake may take.
    const STOP_MAX: Duration = Duration::from_secs(5);
    let folder = TempDir::new().expect("a temporary folder");
    let data = folder.path().join("data");
    let mut process = ServerProcess::start(&[
        "--listen-tls",
        "127.0.0.1:0",
        "--listen-web",
        "127.0.0.1:0",
        "--trusted-proxy",
        "127.0.0.1",
        "--data",
        data.to_str().expect("a UTF-8 path"),
    ]);
    let tls = process.log_line_with(r#""message":"listening","dialect":"commands","address":"127.0.0.1"#);
    let (_, tls) = tls.split_once(r#""address":""#).expect("an address");
    let tls: SocketAddr = tls.split('"').next().unwrap_or_default().parse().expect("an address");
    let web = process.web_address();
    // Without a first byte, in a handshake, and with a part of the header of a proxy.
    let starts = [(tls, &b""[..]), (tls, b"\x16\x03"), (web, b""), (web, b"\x16\x03"), (web, b"PROXY ")];
    let connections = starts.map(|(address, start)| {
        let mut connection = TcpStream::connect(address).expect("the server listens");
        connection.set_read_timeout(Some(STOP_MAX)).expect("a timeout above zero");
        connection.write_all(start).expect("a new connection");
        connection
    });
    // The server accepts connections in their order.
    for address in [tls, web] {
        let mut last = TcpStream::connect(address).expect("the server listens");
        last.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a new connection");
        assert!(last.read(&mut [0; 64]).is_ok_and(|len| len > 0), "a refusal in a line, or a page");
    }
    process.signal("TERM");
    for ((_, start), mut connection) in starts.into_iter().zip(connections) {
        let end = connection.read(&mut [0]);
        let is_end = end.as_ref().map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |&len| len == 0);
        assert!(is_end, "{}: {end:?}", start.escape_ascii());
    }
    assert!(process.wait().success());
}

/// Its clients would otherwise count as programs of this machine.
#[test]
fn client_of_a_proxy_that_names_none_is_not_local() {
    for trusted in ["127.0.0.1", "192.0.2.1"] {
        let server = WebServer::start(&["--trusted-proxy", trusted, "--web-host", "chat.example"]);
        let headers = ["Host: chat.example", "Origin: https://chat.example"];
        let (response, _) = WebSocketStream::try_open(server.connect(), &headers);
        assert_eq!((response.status, response.header("location")), (308, Some("https://chat.example/ws")));
        let (response, _) = WebSocketStream::try_open(server.connect(), &["Host: localhost"]);
        assert_eq!(response.status, 101, "a program of this machine");
    }
}

#[test]
fn other_peers_are_not_believed() {
    let server = WebServer::start(&[]);
    let proxied = get(&server, b"", "/", "X-Forwarded-For: 192.0.2.1").expect("a response");
    assert_eq!(proxied.status, 403);
    assert!(proxied.text().contains("--trusted-proxy"), "{}", proxied.text());
    let response = get(&server, b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n", "/", "").expect("a response");
    assert_eq!(response.status, 400, "the header is no HTTP");
}
