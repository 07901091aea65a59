//! `encap chat`: the transcript of the chats in a capture, checked against the protocol.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use switchboard_encap::analyze::chat::Transcript;
use switchboard_encap::analyze::{Focus, Streams};

use super::capture_file::{CaptureFile, no_conversation, sanitized};
use super::diagnostics::report;
use super::failure::Failure;

/// Exit code if the protocol does not allow some line.
const EXIT_ILLEGAL: u8 = 1;

/// Prints the transcript of a chat, and names the first line that the protocol does not allow
///
/// The dialect is recognised by the messages, or else by the server's port (12345: commands, 8080: line). If a side
/// sends messages without LF and gets answers, each of its segments counts as a message. Times are in seconds since the
/// first frame.
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
    let mut n_printed = 0;
    // `comments` are those of the capture so far: the earlier ones were printed before.
    let mut print = |transcript: &mut Transcript, comments: &[String]| {
        for comment in &comments[n_printed..] {
            writeln!(out, "[{comment}]")?;
        }
        n_printed = comments.len();
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
