//! `cargo xtask bench store`: a server with many stored records.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// The store that is measured. It is kept for the next run.
const FOLDER: &str = "target/bench/store";
const DATA: &str = "target/bench/store/many";

/// The records and conversations of the store, as `crates/store/examples/throughput.rs` makes them.
const RECORDS: u64 = 5_000_000;
const CONVERSATIONS: u64 = 10_000;

/// Where the server listens. No other program of this repository uses the port.
const ADDRESS: &str = "127.0.0.1:21599";

/// How long a message or an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The load before the kill: sessions that say messages as fast as they are stored, for this time.
const WRITERS: u64 = 20;
const LOAD: Duration = Duration::from_secs(3);

/// A device that was away: its conversations, and the records that it has missed in each.
const OPENED: u64 = 100;
const MISSED: u64 = 100;

/// Requests for the last records of a random conversation.
const HISTORIES: usize = 2_000;
const HISTORY_RECORDS: usize = 50;

/// The promises.
const START_MAX: Duration = Duration::from_secs(1);
const RESUME_MAX: Duration = Duration::from_millis(200);
const HISTORY_P99_MAX: Duration = Duration::from_millis(2);
const MEMORY_MAX_BYTES: u64 = 64 * 1024 * 1024;

pub(super) fn run() -> Result<(), String> {
    build()?;
    if !Path::new(DATA).exists() {
        fill()?;
    }
    let mut server = Server::start(Path::new(DATA))?;
    println!("load: {WRITERS} writers for {LOAD:?}, then a kill");
    let said = load_and_kill(&mut server)?;
    println!("  {said} messages were acknowledged");
    if said == 0 {
        return Err(format!("the writers cannot write: remove {DATA}, and run this again"));
    }

    let mut checks = Checks::default();
    let server = Server::start(Path::new(DATA))?;
    checks.time("start after the kill, to the first answer", server.started_in, START_MAX);

    let mut client = Client::guest("Dana")?;
    let (resumed, records) = client.resume()?;
    checks.time(&format!("{records} missed records of {OPENED} conversations"), resumed, RESUME_MAX);
    let times = client.histories()?;
    println!("  last {HISTORY_RECORDS} records of a conversation: p50 {:.1?}", times[HISTORIES / 2]);
    checks.time("last 50 records of a conversation, p99", times[HISTORIES * 99 / 100], HISTORY_P99_MAX);

    let memory = server.memory_bytes()?;
    let empty = tempfile::tempdir_in(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
    drop(server);
    let empty_server = Server::start(empty.path())?;
    let empty_memory = empty_server.memory_bytes()?;
    println!("  memory of a server without records: {:.1} MiB", mebibytes(empty_memory));
    checks.check(
        &format!("memory with {RECORDS} records: {:.1} MiB, at most {} MiB", mebibytes(memory), MEMORY_MAX_BYTES >> 20),
        memory <= MEMORY_MAX_BYTES,
    );
    checks.finish()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The promises that were measured.
#[derive(Default)]
struct Checks {
    broken: Vec<String>,
}

impl Checks {
    fn time(&mut self, what: &str, time: Duration, max: Duration) {
        self.check(&format!("{what}: {time:.1?}, at most {max:?}"), time <= max);
    }

    fn check(&mut self, what: &str, holds: bool) {
        println!("  {what}{}", if holds { "" } else { ": BROKEN" });
        if !holds {
            self.broken.push(what.to_owned());
        }
    }

    fn finish(self) -> Result<(), String> {
        if self.broken.is_empty() { Ok(()) } else { Err(format!("promises are broken: {}", self.broken.join("; "))) }
    }
}

fn cargo(args: &[&str]) -> Result<(), String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(cargo).args(args).status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed", args.join(" "))) }
}

fn build() -> Result<(), String> {
    cargo(&["build", "--quiet", "--release", "--locked", "--package", "switchboard-server"])
}

fn fill() -> Result<(), String> {
    fs::create_dir_all(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
    let records = RECORDS.to_string();
    let package = ["run", "--quiet", "--release", "--locked", "--package", "switchboard-store"];
    let example = ["--example", "throughput", "--", FOLDER, "fill", &records];
    let filled = cargo(&[&package[..], &example].concat());
    if filled.is_err() {
        // The next run would measure half a store.
        let _ = fs::remove_dir_all(DATA);
    }
    filled
}

/// A server. Dropping it kills it.
struct Server {
    child: Child,
    /// The time from the start of the process to the first answer of version 2.
    started_in: Duration,
}

impl Server {
    fn start(data: &Path) -> Result<Self, String> {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        let program = target.join("release/switchboard-server");
        let start = now();
        let child = Command::new(&program)
            .args([
                "--listen",
                ADDRESS,
                "--listen-line",
                "none",
                "--listen-web",
                "none",
                "--log-level",
                "warn",
                "--data",
            ])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let mut server = Self { child, started_in: Duration::ZERO };
        while Client::version2().is_err() {
            if start.elapsed() > TIMEOUT || server.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Err(format!("the server with {} does not answer", data.display()));
            }
            thread::sleep(Duration::from_millis(2));
        }
        server.started_in = start.elapsed();
        Ok(server)
    }

    /// Kills the server at once (SIGKILL).
    fn kill(&mut self) -> Result<(), String> {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(|error| error.to_string())
    }

    /// The memory that belongs to the process alone, without mapped files.
    fn memory_bytes(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        Ok(1024 * kibibytes.ok_or_else(|| format!("{path} has no RssAnon"))?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A session of version 2.
struct Client {
    lines: BufReader<TcpStream>,
}

impl Client {
    fn version2() -> Result<Self, String> {
        let connect = || {
            let socket = TcpStream::connect(ADDRESS)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(TIMEOUT))?;
            Ok(socket)
        };
        let socket = connect().map_err(|error: std::io::Error| format!("{ADDRESS}: {error}"))?;
        let mut client = Self { lines: BufReader::new(socket) };
        client.receive()?;
        client.send("HELLO 2")?;
        client.receive()?;
        Ok(client)
    }

    fn guest(name: &str) -> Result<Self, String> {
        let mut client = Self::version2()?;
        client.send(&format!("REGISTER {name}"))?;
        client.receive_until("REGISTER_OK ")?;
        Ok(client)
    }

    fn send(&mut self, lines: &str) -> Result<(), String> {
        self.lines.get_mut().write_all(format!("{lines}\n").as_bytes()).map_err(|error| format!("cannot send: {error}"))
    }

    fn receive(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => Err("the server has closed the connection".to_owned()),
            Ok(_) if line.starts_with("ERROR ") => Err(format!("the server answers {line}")),
            Ok(_) => Ok(line),
            Err(error) => Err(format!("cannot receive: {error}")),
        }
    }

    /// Receives lines up to one that begins with `prefix`. Returns that line, and the number of those before it.
    fn receive_until(&mut self, prefix: &str) -> Result<(String, usize), String> {
        let mut skipped = 0;
        loop {
            let line = self.receive()?;
            if line.starts_with(prefix) {
                return Ok((line, skipped));
            }
            skipped += 1;
        }
    }

    /// Opens conversations at positions below their ends. Returns the time to the last record, and the number of records.
    fn resume(&mut self) -> Result<(Duration, usize), String> {
        let mut opens = Vec::new();
        for room in 1..=OPENED {
            let room = format!("#room-{}", room * CONVERSATIONS / OPENED);
            self.send(&format!("OPEN {room}\nCLOSE {room}"))?;
            let (opened, _) = self.receive_until("OPEN_OK ")?;
            self.receive_until("CLOSE_OK ")?;
            let words: Vec<&str> = opened.split_whitespace().collect();
            let [_, _, epoch, _, last] = words[..] else { return Err(format!("{opened} is no OPEN_OK")) };
            let last: u64 = last.parse().map_err(|_| format!("{opened} has no number at its end"))?;
            opens.push(format!("OPEN {room} {epoch} {}", last.saturating_sub(MISSED)));
        }
        let start = now();
        self.send(&opens.join("\n"))?;
        let mut records = 0;
        for _ in 0..OPENED {
            // Each conversation also answers with OPEN_OK.
            records += self.receive_until("LIVE ")?.1 - 1;
        }
        Ok((start.elapsed(), records))
    }

    /// Returns the times of requests for the last records of random conversations, in ascending order.
    fn histories(&mut self) -> Result<Vec<Duration>, String> {
        let mut times = Vec::new();
        for number in 0..HISTORIES as u64 {
            // Multiples of a prime visit the conversations in a scattered order.
            let room = 1 + number * 7919 % CONVERSATIONS;
            let start = now();
            self.send(&format!("HISTORY #room-{room} {} {HISTORY_RECORDS}", i64::MAX))?;
            let (_, records) = self.receive_until("HISTORY_OK ")?;
            times.push(start.elapsed());
            if records != HISTORY_RECORDS {
                return Err(format!("#room-{room} has {records} records: remove {DATA}, and run this again"));
            }
        }
        times.sort_unstable();
        Ok(times)
    }
}

/// Lets writers say messages, kills the server in the middle, and returns the number of acknowledged messages.
fn load_and_kill(server: &mut Server) -> Result<u64, String> {
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let mut client = Client::guest(&format!("Writer{number}"))?;
        let room = format!("#room-{}", 1 + number * CONVERSATIONS / WRITERS);
        writers.push(thread::spawn(move || {
            let mut said = 0;
            // The kill ends the loop.
            while client.send(&format!("SAY {room} one more message")).and_then(|()| client.receive()).is_ok() {
                said += 1;
            }
            said
        }));
    }
    thread::sleep(LOAD);
    server.kill()?;
    writers.into_iter().map(|writer| writer.join().map_err(|_| "a writer panicked".to_owned())).sum()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}
