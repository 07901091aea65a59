//! Reads the configuration from flags, `SWITCHBOARD_…` variables, a TOML file and defaults, in this order of
//! precedence.
//!
//! [`Options`] holds the keys of one source: clap fills it from flags and variables, serde from the file. The sources
//! are merged key by key, and the merged configuration records the source of each key.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum, value_parser};
use serde::{Deserialize, Serialize};
use switchboard_protocol::sanitize;
use toml::Table;
use toml::de::{DeTable, DeValue};

use crate::ipv6_prefix::{Ipv6Prefix, Ipv6PrefixError};
use crate::listener::ListenAddress;
use crate::logging;
use crate::settings::{InvalidSettings, Settings};

/// Maximum number of threads: more than any machine has cores.
const THREADS_MAX: usize = 1024;

const PROGRAM: &str = "switchboard-server";

/// The value for "no address" and "no prefix". It turns a listener off.
const NONE: &str = "none";

/// Prefix of the names of all variables.
const VARIABLE_PREFIX: &str = "SWITCHBOARD_";

/// Variable that names the configuration file.
const CONFIG_VARIABLE: &str = "SWITCHBOARD_CONFIG";

/// Variable of the client, which a server on the same machine may find in its environment.
const CLIENT_VARIABLE: &str = "SWITCHBOARD_ADDR";

/// Maximum number of edits between a misspelt name and the name that is meant. Two: one slip of the fingers more than
/// a single letter, and too few to take another program's variable for ours.
const TYPO_MAX: usize = 2;

/// Default listening address of the commands dialect: loopback, with the default port.
const LISTEN: &str = "127.0.0.1:12345";

/// Default listening address of the line dialect.
const LISTEN_LINE: &str = "127.0.0.1:8080";

/// A chat server: people register a name, connect to each other in pairs, and exchange messages of one line.
#[derive(Debug, Parser)]
#[command(
    name = "switchboard-server",
    version,
    after_help = "Examples:\n  \
        switchboard-server                                   for this machine only\n  \
        switchboard-server --listen 0.0.0.0:12345            for the whole network\n  \
        switchboard-server --config switchboard.toml --print-config\n\n\
        Join with:  switchboard --name YOU   or   nc 127.0.0.1 12345\n\n\
        Signals: TERM, INT and QUIT stop the server after it has written its unsent bytes, and so does HUP if it was \
        started from a terminal. A second TERM, INT or QUIT ends it at once. Without a terminal, HUP reads the file \
        again and applies its log-level.\n\n\
        Exit codes: 0 stopped by a signal; 1 the server could not run; 2 a flag is invalid; \
        3 the configuration is invalid; 130 a second signal ended the drain."
)]
pub struct Cli {
    /// Read settings from this TOML file; its keys are the names of the flags below, without the leading dashes.
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG")]
    config: Option<PathBuf>,

    /// Print the settings in effect as a TOML file, with the source of each as a comment, and exit.
    #[arg(long)]
    print_config: bool,

    #[command(flatten)]
    options: Options,
}

