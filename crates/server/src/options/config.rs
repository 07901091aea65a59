//! The merged and validated configuration of a process.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args as _, CommandFactory as _, FromArgMatches as _, Parser as _, value_parser};

use super::PROGRAM;
use super::config_error::{ConfigError, ConfigErrors};
use super::keys::{AUTO, Cli, LogFormat, OldestTls, Options};
use super::layers::{Layers, Source};
use super::unknown_name::check_variable_names;
use super::value::NONE;
use crate::listener::ListenAddress;
use crate::listener_kind::ListenerKind;
use crate::logging;
use crate::loopback::is_loopback;
use crate::operator::Command;
use crate::settings::{InvalidSettings, Settings};
use crate::tls::{CertificateSource, TlsVersion};

/// Maximum number of threads: more than any machine has cores.
const THREADS_MAX: usize = 1024;

/// Variable that names the configuration file.
const CONFIG_VARIABLE: &str = "SWITCHBOARD_CONFIG";

/// Variable that names the data directory.
const DATA_VARIABLE: &str = "SWITCHBOARD_DATA";

/// The configuration file of an installed package. A command of the operator finds the data directory in it, if neither a
/// flag nor a variable names a directory or another file.
const INSTALLED_FILE: &str = "/etc/switchboard/server.toml";

/// The merged and validated configuration.
#[derive(Debug)]
pub struct Config {
    /// The listening addresses for the commands dialect.
    pub listen: Vec<ListenAddress>,
    /// The listening addresses for the line dialect.
    pub listen_line: Vec<ListenAddress>,
    /// The command of the operator, if the process is not to serve.
    pub command: Option<Command>,
    /// The listening addresses for the commands dialect over TLS.
    pub listen_tls: Vec<ListenAddress>,
    /// The listening addresses for browsers.
    pub listen_web: Vec<ListenAddress>,
    /// The kinds and addresses of the sockets that the service manager passed. They take the place of settings.
    pub passed_sockets: Vec<(ListenerKind, SocketAddr)>,
    /// The listening addresses for monitoring.
    pub listen_admin: Vec<ListenAddress>,
    /// The file of the token for monitoring.
    pub admin_token_file: Option<PathBuf>,
    /// The certificate for TLS.
    pub certificate: CertificateSource,
    /// The oldest version of TLS that clients may use.
    pub tls_oldest: TlsVersion,
    /// The settings for [`run`](crate::run()).
    pub settings: Settings,
    /// The number of threads. `None`: one for each core.
    pub threads: Option<usize>,
    /// The format of the log.
    pub log_format: LogFormat,
    /// Whether the link of the page is drawn as a QR code at a terminal.
    pub qr_code: bool,
    /// The level of the log, valid for [`check_level`](logging::check_level).
    pub log_level: String,
    /// The configuration as TOML with the source of each key, if `--print-config` was given.
    pub print: Option<String>,
    /// The path of the configuration file, if one was given.
    pub file: Option<PathBuf>,
    /// Variables that have the prefix of ours, but that are not similar to one of ours. They are ignored.
    pub unknown_variables: Vec<ConfigError>,
    pub(super) layers: Layers,
}

impl Config {
    /// Whether a listener needs a certificate: one with TLS, or one that browsers reach over the network. A web listener
    /// on loopback has TLS only if the certificate is there anyway.
    #[must_use]
    pub fn needs_certificate(&self) -> bool {
        let passed = |kind| self.passed_sockets.iter().filter(move |(passed, _)| *passed == kind);
        let has_own_certificate = matches!(self.certificate, CertificateSource::Files { .. });
        !self.listen_tls.is_empty()
            || passed(ListenerKind::Tls).next().is_some()
            || self.listen_web.iter().any(|address| has_own_certificate || !address.is_loopback())
            || passed(ListenerKind::Web)
                .any(|(_, address)| has_own_certificate || !is_loopback(&address.ip().to_string()))
    }

    /// Reads the flags and variables of this process, and the file that they name. An unknown flag, `--help` and
    /// `--version` exit the process. `passed_sockets` take the place of the default addresses of their kinds.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with all mistakes in the three sources.
    pub fn from_process(passed_sockets: &[(ListenerKind, SocketAddr)]) -> Result<Self, ConfigErrors> {
        let (args, variables): (Vec<_>, Vec<_>) = (std::env::args_os().collect(), std::env::vars_os().collect());
        Self::read(&args, &variables, passed_sockets)
    }

