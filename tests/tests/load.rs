//! Load: ten thousand sessions, a frozen reader, and a shutdown during traffic.
//!
//! The tests run one at a time, so that none disturbs another's measurement.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use switchboard_tests::process::ServerProcess;
use switchboard_tests::stage::Received;
use switchboard_tests::test_client::{TIMEOUT, TestClient};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Open files that this process needs: one for each client connection. The server process needs as many.
const OPEN_FILES: u64 = 12_000;

/// Raises the limit of open files, and keeps the other tests of this file waiting while the returned guard lives.
fn run_alone() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    let limit = rlimit::increase_nofile_limit(OPEN_FILES).expect("the limit can be read");
    assert!(
        limit >= OPEN_FILES,
        "this test needs {OPEN_FILES} open files, but only {limit} are allowed: raise `ulimit -Hn`"
    );
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "real sockets live in real time")]
fn now() -> Instant {
    Instant::now()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// A client for tests with many sessions.
struct AsyncClient {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl AsyncClient {
    async fn registered(address: SocketAddr, name: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        let (reader, writer) = stream.into_split();
        let mut client = Self { reader: BufReader::with_capacity(512, reader), writer };
        client.expect("WELCOME").await;
        client.send(&format!("REGISTER {name}")).await;
        client.expect(&format!("REGISTER_OK {name}")).await;
        client
    }

    async fn send(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\n").as_bytes()).await.expect("the server reads");
    }

    /// The next line; `None` at the end of the session.
    async fn receive(&mut self) -> Option<String> {
        let mut line = String::new();
        let read =
            tokio::time::timeout(TIMEOUT, self.reader.read_line(&mut line)).await.expect("a line arrives in time");
        match read {
            Ok(count) if count > 0 => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    async fn expect(&mut self, line: &str) {
        assert_eq!(self.receive().await.as_deref(), Some(line));
    }
}

/// Connects two clients with the given names, and opens a chat between them.
async fn async_pair(address: SocketAddr, first_name: &str, second_name: &str) -> (AsyncClient, AsyncClient) {
    let mut first = AsyncClient::registered(address, first_name).await;
    let mut second = AsyncClient::registered(address, second_name).await;
    first.send(&format!("CONNECT {second_name}")).await;
    first.expect(&format!("CONNECT_OK {second_name}")).await;
    second.expect(&format!("INCOMING_CONNECTION {first_name}")).await;
    (first, second)
}

/// Sends `count` numbered messages. Then receives an acknowledgement for each of them, and `count` numbered messages of
/// the peer in order.
async fn converse(mut client: AsyncClient, peer: &str, count: usize) -> AsyncClient {
    for n in 0..count {
        client.send(&format!("MSG {n}")).await;
    }
    let (mut received, mut acknowledged) = (0, 0);
    while received < count || acknowledged < count {
        let line = client.receive().await.expect("the session lives");
        if line == "MSG_SENT" {
            acknowledged += 1;
        } else {
            assert_eq!(line, format!("FROM {peer}: {received}"));
            received += 1;
        }
    }
    client
}

/// A session's own task and its partner's task write to the session's socket, in turn and on different threads. While
/// the outbox of a session is above the soft mark, the server pauses reading from the sessions that fill it. None of
/// this may lose a wake-up, a line or the order.
#[test]
fn pairs_flooding_each_other_on_four_threads_lose_nothing() {
    const MESSAGES: usize = 50_000;
    const PAIRS: usize = 4;

    let _guard = run_alone();
    let server = ServerProcess::start(&["--threads", "4", "--outbox-soft-bytes", "4096"]);
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..PAIRS {
            let (first_name, second_name) = (format!("first{n}"), format!("second{n}"));
            let (first, second) = async_pair(server.commands, &first_name, &second_name).await;
            tasks.spawn(flood(first, second_name, MESSAGES));
            tasks.spawn(flood(second, first_name, MESSAGES));
        }
        // All clients stay connected until the last one is done. If a client closed earlier, its partner would receive
        // `PEER_DISCONNECTED`.
        let clients = tasks.join_all().await;
        assert_eq!(clients.len(), 2 * PAIRS);
    });
}

/// Sends `count` numbered messages without waiting, then a PING. Receives the messages of `peer`, all
/// acknowledgements, and then the PONG. Returns both halves of the connection, which keep it open.
async fn flood(client: AsyncClient, peer: String, count: usize) -> (BufReader<OwnedReadHalf>, OwnedWriteHalf) {
    let AsyncClient { mut reader, mut writer } = client;
    let sender = tokio::spawn(async move {
        // Each write sends 500 messages.
        for start in (0..count).step_by(500) {
            let lines: Vec<_> = (start..count.min(start + 500)).map(|n| format!("MSG {n}\n")).collect();
            writer.write_all(lines.concat().as_bytes()).await.expect("the server reads");
        }
        writer.write_all(b"PING\n").await.expect("the server reads");
        writer
    });
    let (mut received, mut acknowledged, mut ponged) = (0, 0, false);
    let mut line = String::new();
    while received < count || !ponged {
        line.clear();
        let read = tokio::time::timeout(TIMEOUT, reader.read_line(&mut line)).await;
        let read = read.unwrap_or_else(|_| panic!("{received} received and {acknowledged} acknowledged, then nothing"));
        assert_ne!(read.expect("the session lives"), 0, "the session lives");
        match line.trim_end() {
            "MSG_SENT" => acknowledged += 1,
            "PONG" => ponged = acknowledged == count,
            other => {
                assert_eq!(other, format!("FROM {peer}: {received}"));
                received += 1;
            }
        }
    }
    (reader, sender.await.expect("the sender does not panic"))
}

#[test]
fn nine_thousand_idle_sessions_and_a_thousand_in_chats() {
    const IDLE: usize = 9_000;
    const LINE_IDLE: usize = 1_000;
    const PAIRS: usize = 500;
    const MESSAGES: usize = 100;
    /// Limit of resident memory per idle session, in bytes: about 970 are measured, and the allocator adds some at
    /// random.
    const IDLE_MAX_BYTES: usize = 1024;
    /// Number of sessions that come and go beside the idle ones.
    const ARRIVALS: usize = 2_000;
    const ARRIVALS_PER_SECOND: u32 = 1_000;
    /// Limit of the 99th percentile of the time from `connect` to `PONG`. A quiet machine takes about a millisecond.
    const ARRIVAL_P99_MAX: Duration = Duration::from_millis(100);

    let _guard = run_alone();
    let server = ServerProcess::start(&["--log-level", "warn,switchboard::server=info", "--max-sessions", "12000"]);
    // The first sessions make the server allocate the memory that all sessions share, before it is measured.
    let _warm_up: Vec<_> = (0..50).map(|n| TestClient::registered(server.commands, &format!("warm{n}"))).collect();
    let before = server.resident_bytes();
    let idle: Vec<_> = (0..IDLE).map(|n| TestClient::registered(server.commands, &format!("idle{n:05}"))).collect();
    let after = server.resident_bytes();
    let line_clients: Vec<_> = (0..LINE_IDLE)
        .map(|n| {
            let mut client = TestClient::connect(server.line);
            client.send(&format!("line{n:05}"));
            client.expect(&format!("Welcome line{n:05}! You can now chat."));
            client
        })
        .collect();
    let line_session_bytes = server.resident_bytes().saturating_sub(after) / LINE_IDLE;
    let session_bytes = after.saturating_sub(before) / IDLE;
    println!("resident memory of an idle session: {session_bytes} bytes (RssAnon before and after {IDLE} sessions)");
    println!(
        "resident memory of an idle session in the line dialect: {line_session_bytes} bytes ({LINE_IDLE} sessions)"
    );
    assert!(session_bytes <= IDLE_MAX_BYTES, "an idle session takes {session_bytes} bytes");
    assert!(
        line_session_bytes <= IDLE_MAX_BYTES,
        "an idle session in the line dialect takes {line_session_bytes} bytes"
    );
    drop(line_clients);

    let address = server.commands;
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..PAIRS {
            let (first_name, second_name) = (format!("first{n}"), format!("second{n}"));
            tasks.spawn(async move {
                let (first, second) = async_pair(address, &first_name, &second_name).await;
                tokio::join!(converse(first, &second_name, MESSAGES), converse(second, &first_name, MESSAGES))
            });
        }
        let clients = tasks.join_all().await;
        assert_eq!(clients.len(), PAIRS);
        println!("{} messages in {PAIRS} chats, none lost, each in order", 2 * PAIRS * MESSAGES);
    });

    let mut times = runtime().block_on(async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / ARRIVALS_PER_SECOND);
        let mut arrivals = tokio::task::JoinSet::new();
        for n in 0..ARRIVALS {
            ticks.tick().await;
            arrivals.spawn(async move {
                let start = now();
                let mut client = AsyncClient::registered(address, &format!("arrival{n}")).await;
                client.send("PING").await;
                client.expect("PONG").await;
                start.elapsed()
            });
        }
        arrivals.join_all().await
    });
    times.sort();
    let p99 = times[ARRIVALS * 99 / 100];
    println!(
        "{ARRIVALS_PER_SECOND} connections a second beside {IDLE} idle sessions: p99 {p99:?} from connect to PONG"
    );
    assert!(p99 <= ARRIVAL_P99_MAX, "p99 is {p99:?}");

    // All idle sessions are still open and answer.
    for mut client in idle {
        client.send("PING");
        client.expect("PONG");
    }
}

