//! `cargo xtask bench server`: our server and its peers under the same load, in one run, side by side.
//!
//! Each server is alone on one core and the load generator on another. What is compared is what a server does for each
//! second of its processor time. The servers take turns, round after round, because a machine that is shared is never
//! the same for long; a server's figure is the median of its rounds, and a ratio is that of two such
//! figures.

mod noise_probe;
mod peers;
mod pin;
mod plot;
mod protocols;
mod readme;
pub(super) mod relay;
mod results;
mod workloads;

use std::path::Path;
use std::process::Command;
use std::{env, fs, thread};

use switchboard_bench::Faults;

use self::noise_probe::NoiseProbe;
use self::peers::{Peer, ProgramPaths};
use self::results::{Measurement, Results};
use self::workloads::Workload;
use crate::packages;

/// How many times a measurement that was disturbed is made again.
const RETRIES_MAX: u32 = 3;

/// How many files each process may open: the sessions of the largest load, and some.
const FILES: u64 = 17_000;

/// How the servers are compared.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// How many rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Measure for a fifth of the time, to see that everything runs
    #[arg(long)]
    quick: bool,
    /// Only workloads whose name holds this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Installs and builds what is needed, then measures in a process of its own that is built for speed.
pub(crate) fn run(args: &Args) -> Result<(), String> {
    if cfg!(debug_assertions) {
        packages::ensure(packages::PEERS)?;
        return rerun_in_release();
    }
    // The first thread stays where it may run anywhere, so that it is known which cores there are.
    let args = args.clone();
    let measured = thread::spawn(move || measure(&args)).join();
    measured.unwrap_or_else(|_| Err("the measurement panicked".to_owned()))
}

fn rerun_in_release() -> Result<(), String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(&cargo)
        .args(["build", "--quiet", "--release", "--package", "switchboard-server", "--package", "xtask"])
        .status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("cargo build --release failed".to_owned());
    }
    let measured = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--package", "xtask", "--"])
        .args(env::args_os().skip(1))
        .status();
    match measured {
        Ok(status) if status.success() => Ok(()),
        _ => Err("see above".to_owned()),
    }
}

fn measure(args: &Args) -> Result<(), String> {
    pin::to_generator_core()?;
    // A child has the limit of its parent.
    let files = rlimit::increase_nofile_limit(FILES);
    if !files.is_ok_and(|files| files >= FILES) {
        return Err(format!("{FILES} open files are needed for each process: raise `ulimit -Hn`"));
    }
    let xtask = env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let programs = ProgramPaths { switchboard: xtask.with_file_name("switchboard-server"), xtask };
    let mut results = Results::new(&programs, args.rounds);
    let mut noise_probe = NoiseProbe::new(&programs)?;
    let mut failed = Vec::new();
    for round in 1..=args.rounds {
        for workload in workloads::all(args.quick) {
            if args.only.as_ref().is_some_and(|only| !workload.name.contains(only.as_str())) {
                continue;
            }
            for peer in Peer::ALL.into_iter().filter(|peer| workload.applies_to(*peer)) {
                eprintln!("round {round} of {}: {}, {}", args.rounds, workload.name, peer.name());
                // Whatever befalls one, the others are measured.
                match measure_one(&workload, peer, &programs, &mut noise_probe, round) {
                    Ok(measurement) => results.add(measurement),
                    Err(error) => failed.push(error),
                }
            }
        }
    }
    let report = Path::new("report");
    fs::create_dir_all(report).map_err(|error| format!("cannot make {}: {error}", report.display()))?;
    let summary = results.summary();
    print!("{summary}");
    if args.only.is_none() && !args.quick {
        let write = |name: &str, text: &str| {
            fs::write(report.join(name), text).map_err(|error| format!("cannot write report/{name}: {error}"))
        };
        let json = results.to_json(&summary)?;
        write("bench.json", &json)?;
        readme::update(&json)?;
        write("bench.svg", &plot::ratios(&results))?;
        write("bench-curve.svg", &plot::curve(&results))?;
    }
    for error in &failed {
        eprintln!("xtask: {error}");
    }
    if summary.all_hold() && failed.is_empty() { Ok(()) } else { Err("not all of it holds: see above".to_owned()) }
}

/// One measurement: made again where the machine was disturbed during it.
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
        let server = peer.start(programs, workload.sessions())?;
        let report =
            workload.run(peer, &server).map_err(|error| format!("{}, {}: {error}", workload.name, peer.name()))?;
        drop(server);
        let is_calm = noise_probe.is_quiet()? && !report.generator_was_delayed();
        // What went wrong counts, whatever becomes of the figures.
        faults += report.faults;
        attempt += 1;
        if is_calm || attempt > RETRIES_MAX {
            return Ok(Measurement { round, workload: workload.name, peer, is_calm, faults, report });
        }
    }
}
