//! The mistakes in a configuration.

use std::fmt;
use std::path::PathBuf;

use switchboard_protocol::sanitize;

use super::layers::Source;
use crate::listener_kind::ListenerKind;

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
    #[error("{name} is unknown: {} (from {origin})", correction(.nearest.as_deref()), name = sanitize(.name))]
    Unknown {
        /// The unknown name.
        name: String,
        /// The known name that is probably meant. `None` if no known name is similar.
        nearest: Option<String>,
        /// The source of the name.
        origin: Source,
    },
    /// A setting has an invalid value.
    #[error("{key} is {value}: {allowed} (from {origin})", value = if .value.is_empty() { "empty".into() } else { sanitize(.value) })]
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
    #[error(
        "there is nothing to listen on: give --listen HOST:PORT, --listen-tls HOST:PORT, --listen-web HOST:PORT or \
         --listen-line HOST:PORT"
    )]
    NothingToListenOn,
    /// A listener has addresses, and the service manager passes a socket of its kind.
    #[error(
        "{key} has an address (from {origin}), but the service manager passes the socket {name}: leave the setting out, \
         or disable the socket unit",
        key = .kind.key(), name = .kind.socket_name()
    )]
    AlsoPassed {
        /// The kind of the listener.
        kind: ListenerKind,
        /// The source of the addresses.
        origin: Source,
    },
    /// Other machines may reach the listener for monitoring, and it has no token.
    #[error(
        "listen-admin is {address}: other machines can reach this address, so give --admin-token-file FILE, or listen on \
         127.0.0.1"
    )]
    NoAdminToken {
        /// The address.
        address: String,
    },
    /// Of two keys that belong together, only one has a value.
    #[error("{given} needs {missing}: give both files, or none, and the server makes a certificate")]
    Incomplete {
        /// The key with a value.
        given: &'static str,
        /// The key without a value.
        missing: &'static str,
    },
}

fn correction(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("perhaps {nearest} is meant"),
        None => "--print-config lists the keys".to_owned(),
    }
}

/// All mistakes in a configuration. There is at least one.
#[derive(Debug)]
pub struct ConfigErrors(pub(super) Vec<ConfigError>);

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
