//! Resilience: faults of real networks and hostile clients, each followed by normal service.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use switchboard_protocol::Dialect;
use switchboard_server::Settings;
use switchboard_tests::process::{EmbeddedServer, ServerProcess, program};
use switchboard_tests::stage::Received;
use switchboard_tests::test_client::TestClient;

fn commands(server: &EmbeddedServer) -> SocketAddr {
    server.address(Dialect::Commands)
}

/// Two clients in a chat.
fn chat(address: SocketAddr, one: &str, other: &str) -> (TestClient, TestClient) {
    let mut first = TestClient::registered(address, one);
    let mut second = TestClient::registered(address, other);
    first.send(&format!("CONNECT {other}"));
    first.expect(&format!("CONNECT_OK {other}"));
    second.expect(&format!("INCOMING_CONNECTION {one}"));
    (first, second)
}

#[expect(clippy::disallowed_methods, reason = "real sockets live in real time")]
fn now() -> Instant {
    Instant::now()
}

/// Makes the close a reset, which discards unread bytes (RFC 9293 §3.10.4, `SO_LINGER` 0 of socket(7)).
fn reset(client: &TestClient) {
    socket2::SockRef::from(client.socket()).set_linger(Some(Duration::ZERO)).expect("a socket of this process");
}

#[test]
fn server_recovers_from_running_out_of_file_descriptors() {
    let mut server = ServerProcess::start_with_files(32, &[]);
    let (mut noy, mut elias) = chat(server.commands, "Noy", "Elias");

    // The kernel completes more connections than the server has files for.
    let mut waiting: Vec<_> = (0..40).map(|_| TestClient::connect(server.commands)).collect();
    let trouble = server.log_line_with("cannot accept connections");
    assert!(trouble.contains("raise `ulimit -n`"), "{trouble}");

    // Open sessions go on.
    noy.send("MSG still here");
    elias.expect("FROM Noy: still here");
    noy.expect("MSG_SENT");

    // Waiting clients are accepted as others leave. One second without a failure ends the trouble, and the log says
    // so.
    while !waiting.is_empty() {
        let mut first = waiting.remove(0);
        first.expect("WELCOME");
    }
    thread::sleep(Duration::from_millis(1500));
    TestClient::connect(server.commands).expect("WELCOME");
    // One log line for the trouble and one for its end, no matter how often accepting failed in between.
    let recovered = server.log_line_with("accept");
    assert!(recovered.contains("accepting connections again"), "logged more than once: {recovered}");
}

#[test]
fn a_reset_at_any_point_ends_only_its_own_session() {
    let server = EmbeddedServer::start();
    let mut elias = TestClient::registered(commands(&server), "Elias");
    let words = ["", "REG", "REGISTER Noy", "REGISTER Noy\nCONNECT Elias\n", "REGISTER Noy\nCONNECT Elias\nMSG half a"];
    for (n, lines) in words.into_iter().enumerate() {
        // A new name each time: this client cannot know when the server has freed the last one.
        let name = format!("Noy{n}");
        let mut noy = TestClient::connect(commands(&server));
        noy.expect("WELCOME");
        noy.write(lines.replace("Noy", &name).as_bytes());
        if lines.contains("CONNECT") {
            elias.expect(&format!("INCOMING_CONNECTION {name}"));
        }
        reset(&noy);
        drop(noy);
        if lines.contains("CONNECT") {
            elias.expect("PEER_DISCONNECTED");
        }
    }
    elias.send("PING");
    elias.expect("PONG");
}

#[test]
fn messages_sent_before_a_reset_are_delivered() {
    // A client that closes with unread replies resets the connection. Noy's messages fit in the kernel's buffers and
    // are read slowly, so most are unread when the server's writes fail.
    let server = EmbeddedServer::with(Settings { outbox_soft_bytes: 4096, ..Settings::default() });
    let words = "x".repeat(500);
    for round in 0..5 {
        // New names in each round: the server may hold the old ones until it notices the reset.
        let (sender, reader) = (format!("Noy{round}"), format!("Elias{round}"));
        let (noy, mut elias) = chat(commands(&server), &sender, &reader);
        let mut lines = String::new();
        for n in 0..100 {
            writeln!(lines, "MSG {n} {words}").expect("writing to a String succeeds");
        }
        lines.push_str("DISCONNECT\n");
        noy.socket().write_all(lines.as_bytes()).expect("the server reads");
        drop(noy);
        for n in 0..100 {
            elias.expect(&format!("FROM {sender}: {n} {words}"));
        }
        elias.expect("PEER_DISCONNECTED");
        elias.half_close();
        elias.expect_end();
    }
}

