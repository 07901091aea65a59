//! The start screen: which server, and under which name.
//!
//! The state without a terminal and without a network: [`StartScreen`] takes keys and news, and has rows for the view. No
//! news moves the selection to another server, so Enter never opens one that appeared under it.

pub(crate) mod rows;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use switchboard_client::JoinLink;
use switchboard_protocol::{Username, is_display_control, sanitize};
use unicode_segmentation::UnicodeSegmentation as _;

use super::event::{DiscoveryEvent, FoundServer};
use super::server_list::KnownServer;
use crate::program::address;
use rows::{Entry, Row, THIS_MACHINE};

/// The longest input in characters: longer than a link with its key.
const INPUT_MAX_CHARS: usize = 512;

/// The most servers that the list has of the network. More are not a list to choose from, and anyone on the network can
/// announce any number.
const FOUND_MAX: usize = 64;

/// The end of the start screen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Connect to this server, `HOST:PORT` or a link, under this name.
    Chosen {
        addr: String,
        name: Username,
    },
    Quit,
}

/// The question that the screen asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Question<'a> {
    Server,
    /// The name for this server, as a row shows it.
    Name {
        server: &'a str,
    },
}

/// The state of the start screen.
#[derive(Debug)]
pub(crate) struct StartScreen {
    known: Vec<KnownServer>,
    found: Vec<FoundServer>,
    /// `None` until the port was tried.
    this_machine_answers: Option<bool>,
    /// Why the network is not watched.
    discovery_failure: Option<String>,
    /// The name of the settings or the command line.
    name: Option<Username>,
    step: Step,
    /// The filter of the list, or an address.
    server_input: String,
    name_input: String,
    /// The address of the selected row. `None` after its server has left.
    selected: Option<String>,
    problem: Option<String>,
}

#[derive(Debug)]
enum Step {
    Server,
    Name { addr: String, title: String },
}

impl StartScreen {
    /// Begins with the servers that the user has used, the last one first. `name`: the name of the settings or the command
    /// line, so that the screen does not ask.
    pub(crate) fn new(known: Vec<KnownServer>, name: Option<Username>) -> Self {
        let selected = known.first().map_or(THIS_MACHINE, |server| &server.addr).to_owned();
        Self {
            known,
            found: Vec::new(),
            this_machine_answers: None,
            discovery_failure: None,
            name,
            step: Step::Server,
            server_input: String::new(),
            name_input: String::new(),
            selected: Some(selected),
            problem: None,
        }
    }

    /// Begins with the question for the name at a server that is chosen already. Returns the outcome if the name is known.
    pub(crate) fn with_server(known: Vec<KnownServer>, name: Option<Username>, addr: &str) -> (Self, Option<Outcome>) {
        let mut screen = Self::new(known, name);
        let security = if JoinLink::is_link(addr) { " (TLS)" } else { "" };
        let title = format!("{}{security}", sanitize(&address::host_port(addr)));
        let outcome = screen.choose(addr.to_owned(), title, None);
        (screen, outcome)
    }