/// The settings of one source. A setting that the source does not have is `None`.
#[derive(Args, Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Options {
    /// Address to listen on for the commands dialect; `:PORT` for all addresses of this machine, or `none`; may be
    /// repeated [default: 127.0.0.1:12345]
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "SWITCHBOARD_LISTEN",
        value_delimiter = ',',
        value_parser = address_or_none
    )]
    listen: Option<Vec<String>>,

    /// Address to listen on for the line dialect; `:PORT` for all addresses of this machine, or `none`; may be
    /// repeated [default: 127.0.0.1:8080]
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "SWITCHBOARD_LISTEN_LINE",
        value_delimiter = ',',
        value_parser = address_or_none
    )]
    listen_line: Option<Vec<String>>,

    /// Maximum open sessions [default: 10000]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_MAX_SESSIONS", value_parser = number::<usize>)]
    max_sessions: Option<usize>,

    /// Maximum open sessions from one address; loopback is exempt [default: 100]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_MAX_SESSIONS_PER_ADDRESS", value_parser = number::<usize>)]
    max_sessions_per_address: Option<usize>,

    /// IPv6 prefix of a local network, such as `2001:db8:1::/64`, or `none`: each of its addresses counts by itself for
    /// --max-sessions-per-address, as link-local and unique local addresses do. All other IPv6 addresses count by their
    /// /64. May be repeated [default: none]
    #[arg(
        long,
        value_name = "PREFIX",
        env = "SWITCHBOARD_ON_LINK_PREFIX",
        value_delimiter = ',',
        value_parser = prefix_or_none
    )]
    on_link_prefix: Option<Vec<String>>,

    /// Time in which a session must register a name [default: 2m]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_REGISTER_TIMEOUT")]
    register_timeout: Option<TimeSpan>,

    /// Maximum length of a line in bytes, including its end [default: 4096]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_LINE_BYTES", value_parser = number::<usize>)]
    line_bytes: Option<usize>,

    /// Maximum length of a message text in bytes [default: 3840]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_TEXT_BYTES", value_parser = number::<usize>)]
    text_bytes: Option<usize>,

    /// Unsent bytes to a reader above which the server delays the sessions that write to it [default: 262144]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_OUTBOX_SOFT_BYTES", value_parser = number::<usize>)]
    outbox_soft_bytes: Option<usize>,

    /// Maximum unsent bytes to a reader; a reader with more is closed as a slow consumer [default: 2097152]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_OUTBOX_BYTES", value_parser = number::<usize>)]
    outbox_bytes: Option<usize>,

    /// Time without progress in sending, after which a reader is closed as a slow consumer [default: 30s]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_OUTBOX_TIMEOUT")]
    outbox_timeout: Option<TimeSpan>,

    /// The same time for a reader that has stopped reading, but whose system still answers [default: 10m]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_ZERO_WINDOW_TIMEOUT")]
    zero_window_timeout: Option<TimeSpan>,

    /// Lines per second above which the server delays a session; 0 for no limit; loopback is exempt
    /// [default: 100]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_LINES_PER_SECOND", value_parser = number::<u32>)]
    lines_per_second: Option<u32>,

    /// Apply the limits per address and per second to loopback, too [default: false]
    #[arg(
        long,
        value_name = "BOOL",
        env = "SWITCHBOARD_LIMIT_LOOPBACK",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = boolean
    )]
    limit_loopback: Option<bool>,

    /// Maximum lines of one session in its turn, before other sessions have their turns [default: 256]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_TURN_LINES", value_parser = number::<usize>)]
    turn_lines: Option<usize>,

    /// Silence on a connection after which TCP probes the peer [default: 1m]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_KEEPALIVE")]
    keepalive: Option<TimeSpan>,

    /// Time without an acknowledgement, after which a peer counts as dead [default: 1m]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_USER_TIMEOUT")]
    user_timeout: Option<TimeSpan>,

    /// Maximum time to write unsent bytes after a signal to stop [default: 10s]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_DRAIN_TIMEOUT")]
    drain_timeout: Option<TimeSpan>,

    /// Number of threads; 0 for one per core [default: 0]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_THREADS", value_parser = number::<usize>)]
    threads: Option<usize>,

    /// Format of the log [default: auto]
    #[arg(long, value_name = "FORMAT", env = "SWITCHBOARD_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,

    /// Level of the log: error, warn, info, debug, trace, or directives such as `switchboard=debug` [default: info]
    #[arg(long, value_name = "LEVEL", env = "SWITCHBOARD_LOG_LEVEL")]
    log_level: Option<String>,

    /// Log the text of messages, not only their length [default: false]
    #[arg(
        long,
        value_name = "BOOL",
        env = "SWITCHBOARD_LOG_MESSAGES",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = boolean
    )]
    log_messages: Option<bool>,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Console on a terminal, text elsewhere.
    Auto,
    /// Lines in the format of the course servers, and a hint how to connect.
    Console,
    /// A line of text for each event.
    Text,
    /// A JSON object for each event.
    Json,
}

/// A length of time in the form `30s` or `1m 30s`. A number without a unit is a number of seconds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
struct TimeSpan(Duration);

impl FromStr for TimeSpan {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let time = match text.parse() {
            Ok(seconds) if is_number => Duration::try_from_secs_f64(seconds).ok(),
            _ => humantime::parse_duration(text).ok(),
        };
        time.map(Self).ok_or("give a time such as 30s or 2m, or a number of seconds")
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TimeSpan> for String {
    fn from(time: TimeSpan) -> Self {
        humantime::format_duration(time.0).to_string()
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "give a whole number, 0 or more")
}

fn boolean(text: &str) -> Result<bool, &'static str> {
    match &*text.to_ascii_lowercase() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("give true or false (or yes or no, 1 or 0)"),
    }
}

/// Checks an address, and returns its text. The text `none` stands for no address.
fn address_or_none(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text != NONE {
        text.parse::<ListenAddress>()?;
    }
    Ok(text.to_owned())
}

/// Checks an IPv6 prefix, and returns its text. The text `none` stands for no prefix.
fn prefix_or_none(text: &str) -> Result<String, Ipv6PrefixError> {
    let text = text.trim();
    if text != NONE {
        text.parse::<Ipv6Prefix>()?;
    }
    Ok(text.to_owned())
}

