//! The speed of the wire lab, compared with other programs and with lower bounds.

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
/// One million rows of equal length in 1,000 conversations, and their frames.
const UNIFORM_ROWS: &str = "target/bench/wire.csv";
const UNIFORM_FRAMES: &str = "target/bench/wire.pcap";
/// One million rows of five protocols in some 5,000 conversations, their frames, and these as a hex dump.
const MIXED_ROWS: &str = "target/bench/mixed.csv";
const MIXED_FRAMES: &str = "target/bench/mixed.pcap";
const MIXED_DUMP: &str = "target/bench/mixed.txt";
/// The output of each run.
const WRITTEN: &str = "target/bench/written";
const REPORT: &str = "report/wire.json";

/// The frames in [`UNIFORM_FRAMES`]: for each of 1,000 connections, a handshake, 1,000 messages and an end.
const N_FRAMES: u64 = 1_006_000;

/// The length of [`UNIFORM_FRAMES`] in bytes.
const FRAMES_LEN: u64 = 182_508_024;

/// The runs of each program. An odd number has a median.
const ROUNDS: usize = 21;

/// Maximum memory of each of our programs, in bytes.
const PEAK_MAX: u64 = 16 * 1024 * 1024;

/// A program to run.
struct Run {
    name: &'static str,
    command: &'static [&'static str],
    rounds: usize,
    /// Whether the limit of memory applies.
    is_ours: bool,
}

const RUNS: [Run; 9] = [
    Run { name: "check a CSV", command: &[ENCAP, "check", UNIFORM_ROWS], rounds: ROUNDS, is_ours: true },
    // It reads each row twice, once to check it and once to send it.
    Run { name: "build from a CSV", command: &BUILD_UNIFORM, rounds: ROUNDS, is_ours: true },
    Run { name: "build mixed rows", command: &BUILD_MIXED, rounds: ROUNDS, is_ours: true },
    // Far slower than our program, so that one round is enough.
    Run { name: "text2pcap", command: &TEXT2PCAP, rounds: 1, is_ours: false },
    Run { name: "read and sum", command: &[SPEED, "sum", UNIFORM_FRAMES], rounds: ROUNDS, is_ours: false },
    Run { name: "decode and verify", command: &[SPEED, "decode", UNIFORM_FRAMES], rounds: ROUNDS, is_ours: true },
    Run { name: "analyze", command: &[ENCAP, "analyze", UNIFORM_FRAMES], rounds: ROUNDS, is_ours: true },
    // Without -n, tcptrace asks for the name of each address.
    Run { name: "tcptrace", command: &["tcptrace", "-n", "-l", "-r", UNIFORM_FRAMES], rounds: ROUNDS, is_ours: false },
    // As text2pcap.
    Run {
        name: "tshark",
        command: &["tshark", "-q", "-z", "conv,tcp", "-r", UNIFORM_FRAMES],
        rounds: 1,
        is_ours: false,
    },
];

const BUILD_UNIFORM: [&str; 9] =
    [ENCAP, "build", UNIFORM_ROWS, "--out", WRITTEN, "--format", "pcap", "--transport", "tcp"];
const BUILD_MIXED: [&str; 7] = [ENCAP, "build", MIXED_ROWS, "--out", WRITTEN, "--format", "pcap"];
const TEXT2PCAP: [&str; 8] = ["text2pcap", "-q", "-F", "nsecpcap", "-t", "%s.%f", MIXED_DUMP, WRITTEN];

/// A limit for the time of one program, in thousandths of the time of another.
struct SpeedLimit {
    ours: &'static str,
    other: &'static str,
    max_thousandths: u64,
}

const SPEED_LIMITS: [SpeedLimit; 5] = [
    // The ratio of today, to be lowered with each improvement.
    SpeedLimit { ours: "build from a CSV", other: "check a CSV", max_thousandths: 3_300 },
    // At least four times as fast.
    SpeedLimit { ours: "build mixed rows", other: "text2pcap", max_thousandths: 250 },
    SpeedLimit { ours: "decode and verify", other: "read and sum", max_thousandths: 1_500 },
    SpeedLimit { ours: "analyze", other: "tcptrace", max_thousandths: 1_000 },
    SpeedLimit { ours: "analyze", other: "tshark", max_thousandths: 20 },
];

/// The resources of a program: the median time of its rounds, and the maximum memory.
struct Measured {
    run: &'static Run,
    cpu: Duration,
    /// The minimum time, shown for information: other load on the machine adds least to it.
    least: Duration,
    peak_bytes: u64,
}

pub(crate) fn run() -> Result<(), String> {
    packages::ensure(packages::WIRE)?;
    cargo(&["build", "--release", "--locked", "--package", "switchboard-encap", "--bins", "--example", "speed"])?;
    make_input()?;
    let measured = measure()?;
    fs::remove_file(MIXED_DUMP).map_err(|error| format!("{MIXED_DUMP} cannot be removed: {error}"))?;
    let (table, all_hold) = judge(&measured);
    print!("{table}");
    write_report(&measured).map_err(|error| format!("{REPORT} cannot be written: {error}"))?;
    println!("written to {REPORT}");
    if all_hold { Ok(()) } else { Err("a limit does not hold".to_owned()) }
}

fn cargo(args: &[&str]) -> Result<(), String> {
    let status = Command::new(env!("CARGO")).args(args).status();
    let status = status.map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed", args.join(" "))) }
}

