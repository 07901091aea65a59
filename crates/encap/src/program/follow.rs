//! `encap follow`: the byte streams of one connection, in order.

use std::io::{self, BufWriter, Write};
use std::mem;
use std::path::PathBuf;
use std::process::ExitCode;

use switchboard_encap::analyze::{Conversation, Side, StreamEvent, StreamItem, StreamListener, Streams, Transport};
use switchboard_encap::show::count;
use switchboard_protocol::sanitize;

use super::capture_file::{CaptureFile, sanitized};
use super::diagnostics::report;
use super::failure::Failure;

/// A line with more bytes than this is shown in parts, so that memory is bounded.
const LINE_MAX_BYTES: usize = 64 * 1024;
/// Bytes in a row of the hex dump.
const ROW_BYTES: usize = 16;

/// Prints the bytes of one TCP connection, both directions in order
///
/// Streams are reassembled by sequence number. Retransmitted bytes are shown once, with the content that came first.
/// Missing bytes are reported. → marks lines of the client, ← those of the server.
///
/// Exit status: 0 if the connection was shown, 3 if it does not exist or the file cannot be read to its end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capture, or - for standard input
    file: PathBuf,
    /// The number of the conversation, as `encap analyze` shows it
    #[arg(long, default_value_t = 0)]
    conversation: u64,
    /// Show the bytes in hexadecimal, with their offset in the stream
    #[arg(long, conflicts_with = "raw")]
    hex: bool,
    /// Write the bytes of both directions unchanged
    #[arg(long)]
    raw: bool,
}

/// The output format.
#[derive(Clone, Copy)]
enum StreamFormat {
    Text,
    Hex,
    Raw,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let format = match (args.hex, args.raw) {
        (true, _) => StreamFormat::Hex,
        (_, true) => StreamFormat::Raw,
        _ => StreamFormat::Text,
    };
    let mut file = CaptureFile::open(&args.file)?;
    let out = BufWriter::new(io::stdout().lock());
    let printer = Printer {
        format,
        out,
        from: None,
        line: Vec::new(),
        offsets: [0; 2],
        comments: Vec::new(),
        n_comments: 0,
        missing: 0,
    };
    let mut streams = Streams::of_conversation(args.conversation);
    let mut follower = Follower { number: args.conversation, printer, is_found: false, write_result: Ok(()) };
    file.read(|packet| {
        let printer = &mut follower.printer;
        if packet.section_comments.len() > printer.n_comments {
            printer.comments.extend(sanitized(&packet.section_comments[printer.n_comments..]));
            printer.n_comments = packet.section_comments.len();
        }
        streams.packet(packet, &mut follower);
        mem::replace(&mut follower.write_result, Ok(()))
    })?;
    let totals = streams.finish(&mut follower);
    let Follower { mut printer, is_found, write_result, .. } = follower;
    write_result?;
    printer.finish()?;
    // Standard output has the streams only. Remarks go to standard error.
    let name = file.name();
    for comment in printer.comments {
        report(format_args!("encap: {name}: {comment}"));
    }
    if printer.missing > 0 {
        report(format_args!("encap: {name}: {} are missing in the output", count(printer.missing, "byte")));
    }
    if totals.fragments.packets > 0 {
        let fragments = count(totals.fragments.packets, "fragment");
        report(format_args!("encap: {name}: {fragments} of incomplete packets could not be used"));
    }
    for remark in file.remarks() {
        report(format_args!("encap: {name}: {remark}"));
    }
    file.finish()?;
    if !is_found {
        return Err(Failure::NoConversation { file: name, transport: Transport::Tcp, number: args.conversation });
    }
    Ok(ExitCode::SUCCESS)
}

/// Passes the events of one conversation to the printer.
struct Follower<W> {
    number: u64,
    printer: Printer<W>,
    is_found: bool,
    /// The result of the latest write. After an error, no further event is printed.
    write_result: io::Result<()>,
}

