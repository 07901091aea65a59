//! `switchboard-server ctl VERB`: watches and steers a running server through its control socket.

use std::io::{self, Write as _};
use std::path::Path;

use clap::Subcommand;

use super::facts::{Facts, session_table};
use super::{CommandError, connection};

/// A command for a running server.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum CtlCommand {
    /// Show the state of the server: its version, sessions, stored data, listeners and certificate
    Status {
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },

    /// List all sessions, one a line
    Sessions {
        /// Print a JSON object a line
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: &CtlCommand, data: &Path) -> Result<(), CommandError> {
    let output = match command {
        CtlCommand::Status { json } => {
            let facts = Facts::of_lines(&list(data, "STATUS", "STATUS ", "STATUS_OK").await?);
            if *json { facts.to_json() + "\n" } else { facts.to_text() }
        }
        CtlCommand::Sessions { json } => {
            let lines = list(data, "SESSIONS", "SESSION ", "SESSIONS_OK").await?;
            let sessions: Vec<_> = lines.iter().map(|line| Facts::of_session(line)).collect();
            if *json {
                sessions.iter().map(|session| session.to_json() + "\n").collect()
            } else {
                session_table(&sessions)
            }
        }
    };
    // An error is ignored: a program that reads the output may close the pipe early.
    let _ = io::stdout().write_all(output.as_bytes());
    Ok(())
}

/// Sends a command whose answer is lines with this start, and a last line with the word `end`. Returns them without their
/// start.
async fn list(data: &Path, command: &str, start: &str, end: &str) -> Result<Vec<String>, CommandError> {
    let answer = request(data, command).await?;
    let mut lines: Vec<_> = answer.lines().collect();
    let last = lines.pop().unwrap_or_default();
    if last.split(' ').next() != Some(end) {
        return Err(unexpected(last));
    }
    let lines =
        lines.into_iter().map(|line| line.strip_prefix(start).map(str::to_owned).ok_or_else(|| unexpected(line)));
    lines.collect()
}

/// Sends a command, and returns its answer unless it is refused.
async fn request(data: &Path, command: &str) -> Result<String, CommandError> {
    let answer = connection::request_running(&format!("{command}\n"), data).await?;
    let last = answer.lines().last().unwrap_or_default();
    match last.strip_prefix("ERROR ") {
        Some(refusal) => {
            let sentence = refusal.split_once(' ').map_or(refusal, |(_, sentence)| sentence);
            Err(CommandError::Refused(sentence.to_owned()))
        }
        None => Ok(answer),
    }
}

fn unexpected(answer: &str) -> CommandError {
    CommandError::Refused(format!("an unexpected answer: {answer}: use the version of the server that runs"))
}
