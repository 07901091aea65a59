//! Resilience: faults of real networks and hostile clients, each followed by normal service.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use switchboard_protocol::Dialect;
use switchboard_server::Settings;
use switchboard_tests::namespace::run_script;
use switchboard_tests::process::{EmbeddedServer, ServerProcess, program};
use switchboard_tests::stage::Received;
use switchboard_tests::test_client::TestClient;
use switchboard_tests::wire_lab::texts;

/// Address of the commands listener.
fn commands(server: &EmbeddedServer) -> SocketAddr {
    server.address(Dialect::Commands)
}

/// Two clients in a chat.
fn pair(address: SocketAddr, first_name: &str, second_name: &str) -> (TestClient, TestClient) {
    let mut first = TestClient::registered(address, first_name);
    let mut second = TestClient::registered(address, second_name);
    first.send(&format!("CONNECT {second_name}"));
    first.expect(&format!("CONNECT_OK {second_name}"));
    second.expect(&format!("INCOMING_CONNECTION {first_name}"));
    (first, second)
}

#[expect(clippy::disallowed_methods, reason = "real sockets live in real time")]
fn now() -> Instant {
    Instant::now()
}

/// Makes the client reset its connection when it closes (`SO_LINGER` 0 of socket(7), ABORT of RFC 9293 §3.10.5).
fn reset_on_close(client: &TestClient) {
    socket2::SockRef::from(client.socket()).set_linger(Some(Duration::ZERO)).expect("a socket of this process");
}

#[test]
fn server_recovers_from_running_out_of_file_descriptors() {
    let mut server = ServerProcess::start_with_file_limit(32, &[]);
    let (mut noy, mut elias) = pair(server.commands, "Noy", "Elias");

    // The kernel completes the handshakes of more connections than the server can open files for.
    let mut waiting: Vec<_> = (0..40).map(|_| TestClient::connect(server.commands)).collect();
    let failure = server.log_line_with("cannot accept connections");
    assert!(failure.contains("raise `ulimit -n`"), "{failure}");

    // Open sessions still work.
    noy.send("MSG still here");
    elias.expect("FROM Noy: still here");
    noy.expect("MSG_SENT");

    // The server accepts waiting clients when others leave. After one second without a failure, the log says that
    // accepting works again.
    while !waiting.is_empty() {
        let mut first = waiting.remove(0);
        first.expect("WELCOME");
    }
    thread::sleep(Duration::from_millis(1500));
    TestClient::connect(server.commands).expect("WELCOME");
    // The log has one line for the first failure and one for the recovery, even if further failures are between them.
    let recovery = server.log_line_with("accept");
    assert!(recovery.contains("accepting connections again"), "a failure was logged more than once: {recovery}");
}

#[test]
fn a_reset_at_any_point_ends_only_its_own_session() {
    let server = EmbeddedServer::start();
    let mut elias = TestClient::registered(commands(&server), "Elias");
    let inputs =
        ["", "REG", "REGISTER Noy", "REGISTER Noy\nCONNECT Elias\n", "REGISTER Noy\nCONNECT Elias\nMSG half a"];
    for (n, input) in inputs.into_iter().enumerate() {
        // Each round has a new name, because the server may not have freed the previous one yet.
        let name = format!("Noy{n}");
        let mut noy = TestClient::connect(commands(&server));
        noy.expect("WELCOME");
        noy.write(input.replace("Noy", &name).as_bytes());
        if input.contains("CONNECT") {
            elias.expect(&format!("INCOMING_CONNECTION {name}"));
        }
        reset_on_close(&noy);
        drop(noy);
        if input.contains("CONNECT") {
            elias.expect("PEER_DISCONNECTED");
        }
    }
    elias.send("PING");
    elias.expect("PONG");
}

