//! The speed of the wire lab, against what is promised of it.

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
const ROWS: &str = "target/bench/wire.csv";
const FRAMES: &str = "target/bench/wire.pcap";
/// What the runs write.
const WRITTEN: &str = "target/bench/written";
const REPORT: &str = "report/wire.json";

/// The length of [`FRAMES`]: 1,006,000 frames with a handshake, 1,000 messages of 100 bytes and an end for each of 1,000
/// connections.
const FRAMES_LEN: &str = "182508024";

/// How often each is run. An odd number has a middle.
const ROUNDS: usize = 21;

/// The most memory of any of ours, in bytes.
const PEAK_MAX: u64 = 16 * 1024 * 1024;

/// A program that is run.
struct Run {
    name: &'static str,
    command: &'static [&'static str],
    /// How often.
    rounds: usize,
    /// Whether the limit of memory is for it.
    is_ours: bool,
}

const RUNS: [Run; 9] = [
    // As many bytes, and the same, from memory.
    Run { name: "write", command: &[SPEED, "write", FRAMES, WRITTEN, FRAMES_LEN], rounds: ROUNDS, is_ours: false },
    // What the library does with rows, which are made as they are asked for.
    Run { name: "build from rows", command: &[SPEED, "build", WRITTEN], rounds: ROUNDS, is_ours: true },
    // What the program does with a file of 142 MB: it reads each row twice, once to check it and once to send it.
    Run { name: "check a CSV", command: &[ENCAP, "check", ROWS], rounds: ROUNDS, is_ours: true },
    Run { name: "build from a CSV", command: &BUILD, rounds: ROUNDS, is_ours: true },
    Run { name: "read and sum", command: &[SPEED, "sum", FRAMES], rounds: ROUNDS, is_ours: false },
    Run { name: "decode and verify", command: &[SPEED, "decode", FRAMES], rounds: ROUNDS, is_ours: true },
    Run { name: "analyze", command: &[ENCAP, "analyze", FRAMES], rounds: ROUNDS, is_ours: true },
    // Without -n it asks for the name of each address.
    Run { name: "tcptrace", command: &["tcptrace", "-n", "-l", "-r", FRAMES], rounds: ROUNDS, is_ours: false },
    // Far slower than the rest, and its time varies far less than what it is compared by.
    Run { name: "tshark", command: &["tshark", "-q", "-z", "conv,tcp", "-r", FRAMES], rounds: 1, is_ours: false },
];

const BUILD: [&str; 9] = [ENCAP, "build", ROWS, "--out", WRITTEN, "--format", "pcap", "--transport", "tcp"];

/// What is promised: the first takes at most so many thousandths of the second's time.
struct Promise {
    ours: &'static str,
    other: &'static str,
    max_thousandths: u64,
}

const PROMISES: [Promise; 5] = [
    Promise { ours: "build from rows", other: "write", max_thousandths: 2_000 },
    // No more than what it is today: to be lowered with it.
    Promise { ours: "build from a CSV", other: "check a CSV", max_thousandths: 3_300 },
    Promise { ours: "decode and verify", other: "read and sum", max_thousandths: 1_500 },
    Promise { ours: "analyze", other: "tcptrace", max_thousandths: 1_000 },
    Promise { ours: "analyze", other: "tshark", max_thousandths: 20 },
];

/// What a program took, the middle of all rounds; of memory, the most.
struct Measured {
    run: &'static Run,
    cpu: Duration,
    /// What it took in the round to which others on the machine added least: to be told, and not to be judged by.
    least: Duration,
    peak_bytes: u64,
}

pub(crate) fn run() -> Result<(), String> {
    packages::ensure(packages::WIRE)?;
    cargo(&["build", "--release", "--locked", "--package", "switchboard-encap", "--bins", "--example", "speed"])?;
    make_input()?;
    let measured = measure()?;
    let (table, all_hold) = judge(&measured);
    print!("{table}");
    write_report(&measured).map_err(|error| format!("{REPORT} cannot be written: {error}"))?;
    println!("written to {REPORT}");
    if all_hold { Ok(()) } else { Err("not all of it holds".to_owned()) }
}

