//! `encap report`: an HTML page about a capture.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use switchboard_encap::analyze::Transport;
use switchboard_encap::report::{ConversationId, Report, ReportError, ReportOptions, page};

use super::failure::Failure;
use super::input::Input;
use super::output;

/// Writes an HTML page about a capture: its conversations, their events, the chats, and one frame in detail
///
/// The page is self-contained, without scripts. For one conversation it has diagrams: the sequence diagram, the
/// time-sequence graph, round-trip times and throughput. It suits paper, dark mode and phones. The page says which
/// parts were left out for length.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capture (pcap or pcapng), or - for standard input
    file: PathBuf,
    /// The page to write, or - for standard output
    #[arg(short, long)]
    out: PathBuf,
    /// The conversation to draw, as `encap analyze` numbers it: NUMBER or tcp:NUMBER for TCP, udp:NUMBER for UDP; by
    /// default the one with the most segments
    #[arg(long, value_name = "N", value_parser = conversation_id)]
    conversation: Option<ConversationId>,
    /// The frame to show layer by layer; by default the first one of that conversation with a payload
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frame: Option<u64>,
}

/// `3`, `tcp:3` or `udp:3`.
fn conversation_id(text: &str) -> Result<ConversationId, String> {
    let (transport, number) = match text.split_once(':') {
        None => (Transport::Tcp, text),
        Some((word, number)) if word.eq_ignore_ascii_case("tcp") => (Transport::Tcp, number),
        Some((word, number)) if word.eq_ignore_ascii_case("udp") => (Transport::Udp, number),
        Some(_) => return Err("write a number, tcp:NUMBER or udp:NUMBER".into()),
    };
    let number = u64::from_str(number).map_err(|_| "write a number, as in 3, tcp:3 or udp:3".to_owned())?;
    Ok(ConversationId { transport, number })
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let shown = args.file.display().to_string();
    let input = Input::open(&args.file)?;
    output::guard_input(&args.out, &input)?;
    let wanted = ReportOptions { conversation: args.conversation, frame: args.frame };
    let mut input = input.rewindable()?;
    let name = input.file_name();
    let report = Report::read(&mut input, &name, &wanted).map_err(|error| match error {
        ReportError::Read(error) => Failure::Capture { file: shown, error },
        ReportError::Rewind(error) => Failure::Read { file: shown, error },
        ReportError::NoFrame { number, frames } => Failure::NoSuchFrame { file: shown, number, frames },
        ReportError::NoConversation(ConversationId { transport, number }) => {
            Failure::NoConversation { file: shown, transport, number }
        }
    })?;
    output::write(&args.out, &page(&report).into_string())?;
    Ok(ExitCode::SUCCESS)
}
