//! `cargo xtask bench client`: our full-screen client beside weechat.
//!
//! Each client has a server of its own protocol, a room with a writer, and a terminal of 100 columns and 30 rows. The
//! clients take turns, round after round, because the speed of a shared machine changes. The figure of a client is the
//! median of its rounds.

mod program;
mod results;
mod start_time;
mod terminal;
mod writer;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use self::program::Client;
use self::results::{Figure, Results};
use self::terminal::Terminal;
use self::writer::Writer;
use crate::packages;

/// Columns and rows of the terminal.
const COLUMNS: u16 = 100;
const ROWS: u16 = 30;

/// Messages of each load whose processor time is measured.
const MESSAGES: u64 = 10_000;

/// Messages a second of the two loads: a lively room, and a flood. At twice the rate of the flood, weechat may fall
/// behind for so long that ngircd closes it.
const LIVELY_RATE: u64 = 1_000;
const FLOOD_RATE: u64 = 5_000;

/// Further lines come in parts of this size, each once the one before is on the screen, so that no client falls behind.
const FILL_PART: u64 = 2_000;

/// The lines with which the memory is measured. The loads are a part of them.
const LINES: u64 = 100_000;

/// A text that our client shows once it is connected.
const CONNECTED: &str = "on this machine";

/// Starts in each round.
const STARTS: usize = 10;

/// How long a start, a load or an answer may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Time between two looks at the screen.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Options of `cargo xtask bench client`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of rounds. The figure of a client is the median of its rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Print the figures, and write no file
    #[arg(long)]
    dry_run: bool,
    /// Use this server instead of a release build of our own
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<(), String> {
    packages::ensure(packages::CLIENTS)?;
    let programs = Programs::build(args.server.clone())?;
    let mut results = Results::new(args.rounds);
    let mut errors = Vec::new();
    for round in 1..=args.rounds {
        for client in Client::ALL {
            eprintln!("round {round} of {}: {}", args.rounds, client.name());
            // A failure does not stop the other measurements.
            if let Err(error) = measure(client, &programs, &mut results) {
                errors.push(format!("round {round}, {}: {error}", client.name()));
            }
        }
    }
    let json = results.to_json()?;
    // There is no table if a client failed in each round.
    print!("{}", results::table(&json).unwrap_or_default());
    if !errors.is_empty() {
        return Err(errors.join("\n"));
    }
    if args.dry_run { Ok(()) } else { results::write(&json) }
}

/// Our programs, built for release.
#[derive(Debug)]
struct Programs {
    client: PathBuf,
    server: PathBuf,
}

impl Programs {
    fn build(server: Option<PathBuf>) -> Result<Self, String> {
        let mut cargo = crate::cargo::command();
        cargo.args(["build", "--quiet", "--release", "--locked", "--package", "switchboard-client"]);
        if server.is_none() {
            cargo.args(["--package", "switchboard-server"]);
        }
        if !cargo.status().is_ok_and(|status| status.success()) {
            return Err("cargo build --release failed".to_owned());
        }
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        let absolute = |path: PathBuf| fs::canonicalize(&path).map_err(|error| format!("{}: {error}", path.display()));
        Ok(Self {
            client: absolute(target.join("release/switchboard"))?,
            server: absolute(server.unwrap_or_else(|| target.join("release/switchboard-server")))?,
        })
    }
}

/// Takes the measurements of one round of a client.
fn measure(client: Client, programs: &Programs, results: &mut Results) -> Result<(), String> {
    let server = client.start_server(programs)?;
    let mut writer = Writer::enter(client, server.port)?;

    for _ in 0..STARTS {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let times = start_time::measure(client.command(programs, server.port, folder.path())?, client.join_keys())?;
        results.add(client, Figure::FirstCharacter, milliseconds(times.first_character));
        results.add(client, Figure::Room, milliseconds(times.room));
    }

    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let terminal = Terminal::start(&client.command(programs, server.port, folder.path())?)?;
    if let Some(keys) = client.join_keys() {
        wait_for(&terminal, CONNECTED)?;
        terminal.type_in(&keys)?;
    }
    wait_for(&terminal, writer::NAME)?;
    results.add(client, Figure::EmptyMemory, mebibytes(terminal.resident_bytes()?));
    for (figure, rate) in [(Figure::LivelyCpu, LIVELY_RATE), (Figure::FloodCpu, FLOOD_RATE)] {
        let before = terminal.cpu_time()?;
        let last = writer.write(MESSAGES, rate)?;
        wait_for(&terminal, &last)?;
        results.add(client, figure, terminal.cpu_time()?.saturating_sub(before).as_secs_f64());
    }
    for _ in 0..(LINES - 2 * MESSAGES) / FILL_PART {
        let last = writer.write(FILL_PART, FLOOD_RATE)?;
        wait_for(&terminal, &last)?;
    }
    results.add(client, Figure::Memory, mebibytes(terminal.resident_bytes()?));
    Ok(())
}

/// Waits until the screen shows a text.
fn wait_for(terminal: &Terminal, text: &str) -> Result<(), String> {
    let start = now();
    loop {
        let screen = terminal.screen()?;
        if screen.contains(text) {
            return Ok(());
        }
        if start.elapsed() > TIMEOUT {
            return Err(format!("the screen does not show {text:?}. It shows:\n{screen}"));
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Runs a command and returns its output.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}
