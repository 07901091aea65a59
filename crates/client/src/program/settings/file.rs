//! Reads the file with the settings, and finds all of its mistakes.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;

use switchboard_protocol::sanitize;
use toml::de::{DeTable, DeValue};

use super::keys::Key;
use super::{Settings, Source};
use crate::program::cli_error::CliError;

/// The largest file in bytes: a hundred times more than all settings with their comments need.
const FILE_MAX_BYTES: u64 = 256 * 1024;

/// The most mistakes that are listed. More do not help to mend the first ones.
const MISTAKES_MAX: usize = 10;

/// Reads the file at `path`. Without a file, returns the defaults.
pub(super) fn read(path: &Path) -> Result<Settings, CliError> {
    let place = sanitize(&path.to_string_lossy()).into_owned();
    let text = match read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(error) => {
            return Err(CliError::Usage(format!("{place}: {error}. Mend the file, or remove it to have the defaults")));
        }
    };
    parse(&text).map_err(|mistakes| {
        let mistakes: Vec<_> = mistakes.iter().map(|mistake| format!("{place}, {mistake}")).collect();
        CliError::Usage(mistakes.join("\nswitchboard: "))
    })
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {} KiB, so it is not a file with settings", FILE_MAX_BYTES / 1024),
        ));
    }
    Ok(text)
}

/// Parses the text of a file. A mistake is `line 3: REASON: REMEDY`.
pub(super) fn parse(text: &str) -> Result<Settings, Vec<String>> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = line_of(text, error.span().unwrap_or_default());
        vec![format!("line {line}: this is not TOML: {}. Write KEY = \"VALUE\"", sanitize(error.message()))]
    })?;
    let mut settings = Settings::default();
    let mut mistakes = Vec::new();
    for (key, value) in table.get_ref() {
        let result = match (Key::find(key.get_ref()), value.get_ref()) {
            (None, _) => {
                let name = sanitize(key.get_ref()).into_owned();
                Err(format!("{name} is unknown: the keys are {}", Key::names()))
            }
            (Some(known), DeValue::String(value)) => known
                .apply(&mut settings, value, Source::File)
                .map_err(|remedy| format!("{} is \"{}\": {}", known.name, sanitize(value), sanitize(&remedy))),
            (Some(known), other) => Err(format!(
                "{name} is {kind}: write a text in quotes, such as {name} = \"{example}\"",
                name = known.name,
                kind = kind_of(other),
                example = known.example
            )),
        };
        if let Err(mistake) = result {
            mistakes.push((line_of(text, key.span()), mistake));
        }
    }
    if mistakes.is_empty() {
        return Ok(settings);
    }
    // The table is sorted by its keys.
    mistakes.sort();
    Err(mistakes.into_iter().take(MISTAKES_MAX).map(|(line, mistake)| format!("line {line}: {mistake}")).collect())
}

/// The number of the line in which `span` begins, from 1.
fn line_of(text: &str, span: Range<usize>) -> usize {
    1 + text.bytes().take(span.start).filter(|&byte| byte == b'\n').count()
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
