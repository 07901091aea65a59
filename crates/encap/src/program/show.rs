//! `encap show`: the frames of a capture, or one of them layer by layer.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use maud::Markup;
use serde::Serialize;
use switchboard_encap::capture::{ReadError, Reader};
use switchboard_encap::show::{Line, Subject, View, html, text};
use switchboard_encap::time::Timestamp;
use switchboard_protocol::show;

use super::colour::When;
use super::failure::Failure;
use super::input::Input;
use super::made::{self, Rows};
use super::making::Making;
use super::output;
use super::tell::tell;
use super::told::Told;

/// Shows a frame layer by layer, byte by byte, with the reason of each field and each checksum worked
///
/// Without --frame, the frames are listed, one a line. Of a CSV of messages, the frames are shown that `encap build` makes
/// for it, and each that carries a message begins with its row: row, segment, packet, frame. Such frames are synthesised,
/// which is said.
///
/// Exit status: 0 if it was shown, 1 if some row of a CSV cannot be carried (each is said on standard error), 3 if a file
/// cannot be read or written or has no such frame.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A capture (pcap or pcapng), or a CSV of messages: its content tells which; - for standard input
    file: String,
    /// Show this frame, by its number in the capture, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frame: Option<u64>,
    /// Without --frame, list so many frames
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "frame")]
    limit: u32,
    /// Write one HTML page that needs nothing else; without --frame, it has each listed frame
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, conflicts_with = "html")]
    json: bool,
    /// Colour what is printed
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Auto)]
    color: When,
    /// Print for so many columns; by default what the terminal has, or 100
    #[arg(long, value_name = "N")]
    width: Option<u16>,
    #[command(flatten, next_help_heading = "How frames of a CSV are made")]
    making: Making,
}

/// Some row of a CSV was not carried.
const EXIT_REFUSED: u8 = 1;

/// Columns where the output is no terminal.
const WIDTH: u16 = 100;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut input = Input::open(&args.file)?;
    if let Some(page) = &args.html {
        output::guard(page, &input)?;
    }
    if input.has_rows()? {
        let mut told = Told::new(input.name());
        let shown = made::frames(input, &args.making, &mut told, |from, rows| show(from, Some(rows), args))?;
        let failed = shown.is_none() || told.refused > 0;
        return Ok(if failed { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS });
    }
    if !args.making.is_default() {
        return Err(Failure::NotMade { file: args.file.clone() });
    }
    show(input, None, args)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows the frames of a capture; `rows` are those that it is being made of.
fn show(input: impl io::Read, rows: Option<Rows>, args: &Args) -> Result<(), Failure> {
    let mut capture = Capture::new(input, rows, &args.file)?;
    match args.frame {
        Some(number) => one(&mut capture, number, args),
        None => all(&mut capture, args),
    }?;
    capture.say_notes();
    Ok(())
}

/// A capture's frames, one by one, each with what is known about it.
struct Capture<'f, R> {
    file: &'f str,
    reader: Reader<R>,
    first: Option<Timestamp>,
    rows: Option<Rows>,
}

impl<'f, R: io::Read> Capture<'f, R> {
    fn new(input: R, rows: Option<Rows>, file: &'f str) -> Result<Self, Failure> {
        let reader = Reader::new(input).map_err(|error| unreadable(file, error))?;
        Ok(Self { file, reader, first: None, rows })
    }

    /// That its frames are made, and how, if they are.
    fn origin(&self) -> Option<String> {
        self.rows.as_ref().map(|rows| rows.origin.clone())
    }

    fn next(&mut self) -> Result<Option<Subject<'_>>, Failure> {
        let packet = self.reader.next_packet().map_err(|error| unreadable(self.file, error))?;
        Ok(packet.map(|packet| {
            self.first = self.first.or(packet.time);
            let mut subject = Subject::captured(&packet, self.first);
            subject.row = self.rows.as_mut().and_then(|rows| rows.carried_by(&subject));
            subject
        }))
    }

    /// Says on standard error what the reader went past, so that what is printed is the frames alone.
    fn say_notes(&self) {
        for note in self.reader.notes().list() {
            tell(format_args!("encap: {}: {note}", show::safe(self.file)));
        }
    }
}

