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

/// Longer lines are shown in parts of this size.
const LINE_MAX_BYTES: usize = 64 * 1024;
/// Bytes in a row of the hex dump.
const ROW_BYTES: usize = 16;

/// Prints the bytes of one TCP connection, both directions in order
///
/// Streams are reassembled by sequence number: retransmitted bytes are shown once, as they came first, and missing
/// bytes are reported. → marks lines of the client, ← those of the server.
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
        origin: Vec::new(),
        n_origin: 0,
        missing: 0,
    };
    let mut streams = Streams::of_conversation(args.conversation);
    let mut follower = Follower { number: args.conversation, printer, found: false, written: Ok(()) };
    file.read(|packet| {
        let printer = &mut follower.printer;
        if packet.section_comments.len() > printer.n_origin {
            printer.origin.extend(sanitized(&packet.section_comments[printer.n_origin..]));
            printer.n_origin = packet.section_comments.len();
        }
        streams.packet(packet, &mut follower);
        mem::replace(&mut follower.written, Ok(()))
    })?;
    let totals = streams.finish(&mut follower);
    let Follower { mut printer, found, written, .. } = follower;
    written?;
    printer.end()?;
    // Standard output has the streams only. Remarks go to standard error.
    let name = file.name();
    for origin in printer.origin {
        report(format_args!("encap: {name}: {origin}"));
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
    if !found {
        return Err(Failure::NoConversation { file: name, transport: Transport::Tcp, number: args.conversation });
    }
    Ok(ExitCode::SUCCESS)
}

/// Passes the events of one conversation to the printer.
struct Follower<W> {
    number: u64,
    printer: Printer<W>,
    found: bool,
    written: io::Result<()>,
}

impl<W: Write> StreamListener for Follower<W> {
    fn on_event(&mut self, event: StreamEvent<'_>) {
        if event.sender.number == self.number && self.written.is_ok() {
            self.found = true;
            self.written = self.printer.print(&event);
        }
    }

    fn on_end(&mut self, conversation: Conversation) {
        // A conversation without data exists, too.
        self.found |= conversation.number == self.number && conversation.transport == Transport::Tcp;
    }
}

struct Printer<W> {
    format: StreamFormat,
    out: W,
    /// The side of the current lines.
    from: Option<Side>,
    /// The bytes of the line that are not shown yet.
    line: Vec<u8>,
    /// The stream offset of each side.
    offsets: [u64; 2],
    /// Comments of the capture on itself that are not shown yet, and the number of all so far.
    origin: Vec<String>,
    n_origin: usize,
    /// Missing bytes, in the raw format.
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
        for origin in self.origin.drain(..) {
            writeln!(self.out, "[{origin}]")?;
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
                StreamFormat::Hex => self.hex(from, bytes),
                _ => self.text(bytes),
            },
            StreamItem::Gap { bytes } => {
                self.offsets[from as usize] += u64::from(bytes);
                self.remark(from, format_args!("{} missing here", count(bytes, "byte")))
            }
            StreamItem::Fin => self.remark(from, format_args!("the {from} closes")),
            StreamItem::Reset => self.remark(from, format_args!("reset")),
        }
    }

    fn remark(&mut self, from: Side, what: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.end_line()?;
        writeln!(self.out, "{} [{what}]", arrow(from))
    }

    fn text(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() > LINE_MAX_BYTES {
                self.end_line()?;
            }
        }
        Ok(())
    }

    /// Shows the rest of the line.
    fn end_line(&mut self) -> io::Result<()> {
        if let (Some(from), false) = (self.from, self.line.is_empty()) {
            let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            writeln!(self.out, "{} {}", arrow(from), sanitize(&String::from_utf8_lossy(line)))?;
            self.line.clear();
        }
        Ok(())
    }

    fn hex(&mut self, from: Side, bytes: &[u8]) -> io::Result<()> {
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

    fn end(&mut self) -> io::Result<()> {
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