/// Writes the rows and their frames. They are written anew each time, since the program that builds them may have changed.
fn make_input() -> Result<(), String> {
    let failed = |path: &str, error: std::io::Error| format!("{path} cannot be written: {error}");
    for dir in ["target/bench", "report"] {
        fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    }
    csv::write_uniform(UNIFORM_ROWS).map_err(|error| failed(UNIFORM_ROWS, error))?;
    csv::write_mixed(MIXED_ROWS).map_err(|error| failed(MIXED_ROWS, error))?;
    for (command, frames) in [(&BUILD_UNIFORM[..], UNIFORM_FRAMES), (&BUILD_MIXED, MIXED_FRAMES)] {
        child::run(command)?;
        fs::rename(WRITTEN, frames).map_err(|error| failed(frames, error))?;
    }
    let len = Path::new(UNIFORM_FRAMES).metadata().map(|metadata| metadata.len()).unwrap_or_default();
    if len != FRAMES_LEN {
        return Err(format!(
            "{UNIFORM_FRAMES} has {len} bytes, not {FRAMES_LEN}: the benchmark needs {N_FRAMES} frames"
        ));
    }
    // Other programs write and compare the large files: the memory of this one would count as theirs.
    child::run(&[SPEED, "hexdump", MIXED_FRAMES, MIXED_DUMP])?;
    child::run(&TEXT2PCAP)?;
    // The header of a pcap file has 24 bytes, among them a limit of which each program has its own.
    child::run(&["cmp", "--ignore-initial=24", WRITTEN, MIXED_FRAMES])
        .map_err(|error| format!("text2pcap does not write the same frames: {error}"))?;
    Ok(())
}

/// Runs the programs in turn, round by round, so that other load on the machine affects all of them.
fn measure() -> Result<Vec<Measured>, String> {
    let mut usages: Vec<Vec<ChildUsage>> = RUNS.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for (run, usages) in RUNS.iter().zip(&mut usages).filter(|(run, _)| round < run.rounds) {
            usages.push(child::run(run.command)?);
        }
    }
    Ok(RUNS.iter().zip(usages).map(|(run, usages)| sum_up(run, &usages)).collect())
}

fn sum_up(run: &'static Run, usages: &[ChildUsage]) -> Measured {
    let mut times: Vec<Duration> = usages.iter().map(|usage| usage.cpu).collect();
    times.sort_unstable();
    let peak_bytes = usages.iter().map(|usage| usage.peak_bytes).max().unwrap_or_default();
    Measured { run, cpu: times[times.len() / 2], least: times[0], peak_bytes }
}

/// The ratio of two times in thousandths, rounded up.
fn thousandths(ours: Duration, other: Duration) -> u64 {
    u64::try_from((1_000 * ours.as_micros()).div_ceil(other.as_micros().max(1))).unwrap_or(u64::MAX)
}

impl SpeedLimit {
    /// The ratio of the two median times in thousandths, and whether the limit holds.
    fn judge(&self, measured: &[Measured]) -> (u64, bool) {
        let found = self.ratio(measured, |measured| measured.cpu);
        (found, found <= self.max_thousandths)
    }

    /// The ratio of the two times in thousandths.
    fn ratio(&self, measured: &[Measured], time: impl Fn(&Measured) -> Duration) -> u64 {
        let time = |name| measured.iter().find(|measured| measured.run.name == name).map(&time);
        time(self.ours).zip(time(self.other)).map_or(u64::MAX, |(ours, other)| thousandths(ours, other))
    }
}

impl Measured {
    /// Whether the limit of memory holds, if it applies.
    fn fits(&self) -> bool {
        !self.run.is_ours || self.peak_bytes <= PEAK_MAX
    }
}

/// The tables to print, and whether all limits hold.
fn judge(measured: &[Measured]) -> (String, bool) {
    let mut table = format!("\nProcessor time on one core: median and minimum of {ROUNDS} rounds\n\n");
    let says = |holds| if holds { "holds" } else { "DOES NOT HOLD" };
    let mut all_hold = true;
    for one in measured {
        let (cpu, least, peak) = (milliseconds(one.cpu), milliseconds(one.least), one.peak_bytes / 1024);
        let limit = format!("  at most {} KiB: {}", PEAK_MAX / 1024, says(one.fits()));
        let limit = if one.run.is_ours { &limit } else { "" };
        let _ = writeln!(table, "{:20} {cpu:>12} ms {least:>12} ms {peak:>9} KiB{limit}", one.run.name);
        all_hold &= one.fits();
    }
    let _ = writeln!(table);
    for limit in &SPEED_LIMITS {
        let (found, holds) = limit.judge(measured);
        let pair = format!("{} / {}", limit.ours, limit.other);
        let least = decimal(limit.ratio(measured, |measured| measured.least));
        let (found, max) = (decimal(found), decimal(limit.max_thousandths));
        let _ = writeln!(table, "{pair:33} {found:>9} {least:>15}  at most {max}: {}", says(holds));
        all_hold &= holds;
    }
    let _ = writeln!(table);
    (table, all_hold)
}

fn write_report(measured: &[Measured]) -> std::io::Result<()> {
    let runs: Vec<Value> = measured
        .iter()
        .map(|one| {
            json!({
                "name": one.run.name, "command": one.run.command.join(" "), "rounds": one.run.rounds,
                "cpu_micros": micros(one.cpu), "least_micros": micros(one.least), "peak_bytes": one.peak_bytes,
                "peak_bytes_max": one.run.is_ours.then_some(PEAK_MAX), "holds": one.fits(),
            })
        })
        .collect();
    let promises: Vec<Value> = SPEED_LIMITS
        .iter()
        .map(|limit| {
            let (found, holds) = limit.judge(measured);
            json!({
                "ours": limit.ours, "other": limit.other, "thousandths": found,
                "thousandths_of_least": limit.ratio(measured, |measured| measured.least),
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
    fn every_limit_names_two_runs() {
        for limit in &SPEED_LIMITS {
            for name in [limit.ours, limit.other] {
                assert!(RUNS.iter().any(|run| run.name == name), "{name}");
            }
        }
    }
}
