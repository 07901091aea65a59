//! What Tab completes: verbs, slash commands, and after `CONNECT` the names that have been seen: those that the last `WHO`
//! gave, and those that spoke or opened a chat since.

use std::sync::{Arc, Mutex, PoisonError};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use switchboard_protocol::commands::{Argument, VERBS};
use switchboard_protocol::is_display_control;

use super::terminal::PrintGate;
use super::user_line::LOCAL_COMMANDS;

/// Names that were seen beside those that `WHO` gave, at most; a server can make up any number.
const KNOWN_NAMES_MAX: usize = 1000;

/// The names that were seen, shared between the session, which learns them, and the editor, which completes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownNames(Arc<Mutex<Vec<String>>>);

impl KnownNames {
    /// Remembers `names` instead of those before. A name that would steer the terminal is nothing to type.
    pub(crate) fn set<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let names = names.filter(|name| !name.chars().any(is_display_control)).map(str::to_owned).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Remembers one more, if it is news and there is room.
    pub(crate) fn add(&self, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < KNOWN_NAMES_MAX
            && !name.chars().any(is_display_control)
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }

    fn beginning_with(&self, start: &str) -> Vec<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().filter(|name| name.to_lowercase().starts_with(&start.to_lowercase())).cloned().collect()
    }
}

/// What the editor asks while a line is being typed.
#[derive(Debug)]
pub(crate) struct EditorHelper {
    /// None where there are no verbs, as in the line dialect.
    names: Option<KnownNames>,
    gate: Arc<PrintGate>,
}

impl EditorHelper {
    pub(crate) fn new(names: Option<KnownNames>, gate: Arc<PrintGate>) -> Self {
        Self { names, gate }
    }
}

impl Completer for EditorHelper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..pos];
        Ok(match &self.names {
            Some(names) => complete(typed, names),
            None => (0, slashes_beginning_with(typed).collect()),
        })
    }
}

/// Hints at nothing. The editor asks for a hint whenever it is about to draw the line, the first time included, and that
/// is how the [`PrintGate`] learns that a line is being edited.
impl Hinter for EditorHelper {
    type Hint = String;

    fn hint(&self, _: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.gate.open_while_editing();
        None
    }
}

impl Highlighter for EditorHelper {}
impl Validator for EditorHelper {}
impl Helper for EditorHelper {}

/// Where the word that `typed` ends in begins, and what it may become.
fn complete(typed: &str, names: &KnownNames) -> (usize, Vec<String>) {
    let Some((word, start)) = typed.split_once(' ') else {
        return (0, commands_beginning_with(typed));
    };
    let verb = word.trim_start_matches('/');
    let takes_somebody = VERBS.iter().any(|known| known.word == "CONNECT" && known.word.eq_ignore_ascii_case(verb));
    if takes_somebody { (typed.len() - start.len(), names.beginning_with(start)) } else { (typed.len(), Vec::new()) }
}

/// The verbs and slash commands that begin with `start`, in any case; a verb that takes something ends in a space.
fn commands_beginning_with(start: &str) -> Vec<String> {
    let begins = |word: &str| word.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    let end = |argument| if argument == Argument::None { "" } else { " " };
    let verbs = VERBS.iter().map(|verb| format!("{}{}", verb.word, end(verb.argument)));
    let with_slash = VERBS.iter().map(|verb| format!("/{}{}", verb.word.to_lowercase(), end(verb.argument)));
    let verbs = verbs.filter(|word| begins(word) && !start.is_empty());
    let with_slash = with_slash.filter(|word| begins(word) && start.starts_with('/'));
    verbs.chain(slashes_beginning_with(start)).chain(with_slash).collect()
}

/// The slash commands that begin with `start`, which is not empty, in any case.
fn slashes_beginning_with(start: &str) -> impl Iterator<Item = String> {
    let begins = |word: &str| word.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    LOCAL_COMMANDS.iter().filter(move |(word, _)| !start.is_empty() && begins(word)).map(|(word, _)| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_slash_commands_and_names_are_completed() {
        let names = KnownNames::default();
        names.set(["Noy", "Nadia", "E\u{202e}vil"].into_iter());
        for seen in ["Elias", "Noy", "E\u{202e}vil"] {
            names.add(seen);
        }
        let cases: &[(&str, usize, &[&str])] = &[
            ("", 0, &[]),
            ("w", 0, &["WHO"]),
            ("CON", 0, &["CONNECT "]),
            ("P", 0, &["PING"]),
            ("/q", 0, &["/quit"]),
            ("/w", 0, &["/who"]),
            ("x", 0, &[]),
            ("é", 0, &[]),
            ("CONNECT ", 8, &["Noy", "Nadia", "Elias"]),
            ("connect n", 8, &["Noy", "Nadia"]),
            ("/connect e", 9, &["Elias"]),
            ("MSG n", 5, &[]),
        ];
        for (given, at, expected) in cases {
            assert_eq!(
                complete(given, &names),
                (*at, expected.iter().map(|&word| word.to_owned()).collect()),
                "given {given:?}"
            );
        }
    }

    #[test]
    fn where_there_are_no_verbs_none_is_completed() {
        for (given, expected) in [("w", &[][..]), ("/h", &["/help"]), ("", &[])] {
            assert_eq!(slashes_beginning_with(given).collect::<Vec<_>>(), expected, "given {given:?}");
        }
    }
}
