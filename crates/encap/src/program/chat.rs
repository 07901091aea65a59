//! `encap chat`: the transcript of a chat, and whether the protocol allows each line.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use switchboard_encap::analyze::chat::Transcript;
use switchboard_encap::analyze::{Focus, Streams};
use switchboard_encap::capture::Reader;

use super::failure::Failure;
use super::input::Input;

/// A line breaks the protocol.
const EXIT_ILLEGAL: u8 = 1;

/// Prints the transcript of a chat, and names the first line that the protocol does not allow
///
/// Both dialects are read, known by what is said, or else by the server's port (12345 commands, 8080 line). Where a side
/// sends its messages without LF and is answered all the same, each segment is taken for one. Times are seconds from the
/// first frame. Exit status: 0 if all is as the protocol has it, 1 if not, 3 if the file cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capture, or - for standard input
    file: String,
    /// Only conversations with this port on either side
    #[arg(long)]
    port: Option<u16>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let out = BufWriter::new(io::stdout().lock());
    chat(Input::open(&args.file)?, args, out)
}

fn chat(input: Input, args: &Args, mut out: impl Write) -> Result<ExitCode, Failure> {
    let unreadable = |error| Failure::Capture { file: args.file.clone(), error };
    let mut reader = Reader::new(input).map_err(unreadable)?;
    let focus = args.port.map(|port| Focus { port: Some(port), ..Focus::default() });
    let mut streams = Streams::new(focus.into_iter().collect());
    let mut transcript = Transcript::default();
    let damage = loop {
        match reader.next_packet() {
            Ok(Some(packet)) => {
                transcript.packet_at(packet.time);
                streams.packet(&packet, &mut transcript);
                if transcript.is_long() {
                    transcript.tell(|entry| writeln!(out, "{entry}"))?;
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    streams.finish(&mut transcript);
    transcript.tell(|entry| writeln!(out, "{entry}"))?;
    let verdict = transcript.verdict();
    write!(out, "\n{verdict}")?;
    out.flush()?;
    match damage {
        Some(error) => Err(unreadable(error)),
        None if verdict.illegal.is_some() => Ok(ExitCode::from(EXIT_ILLEGAL)),
        None => Ok(ExitCode::SUCCESS),
    }
}
