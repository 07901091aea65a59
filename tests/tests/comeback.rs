//! `ctl drain`, and a restart: the clients come back by themselves. Each logs in by its device token, and continues at its
//! position.
//!
//! `cargo xtask bench comeback` does this with 10,000 clients.

use std::cell::Cell;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use switchboard_client::conversations::{Conversation, Identity, Item, Secret, Session, SessionOptions, Start};
use switchboard_tests::process::{ServerProcess, program};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Clients of one room.
const ROOM_CLIENTS: usize = 100;

/// Clients that connect at the same time before the restart.
const CONNECTING_AT_ONCE: usize = 64;

/// Time limit of each phase, for a run with many clients on a slow machine.
const PHASE_MAX: Duration = Duration::from_mins(3);

/// The key of all accounts. Nobody logs in with it.
const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

fn client_count() -> usize {
    std::env::var("SWITCHBOARD_COMEBACK_CLIENTS").map_or(300, |count| count.parse().expect("a number of clients"))
}

fn room(client: usize) -> String {
    format!("#room{}", client / ROOM_CLIENTS)
}

/// Creates an account and joins its room, as a person would type it. Returns the token of the device.
async fn create_account(address: SocketAddr, client: usize) -> String {
    let mut stream = BufReader::new(TcpStream::connect(address).await.expect("the server listens"));
    let requests =
        format!("HELLO 2\nREGISTER client{client}\nCLAIM key ssh-ed25519 {KEY}\nTOKEN\nJOIN {}\n", room(client));
    stream.write_all(requests.as_bytes()).await.expect("the server reads");
    let mut token = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.expect("the server answers");
        assert!(!line.is_empty() && !line.starts_with("ERROR"), "{line}");
        if let Some(word) = line.strip_prefix("TOKEN_OK ") {
            token = word.trim().to_owned();
        }
        if line.starts_with("JOIN_OK") {
            return token;
        }
    }
}

/// Logs in, and opens the room.
async fn join(address: SocketAddr, client: usize, token: String) -> Conversation {
    let identity = Identity::token(&format!("client{client}"), "main", Secret::new(&token));
    let session = Session::connect(address, identity, SessionOptions::default()).await.expect("a session");
    let mut room = session.open(&room(client), Start::Now).await.expect("the room");
    while !matches!(next(&mut room).await, Item::Live(_)) {}
    room
}

async fn next(room: &mut Conversation) -> Item {
    let item = timeout(PHASE_MAX, room.next()).await.expect("an item in time");
    item.expect("the session goes on").expect("the session goes on")
}

