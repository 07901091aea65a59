//! Tab completion of verbs, slash commands and, after `CONNECT`, names. The known names are the names in the last
//! `USERS` reply, and the names of users who have sent a message or entered a chat with this client since then.

use std::sync::{Arc, Mutex, PoisonError};

use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use switchboard_protocol::commands::{Argument, VERBS};
use switchboard_protocol::is_display_control;

use super::edited_line::EditedLine;
use super::print_gate::PrintGate;
use super::user_line::LOCAL_COMMANDS;

/// At this number of known names, [`KnownNames::add`] adds no more. Without a limit, a server could fill the memory
/// with invented names.
const KNOWN_NAMES_MAX: usize = 1000;

/// The known names. The session adds to them and the editor completes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownNames(Arc<Mutex<Vec<String>>>);

impl KnownNames {
    /// Replaces the known names by `names`. Skips names with display controls, because nobody can type them.
    pub(crate) fn set<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let names = names.filter(|name| !name.chars().any(is_display_control)).map(str::to_owned).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Adds `name` if it is new, if it has no display control, and if there is room.
    pub(crate) fn add(&self, name: &str) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < KNOWN_NAMES_MAX
            && !name.chars().any(is_display_control)
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }

    /// Returns the known names that begin with `prefix`, ignoring case.
    fn with_prefix(&self, prefix: &str) -> Vec<String> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().filter(|name| name.to_lowercase().starts_with(&prefix.to_lowercase())).cloned().collect()
    }
}

/// The callbacks of the line editor.
#[derive(Debug)]
pub(crate) struct EditorHelper {
    /// `None` in the line dialect, which has no verbs.
    names: Option<KnownNames>,
    gate: Arc<PrintGate>,
    line: Arc<EditedLine>,
}

impl EditorHelper {
    pub(crate) fn new(names: Option<KnownNames>, gate: Arc<PrintGate>, line: Arc<EditedLine>) -> Self {
        Self { names, gate, line }
    }
}

impl Completer for EditorHelper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..pos];
        Ok(match &self.names {
            Some(names) => complete(typed, names),
            None => (0, local_commands_with_prefix(typed).collect()),
        })
    }
}

/// Records the line, opens the [`PrintGate`], and shows no hint. The editor asks for a hint each time before it draws a
/// changed line, so this call shows that a line is being edited.
impl Hinter for EditorHelper {
    type Hint = String;

    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.line.record(line);
        self.gate.open_while_editing();
        None
    }
}

impl Highlighter for EditorHelper {}
impl Validator for EditorHelper {}
impl Helper for EditorHelper {}

/// Returns the offset of the last word in `typed`, and the completions of this word.
fn complete(typed: &str, names: &KnownNames) -> (usize, Vec<String>) {
    let Some((word, prefix)) = typed.split_once(' ') else {
        return (0, commands_with_prefix(typed));
    };
    let is_connect = word.trim_start_matches('/').eq_ignore_ascii_case("CONNECT");
    if is_connect { (typed.len() - prefix.len(), names.with_prefix(prefix)) } else { (typed.len(), Vec::new()) }
}

/// Returns the verbs and slash commands that begin with `prefix`, ignoring case. A verb with an argument ends in a
/// space.
fn commands_with_prefix(prefix: &str) -> Vec<String> {
    let space_before = |argument| if argument == Argument::None { "" } else { " " };
    let verbs = VERBS.iter().map(|verb| format!("{}{}", verb.word, space_before(verb.argument)));
    let with_slash = VERBS.iter().map(|verb| format!("/{}{}", verb.word.to_lowercase(), space_before(verb.argument)));
    let verbs = verbs.filter(|word| has_prefix(word, prefix) && !prefix.is_empty());
    let with_slash = with_slash.filter(|word| has_prefix(word, prefix) && prefix.starts_with('/'));
    verbs.chain(local_commands_with_prefix(prefix)).chain(with_slash).collect()
}

/// Returns the client's own slash commands that begin with `prefix`, ignoring case. An empty prefix has no completions.
fn local_commands_with_prefix(prefix: &str) -> impl Iterator<Item = String> {
    let words = LOCAL_COMMANDS.iter().map(|(word, _)| *word);
    words.filter(move |word| !prefix.is_empty() && has_prefix(word, prefix)).map(str::to_owned)
}

fn has_prefix(word: &str, prefix: &str) -> bool {
    word.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_slash_commands_and_names_complete() {
        let names = KnownNames::default();
        // `E\u{202e}vil` has a display control, so nobody can type it.
        names.set(["Noy", "Nadia", "E\u{202e}vil"].into_iter());
        for name in ["Elias", "Noy", "E\u{202e}vil"] {
            names.add(name);
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
        for (given, offset, expected) in cases {
            assert_eq!(
                complete(given, &names),
                (*offset, expected.iter().map(|&word| word.to_owned()).collect()),
                "given {given:?}"
            );
        }
    }

    #[test]
    fn only_local_commands_complete_in_the_line_dialect() {
        for (given, expected) in [("w", &[][..]), ("/h", &["/help"]), ("", &[])] {
            assert_eq!(local_commands_with_prefix(given).collect::<Vec<_>>(), expected, "given {given:?}");
        }
    }
}
