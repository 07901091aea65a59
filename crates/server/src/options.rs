//! Reads the configuration from flags, `SWITCHBOARD_…` variables, a TOML file and defaults, in this order of
//! precedence.
//!
//! [`Options`] holds the keys of one source: clap fills it from flags and variables, serde from the file. The sources
//! are merged key by key, and the merged configuration records the source of each key.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize};
use toml::Table;

use crate::logging;
use crate::settings::{InvalidSettings, Settings};

/// Maximum number of threads: more than any machine has cores.
const THREADS_MAX: usize = 1024;

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
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    /// Address to listen on for the commands dialect, or `none`; may be repeated [default: 127.0.0.1:12345]
    #[arg(long, value_name = "HOST:PORT", env = "SWITCHBOARD_LISTEN", value_delimiter = ',')]
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Option::is_none")]
    listen: Option<Vec<String>>,

    /// Address to listen on for the line dialect, or `none`; may be repeated [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT", env = "SWITCHBOARD_LISTEN_LINE", value_delimiter = ',')]
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Option::is_none")]
    listen_line: Option<Vec<String>>,

    /// Maximum open sessions [default: 10000]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_MAX_SESSIONS")]
    max_sessions: Option<usize>,

    /// Maximum open sessions from one address; loopback is exempt [default: 100]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_MAX_SESSIONS_PER_ADDRESS")]
    max_sessions_per_address: Option<usize>,

    /// Time in which a session must register a name [default: 2m]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_REGISTER_TIMEOUT")]
    register_timeout: Option<TimeSpan>,

    /// Maximum length of a line in bytes, including its end [default: 4096]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_LINE_BYTES")]
    line_bytes: Option<usize>,

    /// Maximum length of a message text in bytes [default: 3840]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_TEXT_BYTES")]
    text_bytes: Option<usize>,

    /// Unsent bytes to a reader above which the server delays the sessions that write to it [default: 262144]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_OUTBOX_SOFT_BYTES")]
    outbox_soft_bytes: Option<usize>,

    /// Maximum unsent bytes to a reader; a reader with more is closed as a slow consumer [default: 2097152]
    #[arg(long, value_name = "BYTES", env = "SWITCHBOARD_OUTBOX_BYTES")]
    outbox_bytes: Option<usize>,

    /// Time without progress in sending, after which a reader is closed as a slow consumer [default: 30s]
    #[arg(long, value_name = "TIME", env = "SWITCHBOARD_OUTBOX_TIMEOUT")]
    outbox_timeout: Option<TimeSpan>,

    /// Lines per second above which the server delays a session; 0 for no limit; loopback is exempt
    /// [default: 100]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_LINES_PER_SECOND")]
    lines_per_second: Option<u32>,

    /// Apply the limits per address and per second to loopback, too [default: false]
    #[arg(
        long,
        value_name = "BOOL",
        env = "SWITCHBOARD_LIMIT_LOOPBACK",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    limit_loopback: Option<bool>,

    /// Maximum lines of one session in its turn, before other sessions have their turns [default: 256]
    #[arg(long, value_name = "N", env = "SWITCHBOARD_TURN_LINES")]
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
    #[arg(long, value_name = "N", env = "SWITCHBOARD_THREADS")]
    threads: Option<usize>,

    /// Format of the log; auto is console on a terminal and text elsewhere [default: auto]
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
        default_missing_value = "true"
    )]
    log_messages: Option<bool>,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// [`LogFormat::Console`] on a terminal, [`LogFormat::Text`] elsewhere.
    Auto,
    /// Lines in the format of the course servers, and a hint how to connect.
    Console,
    /// A line of text for each event.
    Text,
    /// A JSON object for each event.
    Json,
}

/// A length of time in the form `30s` or `1m 30s`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
struct TimeSpan(Duration);

impl FromStr for TimeSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self).map_err(|error| format!("{error}; write a time such as 30s or 2m"))
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TimeSpan> for String {
    fn from(time: TimeSpan) -> Self {
        humantime::format_duration(time.0).to_string()
    }
}

/// Deserializes one address or a list of addresses.
fn one_or_many<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "give one address or a list of them, each as \"HOST:PORT\" or \"none\"")]
    enum Addresses {
        One(String),
        Many(Vec<String>),
    }
    Ok(Some(match Addresses::deserialize(value)? {
        Addresses::One(address) => vec![address],
        Addresses::Many(addresses) => addresses,
    }))
}

