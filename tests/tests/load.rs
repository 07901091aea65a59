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

/// Open files of this process: one for each client connection. The server process needs as many.
const FILES: u64 = 12_000;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let files = rlimit::increase_nofile_limit(FILES).expect("the limit can be read");
    assert!(files >= FILES, "this test needs {FILES} open files, and {files} are allowed: raise `ulimit -Hn`");
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
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

async fn pair(address: SocketAddr, one: &str, other: &str) -> (AsyncClient, AsyncClient) {
    let mut first = AsyncClient::registered(address, one).await;
    let mut second = AsyncClient::registered(address, other).await;
    first.send(&format!("CONNECT {other}")).await;
    first.expect(&format!("CONNECT_OK {other}")).await;
    second.expect(&format!("INCOMING_CONNECTION {one}")).await;
    (first, second)
}

/// Sends `count` numbered messages, and receives as many in order and an acknowledgement for each.
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

    let _alone = alone();
    let server = ServerProcess::start(&["--threads", "4", "--outbox-soft-bytes", "4096"]);
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..PAIRS {
            let names = [format!("one{n}"), format!("other{n}")];
            let (one, other) = pair(server.commands, &names[0], &names[1]).await;
            let [one_name, other_name] = names;
            tasks.spawn(flood(one, other_name, MESSAGES));
            tasks.spawn(flood(other, one_name, MESSAGES));
        }
        // The clients stay open until all are done: a closed one would send `PEER_DISCONNECTED` to its partner.
        let clients = tasks.join_all().await;
        assert_eq!(clients.len(), 2 * PAIRS);
    });
}

