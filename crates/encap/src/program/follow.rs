//! `encap follow`: what was said over one connection, both ways, in order.

use std::io::{self, BufWriter, Write};
use std::mem;
use std::path::PathBuf;
use std::process::ExitCode;

use switchboard_encap::analyze::{Conversation, Side, StreamEvent, StreamItem, StreamListener, Streams, Transport};
use switchboard_encap::show::count;
use switchboard_protocol::sanitize;

use super::capture_file::{CaptureFile, safe};
use super::diagnostics::report;
use super::failure::Failure;

/// A line that is longer is shown in parts of so many bytes.
const LINE_MAX_BYTES: usize = 64 * 1024;
/// Bytes of a row of the hex dump.
const ROW_BYTES: usize = 16;

/// Prints what was said over one TCP connection, both ways, in order
///
/// Streams are put together by sequence number: what was sent twice is shown once, as it came first, and what is missing is
/// said. Lines of the client are marked →, those of the server ←. Exit status: 0 if it was shown, 3 if there is no such
/// conversation or the file cannot be read to its end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capture, or - for standard input
    file: PathBuf,
    /// Which: its number as `encap analyze` gives it
    #[arg(long, default_value_t = 0)]
    conversation: u64,
    /// Show the bytes in hex, with their offset in the stream
    #[arg(long, conflicts_with = "raw")]
    hex: bool,
    /// Write the bytes as they are, of both directions
    #[arg(long)]
    raw: bool,
}

/// How bytes are shown.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Hex,
    Raw,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let form = match (args.hex, args.raw) {
        (true, _) => Form::Hex,
        (_, true) => Form::Raw,
        _ => Form::Text,
    };
    let mut file = CaptureFile::open(&args.file)?;
    let out = BufWriter::new(io::stdout().lock());
    let printer = Printer {
        form,
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
        if packet.remarks.len() > printer.n_origin {
            printer.origin.extend(safe(&packet.remarks[printer.n_origin..]));
            printer.n_origin = packet.remarks.len();
        }
        streams.packet(packet, &mut follower);
        mem::replace(&mut follower.written, Ok(()))
    })?;
    let totals = streams.finish(&mut follower);
    let Follower { mut printer, found, written, .. } = follower;
    written?;
    printer.end()?;
    // What is written is the stream alone: what is to be said of it goes elsewhere.
    let name = file.name();
    for origin in printer.origin {
        report(format_args!("encap: {name}: {origin}"));
    }
    if printer.missing > 0 {
        report(format_args!("encap: {name}: {} are missing in what was written", count(printer.missing, "byte")));
    }
    if totals.fragments.packets > 0 {
        let fragments = count(totals.fragments.packets, "fragment");
        report(format_args!("encap: {name}: {fragments} of packets that are not whole could not be used"));
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

/// Hears one conversation.
struct Follower<W> {
    number: u64,
    printer: Printer<W>,
    found: bool,
    written: io::Result<()>,
}

impl<W: Write> StreamListener for Follower<W> {
    fn said(&mut self, said: StreamEvent<'_>) {
        if said.sender.number == self.number && self.written.is_ok() {
            self.found = true;
            self.written = self.printer.said(&said);
        }
    }

    fn over(&mut self, conversation: Conversation) {
        // One over which nothing was said is there all the same.
        self.found |= conversation.number == self.number && conversation.transport == Transport::Tcp;
    }
}

struct Printer<W> {
    form: Form,
    out: W,
    /// Whose turn it is.
    from: Option<Side>,
    /// What of the line is not shown yet.
    line: Vec<u8>,
    /// Bytes of each side so far.
    offsets: [u64; 2],
    /// What the capture says of itself, until that is said, and how much of it there was.
    origin: Vec<String>,
    n_origin: usize,
    /// Bytes that were left out of raw bytes.
    missing: u64,
}

impl<W: Write> Printer<W> {
    fn said(&mut self, said: &StreamEvent<'_>) -> io::Result<()> {
        let from = said.sender.side;
        if matches!(self.form, Form::Raw) {
            return match said.item {
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
            writeln!(self.out, "TCP {}: {} ↔ {}", said.sender.number, said.sender.client, said.sender.server)?;
        }
        if self.from != Some(from) {
            self.end_line()?;
            self.from = Some(from);
        }
        match said.item {
            StreamItem::Data { bytes, .. } => match self.form {
                Form::Hex => self.hex(from, bytes),
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

    /// Shows what there is of the line.
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
            let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
            writeln!(self.out, "  {}", row.iter().map(shown).collect::<String>())?;
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
