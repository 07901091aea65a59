//! Attacks on the web listener: each gets one clear refusal, and a session beside it goes on.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use switchboard_tests::process::ServerProcess;
use switchboard_tests::stream::Stream;
use switchboard_tests::test_client::{TIMEOUT, TestClient};
use switchboard_tests::web_client::{
    CLOSE, CONTINUATION_END, PING, Response, TEXT, TEXT_BEGIN, WebSocketStream, masked_frame, receive_response, request,
};

/// A server with a listener for browsers, and a session that must not notice the attack.
struct AttackedServer {
    _process: ServerProcess,
    address: SocketAddr,
    bystander: TestClient,
}

impl AttackedServer {
    fn start(flags: &[&str]) -> Self {
        let mut process = ServerProcess::start(&[&["--listen-web", "127.0.0.1:0"], flags].concat());
        let address = process.web_address();
        let mut bystander = TestClient::over_web_socket(WebSocketStream::open(Stream::connect(address)));
        bystander.expect("WELCOME");
        bystander.send("REGISTER Bystander");
        bystander.expect("REGISTER_OK Bystander");
        Self { _process: process, address, bystander }
    }

    fn connect(&self) -> Stream {
        Stream::connect(self.address)
    }

    fn open(&self) -> WebSocketStream {
        let mut socket = WebSocketStream::open(self.connect());
        assert_eq!(socket.receive_frame().expect("a frame"), (TEXT, b"WELCOME".to_vec()));
        socket
    }

    fn request(&self, head: &str) -> Option<Response> {
        request(&mut BufReader::new(self.connect()), head)
    }

    /// The bystander's line is answered at once, and nothing else came before the answer.
    fn assert_bystander_unmoved(&mut self) {
        self.bystander.send("PING");
        self.bystander.expect("PONG");
    }
}

#[expect(clippy::disallowed_methods, reason = "a real server lives in real time")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn page_of_another_site_opens_no_websocket() {
    let mut server = AttackedServer::start(&[]);
    let own = format!("Origin: http://{}", server.address);
    let (response, _) = WebSocketStream::try_open(server.connect(), &[&own]);
    assert_eq!(response.status, 101);
    let port = server.address.port();
    let others = [
        "Origin: http://evil.example".to_owned(),
        "Origin: null".to_owned(),
        // Another port of this machine is another site.
        format!("Origin: http://127.0.0.1:{}", port ^ 1),
        format!("Origin: https://127.0.0.1:{port}"),
        format!("Origin: http://127.0.0.1:{port}@evil.example"),
        format!("{own}\nOrigin: http://evil.example"),
        "Sec-Fetch-Site: cross-site".to_owned(),
    ];
    for origin in others {
        let (response, _) = WebSocketStream::try_open(server.connect(), &[&origin]);
        assert_eq!(response.status, 403, "{origin}");
        assert!(response.text().contains("is another site"), "{}", response.text());
    }
    server.assert_bystander_unmoved();
}

#[test]
fn forged_host_reaches_neither_page_nor_websocket() {
    let mut server = AttackedServer::start(&["--web-host", "chat.example"]);
    for (host, status) in [
        // A name of this server, but not a local one: a proxy that names no client may have passed it on.
        ("chat.example", 308),
        ("chat.example:1", 308),
        ("localhost", 200),
        ("127.0.0.1", 200),
        // DNS rebinding: the name of another site, which now has the address of this machine.
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("xn--chat-.example", 421),
        ("", 400),
        ("a b", 400),
        ("user@localhost", 400),
    ] {
        let response = server.request(&format!("GET / HTTP/1.1\nHost: {host}")).expect("a response");
        assert_eq!(response.status, status, "{host}");
        if status == 421 {
            assert!(response.text().contains("--web-host"), "{}", response.text());
        }
    }
    let hosts = ["Host: evil.example\nOrigin: http://evil.example", "Host: evil.example"];
    for host in hosts {
        let (response, _) = WebSocketStream::try_open(server.connect(), &[host]);
        assert_eq!(response.status, 421, "{host}");
    }
    for head in ["GET / HTTP/1.1\nX: y", "GET / HTTP/1.1\nHost: localhost\nHost: evil.example", "GET / HTTP/1.0"] {
        assert_eq!(server.request(head).expect("a response").status, 400, "{head}");
    }
    server.assert_bystander_unmoved();
}

