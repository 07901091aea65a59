//! `encap show`: a list of the frames of a capture, or one frame layer by layer.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use maud::Markup;
use serde::Serialize;
use switchboard_encap::build::{BuiltFrame, FramePurpose, FrameSink};
use switchboard_encap::capture::Format;
use switchboard_encap::show::{FrameRecord, FrameSummary, FrameView, RowPart, html, text};
use switchboard_encap::time::Timestamp;
use switchboard_encap::wire::{Frame, LinkType};
use switchboard_protocol::sanitize;

use super::build_args::BuildArgs;
use super::capture_file::{CaptureFile, sanitized};
use super::colour::ColourChoice;
use super::diagnostics::{RowDiagnostics, report};
use super::failure::Failure;
use super::input::Input;
use super::output;
use super::synthesize::{Synthesis, report_no_rows};

/// Shows a frame layer by layer, byte by byte, with an explanation of each field and the calculation of each checksum
///
/// Without --frame, the frames are listed, one per line. The frames of a CSV of messages are built in memory, as by
/// `encap build`. A frame with a message is then shown from its row on: row, segment, packet, frame. The output says
/// that such frames are synthesised.
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
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColourChoice::Auto)]
    color: ColourChoice,
    /// Width of the output in columns; by default that of the terminal, or 100
    #[arg(long, value_name = "N")]
    width: Option<u16>,
    #[command(flatten, next_help_heading = "Building frames of a CSV")]
    build: BuildArgs,
}

/// Exit code if some row of a CSV was refused.
const EXIT_REFUSED: u8 = 1;

/// The width if the output is not a terminal, in columns.
const DEFAULT_WIDTH: u16 = 100;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut input = Input::open(&args.file)?;
    if let Some(page) = &args.html {
        output::refuse_input_path(page, &input)?;
    }
    if input.is_csv()? {
        return show_rows(input, args);
    }
    if !args.build.is_default() {
        return Err(Failure::BuildFlagsForCapture { file: input.name() });
    }
    show_capture(input, args)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows the frames of a capture.
fn show_capture(input: Input, args: &Args) -> Result<(), Failure> {
    let name = input.name();
    let mut file = CaptureFile::new(Box::new(input), name.clone())?;
    let mut frames = ShownFrames::new(args, &name);
    let mut first_time = None;
    while let Some(packet) = file.next() {
        first_time = first_time.or(packet.time);
        if frames.add(&FrameRecord::from_packet(&packet, first_time), packet.section_comments)?.is_break() {
            break;
        }
    }
    // A read error explains why the frame is missing.
    if frames.is_missing() {
        file.finish()?;
    }
    frames.print(&file.origin())?;
    // Standard output has only the frames. The remarks of the reader go to standard error.
    for remark in file.remarks() {
        report(format_args!("encap: {name}: {remark}"));
    }
    file.finish()
}

/// Shows the frames that `encap build` would build from a CSV.
fn show_rows(input: Input, args: &Args) -> Result<ExitCode, Failure> {
    let name = input.name();
    let mut diagnostics = RowDiagnostics::new(name.clone());
    let Some(mut synthesis) = Synthesis::plan(input, &args.build, Format::Pcapng, &mut diagnostics)? else {
        report_no_rows(&name);
        return Ok(ExitCode::from(EXIT_REFUSED));
    };
    let origin =
        format!("Synthesised from {name} as by encap build with seed {}: no frame here was on a wire", args.build.seed);
    let sink = ShowSink {
        frames: ShownFrames::new(args, &name),
        link_type: synthesis.settings.link.link_type(),
        origin: [origin],
        first_time: None,
        n_frames: 0,
        is_done: false,
    };
    let (sink, summary) = synthesis.build(sink, |failure| failure)?;
    sink.frames.print(&sanitized(&sink.origin))?;
    for remark in summary.remarks.list() {
        diagnostics.report_remark(remark);
    }
    Ok(if diagnostics.refused > 0 { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

/// Shows the frames of a build.
struct ShowSink<'a> {
    frames: ShownFrames<'a>,
    link_type: LinkType,
    origin: [String; 1],
    /// The time of the first frame.
    first_time: Option<Timestamp>,
    n_frames: u64,
    /// Whether no further frame is shown. The rest is built all the same, because the build also gives remarks on rows.
    is_done: bool,
}

impl FrameSink for ShowSink<'_> {
    type Error = Failure;

    fn frame(&mut self, built: &BuiltFrame<'_>) -> Result<(), Failure> {
        if self.is_done {
            return Ok(());
        }
        self.n_frames += 1;
        let first_time = *self.first_time.get_or_insert(built.time);
        let mut comment = String::new();
        built.purpose.write_comment(&mut comment);
        let row = match &built.purpose {
            FramePurpose::Message(part) => Some(RowPart { row: part.row.to_row(), bytes: part.bytes.clone() }),
            FramePurpose::Control { .. } => None,
        };
        // A built frame is short: the length of an IP packet has 16 bits.
        let len = u32::try_from(built.bytes.len()).unwrap_or(u32::MAX);
        let record = FrameRecord {
            time: Some(built.time),
            first: Some(first_time),
            comments: vec![comment],
            row,
            ..FrameRecord::new(self.n_frames, Frame::parse(self.link_type, built.bytes, len))
        };
        self.is_done = self.frames.add(&record, &self.origin)?.is_break();
        Ok(())
    }
}

/// The frame to show in full, or the list of the first frames.
struct ShownFrames<'a> {
    args: &'a Args,
    /// The name of the file, safe to show.
    file: String,
    /// The number of frames so far.
    n_frames: u64,
    /// The rendered frame of `--frame`. `None` before it is found.
    found: Option<String>,
    lines: Vec<FrameSummary>,
    /// Each listed frame in full. Empty if the output is not a page.
    articles: Vec<Markup>,
    /// Whether there are frames after the listed ones.
    has_more: bool,
}

