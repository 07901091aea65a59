//! `switchboard-server ctl VERB`: watches and steers a running server through its control socket.

use std::io::{self, Write as _};
use std::path::Path;

use clap::Subcommand;
use serde::Serialize;
use switchboard_protocol::sanitize;
use switchboard_protocol::version2::Period;

use super::facts::{Facts, closing_table, session_table};
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

    /// Keep somebody out of the server: a name, an account or the clients of an address. Their sessions end
    Ban {
        /// A name, @ and an account id, or @ and an address or a prefix such as @192.0.2.0/24
        who: String,

        /// How long, such as 30m, 2h or 7d. Without it, until `unban`
        #[arg(long = "for", value_name = "TIME")]
        period: Option<String>,

        /// The reason, which the person is told
        reason: Vec<String>,
    },

    /// Let somebody in again
    Unban {
        /// The same as for `ban`
        who: String,
    },

    /// List the bans, one a line
    Bans {
        /// Print a JSON object a line
        #[arg(long)]
        json: bool,
    },

    /// List all sessions, one a line
    Sessions {
        /// Print a JSON object a line
        #[arg(long)]
        json: bool,
    },

    /// Show the figures for Prometheus, as text
    Metrics,

    /// Close a session, or all sessions of a name. Our clients do not connect again by themselves
    Kick {
        /// The name of an account or guest, or the id of a session, such as 7v1
        who: String,

        /// The reason, which the person hears
        reason: Vec<String>,
    },

    /// Tell all sessions of version 2 something. Older clients do not hear it
    Announce {
        /// The text, of one line
        #[arg(required = true)]
        text: Vec<String>,
    },

    /// Announce the end of the server, and stop it after some time. Clients connect again by themselves
    Drain {
        /// The time until the end, in seconds
        #[arg(long = "in", value_name = "SECONDS", default_value_t = 30)]
        seconds: u64,

        /// Go on after all
        #[arg(long, conflicts_with = "text")]
        cancel: bool,

        /// The text that people hear, of one line, instead of the server's own sentence
        text: Vec<String>,
    },

    /// Show how the last sessions of a name ended, the newest one first
    Why {
        /// The name of an account or guest
        name: String,

        /// Print a JSON object a line
        #[arg(long)]
        json: bool,
    },

    /// Change the level of the log until the next reload or start
    LogLevel {
        /// error, warn, info, debug, trace, off, or directives such as `switchboard=debug`
        level: String,
    },

    /// Read the certificate and the configuration file again, as SIGHUP does, and list the changed settings
    Reload,
}