/// The source of a setting. Its text appears after the setting in the output of `--print-config`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// A flag of the command line.
    Flag,
    /// The names of the environment variables.
    Environment,
    /// The environment variable with this name.
    Variable(String),
    /// A line of a file.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },
    /// No source: the default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("the environment"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A mistake in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}. Give a TOML file with --config FILE", path = .path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        error: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path}: {error}", path = .path.display())]
    Malformed {
        /// The path of the file.
        path: PathBuf,
        /// The parser's error, with the line.
        error: Box<toml::de::Error>,
    },
    /// A variable has our prefix and a name that resembles no known one. This is a warning.
    #[error("{name} is unknown and ignored (from {origin})", name = sanitize(.name))]
    Ignored {
        /// The unknown name.
        name: String,
        /// The source of the name.
        origin: Source,
    },
    /// A key of the file or a variable has an unknown name.
    #[error("{name} is unknown: perhaps {nearest} is meant (from {origin})", name = sanitize(.name))]
    Unknown {
        /// The unknown name.
        name: String,
        /// The most similar known name.
        nearest: String,
        /// The source of the name.
        origin: Source,
    },
    /// A setting has an invalid value.
    #[error("{key} is {value}: {allowed} (from {origin})", value = sanitize(.value))]
    Invalid {
        /// The name of the setting.
        key: String,
        /// The value.
        value: String,
        /// The allowed values, as an instruction: "give 1 to 10".
        allowed: String,
        /// The source of the value.
        origin: Source,
        /// Whether the value has the wrong form: for example, it is a word, but the setting is a number.
        is_misformed: bool,
    },
    /// No listener has an address.
    #[error("there is nothing to listen on: give --listen HOST:PORT or --listen-line HOST:PORT")]
    NothingToListenOn,
}