#[test]
fn nc_gets_its_answers_after_a_half_close() {
    let server = EmbeddedServer::start();
    let mut nc = Command::new("nc")
        .args(["-N", "127.0.0.1", &commands(&server).port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("nc is installed (Debian: netcat-openbsd)");
    nc.stdin.take().expect("a piped stream").write_all(b"PING\n").expect("nc reads");
    let output = nc.wait_with_output().expect("nc exits");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "WELCOME\nPONG\n");
}

#[test]
fn a_half_open_connection_is_detected() {
    // A private network whose only link goes down: the peer disappears without FIN or RST.
    let script = r#"
        ip link set lo up
        "$0" --listen 127.0.0.1:12345 --listen-line none --log-format json \
            --keepalive 1s --outbox-timeout 3s --user-timeout 3s > log &
        until grep -q listening log; do sleep 0.1; done
        { echo REGISTER Noy; sleep 60; } | nc 127.0.0.1 12345 > heard &
        until grep -q REGISTER_OK heard; do sleep 0.1; done
        ip link set lo down
        until grep -q '"left"' log; do sleep 0.1; done
        kill %1
        cat log
    "#;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new("timeout")
        .args([
            "30",
            "unshare",
            "--user",
            "--map-root-user",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "bash",
            "-c",
            script,
        ])
        .arg(program("switchboard-server"))
        .current_dir(&folder)
        .output()
        .expect("unshare and ip are installed (Debian: util-linux, iproute2)");
    let log = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains(r#""name":"Noy","why":"reset""#), "{log}\n{errors}");
}

#[test]
fn a_peer_that_never_reads_is_closed() {
    let settings = Settings { outbox_timeout: Duration::from_millis(500), ..Settings::default() };
    let server = EmbeddedServer::with(settings);
    let (mut noy, mut elias) = chat(commands(&server), "Noy", "Elias");
    // Noy sends requests and never reads a reply.
    let asking = thread::spawn(move || {
        let question = "PING\n".repeat(10_000);
        while noy.socket().write_all(question.as_bytes()).is_ok() {}
        noy.socket().set_nonblocking(true).expect("a socket of this process");
        noy.receive()
    });
    elias.expect("PEER_DISCONNECTED");
    asking.join().expect("the thread does not panic");
    elias.send("PING");
    elias.expect("PONG");
}

#[test]
fn a_peer_that_never_reads_is_closed_even_if_it_keeps_sending() {
    let settings = Settings { outbox_timeout: Duration::from_secs(1), ..Settings::default() };
    let server = EmbeddedServer::with(settings);
    let (noy, mut elias) = chat(commands(&server), "Noy", "Elias");
    // Noy reads nothing, and keeps the connection busy with blank lines, which need no reply.
    let mut blank = noy.socket().try_clone().expect("a socket of this process");
    let talking = thread::spawn(move || while blank.write_all(b"\n\n\n\n").is_ok() {});
    // Elias sends more than the system's buffers hold.
    let mut sender = elias.socket().try_clone().expect("a socket of this process");
    let flooding = thread::spawn(move || {
        let line = format!("MSG {}\n", "x".repeat(3800));
        sender.set_write_timeout(Some(Duration::from_secs(1))).expect("a timeout above zero");
        for _ in 0..4000 {
            if sender.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
    });
    let since = now();
    let mut received = elias.receive();
    while received == Received::Line("MSG_SENT".into()) {
        received = elias.receive();
    }
    assert_eq!(received, Received::Line("PEER_DISCONNECTED".into()));
    assert!(since.elapsed() < Duration::from_secs(10), "it took {:?}", since.elapsed());
    talking.join().expect("the thread does not panic");
    drop(elias);
    flooding.join().expect("the thread does not panic");
}

#[test]
fn a_healthy_reader_is_kept_however_many_write_to_it() {
    const WRITERS: usize = 100;
    const EACH: usize = 40;
    // The hard watermark has room for one line of each writer. It would be exceeded if the server read each writer as
    // if it were the only one.
    let settings =
        Settings { outbox_soft_bytes: 32 * 1024, max_sessions: 500, outbox_bytes: 512 * 1024, ..Settings::default() };
    let server = EmbeddedServer::with(settings);
    let mut noy = TestClient::registered(commands(&server), "Noy");
    let text = "x".repeat(3500);
    let line = server.address(Dialect::Line);
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let mut writer = TestClient::connect(line);
            writer.send(&format!("User{n}"));
            writer.expect(&format!("Welcome User{n}! You can now chat."));
            let lines = format!("Noy: {text}\n").repeat(EACH);
            thread::spawn(move || {
                writer.write(lines.as_bytes());
                writer
            })
        })
        .collect();
    // Noy reads all the time, at one to two megabytes per second.
    for n in 0..WRITERS * EACH {
        match noy.receive() {
            Received::Line(line) => assert!(line.starts_with("FROM User") && line.ends_with(&text), "{line}"),
            other => panic!("Noy was cut after {n} messages: {other:?}"),
        }
        thread::sleep(Duration::from_millis(2));
    }
    for writer in writers {
        writer.join().expect("the thread does not panic");
    }
    noy.send("PING");
    noy.expect("PONG");
}

#[test]
fn a_line_may_arrive_at_one_byte_a_second() {
    let server = EmbeddedServer::start();
    let mut noy = TestClient::connect(commands(&server));
    noy.expect("WELCOME");
    for byte in "PING\n".bytes() {
        noy.write(&[byte]);
        thread::sleep(Duration::from_secs(1));
    }
    noy.expect("PONG");
}

#[test]
fn an_enormous_line_costs_no_memory() {
    let server = ServerProcess::start(&[]);
    let mut noy = TestClient::registered(server.commands, "Noy");
    let before = server.resident_bytes();
    let mebibyte = vec![b'x'; 1024 * 1024];
    for _ in 0..256 {
        noy.write(&mebibyte);
    }
    noy.send("");
    noy.expect("ERROR LINE_TOO_LONG");
    noy.send("PING");
    noy.expect("PONG");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 1024 * 1024, "a line of 256 MiB cost {grown} bytes");
}