pub(super) async fn run(command: &CtlCommand, data: &Path) -> Result<(), CommandError> {
    let output = match command {
        CtlCommand::Status { json } => {
            let facts = Facts::of_lines(&list(data, "STATUS", "STATUS ", "STATUS_OK").await?);
            if *json { facts.to_json() + "\n" } else { facts.to_text() }
        }
        CtlCommand::Metrics => request(data, "METRICS").await?,
        CtlCommand::Kick { who, reason } => {
            let answer = request(data, &format!("KICK {} {}", one_word(who)?, one_line(reason)?)).await?;
            let [_, name, sessions] = words(&answer)?;
            format!("sessions of {name} closed: {sessions}\n")
        }
        CtlCommand::Announce { text } => {
            let answer = request(data, &format!("ANNOUNCE {}", one_line(text)?)).await?;
            let [_, sessions] = words(&answer)?;
            format!("sessions told: {sessions}\n")
        }
        CtlCommand::Drain { cancel: true, .. } => {
            let answer = request(data, "DRAIN OFF").await?;
            let [_, sessions, _] = words(&answer)?;
            format!("the server goes on; sessions told: {sessions}\n")
        }
        CtlCommand::Drain { seconds, text, .. } => {
            let answer = request(data, format!("DRAIN {seconds} {}", one_line(text)?).trim_end()).await?;
            let [_, sessions, seconds] = words(&answer)?;
            format!("the server stops in {seconds} s; sessions told: {sessions}\n")
        }
        CtlCommand::Why { name, json } => {
            let lines = list(data, &format!("WHY {}", one_word(name)?), "CLOSING ", "WHY_OK").await?;
            let closings: Vec<_> = lines.iter().map(|line| Facts::of_closing(line)).collect();
            match &closings[..] {
                closings if *json => closings.iter().map(|closing| closing.to_json() + "\n").collect(),
                [] => "no session of this name has ended since the server started, as far as it remembers\n".to_owned(),
                closings => closing_table(closings),
            }
        }
        CtlCommand::LogLevel { level } => {
            let answer = request(data, &format!("LOG-LEVEL {}", one_word(level)?)).await?;
            let [_, level] = words(&answer)?;
            format!("the level of the log is {level}\n")
        }
        CtlCommand::Reload => {
            let answer = request(data, "RELOAD").await?;
            let [_, applied, needs_restart] = words(&answer)?;
            let or_nothing = |list: &str| if list.is_empty() { "nothing" } else { list }.to_owned();
            let applied = or_nothing(applied.strip_prefix("applied=").unwrap_or(&applied));
            let needs_restart = or_nothing(needs_restart.strip_prefix("needs-restart=").unwrap_or(&needs_restart));
            format!("changed: {applied}; changed in the file, but needs a restart: {needs_restart}\n")
        }
        CtlCommand::Ban { who, period, reason } => {
            // The reason may begin as a time does.
            let period = period.as_deref().unwrap_or("forever");
            if period != "forever" && Period::parse(period).is_none() {
                let usage = format!("{}: give a time such as 30m, 2h or 7d", sanitize(period));
                return Err(CommandError::Usage(usage));
            }
            let command = format!("BAN {} {period} {}", one_word(who)?, one_line(reason)?);
            let [_, who, sessions] = words(&request(data, command.trim_end()).await?)?;
            format!("{who} is banned; sessions closed: {sessions}\n")
        }
        CtlCommand::Unban { who } => {
            let [_, who, _] = words(&request(data, &format!("UNBAN {}", one_word(who)?)).await?)?;
            format!("{who} is not banned any more\n")
        }
        CtlCommand::Bans { json } => {
            let lines = list(data, "BANS", "BAN ", "BANS_OK").await?;
            let bans: Vec<_> = lines.iter().map(|line| ListedBan::parse(line)).collect::<Result<_, _>>()?;
            let shown = bans.iter().map(|ban| if *json { ban.to_json() } else { ban.to_text() });
            shown.collect()
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

/// The words of an answer of one line.
fn words<const N: usize>(answer: &str) -> Result<[String; N], CommandError> {
    let words: Vec<_> = answer.trim_end().split(' ').map(|word| sanitize(word).into_owned()).collect();
    words.try_into().map_err(|_| unexpected(answer))
}

/// An argument that is one word of a line: another one would be another command.
fn one_word(text: &str) -> Result<&str, CommandError> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(CommandError::Usage(format!("{}: give one word, without spaces", sanitize(text))));
    }
    Ok(text)
}

/// Arguments that are the rest of a line.
fn one_line(words: &[String]) -> Result<String, CommandError> {
    let text = words.join(" ");
    if text.contains(char::is_control) {
        return Err(CommandError::Usage(format!("{}: give one line, without control characters", sanitize(&text))));
    }
    Ok(text)
}

/// A ban, as JSON shows it.
#[derive(Debug, Serialize)]
struct ListedBan<'a> {
    who: &'a str,
    at: &'a str,
    /// `None`: it has no end.
    until: Option<&'a str>,
    by: &'a str,
    reason: &'a str,
}

impl<'a> ListedBan<'a> {
    fn parse(line: &'a str) -> Result<Self, CommandError> {
        match line.splitn(5, ' ').collect::<Vec<_>>()[..] {
            [who, at, until, by, ref rest @ ..] => {
                let until = Some(until).filter(|until| *until != "forever");
                Ok(Self { who, at, until, by, reason: rest.first().copied().unwrap_or_default() })
            }
            _ => Err(unexpected(line)),
        }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    fn to_text(&self) -> String {
        let Self { who, at, until, by, reason } = self;
        let end = until.map_or_else(|| "without an end".to_owned(), |until| format!("until {until}"));
        let reason = if reason.is_empty() { String::new() } else { format!(": {}", sanitize(reason)) };
        format!("{}  {end}, by {} at {at}{reason}\n", sanitize(who), sanitize(by))
    }
}

fn unexpected(answer: &str) -> CommandError {
    CommandError::Refused(format!("an unexpected answer: {answer}: use the version of the server that runs"))
}
