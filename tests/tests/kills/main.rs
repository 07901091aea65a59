//! A server with a store on the disk is killed again and again under load (SIGKILL), and nothing is lost: no
//! acknowledged record is missing, none is doubled or renumbered, none that was heard disappears, no reader has a hole,
//! all readers hear one order, and every acknowledged account, token and read marker lasts.
//!
//! `SWITCHBOARD_KILLS`, `SWITCHBOARD_KILLS_SECONDS` and `SWITCHBOARD_KILLS_SEED` set the number of kills, the length of
//! the run, and the seed. `cargo xtask soak kills` sets the first two. A seed repeats the actions of the clients, but not
//! the timing of the machine.

mod connection;
mod device;
mod ledger;
mod newcomers;
mod team;
mod world;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fastrand::Rng;
use switchboard_tests::process::{ServerProcess, program};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use ledger::Ledger;
use world::{Stage, World};

/// Kills and seconds of a run in the usual tests.
const KILLS_DEFAULT: u32 = 50;
const SECONDS_DEFAULT: u32 = 30;

/// The longest wait for an unanswered message before a kill. Each device writes about every 20 ms.
const LOAD_WAIT_MAX: Duration = Duration::from_millis(200);

/// The time between two looks for an unanswered message: shorter than a commit.
const LOAD_POLL_INTERVAL: Duration = Duration::from_micros(200);

/// Longest time after the load in which no device receives a record, although some are behind.
const STALL_MAX: Duration = Duration::from_secs(30);

/// Every so many kills, the server is killed a second time while it starts.
const KILLS_PER_DOUBLE: u32 = 5;

/// Small marks of an outbox, so that readers are often fed from the store.
const FLAGS: [&str; 6] = ["--max-sessions", "1000", "--outbox-soft-bytes", "8192", "--outbox-bytes", "163840"];

#[test]
fn nothing_is_lost_and_nothing_comes_twice_under_sigkill() {
    let variable = |name| {
        let value = std::env::var(name).ok()?;
        Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value}: give a whole number")))
    };
    let kills = variable("SWITCHBOARD_KILLS").unwrap_or(KILLS_DEFAULT);
    let seconds = variable("SWITCHBOARD_KILLS_SECONDS").unwrap_or(SECONDS_DEFAULT);
    let seed = variable("SWITCHBOARD_KILLS_SEED").unwrap_or_else(|| fastrand::u32(..1_000_000));
    println!(
        "{kills} kills in {seconds} s; to repeat them: SWITCHBOARD_KILLS_SEED={seed} SWITCHBOARD_KILLS={kills} \
         SWITCHBOARD_KILLS_SECONDS={seconds}"
    );
    run(kills, Duration::from_secs(seconds.into()), seed.into());
}

fn run(kills: u32, length: Duration, seed: u64) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let data = directory.path().join("data");
    let mut server = start(&data);
    let mut ledger = Ledger::new(team::CONVERSATIONS, team::DEVICES);
    let logins = team::set_up(server.commands, &mut ledger);
    let world = Arc::new(World::new(server.commands, ledger));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut clients = JoinSet::new();
    for (index, login) in logins.into_iter().enumerate() {
        let rng = Rng::with_seed(seed ^ ((index as u64 + 1) << 32));
        clients.spawn_on(device::Device::new(&world, index, login, rng).live(), runtime.handle());
    }
    clients.spawn_on(newcomers::come(Arc::clone(&world), Rng::with_seed(seed)), runtime.handle());

    let mut rng = Rng::with_seed(!seed);
    let end = now() + length;
    let (mut kills_under_load, mut downtime, mut downtime_max) = (0, Duration::ZERO, Duration::ZERO);
    for kill in 0..kills {
        let left = (end - now()) / (kills - kill);
        let mean = left.saturating_sub(downtime / (kill + 1)).max(Duration::from_millis(20));
        sleep(mean.mul_f64(2.0 * rng.f64()));
        if rng.u8(..4) > 0 {
            wait_for_load(&world);
        }
        kills_under_load += u32::from(has_unanswered(&world));
        let killed = now();
        // The drop sends SIGKILL.
        drop(server);
        check_integrity(&data);
        if kill % KILLS_PER_DOUBLE == 0 {
            kill_while_starting(&data, Duration::from_millis(rng.u64(..40)));
            check_integrity(&data);
        }
        server = start(&data);
        world.set_address(server.commands);
        downtime += killed.elapsed();
        downtime_max = downtime_max.max(killed.elapsed());
        assert_no_violation(&world, seed);
    }
    println!("{kills} kills, {kills_under_load} of them with unanswered messages; longest downtime {downtime_max:?}");

    settle(&world, seed);
    world.set_stage(Stage::Over);
    runtime.block_on(clients.join_all());
    // All that is checked now was acknowledged or heard before this kill.
    drop(server);
    check_integrity(&data);
    server = start(&data);
    world.set_address(server.commands);
    check_newcomers(&world, &runtime);
    team::check_stored(server.commands, &mut world.ledger());
    assert_no_violation(&world, seed);

    let ledger = world.ledger();
    let (messages, newcomers) = (ledger.acknowledged(), ledger.newcomers.len());
    println!("{messages} messages and {newcomers} newcomers acknowledged; {:?}", ledger.counts);
    // Without these, the run has shown nothing.
    assert!(kills_under_load > kills / 2, "most kills come under load");
    assert!(ledger.counts.resent_and_stored > 0, "some messages are stored, and their answers lost");
    assert!(newcomers > 0, "accounts are made");
}

