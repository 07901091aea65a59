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
/// time-sequence graph, round-trip times and throughput. It is also made for print, dark mode and phones. If parts are
/// too long and left out, the page says so.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capture (pcap or pcapng), or - for standard input
    file: PathBuf,
    /// The page to write, or - for standard output
    #[arg(short, long)]
    out: PathBuf,
    /// The conversation to draw, with its number in `encap analyze`: NUMBER or tcp:NUMBER for TCP, udp:NUMBER for UDP.
    /// By default, the conversation with the most segments
    #[arg(long, value_name = "N", value_parser = parse_conversation_id)]
    conversation: Option<ConversationId>,
    /// The frame to show layer by layer. By default, the first frame of that conversation that has a payload
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frame: Option<u64>,
}

/// Parses `3`, `tcp:3` or `udp:3`.
fn parse_conversation_id(text: &str) -> Result<ConversationId, String> {
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
    let file = args.file.display().to_string();
    let input = Input::open(&args.file)?;
    output::refuse_input_path(&args.out, &input)?;
    let options = ReportOptions { conversation: args.conversation, frame: args.frame };
    let mut input = input.rewindable()?;
    let name = input.file_name();
    let report = Report::read(&mut input, &name, &options).map_err(|error| match error {
        ReportError::Read(error) => Failure::Capture { file, error },
        ReportError::Rewind(error) => Failure::Read { file, error },
        ReportError::NoFrame { number, frames } => Failure::NoSuchFrame { file, number, frames },
        ReportError::NoConversation(ConversationId { transport, number }) => {
            Failure::NoConversation { file, transport, number }
        }
    })?;
    output::write(&args.out, &page(&report).into_string())?;
    Ok(ExitCode::SUCCESS)
}
