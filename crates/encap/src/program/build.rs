//! `encap build`: a file of rows becomes a capture of what a kernel would have sent for them.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;
use switchboard_encap::build::{
    BadTwin, Builder, Content, IpVersion, Link, Mtu, Plan, Refusal, Settings, Summary, TcpOptions, TransportChoice,
};
use switchboard_encap::capture::{self, SYNTHESISED, WriteError};
use switchboard_encap::rows::{Fault, Options, ReadError, Reader, RowRef, Severity};
use switchboard_encap::time::Timestamp;
use switchboard_protocol::show;

use super::colour;
use super::failure::Failure;
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
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Args {
    /// The file of rows; it is read twice
    file: PathBuf,
    /// The capture to write
    #[arg(short, long)]
    out: PathBuf,
    /// What messages are carried on; auto: what their protocol runs on
    #[arg(long, value_enum, default_value = "auto")]
    transport: TransportArg,
    /// IP version between names; addresses in the file keep theirs
    #[arg(long, value_name = "VERSION", value_parser = ip_version, default_value = "4")]
    ip: IpVersion,
    /// What frames begin with
    #[arg(long, value_enum, default_value = "ethernet")]
    link: LinkArg,
    /// Kind of capture file; pcap has no place for comments
    #[arg(long, value_enum, default_value = "pcapng")]
    format: FormatArg,
    /// Most bytes of an IP packet
    #[arg(long, value_name = "BYTES", default_value = "1500")]
    mtu: Mtu,
    /// Options of TCP headers
    #[arg(long, value_enum, default_value = "linux")]
    options: OptionsArg,
    /// Where all that is random comes from
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// When the first row is sent: seconds since 1970, ISO 8601 or DD/MM/YYYY HH:MM; the others keep their distance
    #[arg(long, value_name = "TIME")]
    start: Option<Timestamp>,
    /// Send exactly the bytes of the file (the default)
    #[arg(long, conflicts_with = "complete")]
    faithful: bool,
    /// Add what the protocol asks for: line ends, an HTTP version, header ends and lengths
    #[arg(long)]
    complete: bool,
    /// Write a second capture beside OUT (NAME-bad.pcapng) that does everything wrong, and says what
    #[arg(long)]
    bad_twin: bool,
    /// Read \r \n \t \0 \\ \" \xHH in messages as the bytes that they stand for
    #[arg(long)]
    escapes: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TransportArg {
    Tcp,
    Udp,
    Auto,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LinkArg {
    Ethernet,
    Vlan,
    Null,
    Loop,
    Raw,
    Sll2,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Pcapng,
    Pcap,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OptionsArg {
    Linux,
    None,
}

fn ip_version(text: &str) -> Result<IpVersion, String> {
    match text {
        "4" => Ok(IpVersion::V4),
        "6" => Ok(IpVersion::V6),
        _ => Err("write 4 or 6".to_owned()),
    }
}

impl Args {
    fn settings(&self) -> Settings {
        Settings {
            transport: match self.transport {
                TransportArg::Tcp => TransportChoice::Tcp,
                TransportArg::Udp => TransportChoice::Udp,
                TransportArg::Auto => TransportChoice::Auto,
            },
            ip: self.ip,
            link: match self.link {
                LinkArg::Ethernet => Link::Ethernet,
                LinkArg::Vlan => Link::Vlan,
                LinkArg::Null => Link::Null,
                LinkArg::Loop => Link::Loop,
                LinkArg::Raw => Link::Raw,
                LinkArg::Sll2 => Link::Sll2,
            },
            format: match self.format {
                FormatArg::Pcapng => capture::Format::Pcapng,
                FormatArg::Pcap => capture::Format::Pcap,
            },
            mtu: self.mtu,
            options: match self.options {
                OptionsArg::Linux => TcpOptions::Linux,
                OptionsArg::None => TcpOptions::None,
            },
            content: if self.complete { Content::Complete } else { Content::Faithful },
            seed: self.seed,
            start: self.start,
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
    let mut told =
        Told { file: shown(&args.file), coloured: colour::is_wanted(&io::stderr()), refused: 0, warnings: 0 };
    let input = File::open(&args.file).map_err(|error| unreadable(args, error))?;
    let plan = plan(args, &input, &mut told)?;
    let about = |what: &str| {
        let name = args.file.file_name().unwrap_or_default().to_string_lossy();
        format!("{SYNTHESISED} by encap build from {} with seed {}: {what}", show::safe(&name), args.seed)
    };

    if is_same(&args.file, &args.out) {
        return Err(Failure::Overwrite { file: args.out.display().to_string() });
    }
    let out = create(&args.out)?;
    let unwritable = |error| unwritable(&args.out, error);
    let mut builder = Builder::new(plan, out, &about("no packet here was on a wire")).map_err(unwritable)?;
    each_row(args, &input, |row| builder.row(row).map_err(unwritable))?;
    let (_, summary) = builder.finish().map_err(unwritable)?;
    for remark in &summary.remarks {
        told.say(remark.line, Severity::Warning, &remark.kind, remark.count);
    }
    let twin = args.bad_twin.then(|| args.twin());
    if let Some(twin) = &twin {
        write_twin(args, &input, twin, &about("no packet here was on a wire, and none could have been"))?;
    }
    print(args, &told, &summary, twin.as_deref())?;
    Ok(if told.refused > 0 { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

/// The first reading, in which all is said that is wrong with rows.
fn plan(args: &Args, mut input: &File, told: &mut Told) -> Result<Plan, Failure> {
    let mut plan = Plan::new(args.settings());
    input.rewind().map_err(|error| unreadable(args, error))?;
    let mut reader = Reader::new(input, Options { escapes: args.escapes });
    loop {
        let admitted = reader.next_row().map(|row| row.map(|row| plan.admit(row)));
        for fault in reader.take_remarks() {
            told.fault(&fault);
        }
        match admitted {
            Ok(None) => return Ok(plan),
            Ok(Some(Ok(()))) => {}
            Ok(Some(Err(refusal))) => told.refusal(&refusal),
            Err(ReadError::Refused(faults)) => {
                told.refused += 1;
                for fault in faults {
                    told.fault(&fault);
                }
            }
            Err(ReadError::Io(error)) => return Err(unreadable(args, error)),
        }
    }
}

/// Reads the rows once more.
fn each_row(
    args: &Args,
    mut input: &File,
    mut take: impl FnMut(RowRef<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    input.rewind().map_err(|error| unreadable(args, error))?;
    let mut reader = Reader::new(input, Options { escapes: args.escapes });
    loop {
        match reader.next_row() {
            Ok(Some(row)) => take(row)?,
            Ok(None) => return Ok(()),
            Err(ReadError::Refused(_)) => {}
            Err(ReadError::Io(error)) => return Err(unreadable(args, error)),
        }
        reader.take_remarks();
    }
}

fn write_twin(args: &Args, input: &File, path: &Path, about: &str) -> Result<(), Failure> {
    let unwritable = |error| unwritable(path, error);
    let mut plan = Plan::new(args.settings());
    each_row(args, input, |row| {
        // What is refused was said before.
        let _ = plan.admit(row);
        Ok(())
    })?;
    let mut twin = BadTwin::new(plan, create(path)?, about).map_err(unwritable)?;
    each_row(args, input, |row| twin.row(row).map_err(unwritable))?;
    twin.finish().map_err(unwritable)?;
    Ok(())
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| Failure::WriteFile { file: path.display().to_string(), error })
}

fn unreadable(args: &Args, error: io::Error) -> Failure {
    Failure::Read { file: args.file.display().to_string(), error }
}

fn unwritable(path: &Path, error: WriteError) -> Failure {
    Failure::WriteCapture { file: path.display().to_string(), error }
}

fn shown(path: &Path) -> String {
    show::safe(&path.display().to_string()).into_owned()
}

/// What was said on standard error, as editors read it.
struct Told {
    file: String,
    coloured: bool,
    /// Rows that were not carried.
    refused: u64,
    warnings: u64,
}

impl Told {
    fn fault(&mut self, fault: &Fault) {
        self.warnings += u64::from(fault.severity() == Severity::Warning);
        let (file, line, character) = (&self.file, fault.line, fault.character.unwrap_or(1));
        let severity = fault.severity();
        let severity = colour::paint(severity, colour::of(severity), self.coloured);
        eprintln!("{file}:{line}:{character}: {severity}: {}", fault.message());
    }

    fn refusal(&mut self, refusal: &Refusal) {
        self.refused += 1;
        self.say(refusal.line, Severity::Error, &refusal.kind, 1);
    }

    fn say(&mut self, line: u64, severity: Severity, what: &dyn fmt::Display, count: u64) {
        self.warnings += u64::from(severity == Severity::Warning);
        let severity = colour::paint(severity, colour::of(severity), self.coloured);
        let times = fmt::from_fn(|f| if count > 1 { write!(f, " ({count} times)") } else { Ok(()) });
        eprintln!("{}:{line}:1: {severity}: {what}{times}", self.file);
    }
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
            seed: args.seed,
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
