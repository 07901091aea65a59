//! A day of a small team in some seconds: 200 clients of both dialects connect, talk, sleep, roam, flood and reset, and
//! a model on the client side checks every line.
//!
//! `SWITCHBOARD_DAY_SECONDS`, `SWITCHBOARD_DAY_SEED` and `SWITCHBOARD_DAY_SEEDS` set the length of a day, the first
//! seed, and the number of days. `cargo xtask soak day` sets the first and the last of them. A seed repeats the actions
//! of all persons, but not the timing of the machine.

mod ledger;
mod person;
mod session;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard_tests::process::{ServerProcess, program};
use tokio::time::{Duration, Instant, sleep, timeout};

use ledger::{Ledger, Person, is_line};

/// Members of the team. A third uses the line dialect.
const PERSONS: usize = 200;

/// Length of a day in the usual tests, in seconds.
const SECONDS_DEFAULT: u64 = 8;

/// Longest time after the day in which all persons have their replies and their names.
const EVENING_MAX: Duration = Duration::from_mins(2);

/// Marks of an outbox that a flood to a sleeping reader exceeds. The hard mark is near its lower bound for 1,000
/// sessions.
const FLAGS: [&str; 12] = [
    "--max-sessions",
    "1000",
    "--outbox-soft-bytes",
    "16384",
    "--outbox-bytes",
    "163840",
    "--outbox-timeout",
    "2s",
    "--zero-window-timeout",
    "2s",
    "--drain-timeout",
    "20s",
];

/// The shared state of a day.
pub(crate) struct World {
    commands: SocketAddr,
    line: SocketAddr,
    ledger: Mutex<Ledger>,
    is_stopping: AtomicBool,
    latest_sleeper: AtomicUsize,
    /// Persons who have reached each stage of the evening.
    stages: [AtomicUsize; 2],
    /// End of the day's mischief.
    pub(crate) dusk: Instant,
}

impl World {
    pub(crate) fn address(&self, person: Person) -> SocketAddr {
        if is_line(person) { self.line } else { self.commands }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    pub(crate) fn fall_asleep(&self, person: Person) {
        self.latest_sleeper.store(person, Ordering::SeqCst);
    }

    /// The person who fell asleep last: some floods go to it, so that outboxes fill.
    pub(crate) fn latest_sleeper(&self) -> Person {
        self.latest_sleeper.load(Ordering::SeqCst)
    }

    /// Notes that one more person has reached a stage.
    pub(crate) fn reach(&self, stage: usize) {
        self.stages[stage].fetch_add(1, Ordering::SeqCst);
    }

    /// Whether all persons have reached a stage.
    pub(crate) fn is_reached(&self, stage: usize) -> bool {
        self.stages[stage].load(Ordering::SeqCst) == PERSONS
    }
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value}: give a whole number")))
}

#[test]
fn a_day_of_a_small_team() {
    let seconds = variable("SWITCHBOARD_DAY_SECONDS").unwrap_or(SECONDS_DEFAULT);
    let first_seed = variable("SWITCHBOARD_DAY_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    for seed in first_seed..first_seed + variable("SWITCHBOARD_DAY_SEEDS").unwrap_or(1) {
        println!("a day of {seconds} s; to repeat it: SWITCHBOARD_DAY_SEED={seed} SWITCHBOARD_DAY_SECONDS={seconds}");
        simulate(Duration::from_secs(seconds), seed);
    }
}

fn simulate(length: Duration, seed: u64) {
    let mut command = Command::new(program("switchboard-server"));
    command.args(FLAGS);
    let mut server = ServerProcess::spawn(command);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let log = runtime.expect("a runtime").block_on(async {
        let world = Arc::new(World {
            commands: server.commands,
            line: server.line,
            ledger: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            latest_sleeper: AtomicUsize::new(0),
            stages: Default::default(),
            dusk: Instant::now() + length,
        });
        let watch = tokio::spawn(watch_stalls(Arc::clone(&world)));
        let mut persons = tokio::task::JoinSet::new();
        for person in 0..PERSONS {
            let rng = fastrand::Rng::with_seed(seed ^ ((person as u64) << 32));
            persons.spawn(person::live(Arc::clone(&world), person, rng));
        }
        let evening = timeout(length + EVENING_MAX, async {
            while !world.is_reached(1) && world.ledger().violations.is_empty() {
                // A person who panics ends the wait.
                if let Ok(Some(Err(error))) = timeout(Duration::from_millis(20), persons.join_next()).await {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        });
        let is_evening = evening.await.is_ok();
        println!("all names and replies are there {:?} after dusk", world.dusk.elapsed());
        // A person without a name would wait for ever, so a violation ends the day before the server stops.
        let violations = world.ledger().violations.join("\n");
        assert!(violations.is_empty(), "seed {seed}:\n{violations}");
        if is_evening {
            check_roster(&world).await;
        }
        world.is_stopping.store(true, Ordering::SeqCst);
        server.signal("TERM");
        let is_empty = timeout(EVENING_MAX, persons.join_all()).await.is_ok();
        watch.abort();
        let mut log = Vec::new();
        loop {
            log.push(server.log_line_with(""));
            if log.last().is_some_and(|line| line.contains(r#""stopped""#)) {
                break;
            }
        }
        let mut ledger = world.ledger();
        if !is_evening || !is_empty {
            ledger.violation(format!("persons still wait: {:?} reached the stages of the evening", world.stages));
        }
        let figures = ledger.explain(&log);
        ledger.check();
        println!("{}\nthe server's last line: {figures}", ledger.summary());
        let violations = ledger.violations.join("\n");
        assert!(violations.is_empty(), "seed {seed}:\n{violations}");
        log
    });
    assert_eq!(server.wait().code(), Some(0));
    assert!(!log.is_empty(), "the server logs");
}

/// At the end all persons are there, and nobody else.
async fn check_roster(world: &Arc<World>) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let names = person::roster(world).await;
        let mut sorted = names.clone();
        sorted.sort_unstable();
        let mut expected: Vec<_> = (0..PERSONS).map(ledger::name).collect();
        expected.sort_unstable();
        if sorted == expected {
            return;
        }
        if Instant::now() > deadline {
            return world.ledger().violation(format!("at the end, WHO shows {names:?}"));
        }
    }
}

/// Notes how late a timer of this process is, at most.
async fn watch_stalls(world: Arc<World>) {
    const STEP: Duration = Duration::from_millis(20);
    loop {
        let due = Instant::now() + STEP;
        sleep(STEP).await;
        let stall = due.elapsed();
        let counts = &mut world.ledger().counts;
        counts.stall_max = counts.stall_max.max(stall);
    }
}