#[test]
fn messages_sent_before_a_reset_are_delivered() {
    // A client that closes with unread replies resets the connection. Noy's messages fit in the kernel's buffers, and
    // the low soft mark makes the server read them slowly. So most of them are unread when the server's writes fail.
    let server = EmbeddedServer::with_settings(Settings { outbox_soft_bytes: 4096, ..Settings::default() });
    let words = "x".repeat(500);
    for round in 0..5 {
        // New names in each round: the server may hold the old ones until it notices the reset.
        let (sender, reader) = (format!("Noy{round}"), format!("Elias{round}"));
        let (noy, mut elias) = pair(commands(&server), &sender, &reader);
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
    assert_eq!(nc(&server, "PING\n"), "WELCOME\nPONG\n");
}

#[test]
fn nc_gets_the_answers_of_the_store_after_a_half_close() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for data in [None, Some(folder.path().join("data"))] {
        let server = EmbeddedServer::with_settings(Settings { data, ..Settings::default() });
        let output = nc(&server, "HELLO 2\nREGISTER Noy\nJOIN #lab\nSAY #lab hi\nHISTORY #lab 9 9\nPING\n");
        // Records of the history have tags, and `PONG` does not wait for the store.
        let (tagged, untagged): (Vec<_>, Vec<_>) = output.lines().partition(|line| line.starts_with('@'));
        let untagged: Vec<_> = untagged.into_iter().filter(|&line| line != "PONG").collect();
        assert!(untagged[1].starts_with("HELLO_OK 2 "), "{output}");
        assert_eq!(
            [&untagged[..1], &untagged[2..]].concat(),
            ["WELCOME", "REGISTER_OK Noy", "JOIN_OK #lab 0", "SAID #lab 1", "HISTORY_OK #lab 1 1"],
            "{output}"
        );
        assert!(tagged.len() == 1 && tagged[0].ends_with(";past=1 FROM Noy: hi"), "{output}");
        assert_eq!(output.matches("PONG\n").count(), 1, "{output}");
    }
}

