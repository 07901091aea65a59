//! The options of all modes.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, ValueEnum};
use switchboard_client::Liveness;
use switchboard_protocol::Dialect;

use crate::program::cli_error::CliError;

/// The options for all modes of the program.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Register this name.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Open a conversation with this user.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) chat: Option<String>,

    /// The device of the account --name, for the chat that fills the terminal [default: the one that has logged in here,
    /// or one named after this machine].
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,

    /// The dialect of the server's port: `commands` (port 12345) or `line` (port 8080).
    #[arg(long, default_value = "commands", value_parser = dialect_parser())]
    pub(crate) dialect: Dialect,

    /// Print replies, events and reports as JSON, one per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Chat line by line: type commands of the protocol, and read the server's lines.
    ///
    /// This is for screen readers. It is the default on a terminal that can only print lines, and in the line dialect.
    #[arg(long)]
    pub(crate) plain: bool,

    #[command(flatten)]
    pub(crate) reconnect: ReconnectArgs,

    /// When to use colours: `auto` (the default) means on a terminal, unless `NO_COLOR` is set.
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,

    /// Log each conversation to a file of its own in this folder. Without this, nothing that is said is written to disk,
    /// except your messages until the server has stored them.
    #[arg(long, value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,

    /// The time limit for the connection and for each answer.
    #[arg(long, default_value = "10s", value_parser = parse_time, global = true, value_name = "TIME")]
    pub(crate) timeout: Duration,
}

/// The options for lost connections, before or after a subcommand.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReconnectArgs {
    /// Do not reconnect when the connection is lost.
    #[arg(long)]
    pub(crate) no_reconnect: bool,

    /// Send a PING when the server was silent for this time. Without an answer within half this time, the connection
    /// counts as lost [default: 30s].
    #[arg(long, value_parser = parse_ping_after, value_name = "TIME")]
    pub(super) ping_after: Option<Duration>,
}

/// The shortest time for `--ping-after`: longer than most round trips.
const PING_AFTER_MIN: Duration = Duration::from_millis(100);

/// The longest time for an option: one year. So the sum of a point in time and an option does not overflow.
const TIME_MAX: Duration = Duration::from_hours(365 * 24);

pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time > TIME_MAX { Err("give at most 365days".to_owned()) } else { Ok(time) }
}

fn parse_ping_after(text: &str) -> Result<Duration, String> {
    let ping_after = parse_time(text)?;
    if ping_after < PING_AFTER_MIN {
        return Err(format!("give at least {}", humantime::format_duration(PING_AFTER_MIN)));
    }
    Ok(ping_after)
}

impl Options {
    /// Fails if `--name` or `--chat` has a control character, such as an LF that would begin another command.
    pub(crate) fn check_names(&self) -> Result<(), CliError> {
        match [&self.name, &self.chat].into_iter().flatten().find(|name| name.contains(char::is_control)) {
            Some(name) => {
                let name = name.escape_debug();
                Err(CliError::Usage(format!("{name} is not a name: it has a control character")))
            }
            None => Ok(()),
        }
    }

    /// When the server counts as lost.
    pub(crate) fn liveness(&self) -> Liveness {
        self.reconnect
            .ping_after
            .map_or_else(Liveness::default, |ping_after| Liveness { ping_after, answer_within: ping_after / 2 })
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
    /// Only the sixteen colours that the terminal's theme chooses.
    #[value(name = "16")]
    Sixteen,
}

pub(crate) fn dialect_parser() -> impl clap::builder::TypedValueParser<Value = Dialect> {
    PossibleValuesParser::new(["commands", "line"]).map(|word| match &*word {
        "line" => Dialect::Line,
        _ => Dialect::Commands,
    })
}
