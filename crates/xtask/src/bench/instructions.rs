//! `cargo xtask bench instructions`: processor instructions of each step of a message.
//!
//! Times are unreliable on a shared machine, but an instruction count is the same on each run. Each operation of the
//! example `instructions` runs twice under callgrind, the second time with more repetitions. The difference is the
//! cost of the operation, without start-up and preparation. The counts are compared with the recorded counts in
//! `instructions.txt`. Only `--accept` changes the recorded counts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::packages;

const PROGRAM: &str = "target/release/examples/instructions";
const RECORD: &str = "crates/switchboard/examples/instructions.txt";
const REPORT: &str = "report/instructions.json";
/// Folder of callgrind's output files, with counts for each source line.
const PROFILES: &str = "target/bench/instructions";

/// Repetitions of the operation in the first run. A multiple of the 1,024 lines in one read of the example, so that the
/// run ends at the end of a read.
const FIRST_RUN_REPETITIONS: u64 = 1024;
/// Additional repetitions in the second run. Also a multiple of the lines in one read.
const MORE_REPETITIONS: u64 = 2 * 1024;

/// Tolerance above the recorded count, in percent. Another compiler, C library or processor may change the count by
/// that much. If the change is larger, record the counts again.
const TOLERANCE_PERCENT: u64 = 10;

/// Options of `cargo xtask bench instructions`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Record the new counts as the limits from now on
    #[arg(long)]
    accept: bool,
}

/// An operation and its cost.
#[derive(Debug, Eq, PartialEq)]
struct Operation {
    name: String,
    instructions: u64,
    /// The accepted count; `None` for a new operation.
    recorded: Option<u64>,
}

impl Operation {
    /// The maximum count; 0 for a new operation.
    fn max(&self) -> u64 {
        self.recorded.map_or(0, |recorded| recorded + recorded * TOLERANCE_PERCENT / 100)
    }

    fn is_within_limit(&self) -> bool {
        self.instructions <= self.max()
    }

