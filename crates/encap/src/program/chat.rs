//! `encap chat`: the transcript of the chats in a capture, checked against the protocol.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use switchboard_encap::analyze::chat::Transcript;
use switchboard_encap::analyze::{Focus, Streams};

use super::capture_file::{CaptureFile, no_conversation, sanitized};
use super::diagnostics::report;
use super::failure::Failure;

/// The protocol does not allow a line.
const EXIT_ILLEGAL: u8 = 1;

/// Prints the transcript of a chat, and names the first line that the protocol does not allow
///
/// The messages tell the dialect, or else the server's port (12345 commands, 8080 line). If a side sends messages
/// without LF and gets answers, each of its segments is a message. Times are in seconds since the first frame.
///
/// Exit status: 0 if the protocol allows every line, 1 if not, 3 if there is no chat or the file cannot be read to its
/// end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capture, or - for standard input
    file: PathBuf,
    /// Only conversations with this port on either side
    #[arg(long)]
    port: Option<u16>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut file = CaptureFile::open(&args.file)?;
    let focus = args.port.map(|port| Focus { port: Some(port), ..Focus::default() });
    let mut streams = Streams::new(focus.into_iter().collect());
    let mut transcript = Transcript::default();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut n_origin = 0;
    let mut print = |transcript: &mut Transcript, origin: &[String]| {
        for origin in &origin[n_origin..] {
            writeln!(out, "[{origin}]")?;
        }
        n_origin = origin.len();
        transcript.write_entries(|entry| writeln!(out, "{entry}"))
    };
    file.read(|packet| {
        transcript.note_packet_time(packet.time);
        streams.packet(packet, &mut transcript);
        if transcript.is_long() { print(&mut transcript, &sanitized(packet.section_comments)) } else { Ok(()) }
    })?;
    let totals = streams.finish(&mut transcript);
    print(&mut transcript, &file.origin())?;
    let verdict = transcript.verdict();
    write!(out, "\n{verdict}")?;
    out.flush()?;
    let name = file.name();
    for remark in no_conversation(&totals).into_iter().chain(file.remarks()) {
        report(format_args!("encap: {name}: {remark}"));
    }
    file.finish()?;
    if verdict.sessions() == 0 {
        return Err(Failure::NoChat { file: name });
    }
    Ok(if verdict.violations.list().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_ILLEGAL) })
}