/// All mistakes in a configuration. There is at least one.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Whether a flag has a value of the wrong form. Programs report this as a wrong usage.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        let is_usage =
            |error: &_| matches!(error, ConfigError::Invalid { origin: Source::Flag, is_misformed: true, .. });
        self.0.iter().any(is_usage)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [error] = &*self.0 {
            return error.fmt(f);
        }
        write!(f, "the configuration has {} mistakes:", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// The merged and validated configuration.
#[derive(Debug)]
pub struct Config {
    /// The listening addresses for the commands dialect.
    pub listen: Vec<ListenAddress>,
    /// The listening addresses for the line dialect.
    pub listen_line: Vec<ListenAddress>,
    /// The settings for [`run`](crate::run()).
    pub settings: Settings,
    /// The number of threads. `None`: one for each core.
    pub threads: Option<usize>,
    /// The format of the log.
    pub log_format: LogFormat,
    /// The level of the log, valid for [`check_level`](logging::check_level).
    pub log_level: String,
    /// The configuration as TOML with the source of each key, if `--print-config` was given.
    pub print: Option<String>,
    /// The path of the configuration file, if one was given.
    pub file: Option<PathBuf>,
    /// Variables that have the prefix of ours, but that are not similar to one of ours. They are ignored.
    pub unknown_variables: Vec<ConfigError>,
    layers: Layers,
}

impl Config {
    /// Reads the flags and variables of this process, and the file that they name. An unknown flag, `--help` and
    /// `--version` exit the process.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with all mistakes in the three sources.
    pub fn from_process() -> Result<Self, ConfigErrors> {
        Self::read(&std::env::args_os().collect::<Vec<_>>(), &std::env::vars_os().collect::<Vec<_>>())
    }

    /// Reads the sources again.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] as for [`Config::from_process`], and if the file cannot be read twice, such as a pipe.
    pub fn read_again(&self) -> Result<Self, ConfigErrors> {
        if let Some(path) = &self.file
            && std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file())
        {
            let error = std::io::Error::other("it is not a regular file, so it can be read only once");
            return Err(ConfigErrors(vec![ConfigError::Unreadable { path: path.clone(), error }]));
        }
        Self::from_process()
    }

    /// The keys whose values differ between two configurations.
    #[must_use]
    pub fn changed_keys(&self, new: &Self) -> Vec<String> {
        let is_changed = |(key, value): &(&String, &toml::Value)| self.layers.values.get(*key) != Some(value);
        new.layers.values.iter().filter(is_changed).map(|(key, _)| key.clone()).collect()
    }

    fn read(args: &[OsString], variables: &[(OsString, OsString)]) -> Result<Self, ConfigErrors> {
        let matches = text_command().try_get_matches_from(args).unwrap_or_else(|error| exit(&error, args));
        // An empty variable counts as unset.
        let variable = |name: &OsStr| variables.iter().find(|(known, value)| known == name && !value.is_empty());
        let mut layers = Layers::default();
        let (mut errors, unknown_variables) = check_variable_names(variables);

        layers.add(&Options::defaults(), &Source::Default);
        let file = matches.get_one::<OsString>("config").or(variable(CONFIG_VARIABLE.as_ref()).map(|(_, path)| path));
        let file = file.map(PathBuf::from);
        if let Some(path) = &file {
            layers.add_file(path, &mut errors);
        }
        let settings = Options::augment_args(clap::Command::new("settings"));
        for argument in settings.get_arguments() {
            let key = argument.get_long().unwrap_or_default();
            if let Some((name, value)) = argument.get_env().and_then(variable) {
                let source = Source::Variable(name.to_string_lossy().into_owned());
                layers.add_texts(key, std::slice::from_ref(value), &source, &mut errors);
            }
            let id = argument.get_id().as_str();
            if matches.value_source(id) == Some(ValueSource::CommandLine) {
                let values: Vec<_> = matches.get_many::<OsString>(id).unwrap_or_default().cloned().collect();
                layers.add_texts(key, &values, &Source::Flag, &mut errors);
            }
        }

        let merged = layers.merged();
        let settings = merged.settings();
        let mut invalid = settings.mistakes();
        let threads = merged.threads.unwrap_or_default();
        if threads > THREADS_MAX {
            let allowed = format!("give 1 to {THREADS_MAX}, or 0 for one for each core");
            invalid.push(InvalidSettings { key: "threads", value: threads.to_string(), allowed });
        }
        let log_level = merged.log_level.unwrap_or_default();
        invalid.extend(logging::check_level(&log_level).err());
        errors.extend(invalid.into_iter().map(|InvalidSettings { key, value, allowed }| {
            let origin = layers.source(key).clone();
            ConfigError::Invalid { key: key.to_owned(), value, allowed, origin, is_misformed: false }
        }));
        let addresses = |given: Option<Vec<String>>| -> Vec<ListenAddress> {
            given.unwrap_or_default().iter().filter_map(|address| address.parse().ok()).collect()
        };
        let (listen, listen_line) = (addresses(merged.listen), addresses(merged.listen_line));
        if listen.is_empty() && listen_line.is_empty() {
            errors.push(ConfigError::NothingToListenOn);
        }
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        Ok(Self {
            listen,
            listen_line,
            settings,
            threads: Some(threads).filter(|&threads| threads > 0),
            log_format: merged.log_format.unwrap_or(LogFormat::Auto),
            log_level,
            print: matches.get_flag("print_config").then(|| layers.to_string()),
            file,
            unknown_variables,
            layers,
        })
    }
}

/// The command line with values as text. [`Layers::add_texts`] parses them, so that all mistakes are found, and so that
/// each source has the same syntax.
fn text_command() -> clap::Command {
    Cli::command().mut_args(|argument| {
        let argument = argument.env(Resettable::Reset);
        if argument.get_action().takes_values() { argument.value_parser(value_parser!(OsString)) } else { argument }
    })
}

/// Prints the help, the version or the error, and exits. [`text_command`] does not know the allowed values, so the help
/// comes from the complete command.
fn exit(error: &clap::Error, args: &[OsString]) -> ! {
    if error.kind() == ErrorKind::DisplayHelp {
        let flag = if args.iter().any(|arg| arg == "--help") { "--help" } else { "-h" };
        Cli::parse_from([PROGRAM, flag]);
    }
    error.exit()
}

/// The settings of one key, whose `values` are in the syntax of a flag.
///
/// # Errors
///
/// The allowed values.
fn parse_texts(key: &str, values: &[String]) -> Result<Options, String> {
    let command =
        Options::augment_args(clap::Command::new(PROGRAM)).mut_args(|argument| argument.env(Resettable::Reset));
    let args = values.iter().map(|value| format!("--{key}={value}"));
    let matches = command.try_get_matches_from(std::iter::once(PROGRAM.to_owned()).chain(args));
    matches.and_then(|matches| Options::from_arg_matches(&matches)).map_err(|error| {
        if let Some(ContextValue::Strings(allowed)) = error.get(ContextKind::ValidValue) {
            return format!("give one of {}", allowed.join(", "));
        }
        match std::error::Error::source(&error) {
            Some(reason) => reason.to_string(),
            None => "give one value".to_owned(),
        }
    })
}