#[test]
fn a_burst_of_a_hundred_thousand_lines_is_answered() {
    let server = EmbeddedServer::start();
    let mut noy = TestClient::connect(commands(&server));
    noy.expect("WELCOME");
    let mut writing = noy.socket().try_clone().expect("a socket of this process");
    let asking = thread::spawn(move || writing.write_all("PING\n".repeat(100_000).as_bytes()));
    for _ in 0..100_000 {
        noy.expect("PONG");
    }
    asking.join().expect("the thread does not panic").expect("the server reads");
    noy.send("WHO");
    noy.expect("USERS ");
}

#[test]
fn http_and_tls_get_one_error_and_are_closed() {
    let server = EmbeddedServer::start();
    // A web page can make a browser send this: a request line that is too long, and lines of chat as the body.
    let forged = format!("POST /{} HTTP/1.1\r\nHost: localhost\r\n\r\nREGISTER Eve\r\n", "x".repeat(5000));
    let mut browser = TestClient::connect(commands(&server));
    browser.expect("WELCOME");
    browser.write(forged.as_bytes());
    browser.expect("ERROR LINE_TOO_LONG");
    browser.expect("ERROR WRONG_PROTOCOL This port takes lines of chat, not HTTP: try nc.");
    browser.expect_end();

    let http = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a browser\r\n\r\n";
    let tls = "\x16\x03\x01\x02\x00\x01\x00\x01\u{7f}";
    let cases = [
        (Dialect::Commands, http, "ERROR WRONG_PROTOCOL This port takes lines of chat, not HTTP: try nc."),
        (Dialect::Line, http, "This port takes lines of chat, not HTTP: try nc."),
        (Dialect::Commands, tls, "ERROR WRONG_PROTOCOL This port takes lines of chat in plain text, not TLS: try nc."),
        (Dialect::Line, tls, "This port takes lines of chat in plain text, not TLS: try nc."),
    ];
    for (dialect, request, expected) in cases {
        for cut in [1, 10, 1000] {
            let mut browser = TestClient::connect(server.address(dialect));
            if dialect == Dialect::Commands {
                browser.expect("WELCOME");
            }
            request.as_bytes().chunks(cut).for_each(|piece| browser.write(piece));
            browser.expect(expected);
            browser.expect_end();
        }
    }
}

