//! `cargo xtask bench wire`: the speed of the wire lab, compared with other programs and with lower bounds.

mod csv;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::child::{self, ChildUsage};
use crate::packages;

const SPEED: &str = "target/release/examples/speed";
const ENCAP: &str = "target/release/encap";
/// One million rows of equal length in 1,000 conversations, and the frames built from them.
const UNIFORM_ROWS: &str = "target/bench/wire.csv";
const UNIFORM_FRAMES: &str = "target/bench/wire.pcap";
/// One million rows of five protocols in some 5,000 conversations, the frames built from them, and a hex dump of these
/// frames.
const MIXED_ROWS: &str = "target/bench/mixed.csv";
const MIXED_FRAMES: &str = "target/bench/mixed.pcap";
const MIXED_DUMP: &str = "target/bench/mixed.txt";
/// The output file of the runs that write a file. Each of them overwrites it.
const OUTPUT: &str = "target/bench/written";
const REPORT: &str = "report/wire.json";

/// Number of frames in [`UNIFORM_FRAMES`]: for each of 1,000 connections, 1,000 messages and six frames that open and
/// close the connection.
const N_FRAMES: u64 = 1_006_000;

/// The length of [`UNIFORM_FRAMES`] in bytes.
const FRAMES_BYTES: u64 = 182_508_024;

/// Number of rounds. It is odd, so that the median is a measured time.
const ROUNDS: usize = 21;

/// Maximum memory of each of our programs, in bytes.
const PEAK_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A program that is measured.
struct Run {
    name: &'static str,
    command: &'static [&'static str],
    rounds: usize,
    /// Whether the limit of memory applies.
    is_ours: bool,
}

const RUNS: [Run; 9] = [
    Run { name: "check a CSV", command: &[ENCAP, "check", UNIFORM_ROWS], rounds: ROUNDS, is_ours: true },
    // `encap build` reads each row twice: first to check it, then to build its frames.
    Run { name: "build from a CSV", command: &BUILD_UNIFORM, rounds: ROUNDS, is_ours: true },
    Run { name: "build mixed rows", command: &BUILD_MIXED, rounds: ROUNDS, is_ours: true },
    // text2pcap is far slower than our program, so one round is enough.
    Run { name: "text2pcap", command: &TEXT2PCAP, rounds: 1, is_ours: false },
    Run { name: "read and sum", command: &[SPEED, "sum", UNIFORM_FRAMES], rounds: ROUNDS, is_ours: false },
    Run { name: "decode and verify", command: &[SPEED, "decode", UNIFORM_FRAMES], rounds: ROUNDS, is_ours: true },
    Run { name: "analyze", command: &[ENCAP, "analyze", UNIFORM_FRAMES], rounds: ROUNDS, is_ours: true },
    // Without -n, tcptrace looks up the name of each address.
    Run { name: "tcptrace", command: &["tcptrace", "-n", "-l", "-r", UNIFORM_FRAMES], rounds: ROUNDS, is_ours: false },
    // One round, for the same reason as text2pcap.
    Run {
        name: "tshark",
        command: &["tshark", "-q", "-z", "conv,tcp", "-r", UNIFORM_FRAMES],
        rounds: 1,
        is_ours: false,
    },
];

const BUILD_UNIFORM: [&str; 9] =
    [ENCAP, "build", UNIFORM_ROWS, "--out", OUTPUT, "--format", "pcap", "--transport", "tcp"];
const BUILD_MIXED: [&str; 7] = [ENCAP, "build", MIXED_ROWS, "--out", OUTPUT, "--format", "pcap"];
const TEXT2PCAP: [&str; 8] = ["text2pcap", "-q", "-F", "nsecpcap", "-t", "%s.%f", MIXED_DUMP, OUTPUT];

/// A limit for the time of one of our runs, as a share of the time of another run.
struct SpeedLimit {
    /// Name of our run in [`RUNS`].
    ours: &'static str,
    /// Name of the other run in [`RUNS`].
    other: &'static str,
    max_thousandths: u64,
}

const SPEED_LIMITS: [SpeedLimit; 4] = [
    // `encap build` is at least four times as fast as text2pcap.
    SpeedLimit { ours: "build mixed rows", other: "text2pcap", max_thousandths: 250 },
    // Decision 7: verifying checksums reads the bytes anyway, so parsing the headers at most doubles the time.
    SpeedLimit { ours: "decode and verify", other: "read and sum", max_thousandths: 2_000 },
    SpeedLimit { ours: "analyze", other: "tcptrace", max_thousandths: 1_000 },
    SpeedLimit { ours: "analyze", other: "tshark", max_thousandths: 20 },
];