/// Runs `work` for each client, some at a time. The results are in the order of the clients.
async fn for_each<T: Send + 'static, W: Future<Output = T> + Send + 'static>(
    clients: usize,
    mut work: impl FnMut(usize) -> W,
) -> Vec<T> {
    let mut running = JoinSet::new();
    let mut results = Vec::new();
    for client in 0..clients {
        let work = work(client);
        running.spawn(async move { (client, work.await) });
        if running.len() == CONNECTING_AT_ONCE {
            results.extend(running.join_next().await.map(|result| result.expect("no panic")));
        }
    }
    results.extend(running.join_all().await);
    results.sort_unstable_by_key(|(client, _)| *client);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Sends `PING` every ten milliseconds, and keeps the longest time to the answer. Never returns.
async fn measure_pings(address: SocketAddr, longest: &Cell<Duration>) {
    let stream = loop {
        match TcpStream::connect(address).await {
            Ok(stream) => break stream,
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    };
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.expect("WELCOME");
    stream.write_all(b"REGISTER bystander\n").await.expect("the server reads");
    stream.read_line(&mut line).await.expect("REGISTER_OK");
    loop {
        let sent = Instant::now();
        stream.write_all(b"PING\n").await.expect("the server reads");
        line.clear();
        stream.read_line(&mut line).await.expect("the server answers");
        assert_eq!(line, "PONG\n");
        longest.set(longest.get().max(sent.elapsed()));
        sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn clients_come_back_after_a_restart_and_miss_nothing() {
    let clients = client_count();
    let files = clients as u64 + 200;
    let limit = rlimit::increase_nofile_limit(files).expect("the limit can be read");
    assert!(limit >= files, "this test needs {files} open files, but only {limit} are allowed");
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let data = data.to_str().expect("UTF-8");
    let sessions = (clients + 100).to_string();
    let log_level = "switchboard=info,switchboard::sessions=warn";
    let flags = ["--data", data, "--max-sessions", &sessions, "--log-level", log_level];
    let mut server = ServerProcess::start(&flags);
    let address = server.commands;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let rooms = runtime.block_on(async {
        let tokens = for_each(clients, move |client| create_account(address, client)).await;
        let mut tokens = tokens.into_iter();
        for_each(clients, move |client| join(address, client, tokens.next().expect("a token"))).await
    });

    let asked = Instant::now();
    let ctl = Command::new(program("switchboard-server")).args(["ctl", "drain", "--in", "0", "--data", data]).output();
    let ctl = ctl.expect("the program starts");
    let told = String::from_utf8_lossy(&ctl.stdout).into_owned();
    assert_eq!(told, format!("the server stops in 0 s; sessions told: {clients}\n"), "{ctl:?}");
    assert!(server.wait().success(), "the server ends");
    let ended = asked.elapsed();
    let server = ServerProcess::start_at(address, &flags);
    let listened = asked.elapsed();

    let longest_ping = Cell::new(Duration::ZERO);
    let mut times = runtime.block_on(async {
        tokio::select! {
            () = measure_pings(address, &longest_ping) => unreachable!("it never ends"),
            times = come_back(rooms, asked) => times,
        }
    });
    let cpu = server.cpu_time();
    times.sort_unstable();
    let millis = |time: Duration| u64::try_from(time.as_millis()).expect("a short time");
    let percentiles: Vec<_> = (0..=100).map(|percent| millis(times[(times.len() - 1) * percent / 100])).collect();
    println!(
        "{clients} clients: the server ended after {ended:.1?}, listened again after {listened:.1?}; half of the clients \
         were back after {} ms, all after {} ms; the longest PING of another client took {:.1?}; the server used {cpu:.1?} \
         of processor time",
        percentiles[50],
        percentiles[100],
        longest_ping.get(),
    );
    if let Ok(file) = std::env::var("SWITCHBOARD_COMEBACK_FILE") {
        let figures = serde_json::json!({
            "clients": clients,
            "ended_ms": millis(ended),
            "listened_ms": millis(listened),
            "back_ms_by_percent": percentiles,
            "longest_ping_ms": millis(longest_ping.get()),
            "server_cpu_ms": millis(cpu),
        });
        std::fs::write(&file, figures.to_string()).expect("the file can be written");
    }
}

/// Waits until each client is back at its position, and then until it has heard a new message of its room. Returns the
/// times of the first, counted from `asked`.
async fn come_back(rooms: Vec<Conversation>, asked: Instant) -> Vec<Duration> {
    let mut coming_back = JoinSet::new();
    for (client, mut room) in rooms.into_iter().enumerate() {
        coming_back.spawn(async move {
            let item = next(&mut room).await;
            assert!(matches!(item, Item::Live(_)), "client {client} hears another item first: {item:?}");
            (client, room, asked.elapsed())
        });
    }
    let mut listening = JoinSet::new();
    let mut times = Vec::new();
    for (client, mut room, time) in coming_back.join_all().await {
        times.push(time);
        listening.spawn(async move {
            if client % ROOM_CLIENTS == 0 {
                room.say("we are back").await.expect("a stored message");
            }
            let Item::Record(record) = next(&mut room).await else { panic!("client {client} hears no record") };
            assert_eq!(record.text, "we are back");
        });
    }
    listening.join_all().await;
    times
}