#[test]
fn frames_that_break_the_rfc_get_a_close_with_its_code() {
    let mut server = AttackedServer::start(&[]);
    let attacks: &[(&str, Vec<u8>, u16)] = &[
        ("2^63 bytes", vec![TEXT, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),
        ("2^63 - 1 bytes", vec![TEXT, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], 1009),
        ("64 KiB and a byte", masked_frame(TEXT, &vec![b'x'; 65_537]), 1009),
        (
            "endless fragments",
            [masked_frame(TEXT_BEGIN, &vec![b'x'; 60_000]), masked_frame(0, &vec![b'x'; 60_000])].concat(),
            1009,
        ),
        ("no mask", b"\x81\x04PING".to_vec(), 1002),
        ("compressed", masked_frame(0xC1, b"\x4a\x2c"), 1002),
        ("reserved type", masked_frame(0x83, b""), 1002),
        ("binary", masked_frame(0x82, b"PING"), 1003),
        ("continuation of nothing", masked_frame(CONTINUATION_END, b"PING"), 1002),
        ("message within another", [masked_frame(TEXT_BEGIN, b"PI"), masked_frame(TEXT, b"PING")].concat(), 1002),
        ("long ping", masked_frame(PING, &[0; 126]), 1002),
        ("fragmented ping", masked_frame(0x09, b""), 1002),
        ("close with one byte", masked_frame(CLOSE, b"x"), 1002),
        ("close with a reserved code", masked_frame(CLOSE, &1006_u16.to_be_bytes()), 1002),
        ("two lines", masked_frame(TEXT, b"MSG hi\nQUIT"), 1008),
        ("flood of pings", masked_frame(PING, b"?").repeat(1100), 1008),
        ("flood of empty fragments", [masked_frame(TEXT_BEGIN, b""), masked_frame(0, b"").repeat(1100)].concat(), 1008),
    ];
    for (attack, bytes, code) in attacks {
        let mut socket = server.open();
        socket.send_bytes(bytes);
        if !attack.starts_with("flood") {
            // Bytes after the violation must not destroy the Close.
            socket.send_frame(TEXT, &[b'x'; 10_000]);
        }
        let (found, reason) = socket.expect_close();
        assert_eq!(found, *code, "{attack}: {reason}");
        assert!(!reason.is_empty(), "{attack}");
        server.assert_bystander_unmoved();
    }
}

#[test]
fn compression_is_not_negotiated() {
    let mut server = AttackedServer::start(&[]);
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
    let (response, _) = WebSocketStream::try_open(server.connect(), &[offer]);
    assert_eq!((response.status, response.header("sec-websocket-extensions")), (101, None));
    server.assert_bystander_unmoved();
}

#[test]
fn large_heads_and_other_protocols_are_refused() {
    let mut server = AttackedServer::start(&[]);
    let cases = [
        (format!("GET / HTTP/1.1\nHost: localhost\nX: {}", "x".repeat(20_000)), 431),
        (format!("GET / HTTP/1.1\nHost: localhost{}", "\nX: y".repeat(100)), 431),
        (format!("GET /{} HTTP/1.1\nHost: localhost", "x".repeat(20_000)), 431),
        ("REGISTER Noy".to_owned(), 400),
        ("GET / HTTP/1.1\nHost: localhost\nX : y".to_owned(), 400),
    ];
    for (head, status) in cases {
        let response = server.request(&head).expect("a response");
        assert_eq!(response.status, status, "{}", &head[..head.len().min(40)]);
    }
    // The listener on loopback has no TLS: an alert says so (RFC 8446 §6).
    let mut stream = server.connect();
    stream.write_all(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03").expect("a new connection");
    let mut alert = [0; 7];
    stream.read_exact(&mut alert).expect("an alert");
    assert_eq!(alert[0], 0x15);
    server.assert_bystander_unmoved();
}

#[test]
fn connections_over_the_limit_get_a_sentence() {
    let mut server = AttackedServer::start(&["--max-sessions", "2"]);
    let _second = server.open();
    let mut reader = BufReader::new(server.connect());
    let response = request(&mut reader, "GET / HTTP/1.1\nHost: localhost").expect("a response");
    assert_eq!(response.status, 503);
    assert!(response.text().contains("no room"), "{}", response.text());
    server.assert_bystander_unmoved();
}

/// Time after which the server gives up a request, with room for a busy machine.
const REQUEST_GIVEN_UP: Duration = Duration::from_secs(25);

#[test]
fn slow_requests_end_and_disturb_nobody() {
    let mut server = AttackedServer::start(&[]);
    let start = now();
    let connect = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(server.address).expect("the server listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout above zero");
        stream.write_all(bytes).expect("a new connection");
        stream
    };
    let heads: [&[u8]; 4] = [
        b"",
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: webso",
        b"\r\n",
        // A response was sent, and no further request comes.
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    let slow: Vec<_> = heads.iter().flat_map(|head| (0..50).map(|_| connect(head))).collect();
    server.assert_bystander_unmoved();
    let mut received = [0; 4096];
    for mut stream in slow {
        while stream.read(&mut received).expect("the server ends the connection in time") > 0 {}
        assert!(start.elapsed() < REQUEST_GIVEN_UP, "a request lasts {:?}", start.elapsed());
    }
    server.assert_bystander_unmoved();
}

#[test]
fn half_open_websockets_end() {
    let mut server = AttackedServer::start(&["--register-timeout", "1s"]);
    let mut sockets: Vec<_> = (0..20).map(|_| server.open()).collect();
    // Half of a header, and half of a message.
    sockets.iter_mut().step_by(2).for_each(|socket| socket.send_bytes(&[TEXT, 0x85, 1]));
    sockets.iter_mut().skip(1).step_by(2).for_each(|socket| socket.send_frame(TEXT_BEGIN, b"REGISTER"));
    for mut socket in sockets {
        let (first, payload) = socket.receive_frame().expect("a frame");
        assert!(first == TEXT && payload.starts_with(b"ERROR REGISTER_TIMEOUT"), "{payload:?}");
        assert_eq!(socket.expect_close(), (1008, "register timeout".to_owned()));
    }
    server.assert_bystander_unmoved();
}

#[test]
fn reader_that_takes_nothing_is_closed_alone() {
    let mut server = AttackedServer::start(&["--zero-window-timeout", "1s", "--outbox-timeout", "1s"]);
    let mut frozen = server.open();
    frozen.send_frame(TEXT, b"REGISTER Frozen");
    assert_eq!(frozen.receive_frame().expect("a frame"), (TEXT, b"REGISTER_OK Frozen".to_vec()));
    let mut writer = server.open();
    writer.send_frame(TEXT, b"REGISTER Writer");
    writer.send_frame(TEXT, b"CONNECT Frozen");
    let mut input = writer.stream_ref().socket().try_clone().expect("a connected socket");
    let message = masked_frame(TEXT, format!("MSG {}", "x".repeat(3000)).as_bytes());
    // Ends when the writer's socket is closed.
    let flood = std::thread::spawn(move || while input.write_all(&message).is_ok() {});
    loop {
        let (_, line) = writer.receive_frame().expect("the session of the writer goes on");
        if line == b"PEER_DISCONNECTED" {
            break;
        }
        let line = String::from_utf8_lossy(&line);
        assert!(["REGISTER_OK Writer", "CONNECT_OK Frozen", "MSG_SENT"].contains(&&*line), "{line}");
    }
    server.assert_bystander_unmoved();
    let _ = writer.stream_ref().socket().shutdown(Shutdown::Both);
    flood.join().expect("the flood ends with its socket");
}

#[test]
fn connection_has_a_limited_number_of_requests() {
    const REQUESTS_MAX: usize = 200;
    let mut server = AttackedServer::start(&[]);
    let mut reader = BufReader::new(server.connect());
    let head = b"GET /join.svg?room=lab HTTP/1.1\r\nHost: localhost\r\n\r\n";
    reader.get_mut().write_all(&head.repeat(1000)).expect("the server reads");
    for number in 1..=REQUESTS_MAX {
        let response = receive_response(&mut reader, false).expect("a response");
        let is_last = response.header("connection") == Some("close");
        assert_eq!((response.status, is_last), (200, number == REQUESTS_MAX), "response {number}");
    }
    assert!(receive_response(&mut reader, false).is_none(), "the connection ends");
    server.assert_bystander_unmoved();
}
