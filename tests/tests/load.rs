//! A full house: ten thousand sessions, a reader that freezes, a stop in the middle of traffic.
//!
//! These run one at a time, so that none measures another.

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

/// Half of what a process may open here goes to this side of the connections, half to the server's.
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

/// Somebody in a crowd.
struct AsyncClient {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl AsyncClient {
    async fn registered(address: SocketAddr, name: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("it is TCP");
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

    /// The next line, or `None` at the end.
    async fn receive(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(TIMEOUT, self.reader.read_line(&mut line)).await.expect("it comes in time");
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

/// Says `count` numbered messages and hears as many, each in its order and each of ours acknowledged.
async fn converse(mut client: AsyncClient, peer: &str, count: usize) -> AsyncClient {
    for n in 0..count {
        client.send(&format!("MSG {n}")).await;
    }
    let (mut heard, mut acknowledged) = (0, 0);
    while heard < count || acknowledged < count {
        let line = client.receive().await.expect("the session lives");
        if line == "MSG_SENT" {
            acknowledged += 1;
        } else {
            assert_eq!(line, format!("FROM {peer}: {heard}"));
            heard += 1;
        }
    }
    client
}

/// On several threads each session is written to by its partner, by its own connection, or by both in turn, and is read
/// later whenever its outbox is above the soft mark: none of that may lose a wake-up, a line or an order.
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
        // Each client is kept until all are done: who leaves would be news to its partner.
        let clients = tasks.join_all().await;
        assert_eq!(clients.len(), 2 * PAIRS);
    });
}

/// Says `count` numbered messages as fast as they are taken, and a PING, and hears the other side's, each acknowledgement,
/// and the PONG after the last of these.
async fn flood(client: AsyncClient, peer: String, count: usize) -> (BufReader<OwnedReadHalf>, OwnedWriteHalf) {
    let AsyncClient { mut reader, mut writer } = client;
    let says = tokio::spawn(async move {
        for from in (0..count).step_by(500) {
            let lines: Vec<_> = (from..count.min(from + 500)).map(|n| format!("MSG {n}\n")).collect();
            writer.write_all(lines.concat().as_bytes()).await.expect("the server reads");
        }
        writer.write_all(b"PING\n").await.expect("the server reads");
        writer
    });
    let (mut heard, mut acknowledged, mut ponged) = (0, 0, false);
    let mut line = String::new();
    while heard < count || !ponged {
        line.clear();
        let read = tokio::time::timeout(TIMEOUT, reader.read_line(&mut line)).await;
        let read = read.unwrap_or_else(|_| panic!("{heard} heard and {acknowledged} acknowledged, then nothing"));
        assert_ne!(read.expect("the session lives"), 0, "the session lives");
        match line.trim_end() {
            "MSG_SENT" => acknowledged += 1,
            "PONG" => ponged = acknowledged == count,
            other => {
                assert_eq!(other, format!("FROM {peer}: {heard}"));
                heard += 1;
            }
        }
    }
    (reader, says.await.expect("all was said"))
}

#[test]
fn nine_thousand_idle_sessions_and_a_thousand_in_chats() {
    const IDLE: usize = 9_000;
    const LINE_IDLE: usize = 1_000;
    const PAIRS: usize = 500;
    const MESSAGES: usize = 100;
    /// What a session that waits may cost the server, in bytes of resident memory.
    const IDLE_MAX_BYTES: usize = 1024;

    let _alone = alone();
    let server = ServerProcess::start(&["--log-level", "warn,switchboard::server=info", "--max-sessions", "12000"]);
    // What the server needs to serve anybody at all is there before anybody is counted.
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
    println!("resident memory for each idle session: {each} bytes (RssAnon before and after {IDLE} of them)");
    println!("of the line dialect: {line_each} bytes ({LINE_IDLE} of them)");
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

    // Everybody who waited is still there, and hears.
    for mut client in idle {
        client.send("PING");
        client.expect("PONG");
    }
}

/// Two people in a chat.
fn connected(address: SocketAddr, one: &str, other: &str) -> [TestClient; 2] {
    let (mut first, mut second) = (TestClient::registered(address, one), TestClient::registered(address, other));
    first.send(&format!("CONNECT {other}"));
    first.expect(&format!("CONNECT_OK {other}"));
    second.expect(&format!("INCOMING_CONNECTION {one}"));
    [first, second]
}

/// The 99th percentile of the round trips of First and Second: from one to the other and back.
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
    // Two servers side by side: what else this machine does in the meantime, both feel alike.
    let calm = ServerProcess::start(&["--outbox-timeout", "6s"]);
    let mut server = ServerProcess::start(&["--outbox-timeout", "6s"]);
    let mut calm_pair = connected(calm.commands, "First", "Second");
    let mut pair = connected(server.commands, "First", "Second");
    let [flood, _frozen] = connected(server.commands, "Flood", "Frozen");
    for warming_up in [&mut calm_pair, &mut pair] {
        p99_round_trip(warming_up, ROUNDS);
    }
    let before = server.resident_bytes();