fn cargo(args: &[&str]) -> Result<(), String> {
    let status = Command::new(env!("CARGO")).args(args).status();
    let status = status.map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed", args.join(" "))) }
}

/// Makes the rows and their frames, anew each time, since what makes them may have changed.
fn make_input() -> Result<(), String> {
    for dir in ["target/bench", "report"] {
        fs::create_dir_all(dir).map_err(|error| format!("{dir} cannot be made: {error}"))?;
    }
    child::run(&[SPEED, "rows", ROWS])?;
    child::run(&BUILD)?;
    fs::rename(WRITTEN, FRAMES).map_err(|error| format!("{FRAMES} cannot be put in place: {error}"))?;
    let len = Path::new(FRAMES).metadata().map(|about| about.len()).unwrap_or_default();
    if len.to_string() != FRAMES_LEN {
        return Err(format!("{FRAMES} has {len} bytes, not {FRAMES_LEN}: the frames are not those that are measured"));
    }
    child::run(&[SPEED, "build", WRITTEN])?;
    // By another program: what this one holds would be counted as memory of those that it starts.
    child::run(&["cmp", WRITTEN, FRAMES])
        .map_err(|error| format!("the library and the program do not make the same frames: {error}"))?;
    Ok(())
}

/// Runs all in turn, round by round, so that what else the machine does meets all of them.
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

/// The thousandths of the second's time that the first took, rounded up.
fn thousandths(ours: Duration, other: Duration) -> u64 {
    u64::try_from((1_000 * ours.as_micros()).div_ceil(other.as_micros().max(1))).unwrap_or(u64::MAX)
}

impl Promise {
    /// How much of the other's time ours took, and whether that is little enough.
    fn judge(&self, measured: &[Measured]) -> (u64, bool) {
        let found = self.ratio(measured, |measured| measured.cpu);
        (found, found <= self.max_thousandths)
    }

    /// How much of the other's time ours took, in thousandths.
    fn ratio(&self, measured: &[Measured], time: impl Fn(&Measured) -> Duration) -> u64 {
        let time = |name| measured.iter().find(|measured| measured.run.name == name).map(&time);
        time(self.ours).zip(time(self.other)).map_or(u64::MAX, |(ours, other)| thousandths(ours, other))
    }
}

impl Measured {
    /// Whether it keeps the limit of memory, if there is one for it.
    fn fits(&self) -> bool {
        !self.run.is_ours || self.peak_bytes <= PEAK_MAX
    }
}

/// The tables for a person, and whether all holds.
fn judge(measured: &[Measured]) -> (String, bool) {
    let mut table = format!("\n1,006,000 frames, on one core: the middle of {ROUNDS} rounds, and their least\n\n");
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
    for promise in &PROMISES {
        let (found, holds) = promise.judge(measured);
        let what = format!("{} / {}", promise.ours, promise.other);
        let least = decimal(promise.ratio(measured, |measured| measured.least));
        let (found, max) = (decimal(found), decimal(promise.max_thousandths));
        let _ = writeln!(table, "{what:33} {found:>9} {least:>15}  at most {max}: {}", says(holds));
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
    let promises: Vec<Value> = PROMISES
        .iter()
        .map(|promise| {
            let (found, holds) = promise.judge(measured);
            json!({
                "ours": promise.ours, "other": promise.other, "thousandths": found,
                "thousandths_of_least": promise.ratio(measured, |measured| measured.least),
                "thousandths_max": promise.max_thousandths, "holds": holds,
            })
        })
        .collect();
    let report = json!({ "frames": 1_006_000, "runs": runs, "promises": promises });
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
    fn a_ratio_is_rounded_against_us() {
        let ms = Duration::from_millis;
        assert_eq!(thousandths(ms(3), ms(2)), 1_500);
        assert_eq!(thousandths(ms(1), ms(3)), 334);
        assert_eq!(thousandths(ms(1), ms(0)), 1_000_000);
        assert_eq!(decimal(1_050), "1.050");
    }

    #[test]
    fn every_promise_is_about_what_is_run() {
        for promise in &PROMISES {
            for name in [promise.ours, promise.other] {
                assert!(RUNS.iter().any(|run| run.name == name), "{name}");
            }
        }
    }
}