/// Checks the names of the variables with our prefix. Returns the names that are probably misspelt, and the others that
/// are unknown: another program may use the prefix, for example Kubernetes for a service with our name.
fn check_variable_names(variables: &[(OsString, OsString)]) -> (Vec<ConfigError>, Vec<ConfigError>) {
    let command = Cli::command();
    let mut known: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).collect();
    known.push(CLIENT_VARIABLE);
    let names = variables.iter().map(|(name, _)| name.to_string_lossy());
    let unknown = names.filter(|name| name.starts_with(VARIABLE_PREFIX) && !known.contains(&&**name));
    let (mut misspelt, mut foreign) = (Vec::new(), Vec::new());
    for name in unknown {
        match unknown_name(&name, known.iter().copied(), Source::Environment) {
            ConfigError::Unknown { name, nearest, origin } if distance(&name, &nearest) > TYPO_MAX => {
                foreign.push(ConfigError::Ignored { name, origin });
            }
            error => misspelt.push(error),
        }
    }
    (misspelt, foreign)
}

fn unknown_name<'a>(name: &str, known: impl Iterator<Item = &'a str>, origin: Source) -> ConfigError {
    let nearest = known.min_by_key(|known| distance(name, known)).unwrap_or_default().to_owned();
    ConfigError::Unknown { name: name.to_owned(), nearest, origin }
}

/// The number of edits between two names, however they are capitalized.
fn distance(left: &str, right: &str) -> usize {
    strsim::damerau_levenshtein(&left.to_lowercase(), &right.to_lowercase())
}

/// The number of the line, from 1, that has the byte at `offset`.
fn line_number(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

/// The values of a key of the file, in the syntax of a flag. `None` if the value cannot be a setting.
fn texts_of(value: &DeValue<'_>) -> Option<Vec<String>> {
    Some(vec![match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok()?.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Array(values) if values.is_empty() => NONE.to_owned(),
        DeValue::Array(values) => {
            let values: Option<Vec<_>> = values.iter().map(|value| texts_of(value.get_ref())).collect();
            return Some(values?.into_iter().flatten().collect());
        }
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    }])
}

impl Options {
    fn defaults() -> Self {
        let settings = Settings::default();
        Self {
            listen: Some(vec![LISTEN.to_owned()]),
            listen_line: Some(vec![LISTEN_LINE.to_owned()]),
            max_sessions: Some(settings.max_sessions),
            max_sessions_per_address: Some(settings.max_sessions_per_address),
            on_link_prefix: Some(vec![NONE.to_owned()]),
            register_timeout: Some(TimeSpan(settings.register_timeout)),
            line_bytes: Some(settings.line_bytes),
            text_bytes: Some(settings.text_bytes),
            outbox_soft_bytes: Some(settings.outbox_soft_bytes),
            outbox_bytes: Some(settings.outbox_bytes),
            outbox_timeout: Some(TimeSpan(settings.outbox_timeout)),
            zero_window_timeout: Some(TimeSpan(settings.zero_window_timeout)),
            lines_per_second: Some(settings.lines_per_second),
            limit_loopback: Some(settings.limit_loopback),
            turn_lines: Some(settings.turn_lines),
            keepalive: Some(TimeSpan(settings.keepalive)),
            user_timeout: Some(TimeSpan(settings.user_timeout)),
            drain_timeout: Some(TimeSpan(settings.drain_timeout)),
            threads: Some(0),
            log_format: Some(LogFormat::Auto),
            log_level: Some("info".to_owned()),
            log_messages: Some(settings.log_messages),
        }
    }

    fn settings(&self) -> Settings {
        let default = Settings::default();
        let time = |given: Option<TimeSpan>, default| given.map_or(default, |time| time.0);
        Settings {
            max_sessions: self.max_sessions.unwrap_or(default.max_sessions),
            max_sessions_per_address: self.max_sessions_per_address.unwrap_or(default.max_sessions_per_address),
            on_link_prefixes: self.on_link_prefix.iter().flatten().filter_map(|prefix| prefix.parse().ok()).collect(),
            register_timeout: time(self.register_timeout, default.register_timeout),
            line_bytes: self.line_bytes.unwrap_or(default.line_bytes),
            text_bytes: self.text_bytes.unwrap_or(default.text_bytes),
            outbox_soft_bytes: self.outbox_soft_bytes.unwrap_or(default.outbox_soft_bytes),
            outbox_bytes: self.outbox_bytes.unwrap_or(default.outbox_bytes),
            outbox_timeout: time(self.outbox_timeout, default.outbox_timeout),
            zero_window_timeout: time(self.zero_window_timeout, default.zero_window_timeout),
            lines_per_second: self.lines_per_second.unwrap_or(default.lines_per_second),
            limit_loopback: self.limit_loopback.unwrap_or(default.limit_loopback),
            turn_lines: self.turn_lines.unwrap_or(default.turn_lines),
            keepalive: time(self.keepalive, default.keepalive),
            user_timeout: time(self.user_timeout, default.user_timeout),
            drain_timeout: time(self.drain_timeout, default.drain_timeout),
            log_messages: self.log_messages.unwrap_or(default.log_messages),
        }
    }
}