    pub(super) fn read(
        args: &[OsString],
        variables: &[(OsString, OsString)],
        passed_sockets: &[(ListenerKind, SocketAddr)],
    ) -> Result<Self, ConfigErrors> {
        let matches = text_command().try_get_matches_from(args).unwrap_or_else(|error| exit(&error, args));
        let command = Command::from_arg_matches(&matches).ok();
        // The flags that may follow a command.
        let mut last = &matches;
        while let Some((_, subcommand)) = last.subcommand() {
            last = subcommand;
        }
        // An empty variable counts as unset.
        let variable = |name: &OsStr| variables.iter().find(|(known, value)| known == name && !value.is_empty());
        let mut layers = Layers::default();
        let (mut errors, unknown_variables) = check_variable_names(variables);

        layers.add(&Options::defaults(), &Source::Default);
        let file = last.get_one::<OsString>("config").or(variable(CONFIG_VARIABLE.as_ref()).map(|(_, path)| path));
        let has_data =
            last.value_source("data") == Some(ValueSource::CommandLine) || variable(DATA_VARIABLE.as_ref()).is_some();
        let needs_file = !has_data && command.as_ref().is_some_and(Command::needs_data);
        let installed_file = || Some(INSTALLED_FILE).filter(|file| needs_file && Path::new(file).exists());
        let file = file.map(PathBuf::from).or_else(|| installed_file().map(PathBuf::from));
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
            let matches = if argument.is_global_set() { last } else { &matches };
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
        let mut addresses =
            |kind, given| listen_addresses(kind, given, layers.source(kind.key()), passed_sockets, &mut errors);
        let listen = addresses(ListenerKind::Commands, merged.listen);
        let listen_line = addresses(ListenerKind::Line, merged.listen_line);
        let listen_tls = addresses(ListenerKind::Tls, merged.listen_tls);
        let listen_web = addresses(ListenerKind::Web, merged.listen_web);
        let has_address = [&listen, &listen_line, &listen_tls, &listen_web].iter().any(|list| !list.is_empty());
        if !has_address && passed_sockets.is_empty() {
            errors.push(ConfigError::NothingToListenOn);
        }
        let (listen_admin, admin_token_file) =
            monitoring(&merged.listen_admin.unwrap_or_default(), merged.admin_token_file, &mut errors);
        let pem_file = |given: Option<String>| given.filter(|given| given != AUTO).map(PathBuf::from);
        let certificate = match (pem_file(merged.tls_cert), pem_file(merged.tls_key)) {
            (Some(certificate), Some(key)) => CertificateSource::Files { certificate, key },
            (None, None) => match &settings.data {
                Some(data) => CertificateSource::SelfMade(data.clone()),
                None => CertificateSource::Temporary,
            },
            (given, _) => {
                let (given, missing) = if given.is_some() { ("tls-cert", "tls-key") } else { ("tls-key", "tls-cert") };
                errors.push(ConfigError::Incomplete { given, missing });
                CertificateSource::Temporary
            }
        };
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        Ok(Self {
            listen,
            listen_line,
            command,
            listen_tls,
            listen_web,
            passed_sockets: passed_sockets.to_vec(),
            listen_admin,
            admin_token_file,
            certificate,
            tls_oldest: match merged.tls_oldest {
                Some(OldestTls::Tls12) => TlsVersion::Tls12,
                _ => TlsVersion::Tls13,
            },
            settings,
            threads: Some(threads).filter(|&threads| threads > 0),
            log_format: merged.log_format.unwrap_or(LogFormat::Auto),
            qr_code: merged.qr_code.unwrap_or(true),
            log_level,
            print: matches.get_flag("print_config").then(|| layers.to_string()),
            file,
            unknown_variables,
            layers,
        })
    }
}

/// The addresses of one kind of listener. A passed socket of this kind takes the place of the default addresses.
fn listen_addresses(
    kind: ListenerKind,
    given: Option<Vec<String>>,
    source: &Source,
    passed_sockets: &[(ListenerKind, SocketAddr)],
    errors: &mut Vec<ConfigError>,
) -> Vec<ListenAddress> {
    let addresses: Vec<_> = given.unwrap_or_default().iter().filter_map(|address| address.parse().ok()).collect();
    if !passed_sockets.iter().any(|(passed, _)| *passed == kind) {
        return addresses;
    }
    // The value `none` contradicts nothing.
    if *source != Source::Default && !addresses.is_empty() {
        errors.push(ConfigError::AlsoPassed { kind, origin: source.clone() });
    }
    Vec::new()
}

/// The addresses for monitoring, and the file of their token. Addresses that other machines reach need one.
fn monitoring(
    addresses: &[String],
    token_file: Option<String>,
    errors: &mut Vec<ConfigError>,
) -> (Vec<ListenAddress>, Option<PathBuf>) {
    let addresses: Vec<ListenAddress> = addresses.iter().filter_map(|given| given.parse().ok()).collect();
    let token_file = token_file.filter(|file| file != NONE).map(PathBuf::from);
    if token_file.is_none()
        && let Some(address) = addresses.iter().find(|address| !address.is_loopback())
    {
        errors.push(ConfigError::NoAdminToken { address: address.to_string() });
    }
    (addresses, token_file)
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
        if let Err(error) = Cli::command().try_get_matches_from(args)
            && error.kind() == ErrorKind::DisplayHelp
        {
            error.exit();
        }
        let flag = if args.iter().any(|arg| arg == "--help") { "--help" } else { "-h" };
        Cli::parse_from([PROGRAM, flag]);
    }
    error.exit()
}