/// The source of a setting. Its text appears after the setting in the output of `--print-config`.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Source {
    Flag,
    Variable,
    File(PathBuf),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable => f.write_str("variable"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Why a configuration is invalid.
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
    /// The file is not TOML, or has an unknown key or an invalid value.
    #[error("{path}: {}", without_rust_types(.error), path = .path.display())]
    Malformed {
        /// The path of the file.
        path: PathBuf,
        /// The parser's error, with the line, the key and the allowed values.
        error: Box<toml::de::Error>,
    },
    /// A `SWITCHBOARD_…` variable has an invalid value.
    #[error("{variable} is {value:?}: {reason}")]
    Variable {
        /// The name of the variable.
        variable: String,
        /// The invalid value.
        value: String,
        /// Why the value is invalid.
        reason: String,
    },
    /// No listener has an address.
    #[error("there is nothing to listen on: give --listen HOST:PORT or --listen-line HOST:PORT")]
    NothingToListenOn,
    /// A setting has an invalid value.
    #[error("{error} (from {origin})")]
    Invalid {
        /// The setting, its value and the allowed values.
        error: InvalidSettings,
        /// The source of the value.
        origin: String,
    },
}

/// The merged and validated configuration.
#[derive(Debug)]
pub struct Config {
    /// The listening addresses for the commands dialect, each as `HOST:PORT`.
    pub listen: Vec<String>,
    /// The listening addresses for the line dialect, each as `HOST:PORT`.
    pub listen_line: Vec<String>,
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
}

impl Config {
    /// Reads the flags and variables of this process, and the file that they name. An invalid flag, `--help` and
    /// `--version` exit the process.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the file or a variable cannot be read, or a setting is invalid.
    pub fn from_process() -> Result<Self, ConfigError> {
        let args: Vec<_> = std::env::args_os().collect();
        let matches = match Cli::command().try_get_matches_from(&args) {
            Ok(matches) => matches,
            Err(error) => return Err(invalid_variable(&error, &args).unwrap_or_else(|| error.exit())),
        };
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        Self::from_cli(&cli, &matches)
    }

    fn from_cli(cli: &Cli, matches: &ArgMatches) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        layers.add(&Options::defaults(), |_| Source::Default);
        if let Some(path) = &cli.config {
            layers.add(&Options::from_file(path)?, |_| Source::File(path.clone()));
        }
        layers.add(&cli.options, |key| match matches.value_source(&key.replace('-', "_")) {
            Some(ValueSource::EnvVariable) => Source::Variable,
            _ => Source::Flag,
        });
        let print = cli.print_config.then(|| layers.to_string());
        let merged = layers.merged();
        let invalid = |error: InvalidSettings| {
            let origin = layers.source(error.key).to_string();
            ConfigError::Invalid { error, origin }
        };
        let settings = merged.settings().validated().map_err(invalid)?;
        let threads = merged.threads.unwrap_or_default();
        if threads > THREADS_MAX {
            let allowed = format!("give 1 to {THREADS_MAX}, or 0 for one for each core");
            return Err(invalid(InvalidSettings { key: "threads", value: threads.to_string(), allowed }));
        }
        let log_level = merged.log_level.unwrap_or_default();
        logging::check_level(&log_level).map_err(invalid)?;
        let addresses = |given: Option<Vec<String>>| -> Vec<_> {
            given.unwrap_or_default().into_iter().filter(|address| address != "none").collect()
        };
        let (listen, listen_line) = (addresses(merged.listen), addresses(merged.listen_line));
        if listen.is_empty() && listen_line.is_empty() {
            return Err(ConfigError::NothingToListenOn);
        }
        Ok(Self {
            listen,
            listen_line,
            settings,
            threads: Some(threads).filter(|&threads| threads > 0),
            log_format: merged.log_format.unwrap_or(LogFormat::Auto),
            log_level,
            print,
        })
    }
}

/// The error for an invalid value of a variable, or `None` if clap refused the value of a flag. In both cases, clap
/// reports the flag.
fn invalid_variable(error: &clap::Error, args: &[OsString]) -> Option<ConfigError> {
    let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) else { return None };
    let command = Cli::command();
    let argument = command.get_arguments().find(|argument| {
        let flag = format!("--{}", argument.get_long().unwrap_or_default());
        let is_flag =
            |arg: &OsString| arg.to_str().is_some_and(|arg| arg == flag || arg.starts_with(&format!("{flag}=")));
        let variable = argument.get_env().and_then(|variable| std::env::var(variable).ok());
        variable.is_some_and(|given| given.split(',').any(|part| part == value)) && !args.iter().any(is_flag)
    })?;
    let reason = match std::error::Error::source(error) {
        Some(reason) => reason.to_string(),
        None => "not an allowed value; see --help".to_owned(),
    };
    let variable = argument.get_env()?.to_string_lossy().into_owned();
    Some(ConfigError::Variable { variable, value: value.clone(), reason })
}

/// The error's text with "a whole number" instead of `usize`, for people who do not write Rust.
fn without_rust_types(error: &toml::de::Error) -> String {
    let replacements = [
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected u32", "expected a whole number, 0 or more"),
        ("expected a boolean", "expected true or false"),
    ];
    replacements.iter().fold(error.to_string(), |text, (rust, plain)| text.replace(rust, plain))
}

