//! Many clients in one moment: races for a name, crossing requests, a storm of connections, and names of lost sessions.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use switchboard_protocol::Dialect;
use switchboard_tests::process::{EmbeddedServer, ServerProcess};
use switchboard_tests::stage::Received;
use switchboard_tests::test_client::{TIMEOUT, TestClient};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Open files that the test of the storm needs: one for each connection. The server process needs as many.
const OPEN_FILES: u64 = 4_096;

#[test]
fn one_of_many_gets_a_name() {
    const CLIENTS: usize = 48;
    const ROUNDS: usize = 8;
    const SPELLINGS: [&str; 3] = ["Noy", "NOY", "Ｎｏｙ"];

    let server = EmbeddedServer::start();
    let mut observer = TestClient::connect(server.address(Dialect::Commands));
    observer.expect("WELCOME");
    for round in 0..ROUNDS {
        let start = Barrier::new(CLIENTS);
        let contend = |n: usize| {
            let dialect = if n.is_multiple_of(2) { Dialect::Commands } else { Dialect::Line };
            let spelling = SPELLINGS[(n / 2) % SPELLINGS.len()];
            let mut client = TestClient::connect(server.address(dialect));
            let (request, granted, refused) = match dialect {
                Dialect::Commands => {
                    client.expect("WELCOME");
                    (format!("REGISTER {spelling}"), format!("REGISTER_OK {spelling}"), "ERROR NAME_TAKEN")
                }
                Dialect::Line => (
                    spelling.to_owned(),
                    format!("Welcome {spelling}! You can now chat."),
                    "Username already taken. Connection closing.",
                ),
            };
            start.wait();
            client.send(&request);
            match client.receive() {
                Received::Line(line) if line == granted => Some((client, spelling)),
                other => {
                    assert_eq!(other, Received::Line(refused.to_owned()));
                    None
                }
            }
        };
        let mut winners: Vec<_> = thread::scope(|scope| {
            let contenders: Vec<_> = (0..CLIENTS).map(|n| scope.spawn(move || contend(n))).collect();
            contenders.into_iter().filter_map(|client| client.join().expect("the expected replies")).collect()
        });
        assert_eq!(winners.len(), 1, "round {round}: {} clients have the name", winners.len());
        let (mut winner, spelling) = winners.remove(0);
        observer.send("WHO");
        observer.expect(&format!("USERS {spelling}"));
        // The name is free when the winner reads the end.
        winner.half_close();
        winner.expect_end();
        observer.send("WHO");
        observer.expect("USERS ");
    }
}

/// Two clients send a request at the same time. Returns the lines that each receives before the reply to a fence.
fn cross(first: (&mut TestClient, &str), second: (&mut TestClient, &str)) -> (Vec<String>, Vec<String>) {
    let start = Barrier::new(2);
    let exchange = |(client, request): (&mut TestClient, &str)| {
        start.wait();
        client.send(request);
        client.send("PING");
        let mut lines = Vec::new();
        loop {
            match client.receive() {
                Received::Line(line) if line == "PONG" => return lines,
                Received::Line(line) => lines.push(line),
                other => panic!("{other:?} after {lines:?}"),
            }
        }
    };
    thread::scope(|scope| {
        let second_lines = scope.spawn(|| exchange(second));
        (exchange(first), second_lines.join().expect("the expected lines"))
    })
}

