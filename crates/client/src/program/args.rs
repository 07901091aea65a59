//! The command line.

mod action;
mod address;
mod chat_mode;
mod help;
mod options;
mod settings;
mod unused_option;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};

pub(crate) use action::Action;
pub(crate) use address::{AddrArg, target_of};
pub(crate) use chat_mode::ChatMode;
pub(crate) use help::{ENVIRONMENT, EXAMPLES, EXIT_CODES, INPUT_HELP};
pub(crate) use options::{ColorChoice, Options, dialect_parser};

/// Chat on a Switchboard server.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version = env!("SWITCHBOARD_VERSION"), after_help = help::after_help(), max_term_width = 120)]
pub(crate) struct Cli {
    /// The server, as HOST or HOST:PORT, or as a link for TLS: switchboard://HOST:PORT
    ///
    /// The default port is 12345, or 8080 with --dialect line. An address before a subcommand applies to the
    /// subcommand. A link may name a room: 'switchboard://HOST:PORT/#lab'. Then the chat at a terminal is in this room.
    /// Without an address, the chat that fills the terminal offers servers, and all other modes use 127.0.0.1.
    #[arg(env = "SWITCHBOARD_ADDR")]
    addr: Option<String>,

    /// Whether `addr` is from the environment.
    #[arg(skip)]
    is_addr_from_variable: bool,

    #[command(flatten)]
    pub(crate) options: Options,

    /// Print the settings of the chat as their file would have them, with the source of each, and exit.
    #[arg(long)]
    pub(crate) print_config: bool,

    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

impl Cli {
    /// Parses `args`. `--name` and `--dialect` may stand before or after the subcommand; the later one is used.
    pub(crate) fn parse_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(args)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        // An empty variable counts as unset. An empty argument is a mistake.
        cli.is_addr_from_variable = matches.value_source("addr") == Some(ValueSource::EnvVariable);
        cli.addr.take_if(|addr| addr.is_empty() && cli.is_addr_from_variable);
        let name = cli.action.as_mut().and_then(Action::take_name);
        cli.options.name = name.or(cli.options.name);
        if let Some(Action::Listen { reconnect, .. }) = &cli.action {
            cli.options.reconnect.no_reconnect |= reconnect.no_reconnect;
            cli.options.reconnect.ping_after = reconnect.ping_after.or(cli.options.reconnect.ping_after);
        }
        if let Some(Action::Bench { load }) = &cli.action {
            cli.options.dialect = load.target().dialect.unwrap_or(cli.options.dialect);
        }
        Ok(cli)
    }
}