    /// The question at the top.
    pub(crate) fn question(&self) -> Question<'_> {
        match &self.step {
            Step::Server => Question::Server,
            Step::Name { title, .. } => Question::Name { server: title },
        }
    }

    /// The text of the input line. The cursor is at its end.
    pub(crate) fn input(&self) -> &str {
        match self.step {
            Step::Server => &self.server_input,
            Step::Name { .. } => &self.name_input,
        }
    }

    /// The mistake in the input, or a notice. Sanitized.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Why no servers are found on the network. Sanitized.
    pub(crate) fn discovery_failure(&self) -> Option<&str> {
        self.discovery_failure.as_deref()
    }

    /// The rows of the list, from the top. Empty while the screen asks for a name.
    pub(crate) fn rows(&self) -> Vec<Row> {
        match self.step {
            Step::Server => self.entries().into_iter().map(|entry| entry.row(self.selected.as_deref())).collect(),
            Step::Name { .. } => Vec::new(),
        }
    }

    /// Applies news of the network.
    pub(crate) fn discovery(&mut self, event: DiscoveryEvent) {
        match event {
            DiscoveryEvent::ThisMachine { answers } => {
                self.this_machine_answers = Some(answers);
                // The first choice of a new user is no choice if no server runs there.
                if !answers && self.known.is_empty() && matches!(self.step, Step::Server) {
                    self.selected.take_if(|selected| selected == THIS_MACHINE);
                }
            }
            DiscoveryEvent::Found(server) => match self.found.iter().position(|found| found.id == server.id) {
                Some(at) => self.found[at] = server,
                None if self.found.len() < FOUND_MAX => self.found.push(server),
                None => {}
            },
            DiscoveryEvent::Gone { id } => self.found.retain(|found| found.id != id),
            DiscoveryEvent::Failed { reason } => self.discovery_failure = Some(reason),
        }
        let entries = self.entries();
        if self.selected.as_ref().is_some_and(|selected| entries.iter().all(|entry| entry.addr != *selected)) {
            self.selected = None;
            if matches!(self.step, Step::Server) && self.server_input.is_empty() {
                self.problem = Some("The selected server has left the network. Choose another one.".to_owned());
            }
        }
    }

    /// Adds pasted text to the input.
    pub(crate) fn paste(&mut self, text: &str) {
        self.type_text(text.trim().lines().next().unwrap_or_default());
    }

    /// Applies a key.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Outcome> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'q') if is_control => return Some(Outcome::Quit),
            KeyCode::Char('d') if is_control && self.input().is_empty() => return Some(Outcome::Quit),
            KeyCode::Char('n') if is_control => self.move_by(1),
            KeyCode::Char('p') if is_control => self.move_by(-1),
            KeyCode::Char('u') if is_control => self.edit(String::clear),
            KeyCode::Char('w') if is_control => self.edit(remove_last_word),
            KeyCode::Char(c) if !is_control => self.type_text(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => self.edit(remove_last_grapheme),
            KeyCode::Down | KeyCode::Tab => self.move_by(1),
            KeyCode::Up | KeyCode::BackTab => self.move_by(-1),
            KeyCode::PageDown | KeyCode::End => self.move_by(isize::MAX),
            KeyCode::PageUp | KeyCode::Home => self.move_by(isize::MIN),
            KeyCode::Enter => return self.enter(),
            KeyCode::Esc => return self.go_back(),
            _ => {}
        }
        None
    }

    fn go_back(&mut self) -> Option<Outcome> {
        self.problem = None;
        match self.step {
            Step::Name { .. } => {
                self.step = Step::Server;
                self.select_any();
            }
            Step::Server if self.server_input.is_empty() => return Some(Outcome::Quit),
            Step::Server => self.edit(String::clear),
        }
        None
    }

    /// Selects the first row, if no row is selected.
    fn select_any(&mut self) {
        let entries = self.entries();
        if !entries.iter().any(|entry| Some(&entry.addr) == self.selected.as_ref()) {
            self.selected = entries.into_iter().next().map(|entry| entry.addr);
        }
    }

    fn type_text(&mut self, text: &str) {
        self.edit(|input| {
            let room = INPUT_MAX_CHARS.saturating_sub(input.chars().count());
            input.extend(text.chars().filter(|&c| !is_display_control(c) && c != '\t').take(room));
        });
    }

    /// Changes the input, and checks it at once.
    fn edit(&mut self, change: impl FnOnce(&mut String)) {
        match self.step {
            Step::Server => {
                change(&mut self.server_input);
                let entries = self.entries();
                self.problem = if entries.is_empty() { rows::address_problem(&self.server_input) } else { None };
                self.selected = entries.into_iter().next().map(|entry| entry.addr);
            }
            Step::Name { .. } => {
                change(&mut self.name_input);
                let name = Username::new(self.name_input.trim());
                self.problem = name.err().filter(|_| !self.name_input.is_empty()).map(|error| error.to_string());
            }
        }
    }

    fn move_by(&mut self, rows: isize) {
        if !matches!(self.step, Step::Server) {
            return;
        }
        let entries = self.entries();
        let Some(last) = entries.len().checked_sub(1) else { return };
        let at = match entries.iter().position(|entry| Some(&entry.addr) == self.selected.as_ref()) {
            Some(at) => at.saturating_add_signed(rows).min(last),
            None => 0,
        };
        self.selected = entries.into_iter().nth(at).map(|entry| entry.addr);
        self.problem = None;
    }

    fn enter(&mut self) -> Option<Outcome> {
        match &self.step {
            Step::Server => {
                let entries = self.entries();
                let selected = entries.into_iter().find(|entry| Some(&entry.addr) == self.selected.as_ref());
                if let Some(Entry { addr, title, name, .. }) = selected {
                    return self.choose(addr, title, name);
                }
                let nothing = || "No server is selected. Choose one with the arrow keys.".to_owned();
                self.problem = Some(rows::address_problem(&self.server_input).unwrap_or_else(nothing));
                None
            }
            Step::Name { addr, .. } => match Username::new(self.name_input.trim()) {
                Ok(name) => Some(Outcome::Chosen { addr: addr.clone(), name }),
                Err(error) => {
                    self.problem = Some(error.to_string());
                    None
                }
            },
        }
    }

    /// Takes a server. Asks for a name if none is known for it.
    fn choose(&mut self, addr: String, title: String, last_name: Option<Username>) -> Option<Outcome> {
        let host_port = address::host_port(&addr);
        let of_server = || {
            let server = self.known.iter().find(|known| address::host_port(&known.addr) == host_port);
            server.and_then(|server| server.name.clone())
        };
        if let Some(name) = self.name.clone().or(last_name).or_else(of_server) {
            return Some(Outcome::Chosen { addr, name });
        }
        // The name of the last used server is probably the name here, too. The user can change it.
        let name = self.known.iter().find_map(|server| server.name.as_ref());
        self.name_input = name.map_or_else(String::new, |name| name.as_str().to_owned());
        self.problem = None;
        self.step = Step::Name { addr, title };
        None
    }
}

fn remove_last_grapheme(input: &mut String) {
    if let Some((at, _)) = input.grapheme_indices(true).next_back() {
        input.truncate(at);
    }
}

fn remove_last_word(input: &mut String) {
    let rest = input.trim_end();
    input.truncate(rest.rfind(char::is_whitespace).map_or(0, |at| at + 1));
}

#[cfg(test)]
mod tests;
