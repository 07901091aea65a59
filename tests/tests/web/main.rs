//! The web listener: the page, and sessions over WebSocket beside those over TCP; clients of other authors as judges, and
//! attacks.

mod attacks;
mod curl;
mod foreign_page;
mod judges;
mod proxies;
mod server;
mod tls_attacks;

use std::io::{BufReader, ErrorKind, Write as _};
use std::net::SocketAddr;

use switchboard_protocol::Dialect;
use switchboard_tests::process::{EmbeddedServer, ServerProcess};
use switchboard_tests::stream::Stream;
use switchboard_tests::test_client::TestClient;
use switchboard_tests::web_client::{CLOSE, PING, PONG, Response, TEXT, WebSocketStream, masked_frame, request};

fn get(address: SocketAddr, path: &str, headers: &str) -> Response {
    let mut reader = BufReader::new(Stream::connect(address));
    request(&mut reader, &format!("GET {path} HTTP/1.1\nHost: {address}\n{headers}")).expect("a response")
}

fn connect(address: SocketAddr) -> TestClient {
    TestClient::over_web_socket(WebSocketStream::open(Stream::connect(address)))
}

#[test]
fn page_is_sent_with_headers_that_keep_other_sites_away() {
    let server = EmbeddedServer::start();
    let page = get(server.web_address(), "/", "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("<title>"), "{}", page.text());
    let policy = page.header("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));

    let compressed = get(server.web_address(), "/", "Accept-Encoding: br, gzip");
    assert_eq!(compressed.header("content-encoding"), Some("gzip"));
    assert!(compressed.body.len() < page.body.len() && compressed.body.starts_with(b"\x1f\x8b"));
    let tag = compressed.header("etag").expect("a tag");
    let known = get(server.web_address(), "/", &format!("Accept-Encoding: gzip\nIf-None-Match: {tag}"));
    assert_eq!((known.status, known.body.len()), (304, 0));
}

#[test]
fn requests_share_a_connection_and_wrong_ones_get_a_sentence() {
    let server = EmbeddedServer::start();
    let mut reader = BufReader::new(Stream::connect(server.web_address()));
    let cases = [
        ("GET /nothing HTTP/1.1\nHost: localhost", 404, "There is nothing at this address.\n"),
        ("POST / HTTP/1.1\nHost: localhost\nContent-Length: 0", 405, "Only GET and HEAD are answered here.\n"),
        ("GET /ws HTTP/1.1\nHost: localhost", 426, "This is the address of a WebSocket, which the page opens.\n"),
        ("HEAD /nothing HTTP/1.1\nHost: localhost", 404, ""),
        ("HEAD /ws HTTP/1.1\nHost: localhost", 405, ""),
    ];
    for (head, status, text) in cases {
        let response = request(&mut reader, head).expect("a response");
        assert_eq!((response.status, response.text().as_str()), (status, text), "{head}");
        if status == 426 {
            let headers = ["connection", "upgrade", "sec-websocket-version"].map(|name| response.header(name));
            assert_eq!(headers, [Some("Upgrade"), Some("websocket"), Some("13")]);
        }
    }
}

#[test]
fn websocket_is_opened_by_get_only() {
    let server = EmbeddedServer::start();
    let headers = "Host: localhost\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (method, status) in [("HEAD", 405), ("POST", 405), ("GET", 101)] {
        let mut reader = BufReader::new(Stream::connect(server.web_address()));
        let response = request(&mut reader, &format!("{method} /ws HTTP/1.1\n{headers}")).expect("a response");
        assert_eq!(response.status, status, "{method}");
        assert_eq!(response.header("allow"), (status == 405).then_some("GET"), "{method}");
    }
}

#[test]
fn page_and_terminal_talk_to_each_other() {
    let server = EmbeddedServer::start();
    let mut noy = connect(server.web_address());
    noy.expect("WELCOME");
    noy.send("REGISTER Noy");
    noy.expect("REGISTER_OK Noy");
    let mut elias = TestClient::registered(server.address(Dialect::Commands), "Elias");
    elias.send("CONNECT Noy");
    elias.expect("CONNECT_OK Noy");
    noy.expect("INCOMING_CONNECTION Elias");
    elias.send("MSG שלום");
    noy.expect("FROM Elias: שלום");
    elias.expect("MSG_SENT");
    noy.send(&format!("MSG {}", "x".repeat(3840)));
    noy.expect("MSG_SENT");
    elias.expect(&format!("FROM Noy: {}", "x".repeat(3840)));
}

#[test]
fn line_over_the_limit_gets_the_same_error_as_over_tcp() {
    let server = EmbeddedServer::start();
    let mut noy = connect(server.web_address());
    noy.expect("WELCOME");
    noy.send(&"x".repeat(5000));
    let mut elias = TestClient::connect(server.address(Dialect::Commands));
    elias.expect("WELCOME");
    elias.send(&"x".repeat(5000));
    assert_eq!(noy.receive(), elias.receive());
}

#[test]
fn stopping_server_closes_each_websocket_with_its_code() {
    let mut server = EmbeddedServer::start();
    let mut socket = WebSocketStream::open(Stream::connect(server.web_address()));
    let mut idle = BufReader::new(Stream::connect(server.web_address()));
    assert_eq!(request(&mut idle, "GET / HTTP/1.1\nHost: localhost").expect("a response").status, 200);
    server.ask_to_stop();
    assert_eq!(socket.receive_frame().expect("a frame"), (TEXT, b"WELCOME".to_vec()));
    let (first, payload) = socket.receive_frame().expect("a frame");
    assert!(first == TEXT && payload.starts_with(b"ERROR SERVER_SHUTDOWN"), "{payload:?}");
    assert_eq!(socket.expect_close(), (1001, "shutdown".to_owned()));
    drop(socket);
    server.stop();
}

#[test]
fn server_reads_on_after_the_close_of_a_client() {
    let server = EmbeddedServer::start();
    let mut socket = WebSocketStream::open(Stream::connect(server.web_address()));
    assert_eq!(socket.receive_frame().expect("a frame"), (TEXT, b"WELCOME".to_vec()));
    socket.send_bytes(&masked_frame(CLOSE, &1000_u16.to_be_bytes()));
    assert_eq!(socket.expect_close(), (1000, String::new()));
    let end = socket.receive_frame().expect_err("the end of the connection");
    assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    let mut stream = socket.stream_ref().socket();
    for _ in 0..250 {
        stream.write_all(&[0; 4096]).expect("the connection is not reset");
    }
}

#[test]
fn silent_websocket_is_pinged_and_a_dead_one_is_closed() {
    let mut server = ServerProcess::start(&["--listen-web", "127.0.0.1:0", "--web-ping", "200ms"]);
    let address = server.web_address();
    let mut noy = WebSocketStream::open(Stream::connect(address));
    let mut dead = WebSocketStream::open(Stream::connect(address));
    for socket in [&mut noy, &mut dead] {
        assert_eq!(socket.receive_frame().expect("a frame"), (TEXT, b"WELCOME".to_vec()));
    }
    for _ in 0..5 {
        assert_eq!(noy.receive_frame().expect("a frame"), (PING, Vec::new()));
        noy.send_frame(PONG, b"");
    }
    for _ in 0..2 {
        assert_eq!(dead.receive_frame().expect("a frame"), (PING, Vec::new()));
    }
    dead.receive_frame().expect_err("the server gives the dead peer up");
    noy.send_frame(TEXT, b"PING");
    while noy.receive_frame().expect("a frame") != (TEXT, b"PONG".to_vec()) {
        noy.send_frame(PONG, b"");
    }
}

/// Limit for the memory of an idle WebSocket: twice that of a session over TCP.
const IDLE_SESSION_MAX_BYTES: usize = 2 * 1024;

#[test]
fn idle_websocket_costs_less_than_2_kib() {
    const SESSIONS: usize = 1000;
    let mut server = ServerProcess::start(&["--listen-web", "127.0.0.1:0"]);
    let address = server.web_address();
    let open = |count: usize| -> Vec<WebSocketStream> {
        let sessions = (0..count).map(|_| {
            let mut socket = WebSocketStream::open(Stream::connect(address));
            assert_eq!(socket.receive_frame().expect("a frame"), (TEXT, b"WELCOME".to_vec()));
            socket
        });
        sessions.collect()
    };
    let _first = open(100);
    let before = server.resident_bytes();
    let _idle = open(SESSIONS);
    let per_session = (server.resident_bytes() - before) / SESSIONS;
    println!("{per_session} bytes for each idle session");
    assert!(per_session < IDLE_SESSION_MAX_BYTES, "an idle session costs {per_session} bytes");
}