/// The measured resources of a program.
struct Measurement {
    run: &'static Run,
    /// The median processor time of the rounds.
    median: Duration,
    /// The minimum processor time of the rounds. No limit applies to it. Other load on the machine changes it least.
    minimum: Duration,
    /// The maximum memory of the rounds.
    peak_bytes: u64,
}

pub(crate) fn run() -> Result<(), String> {
    packages::ensure(packages::WIRE)?;
    cargo(&["build", "--release", "--locked", "--package", "switchboard-encap", "--bins", "--example", "speed"])?;
    make_input()?;
    let measurements = measure()?;
    fs::remove_file(MIXED_DUMP).map_err(|error| format!("{MIXED_DUMP} cannot be removed: {error}"))?;
    let (table, all_hold) = judge(&measurements);
    print!("{table}");
    write_report(&measurements).map_err(|error| format!("{REPORT} cannot be written: {error}"))?;
    println!("written to {REPORT}");
    if all_hold { Ok(()) } else { Err("a limit does not hold: see above".to_owned()) }
}

fn cargo(args: &[&str]) -> Result<(), String> {
    let status = Command::new(env!("CARGO")).args(args).status();
    let status = status.map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed", args.join(" "))) }
}

/// Writes the rows and their frames. Does so on each run, because the program that builds the frames may have changed.
fn make_input() -> Result<(), String> {
    let write_error = |path: &str, error: std::io::Error| format!("{path} cannot be written: {error}");
    for dir in ["target/bench", "report"] {
        fs::create_dir_all(dir).map_err(|error| write_error(dir, error))?;
    }
    csv::write_uniform(UNIFORM_ROWS).map_err(|error| write_error(UNIFORM_ROWS, error))?;
    csv::write_mixed(MIXED_ROWS).map_err(|error| write_error(MIXED_ROWS, error))?;
    for (command, frames) in [(&BUILD_UNIFORM[..], UNIFORM_FRAMES), (&BUILD_MIXED, MIXED_FRAMES)] {
        child::run(command)?;
        fs::rename(OUTPUT, frames).map_err(|error| write_error(frames, error))?;
    }
    let len = Path::new(UNIFORM_FRAMES).metadata().map(|metadata| metadata.len()).unwrap_or_default();
    if len != FRAMES_BYTES {
        return Err(format!(
            "{UNIFORM_FRAMES} has {len} bytes, not {FRAMES_BYTES}: if `encap build` now builds other frames, correct \
             N_FRAMES ({N_FRAMES}) and FRAMES_BYTES"
        ));
    }
    // Child processes write and compare the large files. If this process held them in memory, that memory would count
    // in the peak of each later child.
    child::run(&[SPEED, "hexdump", MIXED_FRAMES, MIXED_DUMP])?;
    child::run(&TEXT2PCAP)?;
    // Skips the pcap header of 24 bytes, because the two programs write different snapshot lengths there.
    child::run(&["cmp", "--ignore-initial=24", OUTPUT, MIXED_FRAMES])
        .map_err(|error| format!("text2pcap does not write the same frames: {error}"))?;
    Ok(())
}

/// Runs the programs in turn, round by round. Other load on the machine thus affects all of them.
fn measure() -> Result<Vec<Measurement>, String> {
    let mut usages: Vec<Vec<ChildUsage>> = RUNS.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for (run, usages) in RUNS.iter().zip(&mut usages).filter(|(run, _)| round < run.rounds) {
            usages.push(child::run(run.command)?);
        }
    }
    Ok(RUNS.iter().zip(usages).map(|(run, usages)| summarize(run, &usages)).collect())
}

fn summarize(run: &'static Run, usages: &[ChildUsage]) -> Measurement {
    let mut times: Vec<Duration> = usages.iter().map(|usage| usage.cpu).collect();
    times.sort_unstable();
    let peak_bytes = usages.iter().map(|usage| usage.peak_bytes).max().unwrap_or_default();
    Measurement { run, median: times[times.len() / 2], minimum: times[0], peak_bytes }
}

/// The ratio of two times in thousandths, rounded up.
fn thousandths(ours: Duration, other: Duration) -> u64 {
    u64::try_from((1_000 * ours.as_micros()).div_ceil(other.as_micros().max(1))).unwrap_or(u64::MAX)
}

impl SpeedLimit {
    /// The ratio of the two median times in thousandths, and whether the limit holds.
    fn judge(&self, measurements: &[Measurement]) -> (u64, bool) {
        let ratio = self.ratio(measurements, |measurement| measurement.median);
        (ratio, ratio <= self.max_thousandths)
    }