impl<'a> ShownFrames<'a> {
    fn new(args: &'a Args, file: &str) -> Self {
        let file = file.to_owned();
        Self { args, file, n_frames: 0, found: None, lines: Vec::new(), articles: Vec::new(), has_more: false }
    }

    /// Adds the next frame. `origin` are the comments of the file about itself so far. Breaks if no further frame is
    /// shown.
    fn add(&mut self, record: &FrameRecord<'_>, origin: &[String]) -> Result<ControlFlow<()>, Failure> {
        self.n_frames = record.number;
        if let Some(number) = self.args.frame {
            if number == record.number {
                self.found = Some(self.render_frame(&FrameView::new(record), &sanitized(origin))?);
            }
            return Ok(if self.found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        }
        self.has_more = self.lines.len() == self.args.limit as usize;
        if self.has_more {
            return Ok(ControlFlow::Break(()));
        }
        self.lines.push(FrameSummary::new(record));
        if self.args.html.is_some() {
            self.articles.push(html::folded(&FrameView::new(record)));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the frame of `--frame` was not found.
    fn is_missing(&self) -> bool {
        self.args.frame.is_some() && self.found.is_none()
    }

    /// Prints the frames, or writes their page. Fails if the frame of `--frame` was not found.
    fn print(&self, origin: &[String]) -> Result<(), Failure> {
        let list;
        let text = match (&self.found, self.args.frame) {
            (Some(found), _) => found,
            (None, Some(number)) => {
                return Err(Failure::NoSuchFrame { file: self.file.clone(), number, frames: self.n_frames });
            }
            (None, None) => {
                list = self.render_list(origin)?;
                &list
            }
        };
        match &self.args.html {
            Some(page) => output::write(page, text),
            None => print(text),
        }
    }

    fn render_frame(&self, view: &FrameView<'_>, origin: &[String]) -> Result<String, Failure> {
        Ok(if self.args.html.is_some() {
            page(&format!("Frame {} of {}", self.n_frames, self.file), origin, &html::frame(view))
        } else if self.args.json {
            json(&self.file, origin, Contents::Frame(view))?
        } else {
            paragraph(origin) + &text::frame(view, layout(self.args))
        })
    }

    fn render_list(&self, origin: &[String]) -> Result<String, Failure> {
        let Self { args, file, lines, articles, has_more, .. } = self;
        if args.html.is_some() {
            return Ok(page(&format!("Frames of {file}"), origin, &html::list(lines, articles, *has_more)));
        }
        if args.json {
            return json(file, origin, Contents::Frames { frames: lines, more: *has_more });
        }
        let more_hint = match (has_more, args.limit) {
            (false, _) => String::new(),
            (true, 0) => "more follow: --limit 1 lists the first; ".to_owned(),
            (true, limit) => format!("more follow: --limit {} lists twice as many; ", 2 * u64::from(limit)),
        };
        let hint =
            format!("{more_hint}encap show {} --frame N shows one in full\n", sanitize(&args.file.to_string_lossy()));
        Ok(paragraph(origin) + &text::list(lines, layout(args)) + &hint)
    }
}

/// The frame of `--frame`, or the list of the first frames.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", untagged)]
enum Contents<'a> {
    Frame(&'a FrameView<'a>),
    Frames { frames: &'a [FrameSummary], more: bool },
}

/// The JSON output.
#[derive(Serialize)]
struct Json<'a> {
    file: &'a str,
    /// The comments of the file about itself, for example that its frames are synthesised.
    origin: &'a [String],
    #[serde(flatten)]
    contents: Contents<'a>,
}

fn json(file: &str, origin: &[String], contents: Contents<'_>) -> Result<String, Failure> {
    Ok(serde_json::to_string(&Json { file, origin, contents }).map_err(io::Error::from)? + "\n")
}

fn layout(args: &Args) -> text::TextLayout {
    let stdout = io::stdout();
    let terminal = || terminal_size::terminal_size_of(&stdout).map(|(width, _)| width.0);
    let width = args.width.or_else(terminal).unwrap_or(DEFAULT_WIDTH).into();
    text::TextLayout { width, coloured: args.color.is_wanted(&stdout) }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The comments on the origin of the frames, and an empty line.
fn paragraph(origin: &[String]) -> String {
    if origin.is_empty() { String::new() } else { origin.join("\n") + "\n\n" }
}

fn page(title: &str, origin: &[String], body: &Markup) -> String {
    let body = maud::html! {
        @for comment in origin { p { strong { (comment) } } }
        (body)
    };
    html::page(title, &body).into_string()
}
