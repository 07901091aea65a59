//! `encap build`: synthesises the capture that a kernel would send for a CSV of messages.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;
use switchboard_encap::build::{CaptureSink, Settings, Summary};
use switchboard_encap::capture::{Format, SYNTHESISED_PREFIX, WriteError};
use switchboard_encap::show::count;

use super::build_args::BuildArgs;
use super::diagnostics::{RowDiagnostics, report};
use super::failure::Failure;
use super::input::Input;
use super::output::{self, Output, display_name};
use super::synthesize::Synthesis;

/// Exit code if some row was refused.
const EXIT_REFUSED: u8 = 1;

/// Exit code if flags contradict each other.
const EXIT_USAGE: u8 = 2;

/// Synthesises the capture that a kernel would send for a CSV of messages
///
/// Each pair of apps has one TCP connection, or exchanges datagrams. If rows name ports, each pair of ports has its own
/// connection. Headers, handshakes, acknowledgments and teardowns are those of Linux. The comment of each packet names
/// its row or its purpose. The same file, flags and seed build the same bytes.
///
/// Messages that the dissector of their port cannot read are sent to a port for which Wireshark has no dissector. Ports
/// in the file are kept, with a warning if Wireshark expects another protocol there. Some dissectors recognize messages
/// by their first bytes on any port: there are warnings for TLS, STUN, DTLS, QUIC and RTCP, but not for rarer
/// protocols.
///
/// An existing capture is replaced when the new one is complete. It stays as it is if no row can be carried.
///
/// Exit status: 0 if all rows were carried, 1 if some row was refused (each is reported on standard error), 3 if a file
/// cannot be read or written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The CSV of messages, or - for standard input
    file: PathBuf,
    /// The capture to write, or - for standard output
    #[arg(short, long)]
    out: PathBuf,
    /// Format of the capture; pcap has no comments
    #[arg(long, value_enum, default_value = "pcapng")]
    format: FormatArg,
    /// Write a second capture beside OUT (NAME-bad.pcapng) with deliberate faults, named in its comments
    #[arg(long)]
    bad_twin: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    build: BuildArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Pcapng,
    Pcap,
}

impl Args {
    fn format(&self) -> Format {
        match self.format {
            FormatArg::Pcapng => Format::Pcapng,
            FormatArg::Pcap => Format::Pcap,
        }
    }

    /// The path of the bad twin.
    fn bad_twin_path(&self) -> PathBuf {
        let mut name = self.out.file_stem().unwrap_or_default().to_owned();
        name.push("-bad.pcapng");
        self.out.with_file_name(name)
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let input = Input::open(&args.file)?;
    if args.bad_twin && output::is_stdout(&args.out) {
        report("encap: --bad-twin writes a second file beside the capture: give the capture a file name with -o");
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    let twin = args.bad_twin.then(|| args.bad_twin_path());
    for out in twin.iter().chain([&args.out]) {
        output::refuse_input_path(out, &input)?;
    }
    let mut diagnostics = RowDiagnostics::new(input.name());
    let name = input.file_name();
    let comment =
        |note: &str| format!("{SYNTHESISED_PREFIX} by encap build from {name} with seed {}: {note}", args.build.seed);
    let Some(mut synthesis) = Synthesis::plan(input, &args.build, args.format(), &mut diagnostics)? else {
        report("encap: nothing was written: there is no row to carry");
        if args.json {
            print_json(args, &diagnostics, None, None)?;
        }
        return Ok(ExitCode::from(EXIT_REFUSED));
    };
    let settings = synthesis.settings;
    let failure = write_failure(&args.out);
    let sink = CaptureSink::new(Output::atomic(&args.out)?, &settings, &comment("no packet here was on a wire"));
    let (sink, summary) = synthesis.build(sink.map_err(failure)?, failure)?;
    sink.finish().map_err(failure)?.finish()?;
    for remark in summary.remarks.list() {
        diagnostics.report_remark(remark);
    }
    if settings.format == Format::Pcap {
        report(format_args!(
            "{}: note: a pcap file cannot say that its packets are synthesised: --format pcapng can",
            display_name(&args.out)
        ));
    }
    if let Some(twin) = &twin {
        // The comments name the faults, so the format must have comments.
        let settings = Settings { format: Format::Pcapng, ..settings };
        let comment = comment("no packet here was on a wire, and none could have been");
        let failure = write_failure(twin);
        let sink = CaptureSink::new(Output::atomic(twin)?, &settings, &comment).map_err(failure)?;
        synthesis.build_bad_twin(sink, failure)?.finish().map_err(failure)?.finish()?;
    }
    print(args, &diagnostics, &summary, twin.as_deref())?;
    Ok(if diagnostics.refused > 0 { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

fn write_failure(path: &Path) -> impl Fn(WriteError) -> Failure + Copy {
    move |error| Failure::WriteCapture { file: path.display().to_string(), error }
}

/// The JSON output.
#[derive(Serialize)]
struct SummaryJson<'a> {
    file: &'a str,
    /// `None` if no capture was written.
    out: Option<String>,
    bad_twin: Option<String>,
    seed: u64,
    #[serde(flatten)]
    diagnostics: &'a RowDiagnostics,
    #[serde(flatten)]
    summary: Option<&'a Summary>,
}

fn print(args: &Args, diagnostics: &RowDiagnostics, summary: &Summary, twin: Option<&Path>) -> Result<(), Failure> {
    if args.json {
        return print_json(args, diagnostics, Some(summary), twin);
    }
    let mut text = format!("{}: {}", display_name(&args.out), count(summary.rows, "row"));
    let mut put = |part: String| text.push_str(&part);
    if summary.connections > 0 {
        put(format!(", {}", count(summary.connections, "connection")));
    }
    if summary.exchanges > 0 {
        put(format!(", {} of datagrams", count(summary.exchanges, "exchange")));
    }
    put(format!(", {}, {}", count(summary.frames, "frame"), count(summary.bytes, "byte")));
    put(format!("; {}, {} refused\n", count(diagnostics.warnings, "warning"), count(diagnostics.refused, "row")));
    if let Some(twin) = twin {
        put(format!("{}: the same rows with deliberate faults\n", display_name(twin)));
    }
    print_summary(args, &text)
}

fn print_json(
    args: &Args,
    diagnostics: &RowDiagnostics,
    summary: Option<&Summary>,
    twin: Option<&Path>,
) -> Result<(), Failure> {
    let json = SummaryJson {
        file: diagnostics.file(),
        out: summary.map(|_| display_name(&args.out)),
        bad_twin: twin.map(display_name),
        seed: args.build.seed,
        diagnostics,
        summary,
    };
    print_summary(args, &(serde_json::to_string(&json).map_err(io::Error::from)? + "\n"))
}

/// Prints the summary on standard output, or on standard error if standard output has the capture.
fn print_summary(args: &Args, text: &str) -> Result<(), Failure> {
    if output::is_stdout(&args.out) {
        report(text.trim_end());
        return Ok(());
    }
    let mut out = BufWriter::new(io::stdout().lock());
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