    /// The ratio of the two minimum times in thousandths.
    fn ratio_of_minimums(&self, measurements: &[Measurement]) -> u64 {
        self.ratio(measurements, |measurement| measurement.minimum)
    }

    /// The ratio of two times in thousandths. `time` selects the time of a measurement.
    fn ratio(&self, measurements: &[Measurement], time: impl Fn(&Measurement) -> Duration) -> u64 {
        let time_of = |name| measurements.iter().find(|measurement| measurement.run.name == name).map(&time);
        time_of(self.ours).zip(time_of(self.other)).map_or(u64::MAX, |(ours, other)| thousandths(ours, other))
    }
}

impl Measurement {
    /// Whether the limit of memory holds. It applies only to our programs.
    fn is_within_memory_limit(&self) -> bool {
        !self.run.is_ours || self.peak_bytes <= PEAK_BYTES_MAX
    }
}

/// The tables to print, and whether all limits hold.
fn judge(measurements: &[Measurement]) -> (String, bool) {
    let mut table = format!("\nProcessor time on one core: median and minimum of {ROUNDS} rounds\n\n");
    let verdict = |holds| if holds { "holds" } else { "DOES NOT HOLD" };
    let mut all_hold = true;
    for measurement in measurements {
        let (median, minimum) = (milliseconds(measurement.median), milliseconds(measurement.minimum));
        let (name, peak) = (measurement.run.name, measurement.peak_bytes / 1024);
        let holds = measurement.is_within_memory_limit();
        let limit = format!("  at most {} KiB: {}", PEAK_BYTES_MAX / 1024, verdict(holds));
        let limit = if measurement.run.is_ours { &limit } else { "" };
        let _ = writeln!(table, "{name:20} {median:>12} ms {minimum:>12} ms {peak:>9} KiB{limit}");
        all_hold &= holds;
    }
    let _ = writeln!(table);
    for limit in &SPEED_LIMITS {
        let (ratio, holds) = limit.judge(measurements);
        let pair = format!("{} / {}", limit.ours, limit.other);
        let (ratio, max) = (decimal(ratio), decimal(limit.max_thousandths));
        let ratio_of_minimums = decimal(limit.ratio_of_minimums(measurements));
        let _ = writeln!(table, "{pair:33} {ratio:>9} {ratio_of_minimums:>15}  at most {max}: {}", verdict(holds));
        all_hold &= holds;
    }
    let _ = writeln!(table);
    (table, all_hold)
}

fn write_report(measurements: &[Measurement]) -> std::io::Result<()> {
    let runs: Vec<Value> = measurements
        .iter()
        .map(|measurement| {
            let run = measurement.run;
            json!({
                "name": run.name, "command": run.command.join(" "), "rounds": run.rounds,
                "cpu_micros": micros(measurement.median), "least_micros": micros(measurement.minimum),
                "peak_bytes": measurement.peak_bytes, "peak_bytes_max": run.is_ours.then_some(PEAK_BYTES_MAX),
                "holds": measurement.is_within_memory_limit(),
            })
        })
        .collect();
    let promises: Vec<Value> = SPEED_LIMITS
        .iter()
        .map(|limit| {
            let (ratio, holds) = limit.judge(measurements);
            json!({
                "ours": limit.ours, "other": limit.other, "thousandths": ratio,
                "thousandths_of_least": limit.ratio_of_minimums(measurements),
                "thousandths_max": limit.max_thousandths, "holds": holds,
            })
        })
        .collect();
    let report = json!({ "frames": N_FRAMES, "runs": runs, "promises": promises });
    fs::write(REPORT, format!("{report:#}\n"))
}

fn milliseconds(time: Duration) -> String {
    decimal(micros(time))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Thousandths as a decimal number.
fn decimal(thousandths: u64) -> String {
    format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_is_rounded_up() {
        let ms = Duration::from_millis;
        assert_eq!(thousandths(ms(3), ms(2)), 1_500);
        assert_eq!(thousandths(ms(1), ms(3)), 334);
        assert_eq!(thousandths(ms(1), ms(0)), 1_000_000);
        assert_eq!(decimal(1_050), "1.050");
    }

    #[test]
    fn every_limit_refers_to_existing_runs() {
        for limit in &SPEED_LIMITS {
            for name in [limit.ours, limit.other] {
                assert!(RUNS.iter().any(|run| run.name == name), "{name}");
            }
        }
    }
}
