//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use switchboard_client::{JoinLink, Liveness};
use switchboard_protocol::{Dialect, HostPort, Username, sanitize};

use super::address;
use super::bench::LoadCommand;
use super::cli_error::CliError;
use super::message_words::{SayWords, SendWords};
use super::websocket_url::WebSocketUrl;

/// The server, if the user names none: this machine.
const DEFAULT_ADDR: &str = "127.0.0.1";

/// Example command lines, each with a description.
pub(crate) const EXAMPLES: [(&str, &str); 10] = [
    ("switchboard --name Noy --chat Elias", "chat with Elias on this machine"),
    ("switchboard 'switchboard://HOST:PORT/#lab'", "open a link: chat in the room #lab"),
    ("switchboard chat.example:12345 --name Noy", "use the server chat.example"),
    ("printf 'WHO\\nPING\\n' | switchboard", "run a script: one reply per line"),
    ("switchboard send Elias 'dinner is ready'", "send one message"),
    ("switchboard listen --name Noy --json", "print every event as JSON"),
    ("switchboard login --name Noy --create", "create an account, and log in"),
    ("switchboard say '#lab' hello --name Noy", "say something in a room"),
    ("switchboard history '#lab' --name Noy", "print the last records of a room"),
    ("switchboard bench pairs --pairs 50", "measure the server under load"),
];

/// The rules for input, one paragraph per element.
pub(crate) const INPUT_HELP: [&str; 2] = [
    "In a chat, each line that you type is sent to your peer. REGISTER, WHO, CONNECT, MSG, DISCONNECT and PING are \
     commands, in upper or lower case; /help lists the others.",
    "If standard input is not a terminal, it is a script: its lines are sent unchanged, and each line from the server \
     is printed.",
];

/// The exit codes, each with its meaning.
pub(crate) const EXIT_CODES: [(&str, &str); 7] = [
    ("0", "success"),
    ("1", "the server refused a request, or bench missed messages"),
    ("2", "the command line or the input is invalid"),
    ("3", "the connection failed or was lost"),
    ("4", "no answer in time"),
    ("5", "reading input or writing output failed"),
    ("128+N", "ended by signal N"),
];

/// The environment variables that the program reads, each with its use.
pub(crate) const ENVIRONMENT: [(&str, &str); 3] = [
    ("SWITCHBOARD_ADDR", "The server, if the command line names none."),
    ("NO_COLOR", "If it is set and not empty, colours are off unless --color is always."),
    (
        "XDG_STATE_HOME",
        "The folder for the state of the program, switchboard: the history of typed lines, and the token, unanswered \
         messages and positions of each account. The default is ~/.local/state.",
    ),
];

fn after_help() -> String {
    let examples = EXAMPLES.map(|(example, about)| format!("  {example:<43} {about}\n")).concat();
    let codes = EXIT_CODES.map(|(code, about)| format!("  {code:<5}  {about}\n")).concat();
    format!("Examples:\n{examples}\n{}\n\nExit codes:\n{codes}", INPUT_HELP.join("\n\n"))
}

/// Chat on a Switchboard server.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, after_help = after_help(), max_term_width = 120)]
pub(crate) struct Cli {
    /// The server, as HOST or HOST:PORT, or as a link for TLS: switchboard://HOST:PORT
    ///
    /// The default port is 12345, or 8080 with --dialect line. An address before a subcommand applies to the
    /// subcommand. A link may name a room: 'switchboard://HOST:PORT/#lab'. Then the chat at a terminal is in this room.
    #[arg(env = "SWITCHBOARD_ADDR")]
    addr: Option<String>,

    #[command(flatten)]
    pub(crate) options: Options,

    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

/// The options for all modes of the program.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Register this name.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Open a chat with this user.
    #[arg(long, short, value_name = "NAME")]
    pub(crate) chat: Option<String>,

    /// The device of the account --name, for the chat in the room of a link [default: main].
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,

    /// The dialect of the server's port: `commands` (port 12345) or `line` (port 8080).
    #[arg(long, default_value = "commands", value_parser = dialect_parser())]
    pub(crate) dialect: Dialect,

    /// Print replies, events and reports as JSON, one per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) reconnect: ReconnectArgs,

    /// When to use colours: `auto` (the default) means on a terminal, unless `NO_COLOR` is set.
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,

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
    ping_after: Option<Duration>,
}

/// The shortest time for `--ping-after`: longer than most round trips.
const PING_AFTER_MIN: Duration = Duration::from_millis(100);