    // From here on Frozen reads nothing, and Flood says all that the server takes.
    let flooding_since = now();
    let mut saying = flood.socket().try_clone().expect("it is a socket");
    let flooding = thread::spawn(move || {
        let line = format!("MSG {}\n", "x".repeat(1000));
        // The server closes Frozen, not Flood: then nobody is there to say anything to, and the flood is answered.
        saying.set_write_timeout(Some(2 * OUTBOX_TIMEOUT)).expect("it is a socket");
        for _ in 0..20_000 {
            if saying.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
    });
    let told = thread::spawn(move || {
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
        // Whatever was said after that is answered, and nothing is acknowledged any more.
        while let Received::Line(line) = flood.receive() {
            assert_eq!(line, "ERROR NOT_CONNECTED");
        }
        (sent, after)
    });

    // Once the buffers between them are full, the server holds what it may for Frozen, and no more.
    thread::sleep(Duration::from_millis(500));
    let blocks: Vec<_> =
        (0..BLOCKS).map(|_| (p99_round_trip(&mut calm_pair, ROUNDS), p99_round_trip(&mut pair, ROUNDS))).collect();
    assert!(flooding_since.elapsed() < OUTBOX_TIMEOUT, "the round trips took longer than the freeze");
    let grown = server.resident_bytes().saturating_sub(before);
    let without = blocks.iter().map(|(without, _)| *without).min().expect("there are blocks");
    let with = blocks.iter().map(|(_, with)| *with).min().expect("there are blocks");

    let left = server.log_line_with(r#""name":"Frozen""#);
    let left = if left.contains("registered") { server.log_line_with(r#""name":"Frozen""#) } else { left };
    assert!(left.contains(r#""why":"slow consumer""#), "{left}");
    flooding.join().expect("it does not panic");
    drop(server);
    let (sent, after) = told.join().expect("Flood hears what it has to");

    println!("round trip p99 of another pair: {without:?} without a freeze, {with:?} with one");
    println!("least of {BLOCKS} blocks of {ROUNDS}, taken in turn on two servers; all of them: {blocks:?}");
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
            // One says numbered messages without end; both write down what they hear, to the end.
            tasks.spawn(async move {
                let saying = async {
                    for n in 0_u64.. {
                        if writer.write_all(format!("MSG {n}\n").as_bytes()).await.is_err() {
                            break;
                        }
                        // A pause now and then lets every session have its say.
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
                let hearing = async {
                    let mut arrived = 0_u64;
                    while let Some(line) = second.receive().await {
                        if line != "ERROR SERVER_SHUTDOWN" {
                            assert_eq!(line, format!("FROM {one}: {arrived}"));
                            arrived += 1;
                        }
                    }
                    // Closing is what ends the lingering of the server, and with it the saying.
                    drop(second);
                    arrived
                };
                let (acknowledged, arrived, ()) = tokio::join!(counting, hearing, saying);
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