/// Waits until a message is unanswered. A fast server has answered all of them most of the time.
fn wait_for_load(world: &World) {
    let end = now() + LOAD_WAIT_MAX;
    while !has_unanswered(world) && now() < end {
        sleep(LOAD_POLL_INTERVAL);
    }
}

fn has_unanswered(world: &World) -> bool {
    world.ledger().unanswered.iter().any(|&unanswered| unanswered > 0)
}

/// Waits until all devices have their answers, and have heard all records.
fn settle(world: &World, seed: u64) {
    world.set_stage(Stage::Settling);
    let start = now();
    let (mut heard, mut last_progress) = (0, now());
    while !world.ledger().is_settled() {
        assert_no_violation(world, seed);
        let ledger = world.ledger();
        if heard != ledger.counts.records_heard {
            (heard, last_progress) = (ledger.counts.records_heard, now());
        }
        assert!(
            last_progress.elapsed() < STALL_MAX,
            "seed {seed}: no record arrives any more; unheard: {:?}; unanswered: {:?}",
            ledger.unheard,
            ledger.unanswered
        );
        drop(ledger);
        sleep(Duration::from_millis(20));
    }
    println!("all answers and records have arrived {:?} after the load", start.elapsed());
}

fn check_newcomers(world: &World, runtime: &Runtime) {
    let newcomers = world.ledger().newcomers.clone();
    for newcomer in &newcomers {
        let logged_in = runtime.block_on(newcomers::log_in(world, newcomer));
        assert!(logged_in.is_some(), "{newcomer:?} cannot log in");
    }
}

fn assert_no_violation(world: &World, seed: u64) {
    let violations = world.ledger().violations.join("\n");
    assert!(violations.is_empty(), "seed {seed}:\n{violations}");
}

fn command(data: &Path) -> Command {
    let mut command = Command::new(program("switchboard-server"));
    command.args(FLAGS).arg("--data").arg(data);
    command
}

fn start(data: &Path) -> ServerProcess {
    ServerProcess::spawn(command(data))
}

/// Kills a server while it opens the store, or soon after.
fn kill_while_starting(data: &Path, after: Duration) {
    let mut command = command(data);
    command.args(["--listen", "127.0.0.1:0", "--listen-line", "none", "--listen-web", "none"]).stdout(Stdio::null());
    let mut child = command.spawn().expect("the server can be started");
    sleep(after);
    child.kill().expect("a child of this process");
    child.wait().expect("a child of this process");
}

/// Checks the store with the `sqlite3` program, in a copy. In place, `sqlite3` would move the log to the database, and
/// the server would never do that itself.
fn check_integrity(data: &Path) {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("switchboard.sqlite{suffix}");
        if data.join(&name).exists() {
            std::fs::copy(data.join(&name), copy.path().join(&name)).expect("the store can be copied");
        }
    }
    let file = copy.path().join("switchboard.sqlite");
    let output = Command::new("sqlite3").args(["-batch", "-bail"]).arg(&file).arg("PRAGMA integrity_check").output();
    let output = output.expect("sqlite3 is installed (Debian: sqlite3)");
    let (out, errors) = switchboard_tests::wire_lab::texts(&output);
    assert_eq!((out.trim_end(), &*errors), ("ok", ""), "the store is intact after a kill");
}

#[expect(clippy::disallowed_methods, reason = "a real server lives in real time")]
fn now() -> Instant {
    Instant::now()
}