/// The longest time for an option: one year. So the sum of a point in time and an option does not overflow.
const TIME_MAX: Duration = Duration::from_hours(365 * 24);

fn parse_time(text: &str) -> Result<Duration, String> {
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

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Measure the server's response time.
    Ping {
        #[command(flatten)]
        server: AddrArg,
        /// The number of pings.
        #[arg(long, default_value_t = 1, value_name = "N")]
        count: u32,
        /// The time between two pings.
        #[arg(long, default_value = "1s", value_parser = parse_time, value_name = "TIME")]
        interval: Duration,
    },
    /// List the registered users, one per line.
    Who {
        #[command(flatten)]
        server: AddrArg,
    },
    /// Send one message, as --name or as a guest.
    ///
    /// If the user is in a chat, tries again until --timeout. Exits with 0 only if the server accepted the message.
    #[command(override_usage = "switchboard send [OPTIONS] [ADDR] <USER> <TEXT>...")]
    Send {
        #[command(flatten)]
        name_arg: NameArg,
        /// The user to send to, and the message; its words are joined by spaces.
        ///
        /// An address may stand before the user: HOST:PORT or an IP address. A HOST without a port is not enough,
        /// because it could be a user.
        // `1..`, because options may stand among the words. `SendWords` checks the number.
        #[arg(required = true, num_args = 1.., value_names = ["USER", "TEXT"])]
        words: Vec<String>,
    },
    /// Register and print arriving messages, until interrupted.
    ///
    /// After a lost connection, reconnects with the same name. The server may keep the name in use for up to two
    /// minutes, because it has not noticed the loss yet.
    Listen {
        #[command(flatten)]
        server: AddrArg,
        #[command(flatten)]
        name_arg: NameArg,
        #[command(flatten)]
        reconnect: ReconnectArgs,
        /// Print the records of this conversation: a room (#ROOM), or a user with an account [default: the room of the
        /// link].
        ///
        /// A device of an account begins where it stopped the last time. The first time, and for a guest, it begins
        /// with the records that come from now on. After the server was restored from a backup, it begins with the
        /// last 1,024 records.
        #[arg(long, value_name = "TARGET")]
        conversation: Option<String>,
        /// The device of the account --name that listens [default: main].
        ///
        /// While it listens, no other command can use this device. Needs a conversation.
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
        /// Join the room first. Needs a conversation.
        #[arg(long)]
        join: bool,
        /// Exit after this number of messages.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Log in to an account, and store a token for the other commands.
    ///
    /// Asks for the password at the terminal, or reads it from the first line of standard input. The token is stored
    /// in a file that only you can read. Then --name NAME means this account in `say`, `history`, `rooms`, `export`
    /// and `listen --conversation`. A server takes secrets only over a secure connection, such as one on the same
    /// machine. Elsewhere, --key still works: then there is no token, and each command signs with the key.
    Login {
        #[command(flatten)]
        server: AddrArg,
        /// The name of the account.
        #[arg(long, short, value_name = "NAME")]
        name: Option<String>,
        /// The name of this device. Each program that stays connected needs a device of its own [default: main].
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
        /// Use this SSH key of the type ssh-ed25519 instead of a password: a private key, or a .pub file whose key the
        /// SSH agent has. `ssh-keygen` signs.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Create the account first.
        #[arg(long)]
        create: bool,
    },
    /// Say something in a conversation, and wait until the server has stored it.
    ///
    /// With an account, the message is stored once, even if this program or the connection fails: the next command of
    /// the device sends an unanswered message again. Exits with 0 only if the message is stored.
    #[command(override_usage = "switchboard say [OPTIONS] [ADDR] <TARGET> <TEXT>...")]
    Say {
        #[command(flatten)]
        account: AccountArgs,
        /// Join the room first.
        #[arg(long)]
        join: bool,
        /// The conversation, and the message; its words are joined by spaces.
        ///
        /// The conversation is a room (#ROOM, in quotes for most shells), a user with an account, or @ and an account's
        /// id. An address may stand before it: HOST:PORT or an IP address. A link that names a room stands for both, and
        /// all other words are the message.
        #[arg(required = true, num_args = 1.., value_names = ["TARGET", "TEXT"])]
        words: Vec<String>,
    },
    /// Print the last records of a conversation.
    #[command(override_usage = "switchboard history [OPTIONS] [ADDR] <TARGET>")]
    History {
        #[command(flatten)]
        account: AccountArgs,
        /// Print only records with a lower number.
        #[arg(long, value_name = "N")]
        before: Option<u64>,
        /// The number of records.
        #[arg(long, default_value_t = 50, value_name = "N")]
        count: u64,
        /// The conversation: a room (#ROOM), a user with an account, @ and an account's id, or a link that names a
        /// room. An address may stand before it.
        #[arg(required = true, num_args = 1..=2, value_name = "TARGET")]
        words: Vec<String>,
    },
    /// List the rooms, each with its number of members and its topic.
    Rooms {
        #[command(flatten)]
        server: AddrArg,
        #[command(flatten)]
        account: AccountArgs,
    },
    /// Print all records of a conversation, from the first one.
    #[command(override_usage = "switchboard export [OPTIONS] [ADDR] <TARGET>")]
    Export {
        #[command(flatten)]
        account: AccountArgs,
        /// The conversation: a room (#ROOM), a user with an account, @ and an account's id, or a link that names a
        /// room. An address may stand before it.
        #[arg(required = true, num_args = 1..=2, value_name = "TARGET")]
        words: Vec<String>,
    },
    /// Put a server under load, check every message, and report the results.
    Bench {
        #[command(subcommand)]
        load: LoadCommand,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page in roff format.
    Man,
}

/// `--name` after a subcommand.
#[derive(Args, Debug)]
pub(crate) struct NameArg {
    /// Register this name instead of a guest name.
    #[arg(long, short, value_name = "NAME")]
    name: Option<String>,
}

/// The account after a subcommand.
#[derive(Args, Debug)]
pub(crate) struct AccountArgs {
    /// The account to which `login` has logged in, or the name of a guest. Without it, a guest name.
    #[arg(long, short, value_name = "NAME")]
    name: Option<String>,
    /// The device of the account [default: main].
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
}

impl AccountArgs {
    /// The device as given.
    pub(crate) fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }
}

/// The target among the words `[ADDR] TARGET`. A link that names a room stands for both.
pub(crate) fn target_of(words: &[String]) -> Result<String, CliError> {
    let target = words.last().map_or("", String::as_str);
    match address::room(target) {
        Some(room) => Ok(room.as_str().to_owned()),
        None if JoinLink::is_link(target) => {
            Err(CliError::Usage("the link names no room: write a user or #ROOM after it".to_owned()))
        }
        None => Ok(target.to_owned()),
    }
}

/// The server's address after a subcommand.
#[derive(Args, Debug)]
pub(crate) struct AddrArg {
    /// The server, as HOST or HOST:PORT, or as a link.
    #[arg(value_name = "ADDR")]
    addr: Option<String>,
}

impl Cli {
    /// Parses `args`. `--name` and `--dialect` may stand before or after the subcommand; the later one is used.
    pub(crate) fn parse_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(args)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        // An empty variable counts as unset. An empty argument is a mistake.
        let is_from_variable = matches.value_source("addr") == Some(ValueSource::EnvVariable);
        cli.addr.take_if(|addr| addr.is_empty() && is_from_variable);
        let name = match &mut cli.action {
            Some(
                Action::Send { name_arg: NameArg { name }, .. }
                | Action::Listen { name_arg: NameArg { name }, .. }
                | Action::Login { name, .. }
                | Action::Say { account: AccountArgs { name, .. }, .. }
                | Action::History { account: AccountArgs { name, .. }, .. }
                | Action::Rooms { account: AccountArgs { name, .. }, .. }
                | Action::Export { account: AccountArgs { name, .. }, .. },
            ) => name.take(),
            _ => None,
        };
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

    /// Finds an option that is given but has no effect in the current mode of the program. Returns the option and the
    /// mode, as words for a message.
    pub(crate) fn unused_option(&self, is_interactive: bool) -> Option<(&'static str, &'static str)> {
        let (mode, supported): (_, &[&str]) = match &self.action {
            Some(Action::Ping { .. }) => ("with ping", &["--json"]),
            Some(Action::Who { .. }) => ("with who", &["--json"]),
            Some(Action::Send { .. }) => ("with send", &["--name", "--json"]),
            Some(Action::Login { .. }) => ("with login", &["--name", "--json"]),
            Some(Action::Say { .. }) => ("with say", &["--name", "--json"]),
            Some(Action::History { .. }) => ("with history", &["--name", "--json"]),
            Some(Action::Rooms { .. }) => ("with rooms", &["--name", "--json"]),
            Some(Action::Export { .. }) => ("with export", &["--name", "--json"]),
            Some(Action::Listen { .. }) => ("with listen", &["--name", "--json", "--no-reconnect", "--ping-after"]),
            Some(Action::Bench { .. }) => ("with bench", &["--dialect line", "--json"]),
            Some(Action::Completions { .. }) => ("with completions", &[]),
            Some(Action::Man) => ("with man", &[]),
            None if self.options.dialect == Dialect::Line => ("in the line dialect", &["--name"]),
            None if is_interactive && address::room(self.given_addr()).is_some() => {
                ("in a room", &["--name", "--device", "--no-reconnect", "--ping-after", "--color"])
            }
            None if is_interactive => {
                ("at a terminal", &["--name", "--chat", "--no-reconnect", "--ping-after", "--color"])
            }
            None => ("in a script", &["--name", "--chat", "--json"]),
        };
        let Options { name, chat, device, dialect, json, reconnect, color, timeout: _ } = &self.options;
        let ReconnectArgs { no_reconnect, ping_after } = reconnect;
        let given = [
            ("--name", name.is_some()),
            ("--chat", chat.is_some()),
            ("--device", device.is_some()),
            ("--dialect line", *dialect == Dialect::Line && self.action.is_some()),
            ("--json", *json),
            ("--no-reconnect", *no_reconnect),
            ("--ping-after", ping_after.is_some()),
            ("--color", color.is_some()),
        ];
        let (option, _) = given.into_iter().find(|(option, is_given)| *is_given && !supported.contains(option))?;
        Some((option, mode))
    }

    /// Returns the address as given, if it is a valid username: the user may have omitted `--name`.
    pub(crate) fn addr_as_name(&self) -> Option<&str> {
        let addr = self.given_addr();
        (!addr.contains(['.', ':', '[']) && Username::new(addr).is_ok()).then_some(addr)
    }

    /// Returns the server's address as HOST:PORT, or the link as given, or for `bench` the address of a WebSocket. Fails
    /// if the user gave another URL, or something else that is no address.
    pub(crate) fn addr(&self) -> Result<String, CliError> {
        let addr = match &self.action {
            Some(Action::Send { words, .. }) => self.send_words(words)?.addr.unwrap_or(self.first_addr()),
            Some(Action::Say { words, .. }) => self.say_words(words)?.addr.unwrap_or(self.first_addr()),
            Some(Action::History { words, .. } | Action::Export { words, .. }) => match &words[..] {
                [addr, _] => addr,
                [link] if JoinLink::is_link(link) => link,
                _ => self.first_addr(),
            },
            _ => self.given_addr(),
        };
        if JoinLink::is_link(addr) {
            let link = addr.parse::<JoinLink>();
            return link
                .map(|link| link.to_string())
                .map_err(|error| CliError::Usage(sanitize(&error.to_string()).into_owned()));
        }
        if matches!(self.action, Some(Action::Bench { .. }))
            && let Some(url) = WebSocketUrl::parse(addr)
        {
            return url.map(|_| addr.to_owned());
        }
        if let Some((scheme, after_scheme)) = addr.split_once("://") {
            let host = after_scheme.split('/').next().unwrap_or(after_scheme);
            let message = format!("{addr} is not the address of a chat server: leave out {scheme}:// and write {host}");
            return Err(CliError::Usage(sanitize(&message).into_owned()));
        }
        match HostPort::parse_or_default_port(addr, self.options.dialect.port()) {
            Ok(addr) => Ok(addr.to_string()),
            Err(error) => Err(CliError::Usage(sanitize(&error.to_string()).into_owned())),
        }
    }

    /// The address as the user wrote it. An address after the subcommand has priority.
    fn given_addr(&self) -> &str {
        let after_subcommand = match &self.action {
            Some(
                Action::Ping { server, .. }
                | Action::Who { server }
                | Action::Listen { server, .. }
                | Action::Login { server, .. }
                | Action::Rooms { server, .. },
            ) => server.addr.as_deref(),
            Some(Action::Bench { load }) => load.target().server.addr.as_deref(),
            Some(
                Action::Send { .. }
                | Action::Say { .. }
                | Action::History { .. }
                | Action::Export { .. }
                | Action::Completions { .. }
                | Action::Man,
            )
            | None => None,
        };
        after_subcommand.unwrap_or(self.first_addr())
    }

    /// Returns the address before a subcommand, or of the environment.
    fn first_addr(&self) -> &str {
        self.addr.as_deref().unwrap_or(DEFAULT_ADDR)
    }

    /// Splits the words of `send`.
    pub(crate) fn send_words<'a>(&self, words: &'a [String]) -> Result<SendWords<'a>, CliError> {
        SendWords::split(words, self.addr.is_some())
    }

    /// Splits the words of `say`.
    pub(crate) fn say_words<'a>(&'a self, words: &'a [String]) -> Result<SayWords<'a>, CliError> {
        SayWords::split(words, self.addr.as_deref())
    }
}

