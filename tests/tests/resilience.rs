//! What a server on a real network meets, and carries on after.

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

/// Two people in a chat, one after the other registered.
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

/// Has its end be a reset: what was not read is thrown away (RFC 9293 §3.10.4, `SO_LINGER` 0 of socket(7)).
fn reset(client: &TestClient) {
    socket2::SockRef::from(client.socket()).set_linger(Some(Duration::ZERO)).expect("it is a socket");
}

#[test]
fn server_recovers_from_running_out_of_file_descriptors() {
    let mut server = ServerProcess::start_with_files(32, &[]);
    let (mut noy, mut elias) = chat(server.commands, "Noy", "Elias");

    // More come than there are files for. The system completes their connections; the server cannot take them.
    let mut waiting: Vec<_> = (0..40).map(|_| TestClient::connect(server.commands)).collect();
    let trouble = server.log_line_with("cannot accept connections");
    assert!(trouble.contains("raise `ulimit -n`"), "{trouble}");

    // Those who are in carry on.
    noy.send("MSG still here");
    elias.expect("FROM Noy: still here");
    noy.expect("MSG_SENT");

    // Everybody who waited is let in as others leave, and once that has gone well for a second, it says so.
    while !waiting.is_empty() {
        let mut first = waiting.remove(0);
        first.expect("WELCOME");
    }
    thread::sleep(Duration::from_millis(1500));
    TestClient::connect(server.commands).expect("WELCOME");
    // One word for the trouble and one for its end, however often it came and went in between.
    let recovered = server.log_line_with("accept");
    assert!(recovered.contains("accepting connections again"), "said more than once: {recovered}");
}

#[test]
fn a_reset_at_any_point_ends_only_its_own_session() {
    let server = EmbeddedServer::start();
    let mut elias = TestClient::registered(commands(&server), "Elias");
    let words = ["", "REG", "REGISTER Noy", "REGISTER Noy\nCONNECT Elias\n", "REGISTER Noy\nCONNECT Elias\nMSG half a"];
    for (n, said) in words.into_iter().enumerate() {
        // Another name each time: when the server has heard of the reset, and the name is free, is not known here.
        let name = format!("Noy{n}");
        let mut noy = TestClient::connect(commands(&server));
        noy.expect("WELCOME");
        noy.write(said.replace("Noy", &name).as_bytes());
        if said.contains("CONNECT") {
            elias.expect(&format!("INCOMING_CONNECTION {name}"));
        }
        reset(&noy);
        drop(noy);
        if said.contains("CONNECT") {
            elias.expect("PEER_DISCONNECTED");
        }
    }
    elias.send("PING");
    elias.expect("PONG");
}