fn unreadable(file: &str, error: ReadError) -> Failure {
    Failure::Capture { file: file.to_owned(), error }
}

/// One frame, in full.
fn one(capture: &mut Capture<'_, impl io::Read>, number: u64, args: &Args) -> Result<(), Failure> {
    let origin = capture.origin();
    let origin = origin.as_deref();
    let mut frames = 0;
    while let Some(subject) = capture.next()? {
        frames = subject.number;
        if frames == number {
            let view = View::new(&subject);
            return if let Some(out) = &args.html {
                let title = format!("Frame {number} of {}", show::safe(&args.file));
                write_page(out, &title, origin, &html::frame(&view))
            } else if args.json {
                print(&json(args, origin, Contents::Frame(&view))?)
            } else {
                print(&(said(origin) + &text::frame(&view, options(args))))
            };
        }
    }
    Err(Failure::NoSuchFrame { file: args.file.clone(), number, frames })
}

/// The first frames, one a line; on a page, each in full below.
fn all(capture: &mut Capture<'_, impl io::Read>, args: &Args) -> Result<(), Failure> {
    let origin = capture.origin();
    let origin = origin.as_deref();
    let limit = args.limit as usize;
    let (mut lines, mut articles, mut more) = (Vec::new(), Vec::new(), false);
    while let Some(subject) = capture.next()? {
        if lines.len() == limit {
            more = true;
            break;
        }
        lines.push(Line::new(&subject));
        if args.html.is_some() {
            articles.push(html::folded(&View::new(&subject)));
        }
    }
    if let Some(out) = &args.html {
        let title = format!("Frames of {}", show::safe(&args.file));
        return write_page(out, &title, origin, &html::list(&lines, &articles, more));
    }
    if args.json {
        return print(&json(args, origin, Contents::Frames { frames: &lines, more })?);
    }
    let file = show::safe(&args.file);
    let more = if more { format!("more follow: --limit {} lists twice as many; ", 2 * limit) } else { String::new() };
    let hint = format!("{more}encap show {file} --frame N shows one in full\n");
    print(&(said(origin) + &text::list(&lines, options(args)) + &hint))
}

/// What is printed as JSON.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", untagged)]
enum Contents<'a> {
    Frame(&'a View<'a>),
    Frames { frames: &'a [Line], more: bool },
}

#[derive(Serialize)]
struct Json<'a> {
    file: &'a str,
    /// That the frames were made, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    synthesised: Option<&'a str>,
    #[serde(flatten)]
    contents: Contents<'a>,
}

fn json(args: &Args, synthesised: Option<&str>, contents: Contents<'_>) -> Result<String, Failure> {
    let json = Json { file: &show::safe(&args.file), synthesised, contents };
    Ok(serde_json::to_string(&json).map_err(io::Error::from)? + "\n")
}

fn options(args: &Args) -> text::Options {
    let stdout = io::stdout();
    let terminal = || terminal_size::terminal_size_of(&stdout).map(|(width, _)| width.0);
    let width = args.width.or_else(terminal).unwrap_or(WIDTH).into();
    text::Options { width, coloured: args.color.is_wanted(&stdout) }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// That frames were made, where they were, as the first paragraph.
fn said(origin: Option<&str>) -> String {
    origin.map_or_else(String::new, |origin| format!("{origin}\n\n"))
}

fn write_page(out: &Path, title: &str, origin: Option<&str>, body: &Markup) -> Result<(), Failure> {
    let body = maud::html! {
        @if let Some(origin) = origin { p { strong { (origin) } } }
        (body)
    };
    output::write(out, &html::page(title, &body).into_string())
}
