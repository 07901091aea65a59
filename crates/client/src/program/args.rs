//! The command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use switchboard_protocol::Dialect;

const EXAMPLES: &str = "\
Examples:
  switchboard --name Noy --chat Elias         chat with Elias on this machine
  switchboard chat.example:12345 --name Noy   chat on another one
  printf 'WHO\\nPING\\n' | switchboard          a script: one reply a line
  switchboard send Elias 'dinner is ready'    one message
  switchboard listen --name Noy --json        every event as a line of JSON

In a chat, what you type is said to the other side. REGISTER, WHO, CONNECT, MSG, DISCONNECT and PING are commands, in any
case; /help lists the rest. Input that is no terminal is a script: its lines are sent as they are, and each line that the
server sends is printed.

Exit codes:
  0  all was done
  1  the server refused something
  2  the command line or the input cannot be used
  3  no connection, or it was lost
  4  no answer in time
  5  reading input or writing output failed";

/// Chat on a Switchboard server.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, after_help = EXAMPLES, max_term_width = 120)]
pub(crate) struct Cli {
    /// The server, as HOST or HOST:PORT.
    ///
    /// A host without a port gets the dialect's: 12345, or 8080 with --dialect line. Before a subcommand it is the
    /// subcommand's server.
    #[arg(env = "SWITCHBOARD_ADDR", default_value = "127.0.0.1", hide_default_value = true)]
    addr: String,

    #[command(flatten)]
    pub(crate) options: Options,

    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

/// What holds for every way of using the program.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Register this name.
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Open a chat with this user.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) chat: Option<String>,

    /// How the server's port writes its lines: `commands` (port 12345) or `line` (port 8080).
    #[arg(long, default_value = "commands", value_parser = dialects())]
    pub(crate) dialect: Dialect,

    /// Print replies and events as JSON, one a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Do not connect again when the connection is lost.
    #[arg(long)]
    pub(crate) no_reconnect: bool,

    /// When to colour: `auto` is on a terminal, unless `NO_COLOR` is set.
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    pub(crate) color: Color,

    /// How long to wait for the connection, and for an answer.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, global = true, value_name = "TIME")]
    pub(crate) timeout: Duration,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Say how long the server takes to answer.
    Ping {
        #[command(flatten)]
        at: At,
        /// How often to ask.
        #[arg(long, default_value_t = 1, value_name = "N")]
        count: u32,
        /// How long to wait between two.
        #[arg(long, default_value = "1s", value_parser = humantime::parse_duration, value_name = "TIME")]
        interval: Duration,
    },
    /// List who is registered, one a line.
    Who {
        #[command(flatten)]
        at: At,
    },
    /// Send one message, as --name or as a guest.
    Send {
        /// Whom to.
        user: String,
        /// What to say; words are joined by spaces.
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Print the messages that come for --name, until interrupted.
    Listen {
        #[command(flatten)]
        at: At,
        /// End after so many messages.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Print what completes this command line in a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page, as roff.
    Man,
}

/// The server, after a subcommand.
#[derive(Args, Debug)]
pub(crate) struct At {
    /// The server, as HOST or HOST:PORT.
    #[arg(value_name = "ADDR")]
    addr: Option<String>,
}

impl Cli {
    pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(args)
    }

    /// The server's address, as HOST:PORT.
    pub(crate) fn addr(&self) -> String {
        let own = match &self.action {
            Some(Action::Ping { at, .. } | Action::Who { at } | Action::Listen { at, .. }) => at.addr.as_deref(),
            Some(Action::Send { .. } | Action::Completions { .. } | Action::Man) | None => None,
        };
        with_port(own.unwrap_or(&self.addr), self.options.dialect)
    }
}

fn dialects() -> impl clap::builder::TypedValueParser<Value = Dialect> {
    PossibleValuesParser::new(["commands", "line"]).map(|word| match &*word {
        "line" => Dialect::Line,
        _ => Dialect::Commands,
    })
}

/// `addr` with the dialect's port where it has none. An IPv6 address may stand without brackets if it has no port.
fn with_port(addr: &str, dialect: Dialect) -> String {
    let port = match dialect {
        Dialect::Commands => 12345,
        Dialect::Line => 8080,
    };
    let is_bare_ipv6 = addr.matches(':').count() > 1 && !addr.starts_with('[');
    if is_bare_ipv6 {
        format!("[{addr}]:{port}")
    } else if addr.ends_with(']') || !addr.contains(':') {
        format!("{addr}:{port}")
    } else {
        addr.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_host_without_a_port_gets_the_dialects() {
        let cases = [
            ("127.0.0.1", "127.0.0.1:12345", "127.0.0.1:8080"),
            ("127.0.0.1:7", "127.0.0.1:7", "127.0.0.1:7"),
            ("chat.example", "chat.example:12345", "chat.example:8080"),
            ("::1", "[::1]:12345", "[::1]:8080"),
            ("[::1]", "[::1]:12345", "[::1]:8080"),
            ("[::1]:7", "[::1]:7", "[::1]:7"),
        ];
        for (given, commands, line) in cases {
            assert_eq!(with_port(given, Dialect::Commands), commands, "given {given}");
            assert_eq!(with_port(given, Dialect::Line), line, "given {given}");
        }
    }

    #[test]
    fn the_address_may_stand_before_or_after_a_subcommand() {
        let cases: [(&[&str], &str); 7] = [
            (&["a:1"], "a:1"),
            (&["who", "a:1"], "a:1"),
            (&["a:1", "who"], "a:1"),
            (&["a:1", "who", "b:2"], "b:2"),
            (&["--name", "Noy", "ping", "a:1", "--count", "3"], "a:1"),
            (&["listen", "a", "--name", "Noy"], "a:12345"),
            (&["a:1", "send", "Elias", "hi", "there"], "a:1"),
        ];
        for (given, expected) in cases {
            let args = std::iter::once("switchboard").chain(given.iter().copied()).map(OsString::from);
            let cli = Cli::read(args).unwrap_or_else(|error| panic!("{given:?}: {error}"));
            assert_eq!(cli.addr(), expected, "given {given:?}");
        }
    }
}
