//! `encap show`: a list of the frames of a capture, or one frame layer by layer.

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use maud::Markup;
use serde::Serialize;
use switchboard_encap::show::{FrameRecord, FrameSummary, FrameView, html, text};
use switchboard_encap::time::Timestamp;
use switchboard_protocol::sanitize;

use super::build_args::BuildArgs;
use super::capture_file::{CaptureFile, sanitized};
use super::colour::When;
use super::diagnostics::{RowDiagnostics, report};
use super::failure::Failure;
use super::input::Input;
use super::output;
use super::synthesize::{self, Rows};

/// Shows a frame layer by layer, byte by byte, with an explanation of each field and the calculation of each checksum
///
/// Without --frame, the frames are listed, one per line. For a CSV of messages, `encap build` synthesises the frames in
/// memory; a frame with a message then begins with its row: row, segment, packet, frame. The output says that such
/// frames are synthesised.
///
/// Exit status: 0 if the frames were shown, 1 if some row of a CSV cannot be built (each is reported on standard
/// error), 3 if the frame does not exist, or a file cannot be read or written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A capture (pcap or pcapng) or a CSV of messages, detected by content; - for standard input
    file: PathBuf,
    /// Show the frame with this number in the capture, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frame: Option<u64>,
    /// Maximum frames to list without --frame
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "frame")]
    limit: u32,
    /// Write a self-contained HTML page; without --frame, it has each listed frame
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, conflicts_with = "html")]
    json: bool,
    /// Colour the output
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Auto)]
    color: When,
    /// Width of the output in columns; by default that of the terminal, or 100
    #[arg(long, value_name = "N")]
    width: Option<u16>,
    #[command(flatten, next_help_heading = "Building frames of a CSV")]
    build_args: BuildArgs,
}

/// Some row of a CSV was refused.
const EXIT_REFUSED: u8 = 1;

/// The width if the output is not a terminal, in columns.
const WIDTH: u16 = 100;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut input = Input::open(&args.file)?;
    if let Some(page) = &args.html {
        output::guard(page, &input)?;
    }
    let name = input.name();
    if input.has_rows()? {
        let mut diagnostics = RowDiagnostics::new(name.clone());
        let shown = synthesize::frames(input, &args.build_args, &mut diagnostics, |from, rows| {
            show(Box::new(from), name, Some(rows), args)
        })?;
        let failed = shown.is_none() || diagnostics.refused > 0;
        return Ok(if failed { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS });
    }
    if !args.build_args.is_default() {
        return Err(Failure::BuildFlagsForCapture { file: name });
    }
    show(Box::new(input), name, None, args)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows the frames of a capture. `rows` are the rows from which it is synthesised.
fn show(input: Box<dyn Read>, name: String, rows: Option<Rows>, args: &Args) -> Result<(), Failure> {
    let mut capture = Capture { file: CaptureFile::new(input, name)?, first: None, rows };
    match args.frame {
        Some(number) => show_one(&mut capture, number, args),
        None => list(&mut capture, args),
    }?;
    // Standard output has the frames only. Remarks go to standard error.
    let name = capture.file.name();
    for remark in capture.file.remarks() {
        report(format_args!("encap: {name}: {remark}"));
    }
    capture.file.finish()
}

/// The frames of a capture, each with its row if it is known.
struct Capture {
    file: CaptureFile,
    first: Option<Timestamp>,
    rows: Option<Rows>,
}

impl Capture {
    /// The next frame, as far as the file can be read, and the comments of the capture on itself so far.
    fn next(&mut self) -> Option<(FrameRecord<'_>, &[String])> {
        let packet = self.file.next()?;
        self.first = self.first.or(packet.time);
        let mut record = FrameRecord::from_packet(&packet, self.first);
        record.row = self.rows.as_mut().and_then(|rows| rows.carried_by(&record));
        Some((record, packet.remarks))
    }
}

/// Shows one frame in full.
fn show_one(capture: &mut Capture, number: u64, args: &Args) -> Result<(), Failure> {
    let (file, mut frames) = (capture.file.name(), 0);
    while let Some((record, remarks)) = capture.next() {
        frames = record.number;
        if frames == number {
            let (origin, view) = (sanitized(remarks), FrameView::new(&record));
            return if let Some(out) = &args.html {
                write_page(out, &format!("Frame {number} of {file}"), &origin, &html::frame(&view))
            } else if args.json {
                print(&json(&file, &origin, Contents::Frame(&view))?)
            } else {
                print(&(paragraph(&origin) + &text::frame(&view, options(args))))
            };
        }
    }
    capture.file.finish()?;
    Err(Failure::NoSuchFrame { file, number, frames })
}

/// Lists the first frames, one per line. An HTML page shows each in full below the list.
fn list(capture: &mut Capture, args: &Args) -> Result<(), Failure> {
    let limit = args.limit as usize;
    let (mut lines, mut articles, mut more) = (Vec::new(), Vec::new(), false);
    while let Some((record, _)) = capture.next() {
        if lines.len() == limit {
            more = true;
            break;
        }
        lines.push(FrameSummary::new(&record));
        if args.html.is_some() {
            articles.push(html::folded(&FrameView::new(&record)));
        }
    }
    let (file, origin) = (capture.file.name(), capture.file.origin());
    if let Some(out) = &args.html {
        return write_page(out, &format!("Frames of {file}"), &origin, &html::list(&lines, &articles, more));
    }
    if args.json {
        return print(&json(&file, &origin, Contents::Frames { frames: &lines, more })?);
    }
    let more = if more {
        format!(
            "more follow: --limit {} {}; ",
            (2 * limit).max(1),
            if limit == 0 { "lists one" } else { "lists twice as many" }
        )
    } else {
        String::new()
    };
    let hint = format!("{more}encap show {} --frame N shows one in full\n", sanitize(&args.file.to_string_lossy()));
    print(&(paragraph(&origin) + &text::list(&lines, options(args)) + &hint))
}

/// The frames in the JSON output.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", untagged)]
enum Contents<'a> {
    Frame(&'a FrameView<'a>),
    Frames { frames: &'a [FrameSummary], more: bool },
}

#[derive(Serialize)]
struct Json<'a> {
    file: &'a str,
    /// Comments of the capture on itself, such as that it is synthesised.
    origin: &'a [String],
    #[serde(flatten)]
    contents: Contents<'a>,
}

fn json(file: &str, origin: &[String], contents: Contents<'_>) -> Result<String, Failure> {
    Ok(serde_json::to_string(&Json { file, origin, contents }).map_err(io::Error::from)? + "\n")
}

fn options(args: &Args) -> text::TextLayout {
    let stdout = io::stdout();
    let terminal = || terminal_size::terminal_size_of(&stdout).map(|(width, _)| width.0);
    let width = args.width.or_else(terminal).unwrap_or(WIDTH).into();
    text::TextLayout { width, coloured: args.color.is_wanted(&stdout) }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The comments of the capture on itself, as the first paragraph.
fn paragraph(origin: &[String]) -> String {
    if origin.is_empty() { String::new() } else { origin.join("\n") + "\n\n" }
}

fn write_page(out: &Path, title: &str, origin: &[String], body: &Markup) -> Result<(), Failure> {
    let body = maud::html! {
        @for origin in origin { p { strong { (origin) } } }
        (body)
    };
    output::write(out, &html::page(title, &body).into_string())
}