#[test]
fn crossing_requests_open_and_end_one_chat() {
    const ROUNDS: usize = 200;

    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut noy = TestClient::registered(address, "Noy");
    let mut elias = TestClient::registered(address, "Elias");
    let mut firsts = [0; 2];
    for _ in 0..ROUNDS {
        let (of_noy, of_elias) = cross((&mut noy, "CONNECT Elias"), (&mut elias, "CONNECT Noy"));
        // One request comes first. The other client is in the chat that both wanted.
        if of_noy == ["CONNECT_OK Elias"] {
            assert_eq!(of_elias, ["INCOMING_CONNECTION Noy", "ERROR USER_BUSY"]);
            firsts[0] += 1;
        } else {
            assert_eq!(of_noy, ["INCOMING_CONNECTION Elias", "ERROR USER_BUSY"]);
            assert_eq!(of_elias, ["CONNECT_OK Noy"]);
            firsts[1] += 1;
        }
        noy.send("MSG hello");
        elias.expect("FROM Noy: hello");
        noy.expect("MSG_SENT");

        let (of_noy, of_elias) = cross((&mut noy, "DISCONNECT"), (&mut elias, "DISCONNECT"));
        let mut both = [of_noy, of_elias];
        both.sort();
        assert_eq!(both, [vec!["DISCONNECT_OK"], vec!["PEER_DISCONNECTED", "DISCONNECT_OK"]]);
    }
    println!("of {ROUNDS} crossing requests, Noy's came first {} times, and Elias's {} times", firsts[0], firsts[1]);
}

#[test]
fn a_storm_of_connections_is_served() {
    const CLIENTS: usize = 2_000;

    let limit = rlimit::increase_nofile_limit(OPEN_FILES).expect("the limit can be read");
    assert!(limit >= OPEN_FILES, "this test needs {OPEN_FILES} open files, but only {limit} are allowed");
    let server = ServerProcess::start(&["--log-level", "warn,switchboard::server=info"]);
    let address = server.commands;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let clients = runtime.block_on(async {
        let mut storm = tokio::task::JoinSet::new();
        for n in 0..CLIENTS {
            storm.spawn(async move {
                let stream = timeout(2 * TIMEOUT, TcpStream::connect(address)).await.expect("accepted in time");
                let mut client = BufReader::with_capacity(128, stream.expect("the server listens"));
                client.write_all(format!("REGISTER storm{n:04}\nPING\n").as_bytes()).await.expect("the server reads");
                for expected in ["WELCOME\n".to_owned(), format!("REGISTER_OK storm{n:04}\n"), "PONG\n".to_owned()] {
                    let mut line = String::new();
                    let read = timeout(2 * TIMEOUT, client.read_line(&mut line)).await;
                    read.expect("a reply in time").expect("the session lives");
                    assert_eq!(line, expected);
                }
                client
            });
        }
        storm.join_all().await
    });
    let mut observer = TestClient::connect(address);
    observer.expect("WELCOME");
    observer.send("WHO");
    let Received::Line(roster) = observer.receive() else { panic!("no reply to WHO") };
    let mut names: Vec<_> = roster.trim_start_matches("USERS ").split(',').map(str::to_owned).collect();
    names.sort();
    let expected: Vec<_> = (0..CLIENTS).map(|n| format!("storm{n:04}")).collect();
    assert!(names == expected, "WHO shows {} names", names.len());

    // All leave at once.
    runtime.block_on(async { drop(clients) });
    for _ in 0..TIMEOUT.as_millis() / 10 {
        observer.send("WHO");
        let Received::Line(roster) = observer.receive() else { panic!("no reply to WHO") };
        if roster == "USERS " {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("names remain after their sessions");
}

#[test]
fn the_name_of_a_lost_session_is_free_at_once() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut elias = TestClient::registered(address, "Elias");
    // Each case ends the session after these bytes. The replies to them stay unread.
    let inputs = ["", "MSG half a", "PING\nWHO\nPING\n"];
    for (is_reset, input) in [true, false].into_iter().flat_map(|is_reset| inputs.map(|input| (is_reset, input))) {
        for _ in 0..10 {
            let mut noy = TestClient::registered(address, "Noy");
            noy.send("CONNECT Elias");
            noy.expect("CONNECT_OK Elias");
            elias.expect("INCOMING_CONNECTION Noy");
            noy.write(input.as_bytes());
            if is_reset {
                let linger = Some(Duration::ZERO);
                socket2::SockRef::from(noy.socket()).set_linger(linger).expect("a socket of this process");
            }
            drop(noy);
            // The peer learns of the end in the same step that frees the name, so the next REGISTER succeeds.
            elias.expect("PEER_DISCONNECTED");
        }
    }
}