/// Like [`async_pair`], with blocking clients.
fn pair(address: SocketAddr, first_name: &str, second_name: &str) -> [TestClient; 2] {
    let mut first = TestClient::registered(address, first_name);
    let mut second = TestClient::registered(address, second_name);
    first.send(&format!("CONNECT {second_name}"));
    first.expect(&format!("CONNECT_OK {second_name}"));
    second.expect(&format!("INCOMING_CONNECTION {first_name}"));
    [first, second]
}

/// The 99th percentile of the times of `rounds` round trips between the users First and Second.
fn p99_round_trip([first, second]: &mut [TestClient; 2], rounds: usize) -> Duration {
    let mut trips: Vec<_> = (0..rounds)
        .map(|n| {
            let start = now();
            first.send(&format!("MSG {n}"));
            second.expect(&format!("FROM First: {n}"));
            second.send(&format!("MSG {n}"));
            first.expect("MSG_SENT");
            first.expect(&format!("FROM Second: {n}"));
            let trip = start.elapsed();
            second.expect("MSG_SENT");
            trip
        })
        .collect();
    trips.sort_unstable();
    trips[rounds * 99 / 100]
}

#[test]
fn a_frozen_reader_is_closed_and_delays_nobody_else() {
    const ROUNDS: usize = 500;
    const BLOCKS: usize = 8;
    const ZERO_WINDOW_TIMEOUT: Duration = Duration::from_secs(6);

    let _guard = run_alone();
    // A second server has no frozen client. Other work on this machine delays both servers alike, so their round trips
    // can be compared.
    let flags = ["--outbox-timeout", "6s", "--zero-window-timeout", "6s"];
    let calm_server = ServerProcess::start(&flags);
    let mut server = ServerProcess::start(&flags);
    let mut calm_pair = pair(calm_server.commands, "First", "Second");
    let mut busy_pair = pair(server.commands, "First", "Second");
    let [flood, _frozen] = pair(server.commands, "Flood", "Frozen");
    for clients in [&mut calm_pair, &mut busy_pair] {
        // Warm-up.
        p99_round_trip(clients, ROUNDS);
    }
    let before = server.resident_bytes();

    // From here on Frozen reads nothing, and Flood sends as much as the server accepts.
    let flooding_since = now();
    let mut sender = flood.socket().try_clone().expect("a socket of this process");
    let flooding = thread::spawn(move || {
        let line = format!("MSG {}\n", "x".repeat(1000));
        // The server closes Frozen, not Flood. After that, Flood's messages get error replies.
        sender.set_write_timeout(Some(2 * ZERO_WINDOW_TIMEOUT)).expect("a socket of this process");
        for _ in 0..20_000 {
            if sender.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
    });
    let receiving = thread::spawn(move || {
        let mut flood = flood;
        let mut acknowledged = 0;
        loop {
            match flood.receive() {
                Received::Line(line) if line == "MSG_SENT" => acknowledged += 1,
                Received::Line(line) => {
                    assert_eq!(line, "PEER_DISCONNECTED");
                    break;
                }
                other => panic!("{other:?} instead of PEER_DISCONNECTED"),
            }
        }
        let closed_after = flooding_since.elapsed();
        // Each later message gets an error instead of an acknowledgement.
        while let Received::Line(line) = flood.receive() {
            assert_eq!(line, "ERROR NOT_CONNECTED");
        }
        (acknowledged, closed_after)
    });

    // Meanwhile Flood fills the buffers of the sockets, and then Frozen's outbox up to its soft mark.
    thread::sleep(Duration::from_millis(500));
    let blocks: Vec<_> =
        (0..BLOCKS).map(|_| (p99_round_trip(&mut calm_pair, ROUNDS), p99_round_trip(&mut busy_pair, ROUNDS))).collect();
    assert!(flooding_since.elapsed() < ZERO_WINDOW_TIMEOUT, "the round trips took longer than the freeze");
    let growth_bytes = server.resident_bytes().saturating_sub(before);
    let calm_p99 = blocks.iter().map(|(calm, _)| *calm).min().expect("there are blocks");
    let busy_p99 = blocks.iter().map(|(_, busy)| *busy).min().expect("there are blocks");

    // The first line with this name may be the one of its registration.
    let log_line = server.log_line_with(r#""name":"Frozen""#);
    let log_line = if log_line.contains("registered") { server.log_line_with(r#""name":"Frozen""#) } else { log_line };
    assert!(log_line.contains(r#""why":"slow consumer""#), "{log_line}");
    flooding.join().expect("the thread does not panic");
    drop(server);
    let (acknowledged, closed_after) = receiving.join().expect("Flood receives the expected lines");

    println!("p99 of the round trips of another pair: {calm_p99:?} without a frozen reader, {busy_p99:?} with one");
    println!("(the minimum of {BLOCKS} blocks of {ROUNDS} round trips; the two servers took turns: {blocks:?})");
    println!("Frozen was closed as a slow consumer after {closed_after:?}; {acknowledged} messages were acknowledged");
    println!("the server grew by {growth_bytes} bytes");
    assert!(closed_after >= ZERO_WINDOW_TIMEOUT, "Frozen was closed after {closed_after:?}");
    assert!(closed_after < ZERO_WINDOW_TIMEOUT + Duration::from_secs(4), "Frozen was closed after {closed_after:?}");
    let delay = busy_p99.saturating_sub(calm_p99);
    assert!(delay < Duration::from_millis(1), "the frozen reader delays another pair by {delay:?}");
    assert!(growth_bytes < 4 * 1024 * 1024, "the server grew by {growth_bytes} bytes");
}

#[test]
fn messages_acknowledged_before_a_stop_are_delivered() {
    const PAIRS: usize = 50;

    let _guard = run_alone();
    let mut server = ServerProcess::start(&["--log-level", "warn,switchboard::server=info"]);
    let address = server.commands;
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..PAIRS {
            let (first_name, second_name) = (format!("first{n}"), format!("second{n}"));
            let (first, mut second) = async_pair(address, &first_name, &second_name).await;
            let AsyncClient { mut reader, mut writer } = first;
            // The first client sends numbered messages until the server stops. Both clients count the lines that they
            // receive.
            tasks.spawn(async move {
                let sending = async {
                    for n in 0_u64.. {
                        if writer.write_all(format!("MSG {n}\n").as_bytes()).await.is_err() {
                            break;
                        }
                        // A pause after 16 messages lets the other tasks run.
                        if n % 16 == 0 {
                            tokio::task::yield_now().await;
                        }
                    }
                };
                let counting = async {
                    let (mut acknowledged, mut line) = (0_u64, String::new());
                    while reader.read_line(&mut line).await.is_ok_and(|count| count > 0) {
                        acknowledged += u64::from(line == "MSG_SENT\n");
                        line.clear();
                    }
                    acknowledged
                };
                let receiving = async {
                    let mut arrived = 0_u64;
                    while let Some(line) = second.receive().await {
                        if line != "ERROR SERVER_SHUTDOWN" {
                            assert_eq!(line, format!("FROM {first_name}: {arrived}"));
                            arrived += 1;
                        }
                    }
                    // The server keeps this connection open until this client closes. The sends of the first client
                    // fail when the server closes that client's connection.
                    drop(second);
                    arrived
                };
                let (acknowledged, arrived, ()) = tokio::join!(counting, receiving, sending);
                (acknowledged, arrived)
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.signal("TERM");
        let counts = tasks.join_all().await;
        let acknowledged: u64 = counts.iter().map(|(acknowledged, _)| acknowledged).sum();
        let arrived: u64 = counts.iter().map(|(_, arrived)| arrived).sum();
        println!("{} sessions: {acknowledged} messages acknowledged, {arrived} arrived", 2 * PAIRS);
        assert!(counts.iter().all(|&(acknowledged, _)| acknowledged > 0), "a pair has no message: {counts:?}");
        let is_complete = counts.iter().all(|(acknowledged, arrived)| arrived >= acknowledged);
        assert!(is_complete, "acknowledged messages did not arrive: (acknowledged, arrived) of each pair: {counts:?}");
    });
    assert_eq!(server.wait().code(), Some(0));
}
