//! `encap compare`: synthesised frames beside the frames that a kernel sent for the same rows.

mod table;

use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;

use serde::Serialize;
use switchboard_encap::capture::{Format, Reader};
use switchboard_encap::compare::{Comparison, Difference, Recording, RecordingError, RecordingSink};
use switchboard_protocol::sanitize;

use self::table::Table;
use super::build_args::BuildArgs;
use super::diagnostics::{RowDiagnostics, report};
use super::failure::Failure;
use super::input::Input;
use super::synthesize::{Synthesis, report_no_rows};

/// Exit code if some row of the CSV was refused.
const EXIT_REFUSED: u8 = 1;

/// Exit code if some difference has no known reason.
const EXIT_UNEXPLAINED: u8 = 2;

/// Compares synthesised frames with those that a kernel sent for the same rows, and explains each difference
///
/// `encap send FILE.csv -o CAPTURE` writes the capture. Conversations are matched by their data, and segments by their
/// stream offsets, because a kernel may split or join rows. Sequence numbers are relative to the SYN. The table has a
/// line for each segment. Where the two frames differ, it shows both values as "synthesised|captured". The kinds of
/// differences follow, each with its reason.
///
/// Exit status: 0 if each difference has a reason, 1 if some row of the CSV cannot be built, 2 if a difference has no
/// known reason, 3 if a file cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A CSV of messages, built in memory, or a capture by `encap build`; - for standard input
    synthesised: String,
    /// A capture of the same rows by `encap send`; - for standard input
    #[arg(value_name = "CAPTURE")]
    captured: String,
    /// Print one JSON object with all differences
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "Building frames of the CSV")]
    build: BuildArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut refused = 0;
    let mut input = Input::open(&args.synthesised)?;
    let synthesised = if input.is_csv()? {
        let mut diagnostics = RowDiagnostics::new(input.name());
        let Some(recording) = synthesize(input, args, &mut diagnostics)? else {
            return Ok(ExitCode::from(EXIT_REFUSED));
        };
        refused = diagnostics.refused;
        recording
    } else if args.build.is_default() {
        record(input, &args.synthesised)?
    } else {
        return Err(Failure::BuildFlagsForCapture { file: args.synthesised.clone() });
    };
    let mut input = Input::open(&args.captured)?;
    if input.is_csv()? {
        return Err(Failure::NotACapture { file: args.captured.clone() });
    }
    let captured = record(input, &args.captured)?;
    let [first, second] = [&args.synthesised, &args.captured].map(|file| sanitize(file));
    if synthesised.is_synthesised() == Some(false) {
        report(format_args!(
            "encap: {first} says that it was captured, but the reasons below assume that it is synthesised"
        ));
    }
    if captured.is_synthesised() == Some(true) {
        report(format_args!(
            "encap: {second} says that it is synthesised, but the reasons below assume that it was captured"
        ));
    }
    let comparison = Comparison::new(&synthesised, &captured);
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let json = Json::new(args, &synthesised, &captured, &comparison);
        serde_json::to_writer(&mut out, &json).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        writeln!(
            out,
            "{first}: {} synthesised frames; {second}: {} captured frames; conversations in both: {}\n",
            synthesised.frames(),
            captured.frames(),
            comparison.conversations.len()
        )?;
        write!(out, "{}", Table(&comparison))?;
    }
    out.flush()?;
    Ok(match comparison.unexplained().next() {
        _ if refused > 0 => ExitCode::from(EXIT_REFUSED),
        Some(_) => ExitCode::from(EXIT_UNEXPLAINED),
        None => ExitCode::SUCCESS,
    })
}

/// Records the frames that `encap build` builds from a CSV. `None` if no row can be carried.
fn synthesize(input: Input, args: &Args, diagnostics: &mut RowDiagnostics) -> Result<Option<Recording>, Failure> {
    let name = input.name();
    let Some(mut synthesis) = Synthesis::plan(input, &args.build, Format::Pcapng, diagnostics)? else {
        report_no_rows(&name);
        return Ok(None);
    };
    let failure = |error| Failure::Compare { file: args.synthesised.clone(), error };
    let (sink, summary) = synthesis.build(RecordingSink::new(synthesis.settings.link.link_type()), failure)?;
    let recording = sink.finish().map_err(failure)?;
    for remark in summary.remarks.list() {
        diagnostics.report_remark(remark);
    }
    Ok(Some(recording))
}

/// Records the frames of a capture.
fn record(input: impl Read, file: &str) -> Result<Recording, Failure> {
    let unreadable = |error| Failure::Capture { file: file.to_owned(), error };
    let mut reader = Reader::new(input).map_err(unreadable)?;
    let recording = Recording::read(&mut reader).map_err(|error| match error {
        RecordingError::Read(error) => unreadable(error),
        error => Failure::Compare { file: file.to_owned(), error },
    })?;
    for note in reader.notes().list() {
        report(format_args!("encap: {}: {note}", sanitize(file)));
    }
    Ok(recording)
}

/// The JSON output.
#[derive(Serialize)]
struct Json<'a> {
    synthesised: Side<'a>,
    captured: Side<'a>,
    conversations: Vec<Conversation<'a>>,
    differences: &'a [Difference],
    unexplained: usize,
}

#[derive(Serialize)]
struct Side<'a> {
    file: &'a str,
    frames: u64,
}

#[derive(Serialize)]
struct Conversation<'a> {
    title: Option<&'a str>,
    transport: String,
    /// Client and server.
    synthesised: [String; 2],
    captured: [String; 2],
    lines: Vec<Line>,
}

/// The numbers of frames that are matched with each other.
#[derive(Serialize)]
struct Line {
    synthesised: Vec<u64>,
    captured: Vec<u64>,
}

impl<'a> Json<'a> {
    fn new(args: &'a Args, synthesised: &Recording, captured: &Recording, comparison: &'a Comparison<'_>) -> Self {
        let conversations = comparison.conversations.iter().map(|pair| Conversation {
            title: pair.made.title(),
            transport: pair.made.transport().to_string(),
            synthesised: pair.made.ends().map(|end| end.to_string()),
            captured: pair.captured.ends().map(|end| end.to_string()),
            lines: pair
                .groups
                .iter()
                .map(|group| Line {
                    synthesised: group.made.iter().map(|index| pair.made.segments()[*index].frame).collect(),
                    captured: group.captured.iter().map(|index| pair.captured.segments()[*index].frame).collect(),
                })
                .collect(),
        });
        Self {
            synthesised: Side { file: &args.synthesised, frames: synthesised.frames() },
            captured: Side { file: &args.captured, frames: captured.frames() },
            conversations: conversations.collect(),
            differences: &comparison.differences,
            unexplained: comparison.unexplained().count(),
        }
    }
}