impl Options {
    fn defaults() -> Self {
        let settings = Settings::default();
        Self {
            listen: Some(vec![LISTEN.to_owned()]),
            listen_line: Some(vec![LISTEN_LINE.to_owned()]),
            max_sessions: Some(settings.max_sessions),
            max_sessions_per_address: Some(settings.max_sessions_per_address),
            register_timeout: Some(TimeSpan(settings.register_timeout)),
            line_bytes: Some(settings.line_bytes),
            text_bytes: Some(settings.text_bytes),
            outbox_soft_bytes: Some(settings.outbox_soft_bytes),
            outbox_bytes: Some(settings.outbox_bytes),
            outbox_timeout: Some(TimeSpan(settings.outbox_timeout)),
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

    fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        toml::from_str(&text).map_err(|error| ConfigError::Malformed { path: path.to_owned(), error: Box::new(error) })
    }

    fn settings(&self) -> Settings {
        let default = Settings::default();
        let time = |given: Option<TimeSpan>, default| given.map_or(default, |time| time.0);
        Settings {
            max_sessions: self.max_sessions.unwrap_or(default.max_sessions),
            max_sessions_per_address: self.max_sessions_per_address.unwrap_or(default.max_sessions_per_address),
            register_timeout: time(self.register_timeout, default.register_timeout),
            line_bytes: self.line_bytes.unwrap_or(default.line_bytes),
            text_bytes: self.text_bytes.unwrap_or(default.text_bytes),
            outbox_soft_bytes: self.outbox_soft_bytes.unwrap_or(default.outbox_soft_bytes),
            outbox_bytes: self.outbox_bytes.unwrap_or(default.outbox_bytes),
            outbox_timeout: time(self.outbox_timeout, default.outbox_timeout),
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
    fn add(&mut self, options: &Options, source: impl Fn(&str) -> Source) {
        let layer = Table::try_from(options).expect("options serialize to a table");
        for (key, value) in layer {
            self.sources.retain(|(existing, _)| *existing != key);
            self.sources.push((key.clone(), source(&key)));
            self.values.insert(key, value);
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

    fn config(file: Option<&str>, flags: &[&str]) -> Result<Config, ConfigError> {
        let mut config_file = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut args = vec!["switchboard-server".to_owned()];
        if let Some(text) = file {
            config_file.write_all(text.as_bytes()).expect("the file can be written");
            args.extend(["--config".to_owned(), config_file.path().display().to_string()]);
        }
        args.extend(flags.iter().map(|&flag| flag.to_owned()));
        let matches = Cli::command().try_get_matches_from(args).expect("the flags are valid");
        let cli = Cli::from_arg_matches(&matches).expect("the flags are valid");
        Config::from_cli(&cli, &matches)
    }

    #[test]
    fn flag_overrides_file_and_file_overrides_default() {
        let file = "max-sessions = 7\noutbox-timeout = \"5s\"\nlisten = \"[::1]:0\"\n";
        let config =
            config(Some(file), &["--max-sessions", "9", "--limit-loopback"]).expect("the configuration is valid");
        assert_eq!(config.settings.max_sessions, 9);
        assert_eq!(config.settings.outbox_timeout, Duration::from_secs(5));
        assert_eq!(config.settings.line_bytes, 4096);
        assert_eq!(config.listen, ["[::1]:0"]);
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
        // The source is the path of the file.
        assert!(printed_line("text-bytes").starts_with("text-bytes = 500 # /"));
        assert!(config(Some(&printed), &[]).is_ok(), "the printed configuration is valid");
    }

    #[test]
    fn file_error_names_line_key_and_allowed_values() {
        let cases = [
            ("max-session = 3", &["unknown field `max-session`", "line 1", "`max-sessions`"][..]),
            ("\nmax-sessions = \"many\"", &["line 2", "invalid type: string", "a whole number"]),
            ("max-sessions = -3", &["line 1", "expected a whole number, 0 or more"]),
            ("listen = 7", &["line 1", "give one address or a list of them"]),
            ("log-level = \"loud\"", &["log-level is loud: give error, warn", "(from /"]),
            ("threads = 100000", &["threads is 100000: give 1 to 1024"]),
            ("listen = \"none\"\nlisten-line = \"none\"", &["there is nothing to listen on"]),
            ("drain-timeout = \"soon\"", &["line 1", "write a time such as 30s or 2m"]),
            ("max-sessions = 0", &["max-sessions is 0: give 1 to 65536 (from /"]),
            ("log-format = \"xml\"", &["unknown variant `xml`", "`auto`, `console`, `text`, `json`"]),
            ("max-sessions =", &["line 1"]),
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
