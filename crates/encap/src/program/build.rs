//! `encap build`: a file of rows becomes a capture of what a kernel would have sent for them.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;
use switchboard_encap::build::{
    BadTwin, Builder, Content, IpVersion, Link, Mtu, Plan, Refusal, Settings, Summary, TcpOptions, TransportChoice,
};
use switchboard_encap::capture::{self, WriteError};
use switchboard_encap::rows::{Fault, Options, ReadError, Reader, Row, Severity};
use switchboard_encap::show::count;
use switchboard_encap::time::Timestamp;
use switchboard_protocol::show;

use super::colour;
use super::failure::Failure;
use super::opened::Opened;
use super::output::{self, Output, shown};
use super::tell::{Places, tell};

/// Some row was not carried.
const EXIT_REFUSED: u8 = 1;

/// The flags do not go together.
const EXIT_USAGE: u8 = 2;

/// Faults that the JSON object lists. The rest is counted.
const LISTED_MAX: usize = 1_000;

/// Makes a capture of what a kernel would have sent for a CSV of messages
///
/// One TCP connection for each pair of apps (with ports: for each pair of apps and ports), or datagrams; headers,
/// handshakes, acknowledgements and ends are those that Linux makes, and each packet's comment says which row it
/// carries or what else it is for. The same file, flags and seed make the same bytes.
///
/// Messages go to ports that Wireshark has no dissector for where they are not what the port's dissector expects, and
/// given ports that it reads as something else are warned of. Some of its dissectors look at first bytes whatever the
/// port is: those of TLS, STUN, DTLS, QUIC and RTCP are warned of, rarer ones are not.
///
/// The capture takes its place when it is whole: until then, and where no row can be carried, what was there stays.
///
/// Exit status: 0 if all rows were carried, 1 if some could not be (each is said on standard error), 3 if a file cannot
/// be read or written.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Args {
    /// The file of rows, or - for standard input
    file: PathBuf,
    /// The capture to write, or - for standard output
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
    /// Most bytes of an IP packet: 576 (IPv6: 1280) to 65535
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
    let mut input = Opened::open(&args.file)?;
    if args.bad_twin && output::is_stdout(&args.out) {
        tell("encap: --bad-twin writes beside the capture: give that a name with -o");
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    let twin = args.bad_twin.then(|| args.twin());
    for out in twin.iter().chain([&args.out]) {
        output::guard(out, &input)?;
    }
    input = input.rewindable()?;
    let mut told = Told::new(input.name());
    let (plan, n_admitted) = plan(args, &mut input, &mut told)?;
    if n_admitted == 0 {
        tell("encap: nothing was written: there is no row to carry");
        if args.json {
            print_json(args, &told, None, None)?;
        }
        return Ok(ExitCode::from(EXIT_REFUSED));
    }
    let about = |what: &str| {
        let name = args.file.file_name().unwrap_or_default().to_string_lossy();
        format!("Synthesised by encap build from {} with seed {}: {what}", show::safe(&name), args.seed)
    };
    let unwritable = |error| unwritable(&args.out, error);
    let out = Output::whole(&args.out)?;
    let mut builder = Builder::new(plan, out, &about("no packet here was on a wire")).map_err(unwritable)?;
    each_row(args, &mut input, |row| builder.row(row).map_err(unwritable))?;
    let (out, summary) = builder.finish().map_err(unwritable)?;
    if summary.rows != n_admitted {
        return Err(Failure::Changed { file: args.file.display().to_string() });
    }
    out.finish()?;
    for remark in &summary.remarks {
        told.say(remark.line, remark.kind.severity(), &remark.kind, remark.count);
    }
    if args.settings().format == capture::Format::Pcap {
        tell(format_args!(
            "{}: note: a pcap file has no place to say that its packets are synthesised: --format pcapng has",
            shown(&args.out)
        ));
    }
    if let Some(twin) = &twin {
        write_twin(args, &mut input, twin, &about("no packet here was on a wire, and none could have been"))?;
    }
    print(args, &told, &summary, twin.as_deref())?;
    Ok(if told.refused > 0 { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

/// The first reading, in which all is said that is wrong with rows; and how many there are to carry.
fn plan(args: &Args, input: &mut Opened, told: &mut Told) -> Result<(Plan, u64), Failure> {
    let mut plan = Plan::new(args.settings());
    let mut n_admitted = 0;
    input.rewind()?;
    let mut reader = Reader::new(&mut *input, Options { escapes: args.escapes });
    loop {
        let row = reader.next();
        for fault in reader.take_remarks() {
            told.fault(&fault);
        }
        match row {
            None => return Ok((plan, n_admitted)),
            Some(Ok(row)) => match plan.admit(&row) {
                Ok(()) => n_admitted += 1,
                Err(refusal) => told.refusal(&refusal),
            },
            Some(Err(ReadError::Refused(faults))) => {
                told.refused += 1;
                for fault in faults {
                    told.fault(&fault);
                }
            }
            Some(Err(ReadError::Io(error))) => return Err(input.failure(error)),
        }
    }
}

/// Reads the rows once more.
fn each_row(args: &Args, input: &mut Opened, mut take: impl FnMut(&Row) -> Result<(), Failure>) -> Result<(), Failure> {
    input.rewind()?;
    let mut reader = Reader::new(&mut *input, Options { escapes: args.escapes });
    while let Some(row) = reader.next() {
        reader.take_remarks();
        match row {
            Ok(row) => take(&row)?,
            Err(ReadError::Refused(_)) => {}
            Err(ReadError::Io(error)) => return Err(input.failure(error)),
        }
    }
    Ok(())
}

fn write_twin(args: &Args, input: &mut Opened, path: &Path, about: &str) -> Result<(), Failure> {
    let unwritable = |error| unwritable(path, error);
    let mut plan = Plan::new(args.settings());
    each_row(args, input, |row| {
        // What is refused was said before.
        let _ = plan.admit(row);
        Ok(())
    })?;
    let mut twin = BadTwin::new(plan, Output::whole(path)?, about).map_err(unwritable)?;
    each_row(args, input, |row| twin.row(row).map_err(unwritable))?;
    twin.finish().map_err(unwritable)?.finish()
}

fn unwritable(path: &Path, error: WriteError) -> Failure {
    Failure::WriteCapture { file: path.display().to_string(), error }
}

/// What was said on standard error.
struct Told {
    places: Places,
    /// Rows that were not carried.
    refused: u64,
    warnings: u64,
    notes: u64,
    /// What was said of rows, for a program to read.
    faults: Vec<FaultJson>,
    not_listed: u64,
}

/// Something that was said of a row.
#[derive(Serialize)]
struct FaultJson {
    severity: Severity,
    line: u64,
    character: Option<u64>,
    message: String,
}

impl Told {
    fn new(file: String) -> Self {
        let places = Places { file, coloured: colour::is_wanted(&io::stderr()) };
        Self { places, refused: 0, warnings: 0, notes: 0, faults: Vec::new(), not_listed: 0 }
    }

    fn fault(&mut self, fault: &Fault) {
        tell(self.places.fault(fault));
        self.list(fault.line, fault.character, fault.severity(), &fault.message());
    }

    fn refusal(&mut self, refusal: &Refusal) {
        self.refused += 1;
        self.say(refusal.line, Severity::Error, &refusal.kind, 1);
    }

    fn say(&mut self, line: u64, severity: Severity, what: &dyn fmt::Display, count: u64) {
        let times = fmt::from_fn(|f| if count > 1 { write!(f, " ({count} times)") } else { Ok(()) });
        let what = format!("{what}{times}");
        tell(self.places.at(line, None, severity, &what));
        self.list(line, None, severity, &what);
    }

    fn list(&mut self, line: u64, character: Option<u64>, severity: Severity, message: &dyn fmt::Display) {
        self.warnings += u64::from(severity == Severity::Warning);
        self.notes += u64::from(severity == Severity::Note);
        if self.faults.len() < LISTED_MAX {
            self.faults.push(FaultJson { severity, line, character, message: message.to_string() });
        } else {
            self.not_listed += 1;
        }
    }
}

/// What was built, for a program to read.
#[derive(Serialize)]
struct SummaryJson<'a> {
    file: &'a str,
    /// Nothing if nothing was written.
    out: Option<String>,
    bad_twin: Option<String>,
    seed: u64,
    refused: u64,
    warnings: u64,
    notes: u64,
    faults: &'a [FaultJson],
    faults_not_listed: u64,
    #[serde(flatten)]
    summary: Option<&'a Summary>,
}

fn print(args: &Args, told: &Told, summary: &Summary, twin: Option<&Path>) -> Result<(), Failure> {
    if args.json {
        return print_json(args, told, Some(summary), twin);
    }
    let mut text = format!("{}: {}", shown(&args.out), count(summary.rows, "row"));
    let mut put = |part: String| text.push_str(&part);
    if summary.connections > 0 {
        put(format!(", {}", count(summary.connections, "connection")));
    }
    if summary.exchanges > 0 {
        put(format!(", {} of datagrams", count(summary.exchanges, "exchange")));
    }
    put(format!(", {}, {}", count(summary.frames, "frame"), count(summary.bytes, "byte")));
    put(format!("; {}, {} refused\n", count(told.warnings, "warning"), count(told.refused, "row")));
    if let Some(twin) = twin {
        put(format!("{}: the same, with everything wrong\n", shown(twin)));
    }
    say(args, &text)
}

fn print_json(args: &Args, told: &Told, summary: Option<&Summary>, twin: Option<&Path>) -> Result<(), Failure> {
    let json = SummaryJson {
        file: &told.places.file,
        out: summary.map(|_| shown(&args.out)),
        bad_twin: twin.map(shown),
        seed: args.seed,
        refused: told.refused,
        warnings: told.warnings,
        notes: told.notes,
        faults: &told.faults,
        faults_not_listed: told.not_listed,
        summary,
    };
    say(args, &(serde_json::to_string(&json).map_err(io::Error::from)? + "\n"))
}

/// Says what was built: on standard output, unless that is where the capture went.
fn say(args: &Args, text: &str) -> Result<(), Failure> {
    if output::is_stdout(&args.out) {
        tell(text.trim_end());
        return Ok(());
    }
    let mut out = BufWriter::new(io::stdout().lock());
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
