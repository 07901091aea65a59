//! `cargo xtask bench instructions`: what each step of a message costs, in instructions of the processor.
//!
//! A time says little on a machine that others use too; a count of instructions is the same on each run. Each operation
//! of the example `instructions` is run twice under callgrind, the second time with more repetitions: what that takes
//! more is the operation, and what it takes to start and to prepare is not in it. The counts are held against those of
//! `instructions.txt`, which change only when somebody accepts new ones.

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
/// Where callgrind writes what it counted, line by line of the source.
const PROFILES: &str = "target/bench/instructions";

/// How often an operation is done in the first run, and how much more often in the second: as many lines as a few reads
/// hold, so that none is read and not counted.
const FEW: u64 = 1024;
const MORE: u64 = 2 * 1024;

/// How much more than its record an operation may take, in hundredths: room for another compiler, C library or processor,
/// whose doing is not ours. Where that is not enough, they are recorded anew.
const PERCENT_MORE: u64 = 10;

/// How instructions are counted.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Record what is found as what holds from now on
    #[arg(long)]
    accept: bool,
}

/// An operation, and what it takes.
#[derive(Debug, Eq, PartialEq)]
struct Operation {
    name: String,
    instructions: u64,
    /// What it took when that was last accepted, if it was there.
    recorded: Option<u64>,
}

impl Operation {
    fn max(&self) -> u64 {
        self.recorded.map_or(0, |recorded| recorded + recorded * PERCENT_MORE / 100)
    }

    fn holds(&self) -> bool {
        self.instructions <= self.max()
    }

    fn verdict(&self) -> String {
        match self.recorded {
            None => "NOT RECORDED".to_owned(),
            Some(_) if !self.holds() => {
                format!("DOES NOT HOLD; to see where: callgrind_annotate {}", profile(&self.name))
            }
            Some(recorded) if self.instructions + recorded * PERCENT_MORE / 100 < recorded => {
                "holds, with so much less that it should be recorded".to_owned()
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
    let record = if Path::new(RECORD).exists() {
        fs::read_to_string(RECORD).map_err(|error| format!("{RECORD} cannot be read: {error}"))?
    } else {
        String::new()
    };
    let record = parse_record(&record)?;
    let (names, _) = output(PROGRAM, &[])?;
    let mut operations = Vec::new();
    for name in names.lines() {
        let instructions = count(name)?;
        operations.push(Operation { name: name.to_owned(), instructions, recorded: record.get(name).copied() });
    }

    print!("{}", table(&operations));
    write(REPORT, &report(&operations)?)?;
    if args.accept {
        write(RECORD, &format_record(&operations))?;
    } else if !operations.iter().all(Operation::holds) {
        return Err("not all of it holds: mend it, or record it with --accept and say why".to_owned());
    }
    Ok(())
}

/// How many instructions an operation takes, rounded up.
fn count(name: &str) -> Result<u64, String> {
    let few = total_instructions(name, FEW)?;
    let many = total_instructions(name, FEW + MORE)?;
    many.checked_sub(few).map(|more| more.div_ceil(MORE)).ok_or_else(|| format!("{name} takes less the more it does"))
}

/// How many instructions the program took in all.
fn total_instructions(name: &str, times: u64) -> Result<u64, String> {
    let (out, times) = (format!("--callgrind-out-file={}", profile(name)), times.to_string());
    let (_, stdout) = output("valgrind", &["--tool=callgrind", &out, PROGRAM, name, &times])?;
    parse_total(&stdout).ok_or_else(|| format!("callgrind did not say what it counted, but: {stdout}"))
}

/// The count in `==4711== Collected : 4064539`.
fn parse_total(stdout: &str) -> Option<u64> {
    stdout.lines().find_map(|line| line.split_once("Collected : "))?.1.trim().parse().ok()
}

fn profile(name: &str) -> String {
    format!("{PROFILES}/{}.out", name.replace('/', "-"))
}

/// Reads a record: on each line a count and an operation.
fn parse_record(record: &str) -> Result<BTreeMap<&str, u64>, String> {
    record
        .lines()
        .map(|line| {
            let parts = line.trim_start().split_once(' ');
            let read = parts.and_then(|(count, name)| Some((name, count.parse().ok()?)));
            read.ok_or_else(|| format!("{RECORD} has {line:?}, which is no count and operation"))
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
    for one in operations {
        let _ = writeln!(table, "{:28} {:>13} {:>9}  {}", one.name, one.instructions, one.max(), one.verdict());
    }
    let _ = writeln!(table);
    table
}

fn report(operations: &[Operation]) -> Result<String, String> {
    let version = |program| output(program, &["--version"]).map(|(version, _)| version.trim().to_owned());
    let rows: Vec<_> = operations
        .iter()
        .map(|one| {
            json!({
                "name": one.name, "instructions": one.instructions, "recorded": one.recorded,
                "instructions_max": one.max(), "holds": one.holds(),
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

/// Runs a program to its end: what it says, and what it says beside that.
fn output(program: &str, args: &[&str]) -> Result<(String, String), String> {
    let output = Command::new(program).args(args).output();
    let output = output.map_err(|error| format!("{program} cannot be started: {error}"))?;
    let [stdout, beside] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    if output.status.success() {
        Ok((stdout, beside))
    } else {
        Err(format!("{program} {} failed: {beside}", args.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(instructions: u64, recorded: Option<u64>) -> Operation {
        Operation { name: "parse/msg".to_owned(), instructions, recorded }
    }

    #[test]
    fn up_to_a_tenth_more_than_recorded_holds() {
        let cases = [
            (100, Some(100), true, "holds"),
            (110, Some(100), true, "holds"),
            (111, Some(100), false, "DOES NOT HOLD"),
            (90, Some(100), true, "holds"),
            (89, Some(100), true, "holds, with so much less"),
            (1, None, false, "NOT RECORDED"),
        ];
        for (instructions, recorded, holds, verdict) in cases {
            let operation = operation(instructions, recorded);
            assert_eq!(operation.holds(), holds, "given {operation:?}");
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
