//! Completes commands, rooms and names.

use std::collections::HashSet;

/// The maximum number of candidates: more than anybody goes through.
const CANDIDATES_MAX: usize = 1_000;

/// What can be completed.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The names of commands with their slash.
    pub(crate) commands: Vec<String>,
    /// The names of rooms with their `#`.
    pub(crate) rooms: Vec<String>,
    /// Names of users, those who wrote last in front.
    pub(crate) names: Vec<String>,
}

/// A completion that has begun. Each further tab key shows the next candidate, and at the end the typed word again.
#[derive(Debug)]
pub(crate) struct Completion {
    candidates: Vec<String>,
    index: usize,
    /// The bytes before the cursor that the shown candidate takes.
    shown_bytes: usize,
    is_begun: bool,
}

impl Completion {
    /// Begins to complete `word`. `is_first`: it is the first word of the text. `None` if nothing begins with it.
    pub(crate) fn begin(word: &str, is_first: bool, sources: &Sources) -> Option<Self> {
        let (from, suffix) = match word.chars().next()? {
            '/' if is_first => (&sources.commands, " "),
            '#' => (&sources.rooms, " "),
            _ => (&sources.names, if is_first { ": " } else { " " }),
        };
        let (mark, beginning) = match word.strip_prefix('@') {
            Some(rest) => ("@", rest),
            None => ("", word),
        };
        let folded = beginning.to_lowercase();
        let mut seen = HashSet::new();
        let matching =
            from.iter().filter(|name| name.to_lowercase().starts_with(&folded) && seen.insert(name.as_str()));
        let mut candidates: Vec<String> =
            matching.take(CANDIDATES_MAX).map(|name| format!("{mark}{name}{suffix}")).collect();
        if candidates.is_empty() {
            return None;
        }
        candidates.push(word.to_owned());
        Some(Self { candidates, index: 0, shown_bytes: word.len(), is_begun: false })
    }

    /// The next candidate, and the number of bytes before the cursor that it replaces.
    pub(crate) fn next(&mut self, is_backward: bool) -> (usize, &str) {
        let n = self.candidates.len();
        if is_backward {
            self.index = (self.index + n - if self.is_begun { 1 } else { 2 } % n) % n;
        } else if self.is_begun {
            self.index = (self.index + 1) % n;
        }
        self.is_begun = true;
        let candidate = &self.candidates[self.index];
        let replaced = std::mem::replace(&mut self.shown_bytes, candidate.len());
        (replaced, candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Sources {
            commands: owned(&["/join", "/part"]),
            rooms: owned(&["#lab", "#Lounge", "#x"]),
            names: owned(&["Elias", "Noy", "elena", "Elias"]),
        }
    }

    /// Presses the tab key so often, from a text that ends with `word`.
    fn tab(word: &str, is_first: bool, times: usize) -> Option<String> {
        let mut text = word.to_owned();
        let mut completion = Completion::begin(word, is_first, &sources())?;
        for _ in 0..times {
            let (bytes, candidate) = completion.next(false);
            text.truncate(text.len() - bytes);
            text.push_str(candidate);
        }
        Some(text)
    }

    #[test]
    fn the_tab_key_goes_through_the_candidates_and_back_to_the_word() {
        let shown: Vec<_> = (1..=4).map(|times| tab("El", true, times).expect("a candidate")).collect();
        assert_eq!(shown, ["Elias: ", "elena: ", "El", "Elias: "]);
        assert_eq!(tab("no", false, 1).as_deref(), Some("Noy "));
        assert_eq!(tab("@no", false, 1).as_deref(), Some("@Noy "));
        assert_eq!(tab("#l", false, 2).as_deref(), Some("#Lounge "));
        assert_eq!(tab("/j", true, 1).as_deref(), Some("/join "));
        assert_eq!(tab("/j", false, 1), None);
        assert_eq!(tab("q", true, 1), None);
        assert_eq!(tab("", true, 1), None);
    }

    #[test]
    fn shift_and_tab_go_backward() {
        let mut completion = Completion::begin("El", true, &sources()).expect("candidates");
        assert_eq!(completion.next(true).1, "elena: ");
        assert_eq!(completion.next(true).1, "Elias: ");
        assert_eq!(completion.next(true).1, "El");
    }
}