/// Sends `count` numbered messages without waiting, then a PING. Receives the other side's messages, all
/// acknowledgements, and then the PONG.
async fn flood(client: AsyncClient, peer: String, count: usize) -> (BufReader<OwnedReadHalf>, OwnedWriteHalf) {
    let AsyncClient { mut reader, mut writer } = client;
    let sender = tokio::spawn(async move {
        for from in (0..count).step_by(500) {
            let lines: Vec<_> = (from..count.min(from + 500)).map(|n| format!("MSG {n}\n")).collect();
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
    /// Limit of resident memory per idle session, in bytes.
    const IDLE_MAX_BYTES: usize = 1024;

    let _alone = alone();
    let server = ServerProcess::start(&["--log-level", "warn,switchboard::server=info", "--max-sessions", "12000"]);
    // Warm-up: the server allocates everything it needs for any session before the first reading.
    let _warm: Vec<_> = (0..50).map(|n| TestClient::registered(server.commands, &format!("warm{n}"))).collect();
    let before = server.resident_bytes();
    let idle: Vec<_> = (0..IDLE).map(|n| TestClient::registered(server.commands, &format!("idle{n:05}"))).collect();
    let after = server.resident_bytes();
    let line: Vec<_> = (0..LINE_IDLE)
        .map(|n| {
            let mut client = TestClient::connect(server.line);
            client.send(&format!("line{n:05}"));
            client.expect(&format!("Welcome line{n:05}! You can now chat."));
            client
        })
        .collect();
    let line_each = server.resident_bytes().saturating_sub(after) / LINE_IDLE;
    let each = after.saturating_sub(before) / IDLE;
    println!("resident memory for each idle session: {each} bytes (RssAnon before and after {IDLE} sessions)");
    println!("resident memory for each idle session of the line dialect: {line_each} bytes ({LINE_IDLE} sessions)");
    assert!(each <= IDLE_MAX_BYTES && line_each <= IDLE_MAX_BYTES, "an idle session costs {each} or {line_each} bytes");
    drop(line);

    let address = server.commands;
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..PAIRS {
            let (one, other) = (format!("one{n}"), format!("other{n}"));
            tasks.spawn(async move {
                let (first, second) = pair(address, &one, &other).await;
                tokio::join!(converse(first, &other, MESSAGES), converse(second, &one, MESSAGES))
            });
        }
        let talked = tasks.join_all().await;
        assert_eq!(talked.len(), PAIRS);
        println!("{} messages in {PAIRS} chats, none lost, each in order", 2 * PAIRS * MESSAGES);
    });

    // All idle sessions are still open and answer.
    for mut client in idle {
        client.send("PING");
        client.expect("PONG");
    }
}

/// Two clients in a chat.
fn connected(address: SocketAddr, one: &str, other: &str) -> [TestClient; 2] {
    let (mut first, mut second) = (TestClient::registered(address, one), TestClient::registered(address, other));
    first.send(&format!("CONNECT {other}"));
    first.expect(&format!("CONNECT_OK {other}"));
    second.expect(&format!("INCOMING_CONNECTION {one}"));
    [first, second]
}

/// The 99th percentile of round trips between First and Second.
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
    const OUTBOX_TIMEOUT: Duration = Duration::from_secs(6);

    let _alone = alone();
    // Other work on this machine affects both servers alike.
    let calm = ServerProcess::start(&["--outbox-timeout", "6s"]);
    let mut server = ServerProcess::start(&["--outbox-timeout", "6s"]);
    let mut calm_pair = connected(calm.commands, "First", "Second");
    let mut pair = connected(server.commands, "First", "Second");
    let [flood, _frozen] = connected(server.commands, "Flood", "Frozen");
    for warming_up in [&mut calm_pair, &mut pair] {
        p99_round_trip(warming_up, ROUNDS);
    }
    let before = server.resident_bytes();

    // From here on Frozen reads nothing, and Flood sends as much as the server accepts.
    let flooding_since = now();
    let mut sender = flood.socket().try_clone().expect("a socket of this process");
    let flooding = thread::spawn(move || {
        let line = format!("MSG {}\n", "x".repeat(1000));
        // The server closes Frozen, not Flood. After that, Flood's messages get error replies.
        sender.set_write_timeout(Some(2 * OUTBOX_TIMEOUT)).expect("a socket of this process");
        for _ in 0..20_000 {
            if sender.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
    });
    let receiving = thread::spawn(move || {
        let mut flood = flood;
        let mut sent = 0;
        loop {
            match flood.receive() {
                Received::Line(line) if line == "MSG_SENT" => sent += 1,
                Received::Line(line) => {
                    assert_eq!(line, "PEER_DISCONNECTED");
                    break;
                }
                other => panic!("{other:?} instead of PEER_DISCONNECTED"),
            }
        }
        let after = flooding_since.elapsed();
        // Later messages get an error, and none is acknowledged.
        while let Received::Line(line) = flood.receive() {
            assert_eq!(line, "ERROR NOT_CONNECTED");
        }
        (sent, after)
    });

    // Meanwhile Flood fills the buffers of the sockets, and then Frozen's outbox up to its soft mark.
    thread::sleep(Duration::from_millis(500));
    let blocks: Vec<_> =
        (0..BLOCKS).map(|_| (p99_round_trip(&mut calm_pair, ROUNDS), p99_round_trip(&mut pair, ROUNDS))).collect();
    assert!(flooding_since.elapsed() < OUTBOX_TIMEOUT, "the round trips took longer than the freeze");
    let grown = server.resident_bytes().saturating_sub(before);
    let without = blocks.iter().map(|(without, _)| *without).min().expect("there are blocks");
    let with = blocks.iter().map(|(_, with)| *with).min().expect("there are blocks");

    let log_line = server.log_line_with(r#""name":"Frozen""#);
    let log_line = if log_line.contains("registered") { server.log_line_with(r#""name":"Frozen""#) } else { log_line };
    assert!(log_line.contains(r#""why":"slow consumer""#), "{log_line}");
    flooding.join().expect("the thread does not panic");
    drop(server);
    let (sent, after) = receiving.join().expect("Flood receives the expected lines");

    println!("round trip p99 of another pair: {without:?} without a freeze, {with:?} with one");
    println!("minimum of {BLOCKS} blocks of {ROUNDS}, taken in turn on two servers; all of them: {blocks:?}");
    println!("Frozen closed as a slow consumer after {after:?}; {sent} messages acknowledged; {grown} bytes grown");
    assert!(after >= OUTBOX_TIMEOUT && after < OUTBOX_TIMEOUT + Duration::from_secs(4), "closed after {after:?}");
    assert!(with.saturating_sub(without) < Duration::from_millis(1), "{without:?} without, {with:?} with");
    assert!(grown < 4 * 1024 * 1024, "the server grew by {grown} bytes");
}

#[test]
fn messages_acknowledged_before_a_stop_are_delivered() {
    const PAIRS: usize = 50;

    let _alone = alone();
    let mut server = ServerProcess::start(&["--log-level", "warn,switchboard::server=info"]);
    let address = server.commands;
    runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..PAIRS {
            let (one, other) = (format!("one{n}"), format!("other{n}"));
            let (AsyncClient { mut reader, mut writer }, mut second) = pair(address, &one, &other).await;
            // The first client sends numbered messages without end. Both clients count their lines until the end.
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
                            assert_eq!(line, format!("FROM {one}: {arrived}"));
                            arrived += 1;
                        }
                    }
                    // The server lingers until this client closes. The first client's sends end when the server closes
                    // its connection.
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
        assert!(counts.iter().all(|&(acknowledged, _)| acknowledged > 0), "a pair never spoke: {counts:?}");
        assert!(counts.iter().all(|(acknowledged, arrived)| arrived >= acknowledged), "{counts:?}");
    });
    assert_eq!(server.wait().code(), Some(0));
}
