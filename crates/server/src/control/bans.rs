//! `BAN`, `UNBAN` and `BANS`: who is kept out of the whole server.

use std::fmt::Write as _;
use std::io;

use switchboard_core::{Operated, OperatorCommand};
use switchboard_protocol::ErrorCode;
use switchboard_protocol::limits::TEXT_MAX_BYTES;
use switchboard_protocol::version2::{Command, Period, parse, timestamp};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::accounts::STORE_TIME_MAX;
use crate::hub::Hub;
use crate::telemetry;

/// A command on bans.
#[derive(Debug)]
pub(super) enum BanRequest {
    List,
    Ban { who: String, period: Option<Period>, reason: String },
    Unban { who: String },
}

impl BanRequest {
    /// Parses the rest of a line after `BAN`. It has the form of the request `BAN *` of an operator's client.
    pub(super) fn parse_ban(rest: &str) -> Option<Self> {
        match parse(format!("BAN * {rest}").as_bytes(), TEXT_MAX_BYTES).ok()??.command {
            Command::ServerBan { who, period, reason } => {
                Some(Self::Ban { who: who.to_string(), period, reason: reason.as_str().to_owned() })
            }
            _ => None,
        }
    }

    /// Parses the rest of a line after `UNBAN`.
    pub(super) fn parse_unban(rest: &str) -> Option<Self> {
        (!rest.is_empty() && !rest.contains(' ')).then(|| Self::Unban { who: rest.to_owned() })
    }

    /// Carries out the command, and writes its answer.
    pub(super) async fn answer(self, stream: &mut UnixStream, hub: &Hub) -> io::Result<()> {
        let answer = match self {
            Self::List => list(hub),
            Self::Ban { who, period, reason } => {
                carry_out("BAN", &who, OperatorCommand::Ban { who: who.clone(), period, reason }, hub).await
            }
            Self::Unban { who } => carry_out("UNBAN", &who, OperatorCommand::Unban { who: who.clone() }, hub).await,
        };
        stream.write_all(answer.as_bytes()).await
    }
}

async fn carry_out(verb: &str, who: &str, command: OperatorCommand, hub: &Hub) -> String {
    match timeout(STORE_TIME_MAX, hub.operate(command)).await.unwrap_or(Err(ErrorCode::Unavailable)) {
        Ok(Operated { name, sessions, .. }) => {
            tracing::info!(target: telemetry::SERVER, verb, name, sessions, "operator's command: ban");
            format!("{verb}_OK {name} {sessions}\n")
        }
        Err(code) => {
            tracing::warn!(target: telemetry::SERVER, verb, who, %code, "operator's command refused: ban");
            error(code, who)
        }
    }
}

/// The answer to a command that was refused, with a sentence for the operator.
fn error(code: ErrorCode, who: &str) -> String {
    let sentence = match code {
        ErrorCode::UserNotFound => format!("{who}: there is no such ban or account: `ctl bans` lists the bans"),
        ErrorCode::InvalidArgument => {
            format!("{who}: give an address or a prefix such as @203.0.113.7 or @2001:db8::/64")
        }
        ErrorCode::NotAllowed => format!("{who} is an operator: send `account operator {who} off` first"),
        ErrorCode::Unavailable => {
            format!("{who}: the outcome is unknown, because the store did not answer: look at `ctl bans` and the log")
        }
        code => format!("{who}: {}", code.sentence()),
    };
    format!("ERROR {code} {sentence}\n")
}

/// A line `BAN <who> <at> <until or forever> <by> [<reason>]` for each ban, and then their number.
fn list(hub: &Hub) -> String {
    let bans = hub.bans();
    let mut lines = String::new();
    for (who, ban) in &bans {
        let until = ban.until.map_or_else(|| "forever".to_owned(), |until| timestamp(until.0));
        let space = if ban.reason.is_empty() { "" } else { " " };
        let _ = writeln!(lines, "BAN {who} {} {until} {}{space}{}", timestamp(ban.at.0), ban.by, ban.reason);
    }
    let _ = writeln!(lines, "BANS_OK {}", bans.len());
    lines
}