#[test]
fn random_input_gets_printable_replies() {
    let server = EmbeddedServer::start();
    let line = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        "(REGISTER|CONNECT|MSG|WHO|DISCONNECT|PING) ?[ -~]{0,40}\r?".prop_map(String::into_bytes),
        Just(vec![b'x'; 5000]),
    ];
    let stream = proptest::collection::vec(line, 0..20).prop_map(|lines| lines.join(&b'\n'));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(256));
    let sent = runner.run(&(stream, any::<bool>()), |(stream, line_dialect)| {
        let dialect = if line_dialect { Dialect::Line } else { Dialect::Commands };
        let mut client = TestClient::connect(server.address(dialect));
        client.write(&stream);
        client.half_close();
        // All replies are UTF-8 without control characters, and then the session ends.
        let mut received = Vec::new();
        let _ = client.socket().read_to_end(&mut received);
        let received = String::from_utf8(received).expect("the server sends UTF-8");
        prop_assert!(!received.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{:?}", received);
        Ok(())
    });
    sent.expect("random input gets printable replies");
    TestClient::connect(commands(&server)).expect("WELCOME");
}

#[test]
fn sessions_without_a_name_are_closed_after_the_timeout() {
    let server = EmbeddedServer::with(Settings { register_timeout: Duration::from_millis(200), ..Settings::default() });
    let mut silent = TestClient::connect(commands(&server));
    silent.expect("WELCOME");
    silent.write(b"REGISTER Noy, without the end of the line");
    let mut named = TestClient::registered(commands(&server), "Elias");
    let mut line = TestClient::connect(server.address(Dialect::Line));
    silent.expect("ERROR REGISTER_TIMEOUT");
    silent.expect_end();
    line.expect("No name was registered in time: connect again.");
    line.expect_end();
    named.send("WHO");
    named.expect("USERS Elias");
}

#[test]
fn sessions_beyond_a_limit_are_refused() {
    let full = EmbeddedServer::with(Settings { max_sessions: 2, ..Settings::default() });
    let crowded =
        EmbeddedServer::with(Settings { max_sessions_per_address: 2, limit_loopback: true, ..Settings::default() });
    let cases = [
        (&full, "ERROR SERVER_FULL", "The server is full: try again later."),
        (&crowded, "ERROR TOO_MANY_SESSIONS", "Your address has too many sessions open: close one first."),
    ];
    for (server, code, sentence) in cases {
        let mut first = TestClient::registered(commands(server), "Noy");
        let mut second = TestClient::registered(commands(server), "Elias");
        for (dialect, expected) in [(Dialect::Commands, code), (Dialect::Line, sentence)] {
            let mut third = TestClient::connect(server.address(dialect));
            third.send("Eve");
            third.expect(expected);
            third.expect_end();
        }
        first.send("PING");
        first.expect("PONG");
        // A closed session makes room.
        second.half_close();
        second.expect_end();
        loop {
            let mut third = TestClient::connect(commands(server));
            if third.receive() == Received::Line("WELCOME".into()) {
                break;
            }
        }
    }
}

#[test]
fn the_rate_limit_delays_lines_and_loses_none() {
    let server = EmbeddedServer::with(Settings { lines_per_second: 50, limit_loopback: true, ..Settings::default() });
    let (mut noy, mut elias) = chat(commands(&server), "Noy", "Elias");
    let start = now();
    let mut flood = String::new();
    for n in 0..100 {
        writeln!(flood, "MSG {n}").expect("writing to a String succeeds");
    }
    noy.write(flood.as_bytes());
    for n in 0..100 {
        elias.expect(&format!("FROM Noy: {n}"));
        noy.expect("MSG_SENT");
    }
    // 50 lines pass at once, two of which were used before. The other 52 wait 20 ms each.
    let took = start.elapsed();
    assert!(took > Duration::from_millis(950), "a hundred lines took {took:?}");
}