/// Merged sources. For each key, the source that was added last wins.
#[derive(Debug, Default)]
struct Layers {
    values: Table,
    sources: Vec<(String, Source)>,
}

impl Layers {
    fn add(&mut self, options: &Options, source: &Source) {
        let layer = Table::try_from(options).expect("options serialize to a table");
        for (key, value) in layer {
            self.sources.retain(|(existing, _)| *existing != key);
            self.sources.push((key.clone(), source.clone()));
            self.values.insert(key, value);
        }
    }

    /// Adds the values of one key, which are in the syntax of a flag.
    fn add_texts(&mut self, key: &str, values: &[OsString], source: &Source, errors: &mut Vec<ConfigError>) {
        let texts: Option<Vec<_>> = values.iter().map(|value| value.to_str().map(str::to_owned)).collect();
        let parsed = texts.ok_or_else(|| "give text in UTF-8".to_owned()).and_then(|texts| parse_texts(key, &texts));
        match parsed {
            Ok(options) => self.add(&options, source),
            Err(allowed) => errors.push(ConfigError::Invalid {
                key: key.to_owned(),
                value: values.iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(", "),
                allowed,
                origin: source.clone(),
                is_misformed: true,
            }),
        }
    }

    fn add_file(&mut self, path: &Path, errors: &mut Vec<ConfigError>) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return errors.push(ConfigError::Unreadable { path: path.to_owned(), error }),
        };
        let (table, syntax_errors) = DeTable::parse_recoverable(&text);
        let malformed = |error| ConfigError::Malformed { path: path.to_owned(), error: Box::new(error) };
        if !syntax_errors.is_empty() {
            return errors.extend(syntax_errors.into_iter().map(malformed));
        }
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let line = line_number(&text, key.span().start);
            let key = key.get_ref();
            let source = Source::File { path: path.to_owned(), line };
            if !self.values.contains_key(&**key) {
                errors.push(unknown_name(key, self.values.keys().map(String::as_str), source));
            } else if let Some(texts) = texts_of(value.get_ref()) {
                let texts: Vec<_> = texts.into_iter().map(OsString::from).collect();
                self.add_texts(key, &texts, &source, errors);
            } else {
                errors.push(ConfigError::Invalid {
                    key: key.to_string(),
                    value: text[value.span()].to_owned(),
                    allowed: "give a number, a text, true or false".to_owned(),
                    origin: source,
                    is_misformed: true,
                });
            }
        }
    }

    fn merged(&self) -> Options {
        self.values.clone().try_into().expect("a table of options deserializes")
    }

    fn source(&self, key: &str) -> &Source {
        self.sources.iter().find(|(existing, _)| existing == key).map_or(&Source::Default, |(_, source)| source)
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in &self.values {
            let line = format!("{key} = {value}");
            writeln!(f, "{line:<50} # {}", self.source(key))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn config(file: Option<&str>, flags: &[&str]) -> Result<Config, ConfigErrors> {
        config_with_variables(file, &[], flags)
    }

    fn config_with_variables(
        file: Option<&str>,
        variables: &[(&str, &str)],
        flags: &[&str],
    ) -> Result<Config, ConfigErrors> {
        let mut config_file = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut args = vec![OsString::from(PROGRAM)];
        if let Some(text) = file {
            config_file.write_all(text.as_bytes()).expect("the file can be written");
            args.extend(["--config".into(), config_file.path().into()]);
        }
        args.extend(flags.iter().map(OsString::from));
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Config::read(&args, &variables)
    }

    #[test]
    fn flag_overrides_variable_overrides_file_overrides_default() {
        let file = "max-sessions = 7\noutbox-timeout = \"5s\"\nlisten = \"[::1]:0\"\nturn-lines = 8\n";
        let variables = [("SWITCHBOARD_MAX_SESSIONS", "8"), ("SWITCHBOARD_TURN_LINES", "9")];
        let config = config_with_variables(Some(file), &variables, &["--max-sessions", "9", "--limit-loopback"])
            .expect("the configuration is valid");
        assert_eq!(config.settings.max_sessions, 9);
        assert_eq!(config.settings.turn_lines, 9);
        assert_eq!(config.settings.outbox_timeout, Duration::from_secs(5));
        assert_eq!(config.settings.line_bytes, 4096);
        assert_eq!(config.listen, ["[::1]:0".parse().expect("an address")]);
        assert!(config.settings.limit_loopback);
    }

    #[test]
    fn printed_configuration_names_sources_and_can_be_read_again() {
        let printed = config(Some("text-bytes = 500"), &["--print-config", "--listen", "[::1]:0", "--listen=none"])
            .expect("the configuration is valid")
            .print
            .expect("--print-config was given");
        let printed_line = |key: &str| {
            let line = printed.lines().find(|line| line.starts_with(key)).expect(key);
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(printed_line("listen ="), r#"listen = ["[::1]:0", "none"] # flag"#);
        assert_eq!(printed_line("max-sessions ="), "max-sessions = 10000 # default");
        // The source is the path of the file, and the number of the line.
        let text_bytes = printed_line("text-bytes");
        assert!(text_bytes.starts_with("text-bytes = 500 # /") && text_bytes.ends_with(":1"), "{text_bytes}");
        assert!(config(Some(&printed), &[]).is_ok(), "the printed configuration is valid");
    }

    #[test]
    fn values_have_the_same_syntax_in_every_source() {
        // A key, a value as text, the same value in TOML, and the value that is in effect.
        let cases = [
            ("keepalive", "90", "90", "\"1m 30s\""),
            ("keepalive", "1.5", "1.5", "\"1s 500ms\""),
            ("keepalive", "2m", "\"2m\"", "\"2m\""),
            ("keepalive", "90", "\"90\"", "\"1m 30s\""),
            ("log-messages", "1", "1", "true"),
            ("log-messages", "yes", "\"yes\"", "true"),
            ("log-messages", "false", "false", "false"),
            ("log-messages", "No", "0", "false"),
            ("max-sessions", "12", "\"12\"", "12"),
            ("max-sessions", "16", "0x10", "16"),
            ("listen", ":1, [::1]:2", "[\":1\", \"[::1]:2\"]", "[\":1\", \"[::1]:2\"]"),
            ("listen", "none", "[]", "[\"none\"]"),
            ("on-link-prefix", "::/0,2001:db8::/64", "[\"::/0\", \"2001:db8::/64\"]", "[\"::/0\", \"2001:db8::/64\"]"),
            ("on-link-prefix", "2001:db8::/64", "\"2001:db8::/64\"", "[\"2001:db8::/64\"]"),
            ("on-link-prefix", "none", "[]", "[\"none\"]"),
            ("log-format", "json", "\"json\"", "\"json\""),
        ];
        for (key, text, toml, expected) in cases {
            let variable = format!("SWITCHBOARD_{}", key.replace('-', "_").to_uppercase());
            let sources = [
                config(Some(&format!("{key} = {toml}")), &[]),
                config_with_variables(None, &[(&variable, text)], &[]),
                config(None, &[&format!("--{key}={text}")]),
            ];
            for source in sources {
                let config = source.unwrap_or_else(|error| panic!("{key} is {text}: {error}"));
                assert_eq!(config.layers.values[key].to_string(), expected, "{key} is {text}");
            }
        }
    }

    #[test]
    fn empty_variable_is_unset() {
        let variables = [("SWITCHBOARD_LISTEN", ""), ("SWITCHBOARD_CONFIG", ""), ("SWITCHBOARD_KEEPALIVE", "")];
        let config = config_with_variables(None, &variables, &[]).expect("the configuration is valid");
        assert_eq!(config.listen, [LISTEN.parse().expect("an address")]);
        assert_eq!(config.file, None);
    }

    #[test]
    fn unknown_variable_is_an_error_if_it_is_similar_to_a_known_one() {
        let variables = [("SWITCHBOARD_MAX_SESIONS", "5"), ("OTHER", "x"), ("SWITCHBOARD_ADDR", "chat.example")];
        let error = config_with_variables(None, &variables, &[]).expect_err("a name is misspelt").to_string();
        assert_eq!(
            error,
            "SWITCHBOARD_MAX_SESIONS is unknown: perhaps SWITCHBOARD_MAX_SESSIONS is meant (from the environment)"
        );
        // Kubernetes sets such variables for a service with the name `switchboard`.
        let variables = [("SWITCHBOARD_SERVICE_HOST", "10.0.0.1"), ("SWITCHBOARD_PORT", "tcp://10.0.0.1:1")];
        let config = config_with_variables(None, &variables, &[]).expect("the variables are ignored");
        let warnings: Vec<_> = config.unknown_variables.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "SWITCHBOARD_SERVICE_HOST is unknown and ignored (from the environment)",
                "SWITCHBOARD_PORT is unknown and ignored (from the environment)"
            ]
        );
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let file = "max-sessions = \"many\"\nkeep-alive = 60\nturn-lines = 0\n";
        let variables = [("SWITCHBOARD_LOG_LEVEL", "loud"), ("SWITCHBOARD_KEEPALIVE", "soon")];
        let errors = config_with_variables(Some(file), &variables, &["--listen", "foo", "--threads", "9999"]);
        let errors = errors.expect_err("there are mistakes").to_string();
        let lines: Vec<_> = errors.lines().map(str::trim).collect();
        let expected = [
            ("the configuration has 7 mistakes:", ""),
            ("max-sessions is many: give a whole number, 0 or more (from /", ":1)"),
            ("keep-alive is unknown: perhaps keepalive is meant (from /", ":2)"),
            ("listen is foo: the port is missing: write HOST:PORT, or :PORT for all addresses (from flag)", ""),
            ("keepalive is soon: give a time such as 30s or 2m", "(from variable SWITCHBOARD_KEEPALIVE)"),
            ("turn-lines is 0: give 1 to 1000000 (from /", ":3)"),
            ("threads is 9999: give 1 to 1024", "(from flag)"),
            ("log-level is loud: give error", "(from variable SWITCHBOARD_LOG_LEVEL)"),
        ];
        assert_eq!(lines.len(), expected.len(), "{errors}");
        for (line, (start, end)) in lines.iter().zip(expected) {
            assert!(line.starts_with(start) && line.ends_with(end), "{line:?} is not {start:?}…{end:?}");
        }
    }

    #[test]
    fn file_error_names_line_key_and_allowed_values() {
        let cases = [
            ("max-session = 3", &["max-session is unknown: perhaps max-sessions is meant", ":1)"][..]),
            ("\nmax-sessions = \"many\"", &["max-sessions is many: give a whole number, 0 or more", ":2)"]),
            ("max-sessions = -3", &["max-sessions is -3: give a whole number, 0 or more", ":1)"]),
            ("max-sessions = [1, 2]", &["max-sessions is 1, 2: give one value", ":1)"]),
            ("on-link-prefix = \"2001:db8::\"", &["on-link-prefix is 2001:db8::: give an IPv6 prefix such as", ":1)"]),
            ("on-link-prefix = \"10.0.0.0/8\"", &["each IPv4 address counts by itself already (from /"]),
            ("on-link-prefix = \"fd00::1/8\"", &["the address has bits after the prefix: write fd00::/8 (from /"]),
            ("listen = 7", &["listen is 7: the port is missing", ":1)"]),
            ("listen = {a = 1}", &["listen is {a = 1}: give a number, a text, true or false", ":1)"]),
            ("log-level = \"loud\"", &["log-level is loud: give error, warn", "(from /"]),
            ("threads = 100000", &["threads is 100000: give 1 to 1024"]),
            ("listen = \"none\"\nlisten-line = \"none\"", &["there is nothing to listen on"]),
            ("drain-timeout = \"soon\"", &["drain-timeout is soon: give a time such as 30s or 2m", ":1)"]),
            ("max-sessions = 0", &["max-sessions is 0: give 1 to 65536 (from /"]),
            ("log-format = \"xml\"", &["log-format is xml: give one of auto, console, text, json"]),
            ("log-messages = 2", &["log-messages is 2: give true or false"]),
            ("max-sessions =", &["line 1"]),
            ("a = 1\na = 2\nb =", &["2 mistakes", "line 2", "line 3"]),
        ];
        for (given, expected) in cases {
            let error = config(Some(given), &[]).expect_err(given).to_string();
            for part in expected {
                assert!(error.contains(part), "given {given:?}: {part:?} is not in {error:?}");
            }
        }
        let error = config(None, &["--turn-lines", "0"]).expect_err("the value is out of bounds").to_string();
        assert_eq!(error, "turn-lines is 0: give 1 to 1000000 (from flag)");
    }

    #[test]
    fn every_flag_has_a_variable_of_the_same_name() {
        for argument in Cli::command().get_arguments().filter(|argument| argument.get_id() != "print_config") {
            let variable = argument.get_env().map(|variable| variable.to_string_lossy().into_owned());
            assert_eq!(variable, Some(format!("SWITCHBOARD_{}", argument.get_id().as_str().to_uppercase())));
        }
    }
}
