//! Unknown names of keys and variables: a misspelt name is a mistake, and a name of another program is ignored.

use std::ffi::OsString;

use clap::CommandFactory as _;

use super::config_error::ConfigError;
use super::keys::Cli;
use super::layers::Source;

/// Prefix of the names of all variables.
const VARIABLE_PREFIX: &str = "SWITCHBOARD_";

/// Variable of the client, which a server on the same machine may find in its environment.
const CLIENT_VARIABLE: &str = "SWITCHBOARD_ADDR";

/// Maximum number of edits between a misspelt name and the name that is meant. Two: one slip of the fingers more than
/// a single letter, and too few to take another program's variable for ours.
const TYPO_MAX: usize = 2;

/// Checks the names of the variables with our prefix. Returns the names that are probably misspelt, and the others that
/// are unknown: another program may use the prefix, for example Kubernetes for a service with our name.
pub(super) fn check_variable_names(variables: &[(OsString, OsString)]) -> (Vec<ConfigError>, Vec<ConfigError>) {
    let command = Cli::command();
    let mut known: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str()).collect();
    known.push(CLIENT_VARIABLE);
    let names = variables.iter().map(|(name, _)| name.to_string_lossy());
    let unknown = names.filter(|name| name.starts_with(VARIABLE_PREFIX) && !known.contains(&&**name));
    let (mut misspelt, mut foreign) = (Vec::new(), Vec::new());
    for name in unknown {
        match unknown_name(&name, known.iter().copied(), Source::Environment) {
            ConfigError::Unknown { name, nearest: None, origin } => foreign.push(ConfigError::Ignored { name, origin }),
            error => misspelt.push(error),
        }
    }
    (misspelt, foreign)
}

/// The mistake of an unknown name, with the most similar of the `known` names if it is probably meant.
pub(super) fn unknown_name<'a>(name: &str, known: impl Iterator<Item = &'a str>, origin: Source) -> ConfigError {
    let distances = known.map(|known| (distance(name, known), known));
    let nearest = distances.filter(|(distance, _)| *distance <= TYPO_MAX).min_by_key(|(distance, _)| *distance);
    ConfigError::Unknown { name: name.to_owned(), nearest: nearest.map(|(_, known)| known.to_owned()), origin }
}

/// The number of edits between two names, however they are capitalized.
fn distance(left: &str, right: &str) -> usize {
    strsim::damerau_levenshtein(&left.to_lowercase(), &right.to_lowercase())
}
