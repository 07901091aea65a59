//! `encap check`: the faults of a file of rows.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use switchboard_encap::diagnostic::Severity;
use switchboard_encap::rows::{RowError, RowFault, RowOptions, RowReader, RowRef};
use switchboard_encap::show::{count, in_seconds};
use switchboard_encap::time::Timestamp;
use switchboard_protocol::sanitize;

use super::colour;
use super::diagnostics::{DiagnosticJson, RowFormat};
use super::failure::Failure;
use super::input::Input;

/// Exit code if some row cannot be built.
const EXIT_FAULTS: u8 = 1;

/// Maximum protocols whose rows are counted by name. The rows of others are counted together.
const PROTOCOLS_MAX: usize = 256;

/// Reports the faults of a CSV of messages
///
/// Each fault has a line that editors can read, `file:line:character: error: problem and remedy`. A summary follows.
///
/// Exit status: 0 if all rows can be built, 1 if some cannot (with --strict, also if there is a warning), 3 if the file
/// cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file, or - for standard input
    file: PathBuf,
    /// Decode the escapes \r \n \t \0 \\ \" \xHH in messages
    #[arg(long)]
    escapes: bool,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let stdout = io::stdout();
    let coloured = colour::is_wanted(&stdout);
    let out = BufWriter::new(stdout.lock());
    let summary = check(Input::open(&args.file)?, args, coloured, out)?;
    let has_faults = summary.errors > 0 || (args.strict && summary.warnings > 0);
    Ok(if has_faults { ExitCode::from(EXIT_FAULTS) } else { ExitCode::SUCCESS })
}

/// Counts of the rows and faults of a file.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Rows that can be built.
    rows: u64,
    apps: usize,
    pairs: usize,
    protocols: BTreeMap<String, u64>,
    /// Time of the earliest row.
    #[serde(rename = "first_nanos")]
    first: Option<Timestamp>,
    /// Time of the latest row.
    #[serde(rename = "last_nanos")]
    last: Option<Timestamp>,
    errors: u64,
    warnings: u64,
    notes: u64,
}

impl Summary {
    fn add_row(&mut self, row: &RowRef<'_>) {
        self.rows += 1;
        self.first = Some(self.first.map_or(row.time, |first| first.min(row.time)));
        self.last = Some(self.last.map_or(row.time, |last| last.max(row.time)));
        let name = row.protocol.name();
        if let Some(count) = self.protocols.get_mut(name) {
            *count += 1;
        } else {
            let name = if self.protocols.len() < PROTOCOLS_MAX { name } else { "others" };
            *self.protocols.entry(sanitize(name).into_owned()).or_default() += 1;
        }
    }

    fn add_fault(&mut self, fault: &RowFault) {
        match fault.severity() {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
            Severity::Note => self.notes += 1,
        }
    }

    /// The time from the earliest row to the latest.
    fn span(&self) -> Duration {
        self.last.zip(self.first).and_then(|(last, first)| last.since(first)).unwrap_or_default()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", count(self.rows, "row"))?;
        write!(f, ", {}, {}", count(self.apps, "app"), count(self.pairs, "pair"))?;
        if !self.protocols.is_empty() {
            let protocols: Vec<_> = self.protocols.iter().map(|(name, rows)| format!("{name} {rows}")).collect();
            write!(f, ", {}, over {} s", protocols.join(", "), in_seconds(self.span()))?;
        }
        write!(f, ": {}, {}", count(self.errors, "error"), count(self.warnings, "warning"))?;
        if self.notes > 0 {
            write!(f, ", {}", count(self.notes, "note"))?;
        }
        Ok(())
    }
}

/// Reads `input` to its end, and writes each fault when the reader finds it.
fn check(mut input: Input, args: &Args, coloured: bool, out: impl Write) -> Result<Summary, Failure> {
    let mut writer =
        FaultWriter { format: RowFormat { file: input.name(), coloured }, json: args.json, n_faults: 0, out };
    let mut summary = Summary::default();
    let mut reader = RowReader::new(&mut input, RowOptions { escapes: args.escapes });
    writer.start()?;
    loop {
        let faults = match reader.next_row() {
            Ok(None) => break,
            Ok(Some(row)) => {
                summary.add_row(&row);
                Vec::new()
            }
            Err(RowError::Refused(faults)) => faults,
            Err(RowError::Io(error)) => {
                writer.out.flush()?;
                return Err(input.read_failure(error));
            }
        };
        // Remarks come before faults: the first call of `next_row` also gives the remarks on the header.
        for fault in reader.take_remarks().iter().chain(&faults) {
            summary.add_fault(fault);
            writer.write_fault(fault)?;
        }
    }
    for fault in &reader.take_remarks() {
        summary.add_fault(fault);
        writer.write_fault(fault)?;
    }
    summary.apps = reader.n_apps();
    summary.pairs = reader.n_pairs();
    writer.end(&summary)?;
    Ok(summary)
}

/// Writes each fault at once, so that memory does not grow with their number.
struct FaultWriter<W> {
    format: RowFormat,
    json: bool,
    n_faults: u64,
    out: W,
}

impl<W: Write> FaultWriter<W> {
    fn start(&mut self) -> io::Result<()> {
        if self.json {
            write!(self.out, "{{\"file\":{},\"faults\":[", serde_json::to_string(&self.format.file)?)?;
        }
        Ok(())
    }

    fn write_fault(&mut self, fault: &RowFault) -> io::Result<()> {
        if self.json {
            if self.n_faults > 0 {
                self.out.write_all(b",")?;
            }
            self.n_faults += 1;
            let json = DiagnosticJson { severity: fault.severity(), keys: fault, message: fault.message().to_string() };
            return Ok(serde_json::to_writer(&mut self.out, &json)?);
        }
        writeln!(self.out, "{}", self.format.fault(fault))
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        if self.json {
            writeln!(self.out, "],\"summary\":{}}}", serde_json::to_string(summary)?)?;
        } else {
            writeln!(self.out, "{}: {summary}", self.format.file)?;
        }
        self.out.flush()
    }
}
