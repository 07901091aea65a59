//! `encap build`: a file of rows becomes a capture of what a kernel would have sent for them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;
use switchboard_encap::build::{BadTwin, Builder, Summary};
use switchboard_encap::capture::{self, SYNTHESISED, WriteError};
use switchboard_encap::rows::Severity;
use switchboard_protocol::show;

use super::failure::Failure;
use super::input::Source;
use super::making::{Making, Told};
use super::paths::is_same;

/// Some row was not carried.
const EXIT_REFUSED: u8 = 1;

/// Makes a capture of what a kernel would have sent for a CSV of messages
///
/// One TCP connection for each pair of apps (with ports: for each pair of apps and ports), or datagrams; headers,
/// handshakes, acknowledgements and ends are those that Linux makes, and each packet's comment says which row it
/// carries or what else it is for. The same file, flags and seed make the same bytes.
///
/// Exit status: 0 if all rows were carried, 1 if some could not be (each is said on standard error), 3 if a file cannot
/// be read or written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file of rows; it is read twice
    file: PathBuf,
    /// The capture to write
    #[arg(short, long)]
    out: PathBuf,
    /// Kind of capture file; pcap has no place for comments
    #[arg(long, value_enum, default_value = "pcapng")]
    format: FormatArg,
    /// Write a second capture beside OUT (NAME-bad.pcapng) that does everything wrong, and says what
    #[arg(long)]
    bad_twin: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    making: Making,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Pcapng,
    Pcap,
}

impl Args {
    fn format(&self) -> capture::Format {
        match self.format {
            FormatArg::Pcapng => capture::Format::Pcapng,
            FormatArg::Pcap => capture::Format::Pcap,
        }
    }

    /// Where the bad twin goes.
    fn twin(&self) -> PathBuf {
        let mut name = self.out.file_stem().unwrap_or_default().to_owned();
        name.push("-bad.pcapng");
        self.out.with_file_name(name)
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let file = args.file.display().to_string();
    let mut told = Told::new(&file);
    let input = File::open(&args.file).map_err(|error| Failure::Read { file: file.clone(), error })?;
    let mut source = Source::file_of(&file, input);
    let settings = args.making.settings(args.format());
    let plan = args.making.plan(&mut source, settings, &mut told)?;
    let about = |what: &str| {
        let name = args.file.file_name().unwrap_or_default().to_string_lossy();
        format!("{SYNTHESISED} by encap build from {} with seed {}: {what}", show::safe(&name), args.making.seed)
    };

    if is_same(&args.file, &args.out) {
        return Err(Failure::Overwrite { file: args.out.display().to_string() });
    }
    let out = create(&args.out)?;
    let unwritable = |error| unwritable(&args.out, error);
    let mut builder = Builder::new(plan, out, &about("no packet here was on a wire")).map_err(unwritable)?;
    args.making.each_row(&mut source, |row| builder.row(row).map_err(unwritable))?;
    let (_, summary) = builder.finish().map_err(unwritable)?;
    for remark in &summary.remarks {
        told.say(remark.line, Severity::Warning, &remark.kind, remark.count);
    }
    let twin = args.bad_twin.then(|| args.twin());
    if let Some(twin) = &twin {
        write_twin(args, &mut source, twin, &about("no packet here was on a wire, and none could have been"))?;
    }
    print(args, &told, &summary, twin.as_deref())?;
    Ok(if told.refused > 0 { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

fn write_twin(args: &Args, source: &mut Source, path: &Path, about: &str) -> Result<(), Failure> {
    let unwritable = |error| unwritable(path, error);
    let mut plan = args.making.begin(args.making.settings(args.format()));
    args.making.each_row(source, |row| {
        // What is refused was said before.
        let _ = plan.admit(row);
        Ok(())
    })?;
    let mut twin = BadTwin::new(plan, create(path)?, about).map_err(unwritable)?;
    args.making.each_row(source, |row| twin.row(row).map_err(unwritable))?;
    twin.finish().map_err(unwritable)?;
    Ok(())
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| Failure::WriteFile { file: path.display().to_string(), error })
}

fn unwritable(path: &Path, error: WriteError) -> Failure {
    Failure::WriteCapture { file: path.display().to_string(), error }
}

fn shown(path: &Path) -> String {
    show::safe(&path.display().to_string()).into_owned()
}

/// What was built, for a program to read.
#[derive(Serialize)]
struct SummaryJson<'a> {
    file: &'a str,
    out: String,
    bad_twin: Option<String>,
    seed: u64,
    refused: u64,
    #[serde(flatten)]
    summary: &'a Summary,
}

fn print(args: &Args, told: &Told, summary: &Summary, twin: Option<&Path>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let json = SummaryJson {
            file: &told.file,
            out: shown(&args.out),
            bad_twin: twin.map(shown),
            seed: args.making.seed,
            refused: told.refused,
            summary,
        };
        serde_json::to_writer(&mut out, &json).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        let count = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        write!(out, "{}: {}", shown(&args.out), count(summary.rows, "row"))?;
        if summary.connections > 0 {
            write!(out, ", {}", count(summary.connections, "connection"))?;
        }
        if summary.exchanges > 0 {
            write!(out, ", {} of datagrams", count(summary.exchanges, "exchange"))?;
        }
        write!(out, ", {}, {}", count(summary.frames, "frame"), count(summary.bytes, "byte"))?;
        write!(out, "; {}, {} refused", count(told.warnings, "warning"), count(told.refused, "row"))?;
        writeln!(out)?;
        if let Some(twin) = twin {
            writeln!(out, "{}: the same, with everything wrong", shown(twin))?;
        }
    }
    out.flush()?;
    Ok(())
}