pub(super) fn dialect_parser() -> impl clap::builder::TypedValueParser<Value = Dialect> {
    PossibleValuesParser::new(["commands", "line"]).map(|word| match &*word {
        "line" => Dialect::Line,
        _ => Dialect::Commands,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clap_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_is_at_most_one_year() {
        for (option, after) in [("--timeout", &[][..]), ("--ping-after", &[]), ("--interval", &["ping"])] {
            let is_valid = |time| {
                let args = [&["switchboard"][..], after, &[option, time]].concat();
                Cli::parse_args(args.into_iter().map(OsString::from)).is_ok()
            };
            assert!(is_valid("365days"), "{option}");
            assert!(!is_valid("366days") && !is_valid("10000000000000000000s"), "{option}");
        }
    }

    #[test]
    fn a_name_with_a_control_character_is_a_mistake() {
        for option in ["--name", "--chat"] {
            let error = parse(&[option, "Elias\nDISCONNECT"]).options.check_names().expect_err("it has an LF");
            assert_eq!(error.to_string(), r"Elias\nDISCONNECT is not a name: it has a control character");
            parse(&[option, "Elias"]).options.check_names().expect("a name");
        }
    }

    #[test]
    fn a_host_without_a_port_gets_the_port_of_its_dialect() {
        let cases = [
            ("127.0.0.1", "127.0.0.1:12345", "127.0.0.1:8080"),
            ("127.0.0.1:7", "127.0.0.1:7", "127.0.0.1:7"),
            ("chat.example", "chat.example:12345", "chat.example:8080"),
            ("::1", "[::1]:12345", "[::1]:8080"),
            ("[::1]", "[::1]:12345", "[::1]:8080"),
            ("[::1]:7", "[::1]:7", "[::1]:7"),
            ("fe80::1%eth0", "[fe80::1%eth0]:12345", "[fe80::1%eth0]:8080"),
            ("[fe80::1%eth0]:7", "[fe80::1%eth0]:7", "[fe80::1%eth0]:7"),
        ];
        for (given, commands, line) in cases {
            for (dialect, expected) in [("commands", commands), ("line", line)] {
                let addr = parse(&["--dialect", dialect, given]).addr().expect("an address");
                assert_eq!(addr, expected, "given {given}");
            }
        }
    }

    #[test]
    fn the_address_may_stand_before_or_after_a_subcommand() {
        let cases: [(&[&str], &str); 18] = [
            (&["say", "a:1", "--name", "Noy", "--join", "#lab", "hi"], "a:1"),
            (&["send", "a:1", "--name", "Noy", "Elias", "hi", "there"], "a:1"),
            (&["say", "#lab", "--name", "Noy", "hi", "--json"], "127.0.0.1:12345"),
            (&["history", "#lab"], "127.0.0.1:12345"),
            (&["history", "a:1", "#lab"], "a:1"),
            (&["b:2", "export", "a", "#lab"], "a:12345"),
            (&["rooms", "a:1"], "a:1"),
            (&["say", "a:1", "#lab", "hi"], "a:1"),
            (&["a:1"], "a:1"),
            (&["who", "a:1"], "a:1"),
            (&["a:1", "who"], "a:1"),
            (&["a:1", "who", "b:2"], "b:2"),
            (&["--name", "Noy", "ping", "a:1", "--count", "3"], "a:1"),
            (&["listen", "a", "--name", "Noy"], "a:12345"),
            (&["a:1", "send", "Elias", "hi", "there"], "a:1"),
            (&["a:1", "send", "b:2", "Elias", "hi", "there"], "b:2"),
            (&["a:1", "send", "el.ias", "hi", "there"], "a:1"),
            (&["send", "[::1]", "Elias", "hi"], "[::1]:12345"),
        ];
        for (given, expected) in cases {
            let args = std::iter::once("switchboard").chain(given.iter().copied()).map(OsString::from);
            let cli = Cli::parse_args(args).unwrap_or_else(|error| panic!("{given:?}: {error}"));
            assert_eq!(cli.addr().expect("an address"), expected, "given {given:?}");
        }
    }

    fn parse(args: &[&str]) -> Cli {
        let args = std::iter::once("switchboard").chain(args.iter().copied()).map(OsString::from);
        Cli::parse_args(args).expect("a valid command line")
    }

    #[test]
    fn a_name_may_stand_before_or_after_a_subcommand() {
        let cases: [&[&str]; 6] = [
            &["--name", "Noy", "listen"],
            &["listen", "--name", "Noy"],
            &["--name", "Noy", "rooms"],
            &["rooms", "--name", "Noy"],
            &["login", "--name", "Noy"],
            &["history", "#lab", "--name", "Noy"],
        ];
        for args in cases {
            assert_eq!(parse(args).options.name.as_deref(), Some("Noy"), "given {args:?}");
        }
    }

    #[test]
    fn an_option_without_effect_is_found() {
        let link = "switchboard://h:1/#lab";
        let cases: [(&[&str], Option<&str>, Option<&str>); 21] = [
            // Each row: the arguments, the option without effect at a terminal, the option without effect in a script.
            (&[], None, None),
            (&[link, "--name", "Noy", "--device", "laptop", "--no-reconnect"], None, Some("--device")),
            (&[link, "--chat", "Elias"], Some("--chat"), None),
            (&["--name", "Noy", "--device", "laptop"], Some("--device"), Some("--device")),
            (&["--name", "Noy", "--chat", "Elias"], None, None),
            (&["--no-reconnect"], None, Some("--no-reconnect")),
            (&["--color", "auto"], None, Some("--color")),
            (&["--json"], Some("--json"), None),
            (&["--dialect", "line", "--name", "Noy"], None, None),
            (&["--dialect", "line", "--chat", "Noy"], Some("--chat"), Some("--chat")),
            (&["--dialect", "line", "--color", "never"], Some("--color"), Some("--color")),
            (&["--dialect", "line", "who"], Some("--dialect line"), Some("--dialect line")),
            (&["--name", "Noy", "who"], Some("--name"), Some("--name")),
            (&["--name", "Noy", "ping", "--json"], Some("--name"), Some("--name")),
            (&["--name", "Noy", "listen", "--json"], None, None),
            (&["--name", "Noy", "send", "Elias", "hi", "--json"], None, None),
            (&["--chat", "Elias", "listen"], Some("--chat"), Some("--chat")),
            (&["--no-reconnect", "listen", "--ping-after", "1s"], None, None),
            (&["--ping-after", "1s", "who"], Some("--ping-after"), Some("--ping-after")),
            (&["--ping-after", "1s"], None, Some("--ping-after")),
            (&["man", "--json"], Some("--json"), Some("--json")),
        ];
        for (given, at_terminal, in_script) in cases {
            let unused = |is_interactive| parse(given).unused_option(is_interactive).map(|(option, _)| option);
            assert_eq!((unused(true), unused(false)), (at_terminal, in_script), "given {given:?}");
        }
    }

    #[test]
    fn a_link_to_a_room_is_the_address_and_the_target_of_history() {
        let link = "switchboard://h:1/#lab";
        for args in [&["history", link][..], &["export", link], &["a:1", "history", link]] {
            let cli = parse(args);
            let Some(Action::History { words, .. } | Action::Export { words, .. }) = &cli.action else { panic!() };
            let target = target_of(words).expect("the link names a room");
            assert_eq!((&*cli.addr().expect("an address"), &*target), (link, "#lab"), "{args:?}");
        }
        target_of(&["switchboard://h:1".to_owned()]).expect_err("the link names no room");
    }

    #[test]
    fn an_address_with_a_scheme_is_invalid() {
        let error = parse(&["http://chat.example:8080/x"]).addr().expect_err("the address is invalid").to_string();
        let remedy = "leave out http:// and write chat.example:8080";
        assert_eq!(error, format!("http://chat.example:8080/x is not the address of a chat server: {remedy}"));
        let websocket = "wss://chat.example/ws";
        assert_eq!(parse(&["bench", "pairs", websocket]).addr().expect("bench opens WebSockets"), websocket);
        parse(&["who", websocket]).addr().expect_err("only bench opens WebSockets");
    }

    #[test]
    fn an_address_that_is_a_valid_name_is_recognized() {
        for (given, expected) in [("Noy", Some("Noy")), ("chat.example", None), ("::1", None), ("a:1", None)] {
            assert_eq!(parse(&[given]).addr_as_name(), expected, "given {given}");
        }
    }
}