#[test]
fn messages_sent_before_a_reset_are_delivered() {
    // A client that closes with answers unread resets the connection, as one does that says goodbye and goes. What it
    // said is no more than the system holds, and Noy is read slowly, so most of it is unread when writing fails.
    let server = EmbeddedServer::with(Settings { outbox_soft_bytes: 4096, ..Settings::default() });
    let words = "x".repeat(500);
    for _ in 0..5 {
        let (noy, mut elias) = chat(commands(&server), "Noy", "Elias");
        let mut said = String::new();
        for n in 0..100 {
            writeln!(said, "MSG {n} {words}").expect("a string takes all");
        }
        said.push_str("DISCONNECT\n");
        noy.socket().write_all(said.as_bytes()).expect("the server reads");
        drop(noy);
        for n in 0..100 {
            elias.expect(&format!("FROM Noy: {n} {words}"));
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
    nc.stdin.take().expect("it is piped").write_all(b"PING\n").expect("nc reads");
    let output = nc.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "WELCOME\nPONG\n");
}

#[test]
fn a_half_open_connection_is_detected() {
    // A network of its own, whose only link is cut: the peer is gone without a word.
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
    // Noy asks and asks, and never reads an answer.
    let asking = thread::spawn(move || {
        let question = "PING\n".repeat(10_000);
        while noy.socket().write_all(question.as_bytes()).is_ok() {}
        noy.socket().set_nonblocking(true).expect("it is a socket");
        noy.receive()
    });
    elias.expect("PEER_DISCONNECTED");
    asking.join().expect("the server closes the socket that is written to");
    elias.send("PING");
    elias.expect("PONG");
}

#[test]
fn a_peer_that_never_reads_is_closed_even_if_it_keeps_sending() {
    let settings = Settings { outbox_timeout: Duration::from_secs(1), ..Settings::default() };
    let server = EmbeddedServer::with(settings);
    let (noy, mut elias) = chat(commands(&server), "Noy", "Elias");
    // Noy reads nothing, and keeps the connection busy with blank lines, which ask for nothing.
    let mut blank = noy.socket().try_clone().expect("it is a socket");
    let talking = thread::spawn(move || while blank.write_all(b"\n\n\n\n").is_ok() {});
    // Elias says what the system's buffers hold, and more.
    let mut saying = elias.socket().try_clone().expect("it is a socket");
    let flooding = thread::spawn(move || {
        let line = format!("MSG {}\n", "x".repeat(3800));
        saying.set_write_timeout(Some(Duration::from_secs(1))).expect("the time is not zero");
        for _ in 0..4000 {
            if saying.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
    });
    let since = now();
    let mut heard = elias.receive();
    while heard == Received::Line("MSG_SENT".into()) {
        heard = elias.receive();
    }
    assert_eq!(heard, Received::Line("PEER_DISCONNECTED".into()));
    assert!(since.elapsed() < Duration::from_secs(10), "it took {:?}", since.elapsed());
    talking.join().expect("its socket is closed");
    drop(elias);
    flooding.join().expect("it gives up");
}

#[test]
fn a_healthy_reader_is_kept_however_many_write_to_it() {
    const WRITERS: usize = 100;
    const EACH: usize = 40;
    // Marks with room for a line of each, which a crowd would pass all the same, were each read as if it were alone.
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
            let said = format!("Noy: {text}\n").repeat(EACH);
            thread::spawn(move || {
                writer.write(said.as_bytes());
                writer
            })
        })
        .collect();
    // It reads all the time, but no faster than a megabyte or two a second.
    for n in 0..WRITERS * EACH {
        match noy.receive() {
            Received::Line(heard) => assert!(heard.starts_with("FROM User") && heard.ends_with(&text), "{heard}"),
            other => panic!("Noy was cut after {n} messages: {other:?}"),
        }
        thread::sleep(Duration::from_millis(2));
    }
    for writer in writers {
        writer.join().expect("it has said all");
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
    let mut writing = noy.socket().try_clone().expect("it is a socket");
    let asking = thread::spawn(move || writing.write_all("PING\n".repeat(100_000).as_bytes()));
    for _ in 0..100_000 {
        noy.expect("PONG");
    }
    asking.join().expect("it does not panic").expect("the server reads");
    noy.send("WHO");
    noy.expect("USERS ");
}

#[test]
fn http_and_tls_get_one_error_and_are_closed() {
    let server = EmbeddedServer::start();
    // What a web page can make a browser send: a request line that is too long, and lines of chat as its body.
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
    for (dialect, said, expected) in cases {
        for cut in [1, 10, 1000] {
            let mut browser = TestClient::connect(server.address(dialect));
            if dialect == Dialect::Commands {
                browser.expect("WELCOME");
            }
            said.as_bytes().chunks(cut).for_each(|piece| browser.write(piece));
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
        // Whatever it was answered is UTF-8 without control characters, and then the session ends.
        let mut heard = Vec::new();
        let _ = client.socket().read_to_end(&mut heard);
        let heard = String::from_utf8(heard).expect("what the server sends is UTF-8");
        prop_assert!(!heard.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{:?}", heard);
        Ok(())
    });
    sent.expect("rubbish is answered in good order");
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
        // When one leaves, there is room again.
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
        writeln!(flood, "MSG {n}").expect("a string takes all");
    }
    noy.write(flood.as_bytes());
    for n in 0..100 {
        elias.expect(&format!("FROM Noy: {n}"));
        noy.expect("MSG_SENT");
    }
    // Fifty go through at once, less the two lines before; fifty and two more wait a fiftieth of a second each.
    let took = start.elapsed();
    assert!(took > Duration::from_millis(950), "a hundred lines took {took:?}");
}
