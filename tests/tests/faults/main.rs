//! Nothing is lost and nothing comes twice, although the store's writing, syncing and opening fail at any step, and the
//! process or the power ends at any byte.
//!
//! A world is the real core with the real store, moved step by step in one thread under a seed: so a seed repeats
//! exactly. Clients number their messages, send them again, follow conversations with positions, are slow, and lose
//! their connections. A ledger judges every line that they hear, and the store at the end (`docs/protocol.md` §13.1).
//!
//! `SWITCHBOARD_FAULTS_SEEDS` and `SWITCHBOARD_FAULTS_FROM` set the number of worlds and the seed of the first one, as
//! `cargo xtask soak faults` does. A world that fails prints its last steps and the command that repeats it.
//!
//! The faults are injected around the store and in its files. A fault within SQLite, between two writes of a commit that
//! goes on, would need a file system of SQLite in `unsafe` code.

mod client;
mod disk;
mod ledger;
mod shell;
mod team;
mod world;
mod writer;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use switchboard_store::Operation;

use world::{Trace, World};

/// Worlds of the usual tests.
const SEEDS_DEFAULT: u64 = 100;

/// The steps that are printed after a failure.
const STEPS_PRINTED: usize = 400;

/// The numbers of all worlds.
#[derive(Debug, Default)]
struct Totals {
    steps: u64,
    acknowledged: u64,
    heard: u64,
    resent: u64,
    resent_and_stored: u64,
    stale: u64,
    unavailable: u64,
    full_answers: u64,
    faults: BTreeMap<Operation, u64>,
    full: u64,
    reads_failed: u64,
    kills: u64,
    power_failures: u64,
    in_commits: u64,
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice_under_faults() {
    let variable = |name| {
        let value = std::env::var(name).ok()?;
        Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value}: give a whole number")))
    };
    let seeds = variable("SWITCHBOARD_FAULTS_SEEDS").unwrap_or(SEEDS_DEFAULT);
    let from = variable("SWITCHBOARD_FAULTS_FROM").unwrap_or(0);
    let mut totals = Totals::default();
    for seed in from..from + seeds {
        run(seed, &mut totals);
        if (seed + 1 - from).is_multiple_of(1000) {
            println!("{} worlds", seed + 1 - from);
        }
    }
    println!("{seeds} worlds: {totals:#?}");
}

fn run(seed: u64, totals: &mut Totals) {
    let trace = Trace::default();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, &trace);
        world.run();
        world
    }));
    match result {
        Ok(world) => totals.add(&world),
        Err(panic) => {
            let trace = trace.borrow();
            let hidden = trace.len().saturating_sub(STEPS_PRINTED);
            println!("the last of {} steps:", trace.len());
            trace[hidden..].iter().for_each(|step| println!("{step}"));
            println!("seed {seed} fails; to repeat it: cargo xtask soak faults --from {seed} --seeds 1");
            resume_unwind(panic);
        }
    }
}

impl Totals {
    fn add(&mut self, world: &World) {
        let (faults, full) = world.disk.fault_counts();
        for (operation, count) in faults {
            *self.faults.entry(operation).or_default() += count;
        }
        let (ledger, counts) = (world.ledger.counts, world.counts);
        self.full += full;
        self.acknowledged += ledger.acknowledged;
        self.heard += ledger.heard;
        self.resent += ledger.resent;
        self.resent_and_stored += ledger.resent_and_stored;
        self.stale += ledger.stale;
        self.unavailable += ledger.unavailable;
        self.full_answers += ledger.full;
        self.steps += counts.steps;
        self.reads_failed += counts.reads_failed;
        self.kills += counts.kills;
        self.power_failures += counts.power_failures;
        self.in_commits += counts.in_commits;
    }
}