    fn verdict(&self) -> String {
        match self.recorded {
            None => "NOT RECORDED".to_owned(),
            Some(_) if !self.is_within_limit() => {
                format!("DOES NOT HOLD; to find the lines: callgrind_annotate {}", profile_path(&self.name))
            }
            Some(recorded) if self.instructions + recorded * TOLERANCE_PERCENT / 100 < recorded => {
                "holds, and is so much lower that it should be recorded".to_owned()
            }
            Some(_) => "holds".to_owned(),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    packages::ensure(packages::INSTRUCTIONS)?;
    output(
        env!("CARGO"),
        &["build", "--release", "--locked", "--package", "switchboard-core", "--example", "instructions"],
    )?;
    for dir in [PROFILES, "report"] {
        fs::create_dir_all(dir).map_err(|error| format!("{dir} cannot be made: {error}"))?;
    }
    let record_text = if Path::new(RECORD).exists() {
        fs::read_to_string(RECORD).map_err(|error| format!("{RECORD} cannot be read: {error}"))?
    } else {
        String::new()
    };
    let record = parse_record(&record_text)?;
    let (names, _) = output(PROGRAM, &[])?;
    let mut operations = Vec::new();
    for name in names.lines() {
        let instructions = count_instructions(name)?;
        operations.push(Operation { name: name.to_owned(), instructions, recorded: record.get(name).copied() });
    }

    print!("{}", table(&operations));
    write(REPORT, &report(&operations)?)?;
    if args.accept {
        write(RECORD, &format_record(&operations))?;
    } else if !operations.iter().all(Operation::is_within_limit) {
        return Err("some counts exceed their limit: reduce them, or record them with --accept".to_owned());
    }
    Ok(())
}

/// Instructions of one repetition of an operation, rounded up.
fn count_instructions(name: &str) -> Result<u64, String> {
    let few = total_instructions(name, FIRST_RUN_REPETITIONS)?;
    let many = total_instructions(name, FIRST_RUN_REPETITIONS + MORE_REPETITIONS)?;
    many.checked_sub(few)
        .map(|more| more.div_ceil(MORE_REPETITIONS))
        .ok_or_else(|| format!("{name} takes fewer instructions with more repetitions"))
}

/// Instructions of a whole run of the program, in which an operation is repeated `repetitions` times.
fn total_instructions(name: &str, repetitions: u64) -> Result<u64, String> {
    let (out, repetitions) = (format!("--callgrind-out-file={}", profile_path(name)), repetitions.to_string());
    // Callgrind writes its summary to the standard error.
    let (_, summary) = output("valgrind", &["--tool=callgrind", &out, PROGRAM, name, &repetitions])?;
    parse_total(&summary).ok_or_else(|| format!("callgrind printed no count: {summary}"))
}

/// Parses the count in callgrind's summary.
fn parse_total(summary: &str) -> Option<u64> {
    summary.lines().find_map(|line| line.split_once("Collected : "))?.1.trim().parse().ok()
}

/// Path of callgrind's output for an operation.
fn profile_path(name: &str) -> String {
    format!("{PROFILES}/{}.out", name.replace('/', "-"))
}

/// Parses a record: one count and operation name in each line.
fn parse_record(record: &str) -> Result<BTreeMap<&str, u64>, String> {
    record
        .lines()
        .map(|line| {
            let parts = line.trim_start().split_once(' ');
            let entry = parts.and_then(|(count, name)| Some((name, count.parse().ok()?)));
            entry.ok_or_else(|| format!("{RECORD} has {line:?}, which is not a count and an operation"))
        })
        .collect()
}

fn format_record(operations: &[Operation]) -> String {
    let mut record = String::new();
    for Operation { name, instructions, .. } in operations {
        let _ = writeln!(record, "{instructions:>7} {name}");
    }
    record
}

fn table(operations: &[Operation]) -> String {
    let mut table = format!("\n{:28} {:>13} {:>9}\n", "", "instructions", "at most");
    for operation in operations {
        let _ = writeln!(
            table,
            "{:28} {:>13} {:>9}  {}",
            operation.name,
            operation.instructions,
            operation.max(),
            operation.verdict()
        );
    }
    let _ = writeln!(table);
    table
}

fn report(operations: &[Operation]) -> Result<String, String> {
    let version = |program| output(program, &["--version"]).map(|(version, _)| version.trim().to_owned());
    let rows: Vec<_> = operations
        .iter()
        .map(|operation| {
            json!({
                "name": operation.name, "instructions": operation.instructions, "recorded": operation.recorded,
                "instructions_max": operation.max(), "holds": operation.is_within_limit(),
            })
        })
        .collect();
    let report = json!({ "rustc": version("rustc")?, "valgrind": version("valgrind")?, "operations": rows });
    Ok(format!("{report:#}\n"))
}

fn write(path: &str, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{path} cannot be written: {error}"))?;
    println!("written to {path}");
    Ok(())
}

/// Runs a program until it exits, and returns its standard output and standard error.
fn output(program: &str, args: &[&str]) -> Result<(String, String), String> {
    let output = Command::new(program).args(args).output();
    let output = output.map_err(|error| format!("{program} cannot be started: {error}"))?;
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    if output.status.success() {
        Ok((stdout, stderr))
    } else {
        Err(format!("{program} {} failed: {stderr}", args.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(instructions: u64, recorded: Option<u64>) -> Operation {
        Operation { name: "parse/msg".to_owned(), instructions, recorded }
    }

    #[test]
    fn count_holds_up_to_ten_percent_above_the_record() {
        let cases = [
            (100, Some(100), true, "holds"),
            (110, Some(100), true, "holds"),
            (111, Some(100), false, "DOES NOT HOLD"),
            (90, Some(100), true, "holds"),
            (89, Some(100), true, "holds, and is so much lower"),
            (1, None, false, "NOT RECORDED"),
        ];
        for (instructions, recorded, is_within_limit, verdict) in cases {
            let operation = operation(instructions, recorded);
            assert_eq!(operation.is_within_limit(), is_within_limit, "given {operation:?}");
            assert!(operation.verdict().starts_with(verdict), "given {operation:?}: {}", operation.verdict());
        }
    }

    #[test]
    fn a_record_reads_back_as_written() {
        let record =
            format_record(&[operation(428, None), Operation { name: "walk/msg".into(), ..operation(857, None) }]);
        assert_eq!(record, "    428 parse/msg\n    857 walk/msg\n");
        assert_eq!(parse_record(&record), Ok([("parse/msg", 428), ("walk/msg", 857)].into()));
        assert!(parse_record("parse/msg 428\n").is_err());
    }

    #[test]
    fn the_total_is_parsed_from_callgrinds_summary() {
        assert_eq!(parse_total("==7== Events    : Ir\n==7== Collected : 4064190\n==7== \n"), Some(4_064_190));
        assert_eq!(parse_total("==7== Events    : Ir\n"), None);
    }
}