impl<W: Write> StreamListener for Follower<W> {
    fn on_event(&mut self, event: StreamEvent<'_>) {
        if event.sender.number == self.number && self.write_result.is_ok() {
            self.is_found = true;
            self.write_result = self.printer.print(&event);
        }
    }

    fn on_end(&mut self, conversation: Conversation) {
        // A conversation without data has no events, but it exists.
        self.is_found |= conversation.number == self.number && conversation.transport == Transport::Tcp;
    }
}

struct Printer<W> {
    format: StreamFormat,
    out: W,
    /// The sender of the current line. `None` before the first event.
    from: Option<Side>,
    /// Bytes of the current line that are not printed yet.
    line: Vec<u8>,
    /// The next offset in the stream of the client, and in that of the server.
    offsets: [u64; 2],
    /// Comments of the capture about itself that are not printed yet.
    comments: Vec<String>,
    /// Number of these comments so far, with the printed ones.
    n_comments: usize,
    /// Number of missing bytes. Only the raw format counts them: the others print a remark at each gap.
    missing: u64,
}

impl<W: Write> Printer<W> {
    fn print(&mut self, event: &StreamEvent<'_>) -> io::Result<()> {
        let from = event.sender.side;
        if matches!(self.format, StreamFormat::Raw) {
            return match event.item {
                StreamItem::Data { bytes, .. } => self.out.write_all(bytes),
                StreamItem::Gap { bytes } => {
                    self.missing += u64::from(bytes);
                    Ok(())
                }
                StreamItem::Fin | StreamItem::Reset => Ok(()),
            };
        }
        for comment in self.comments.drain(..) {
            writeln!(self.out, "[{comment}]")?;
        }
        if self.from.is_none() {
            writeln!(self.out, "TCP {}: {} ↔ {}", event.sender.number, event.sender.client, event.sender.server)?;
        }
        if self.from != Some(from) {
            self.end_line()?;
            self.from = Some(from);
        }
        match event.item {
            StreamItem::Data { bytes, .. } => match self.format {
                StreamFormat::Hex => self.print_hex(from, bytes),
                _ => self.print_text(bytes),
            },
            StreamItem::Gap { bytes } => {
                self.offsets[from as usize] += u64::from(bytes);
                self.print_remark(from, format_args!("missing here: {}", count(bytes, "byte")))
            }
            StreamItem::Fin => self.print_remark(from, format_args!("the {from} closes")),
            StreamItem::Reset => self.print_remark(from, format_args!("reset")),
        }
    }

    fn print_remark(&mut self, from: Side, remark: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.end_line()?;
        writeln!(self.out, "{} [{remark}]", arrow(from))
    }

    fn print_text(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() > LINE_MAX_BYTES {
                self.end_line()?;
            }
        }
        Ok(())
    }

    /// Prints the current line, if it has bytes.
    fn end_line(&mut self) -> io::Result<()> {
        if let (Some(from), false) = (self.from, self.line.is_empty()) {
            let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            writeln!(self.out, "{} {}", arrow(from), sanitize(&String::from_utf8_lossy(line)))?;
            self.line.clear();
        }
        Ok(())
    }

    fn print_hex(&mut self, from: Side, bytes: &[u8]) -> io::Result<()> {
        for row in bytes.chunks(ROW_BYTES) {
            let offset = &mut self.offsets[from as usize];
            write!(self.out, "{} {offset:08x} ", arrow(from))?;
            *offset += row.len() as u64;
            for i in 0..ROW_BYTES {
                let space = if i == ROW_BYTES / 2 { " " } else { "" };
                match row.get(i) {
                    Some(byte) => write!(self.out, "{space} {byte:02x}")?,
                    None => write!(self.out, "{space}   ")?,
                }
            }
            let ascii = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
            writeln!(self.out, "  {}", row.iter().map(ascii).collect::<String>())?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.end_line()?;
        self.out.flush()
    }
}

const fn arrow(from: Side) -> &'static str {
    match from {
        Side::Client => "→",
        Side::Server => "←",
    }
}