/// Runs `nc -N` with this input, and returns its output.
fn nc(server: &EmbeddedServer, input: &str) -> String {
    let mut nc = Command::new("nc")
        .args(["-N", "127.0.0.1", &commands(server).port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("nc is installed (Debian: netcat-openbsd)");
    nc.stdin.take().expect("a piped stream").write_all(input.as_bytes()).expect("nc reads");
    let output = nc.wait_with_output().expect("nc exits");
    String::from_utf8(output.stdout).expect("lines are UTF-8")
}

#[test]
fn a_half_open_connection_is_detected() {
    // The server and its client run in a network of their own, whose only link goes down. So the client disappears
    // without FIN or RST.
    let script = r#"
        ip link set lo up
        "$0" --listen 127.0.0.1:12345 --listen-line none --listen-web none --log-format json \
            --keepalive 1s --outbox-timeout 3s --user-timeout 3s > log &
        until grep -q listening log; do sleep 0.1; done
        { echo REGISTER Noy; sleep 60; } | nc 127.0.0.1 12345 > heard &
        until grep -q REGISTER_OK heard; do sleep 0.1; done
        ip link set lo down
        until grep -q '"left"' log; do sleep 0.1; done
        kill %1
        cat log
    "#;
    let (log, errors) = texts(&run_script(script, &program("switchboard-server"), &[]));
    assert!(log.contains(r#""name":"Noy","why":"reset""#), "{log}\n{errors}");
}

#[test]
fn a_peer_that_never_reads_is_closed() {
    let settings = Settings { zero_window_timeout: Duration::from_millis(500), ..Settings::default() };
    let server = EmbeddedServer::with_settings(settings);
    let (noy, mut elias) = pair(commands(&server), "Noy", "Elias");
    // Noy sends requests and never reads a reply.
    let flooding = thread::spawn(move || {
        let requests = "PING\n".repeat(10_000);
        while noy.socket().write_all(requests.as_bytes()).is_ok() {}
    });
    elias.expect("PEER_DISCONNECTED");
    flooding.join().expect("the thread does not panic");
    elias.send("PING");
    elias.expect("PONG");
}

#[test]
fn a_peer_that_never_reads_is_closed_even_if_it_keeps_sending() {
    let settings = Settings { zero_window_timeout: Duration::from_secs(1), ..Settings::default() };
    let server = EmbeddedServer::with_settings(settings);
    let (noy, mut elias) = pair(commands(&server), "Noy", "Elias");
    // Noy reads nothing, and keeps the connection busy with blank lines, which have no reply.
    let mut noy_socket = noy.socket().try_clone().expect("a socket of this process");
    let sending_blanks = thread::spawn(move || while noy_socket.write_all(b"\n\n\n\n").is_ok() {});
    // Elias sends more bytes than the system's buffers hold.
    let mut elias_socket = elias.socket().try_clone().expect("a socket of this process");
    let flooding = thread::spawn(move || {
        let line = format!("MSG {}\n", "x".repeat(3800));
        elias_socket.set_write_timeout(Some(Duration::from_secs(1))).expect("a timeout above zero");
        for _ in 0..4000 {
            if elias_socket.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
    });
    let start = now();
    let mut received = elias.receive();
    while received == Received::Line("MSG_SENT".into()) {
        received = elias.receive();
    }
    assert_eq!(received, Received::Line("PEER_DISCONNECTED".into()));
    assert!(start.elapsed() < Duration::from_secs(10), "Noy was closed after {:?}", start.elapsed());
    sending_blanks.join().expect("the thread does not panic");
    drop(elias);
    flooding.join().expect("the thread does not panic");
}

#[test]
fn a_steady_reader_stays_connected_with_a_hundred_writers() {
    const WRITERS: usize = 100;
    const LINES_PER_WRITER: usize = 40;
    // Below the hard mark there is room for one line of each writer. The outbox would exceed the mark if the server
    // read from each writer as much as from a single one.
    let settings =
        Settings { outbox_soft_bytes: 32 * 1024, max_sessions: 500, outbox_bytes: 512 * 1024, ..Settings::default() };
    let server = EmbeddedServer::with_settings(settings);
    let mut noy = TestClient::registered(commands(&server), "Noy");
    let text = "x".repeat(3500);
    let line = server.address(Dialect::Line);
    // All writers connect before the first of them writes. On a busy machine, this takes seconds, in which Noy does not
    // read yet.
    let connected: Vec<_> = (0..WRITERS)
        .map(|n| {
            let mut writer = TestClient::connect(line);
            writer.send(&format!("User{n}"));
            writer.expect(&format!("Welcome User{n}! You can now chat."));
            writer
        })
        .collect();
    let lines: Arc<str> = format!("Noy: {text}\n").repeat(LINES_PER_WRITER).into();
    let writers: Vec<_> = connected
        .into_iter()
        .map(|mut writer| {
            let lines = Arc::clone(&lines);
            thread::spawn(move || {
                writer.write(lines.as_bytes());
                writer
            })
        })
        .collect();
    // Noy reads steadily, at one to two megabytes per second.
    for n in 0..WRITERS * LINES_PER_WRITER {
        match noy.receive() {
            Received::Line(line) => assert!(line.starts_with("FROM User") && line.ends_with(&text), "{line}"),
            other => panic!("after {n} messages, Noy received {other:?}"),
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
fn a_line_of_256_mebibytes_costs_no_memory() {
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
    let mut socket = noy.socket().try_clone().expect("a socket of this process");
    let sending = thread::spawn(move || socket.write_all("PING\n".repeat(100_000).as_bytes()));
    for _ in 0..100_000 {
        noy.expect("PONG");
    }
    sending.join().expect("the thread does not panic").expect("the server reads");
    noy.send("WHO");
    noy.expect("USERS ");
}

#[test]
fn http_and_tls_get_one_error_and_are_closed() {
    let server = EmbeddedServer::start();
    // A hostile web page can make a browser send this: a request line that is too long, and lines of chat as the body.
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
        for piece_len in [1, 10, 1000] {
            let mut browser = TestClient::connect(server.address(dialect));
            if dialect == Dialect::Commands {
                browser.expect("WELCOME");
            }
            request.as_bytes().chunks(piece_len).for_each(|piece| browser.write(piece));
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
    let result = runner.run(&(stream, any::<bool>()), |(stream, is_line_dialect)| {
        let dialect = if is_line_dialect { Dialect::Line } else { Dialect::Commands };
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
    result.expect("random input gets printable replies");
    TestClient::connect(commands(&server)).expect("WELCOME");
}

#[test]
fn sessions_without_a_name_are_closed_after_the_timeout() {
    let server =
        EmbeddedServer::with_settings(Settings { register_timeout: Duration::from_millis(200), ..Settings::default() });
    let mut silent = TestClient::connect(commands(&server));
    silent.expect("WELCOME");
    silent.write(b"REGISTER Noy, without the end of the line");
    let mut named = TestClient::registered(commands(&server), "Elias");
    let mut silent_line = TestClient::connect(server.address(Dialect::Line));
    silent.expect("ERROR REGISTER_TIMEOUT");
    silent.expect_end();
    silent_line.expect("No name was registered in time: connect again.");
    silent_line.expect_end();
    named.send("WHO");
    named.expect("USERS Elias");
}

#[test]
fn sessions_beyond_a_limit_are_refused() {
    let full = EmbeddedServer::with_settings(Settings { max_sessions: 2, ..Settings::default() });
    let crowded = EmbeddedServer::with_settings(Settings {
        max_sessions_per_address: 2,
        limit_loopback: true,
        ..Settings::default()
    });
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
    let server =
        EmbeddedServer::with_settings(Settings { lines_per_second: 50, limit_loopback: true, ..Settings::default() });
    let (mut noy, mut elias) = pair(commands(&server), "Noy", "Elias");
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
    // A session may send 50 lines at once. Noy has already sent two of them (REGISTER and CONNECT), so 48 messages pass
    // at once. Each of the other 52 waits 20 ms.
    let duration = start.elapsed();
    assert!(duration > Duration::from_millis(950), "a hundred lines took only {duration:?}");
}
