//! The settings of the chat that fills the terminal: `$XDG_CONFIG_HOME/switchboard/client.toml`.
//!
//! A missing file means the defaults. A file with a mistake ends the program, so that no chat begins with half of the
//! settings. Options of the command line have priority over environment variables, and these over the file. Scripts and
//! subcommands do not read the file, so their results do not depend on it. The file has no secret: tokens and the keys of
//! servers are state, and stay in the [state directory](super::state_directory).

mod file;
mod keys;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use switchboard_protocol::sanitize;

use super::args::ColorChoice;
use super::cli_error::CliError;
use super::state_directory;
use keys::{KEYS, Key};

/// The settings of a chat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Settings {
    /// The name of the user, valid as a username.
    pub(crate) name: Option<String>,
    /// The address of the server or a link, valid as an argument of the command line.
    pub(crate) server: Option<String>,
    /// The device of the account, valid as a device name.
    pub(crate) device: Option<String>,
    pub(crate) bell: Attention,
    pub(crate) notify: Attention,
    pub(crate) color: ColorChoice,
    pub(crate) clock: Clock,
    pub(crate) right_to_left: RightToLeft,
    /// The folder for a log of each conversation. An absolute path.
    pub(crate) log: Option<PathBuf>,
    /// The source of each setting that is not a default, by the name of its key.
    sources: BTreeMap<&'static str, Source>,
}

/// The messages to which the program calls attention.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Attention {
    Off,
    /// Messages that mention the user, and direct messages.
    Mention,
    All,
}

/// The form of a time of the day.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Clock {
    #[value(name = "24h")]
    Hours24,
    #[value(name = "12h")]
    Hours12,
}

/// Whether the program puts right-to-left text in its visual order.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum RightToLeft {
    /// Yes, unless the terminal is known to do it.
    Auto,
    On,
    Off,
}

/// The source of a setting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    File,
    /// An environment variable, by its name.
    Variable(&'static str),
    /// An option of the command line, by its name.
    Option(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "from this file",
            Self::Variable(name) | Self::Option(name) => name,
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: None,
            server: None,
            device: None,
            bell: Attention::Mention,
            notify: Attention::Mention,
            color: ColorChoice::Auto,
            clock: Clock::Hours24,
            right_to_left: RightToLeft::Auto,
            log: None,
            sources: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Reads the file of the user. Without a file, returns the defaults.
    pub(crate) fn read() -> Result<Self, CliError> {
        match path() {
            Some(path) => file::read(&path),
            None => Ok(Self::default()),
        }
    }

    /// Applies a value of an environment variable or of the command line. Call it for variables first.
    pub(crate) fn set(&mut self, key: &'static str, value: &str, source: Source) -> Result<(), CliError> {
        let Some(key) = Key::find(key) else {
            return Err(CliError::Usage(format!("{key} is not the key of a setting")));
        };
        key.apply(self, value, source).map_err(|remedy| {
            let value = sanitize(value);
            CliError::Usage(format!("{} is \"{value}\": {remedy} ({source})", key.name))
        })
    }

    /// Logs to `directory`, which may be relative to the working directory.
    pub(crate) fn set_log(&mut self, directory: &Path, source: Source) -> Result<(), CliError> {
        self.log = Some(std::path::absolute(directory)?);
        self.sources.insert("log", source);
        Ok(())
    }

    /// The settings as a file that has the same settings, with a comment for each.
    pub(crate) fn to_toml(&self) -> String {
        let place = path().map_or_else(
            || "Set XDG_CONFIG_HOME or HOME to have a file for them.".to_owned(),
            |path| format!("Their file is {}.", sanitize(&path.to_string_lossy())),
        );
        let mut text = format!("# The settings of the chat, as they apply now. {place}\n");
        for key in &KEYS {
            let source = self.sources.get(key.name).map_or_else(|| "the default".to_owned(), Source::to_string);
            let line = match (key.get)(self) {
                Some(value) => format!("{} = {} # {source}", key.name, toml::Value::String(value)),
                None => format!("# {} = \"{}\" # not set", key.name, key.example),
            };
            let _ = write!(text, "\n# {}\n{line}\n", key.about.replace('\n', "\n# "));
        }
        text
    }
}

/// The path of the file. `None` if there is no home directory.
pub(crate) fn path() -> Option<PathBuf> {
    Some(state_directory::of_user("XDG_CONFIG_HOME", ".config")?.join("client.toml"))
}

#[cfg(test)]
mod tests;
