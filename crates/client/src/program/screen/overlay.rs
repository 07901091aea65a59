//! What lies over the chat until it is closed: the palette, the search, forms and help.

mod form;
mod palette;
mod search;

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use switchboard_client::conversations::{RoomInfo, Secret};

pub(crate) use form::{NameForm, PasswordForm, PasswordPurpose};
pub(crate) use palette::{Palette, PaletteRow};
pub(crate) use search::{Search, SearchState};

use super::composer::{Composer, Origin};
use super::conversation::Conversation;
use super::conversation_id::ConversationId;

/// What lies over the chat.
#[derive(Debug)]
pub(crate) enum Overlay {
    /// Jumps to a conversation, a room or a person.
    Palette(Palette),
    /// Searches a conversation.
    Search(Search),
    /// Asks for a password.
    Password(PasswordForm),
    /// Asks for a name.
    Name(NameForm),
    /// Shows keys and commands. The number is the first row on the screen.
    Help { first_row: usize },
}

/// What an overlay may look at.
pub(crate) struct OverlayContext<'a> {
    pub(crate) conversations: &'a BTreeMap<ConversationId, Conversation>,
    pub(crate) current: &'a ConversationId,
    pub(crate) users: &'a BTreeMap<String, String>,
    pub(crate) rooms: &'a [RoomInfo],
    /// The name of the user, folded.
    pub(crate) own_name: String,
}

/// What a key has done to an overlay. All but `Stays` and `Search` close it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Stays,
    Closes,
    GoTo(ConversationId),
    EnterRoom(String),
    GoToPerson(String),
    /// Shows a record.
    Record {
        target: String,
        seq: u64,
    },
    /// Asks the server.
    Search {
        target: Option<String>,
        words: String,
    },
    LogIn {
        name: String,
        password: Secret,
    },
    Claim {
        password: Secret,
    },
    Rename {
        name: String,
    },
    /// Asks for the password of the account.
    AskPassword {
        name: String,
    },
}

impl Overlay {
    pub(crate) fn palette(context: &OverlayContext<'_>) -> Self {
        Self::Palette(Palette::new(context))
    }

    pub(crate) fn search(words: &str, conversation: &Conversation) -> Self {
        Self::Search(Search::new(words, conversation))
    }

    /// Asks for the password of an account. `message`: why, or a warning.
    pub(crate) fn log_in(name: &str, message: Option<String>) -> Self {
        Self::Password(PasswordForm::new(PasswordPurpose::LogIn { name: name.to_owned() }, message))
    }

    pub(crate) fn claim(message: Option<String>) -> Self {
        Self::Password(PasswordForm::new(PasswordPurpose::Claim { first: None }, message))
    }

    pub(crate) fn name(name: &str, reason: Option<String>) -> Self {
        Self::Name(NameForm::new(name, reason))
    }

    pub(crate) fn help() -> Self {
        Self::Help { first_row: 0 }
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent, context: &OverlayContext<'_>) -> Outcome {
        if key.code == KeyCode::Esc {
            return Outcome::Closes;
        }
        match self {
            Self::Palette(palette) => palette.key(key, context),
            Self::Search(search) => search.key(key, context),
            Self::Password(form) => form.key(key),
            Self::Name(form) => form.key(key),
            Self::Help { first_row } => {
                match key.code {
                    KeyCode::Down | KeyCode::Char('j') => *first_row += 1,
                    KeyCode::Up | KeyCode::Char('k') => *first_row = first_row.saturating_sub(1),
                    KeyCode::PageDown | KeyCode::Char(' ') => *first_row += 10,
                    KeyCode::PageUp => *first_row = first_row.saturating_sub(10),
                    _ => return Outcome::Closes,
                }
                Outcome::Stays
            }
        }
    }

    /// Takes a pasted text. Forms of one line take its first line.
    pub(crate) fn paste(&mut self, text: &str, context: &OverlayContext<'_>) {
        let line = text.lines().next().unwrap_or_default();
        match self {
            Self::Palette(palette) => palette.paste(line, context),
            Self::Search(search) => search.paste(line),
            Self::Password(form) => form.paste(line),
            Self::Name(form) => form.paste(line),
            Self::Help { .. } => {}
        }
    }
}

/// An input of one line within an overlay.
#[derive(Debug, Default)]
pub(crate) struct LineInput(Composer);

/// Wider than any terminal: the text of one line is one row.
const ONE_ROW: u16 = u16::MAX;

impl LineInput {
    fn new(text: &str) -> Self {
        let mut composer = Composer::default();
        let _ = composer.set(text, Origin::Typed);
        Self(composer)
    }

    pub(crate) fn text(&self) -> &str {
        self.0.text()
    }

    pub(crate) fn composer(&self) -> &Composer {
        &self.0
    }

    /// Takes a key that edits. Returns whether it was one.
    fn key(&mut self, key: KeyEvent) -> bool {
        let begins_line = key.code == KeyCode::Enter
            || key.code == KeyCode::Char('j') && key.modifiers.contains(KeyModifiers::CONTROL);
        !begins_line && self.0.key(key, ONE_ROW)
    }

    fn paste(&mut self, line: &str) {
        let _ = self.0.paste(line);
    }
}

/// Moves a selection in a list of `n` rows.
fn move_selection(selected: &mut usize, n: usize, key: KeyEvent) -> bool {
    let last = n.saturating_sub(1);
    *selected = match key.code {
        KeyCode::Up => selected.checked_sub(1).unwrap_or(last),
        KeyCode::Down => (*selected + 1) % n.max(1),
        KeyCode::Char('p') if key.modifiers.contains(KeyModifiers::CONTROL) => selected.saturating_sub(1),
        KeyCode::Char('n') if key.modifiers.contains(KeyModifiers::CONTROL) => (*selected + 1).min(last),
        KeyCode::PageUp => selected.saturating_sub(10),
        KeyCode::PageDown => (*selected + 10).min(last),
        _ => return false,
    };
    true
}
