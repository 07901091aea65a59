//! The layers of a configuration: defaults, file, variables and flags. They are merged key by key, with the source of
//! each key.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Args as _, FromArgMatches as _};
use toml::Table;
use toml::de::{DeTable, DeValue};

use super::PROGRAM;
use super::config_error::ConfigError;
use super::keys::Options;
use super::unknown_name::unknown_name;
use super::value::NONE;

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

/// Merged sources. For each key, the source that was added last wins.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) values: Table,
    sources: Vec<(String, Source)>,
}

impl Layers {
    pub(super) fn add(&mut self, options: &Options, source: &Source) {
        let layer = Table::try_from(options).expect("options serialize to a table");
        for (key, value) in layer {
            self.sources.retain(|(existing, _)| *existing != key);
            self.sources.push((key.clone(), source.clone()));
            self.values.insert(key, value);
        }
    }

    /// Adds the values of one key, which are in the syntax of a flag.
    pub(super) fn add_texts(&mut self, key: &str, values: &[OsString], source: &Source, errors: &mut Vec<ConfigError>) {
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

    pub(super) fn add_file(&mut self, path: &Path, errors: &mut Vec<ConfigError>) {
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
                    allowed: "give a number, a text, true or false, or a list of these".to_owned(),
                    origin: source,
                    is_misformed: true,
                });
            }
        }
    }

    pub(super) fn merged(&self) -> Options {
        self.values.clone().try_into().expect("a table of options deserializes")
    }

    pub(super) fn source(&self, key: &str) -> &Source {
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

/// The number of the line, from 1, that has the byte at `offset`.
fn line_number(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&byte| byte == b'\n').count() + 1
}

/// The values of a key of the file, in the syntax of a flag. `None` if the value cannot be a setting.
fn texts_of(value: &DeValue<'_>) -> Option<Vec<String>> {
    Some(vec![match value {
        DeValue::Array(values) if values.is_empty() => NONE.to_owned(),
        DeValue::Array(values) => return values.iter().map(|value| text_of(value.get_ref())).collect(),
        value => text_of(value)?,
    }])
}

/// One value, in the syntax of a flag. `None` if the value cannot be a setting, or has several values.
fn text_of(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok()?.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}
