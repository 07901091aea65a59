//! Text that the user entered, with the chat for which it was entered.

use super::current_chat::Chat;
use super::user_line::UserLine;

/// A typed line, or a paste of one or more lines.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TypedText {
    /// The lines, without the last LF.
    pub(crate) text: String,
    /// Whether the text was pasted. A pasted line is always a message, and never a command.
    pub(crate) is_pasted: bool,
    /// The chat that the prompt named when the text began.
    pub(crate) chat: Chat,
}

impl TypedText {
    /// The parsed line, if the text was typed.
    pub(crate) fn parse(&self) -> UserLine<'_> {
        if self.is_pasted {
            UserLine::pasted(&self.text)
        } else {
            UserLine::parse(&self.text, self.chat.peer.is_some())
        }
    }

    /// Whether the text acts on the chat in which it is sent.
    pub(crate) fn depends_on_chat(&self) -> bool {
        self.parse().depends_on_chat()
    }

    /// The number of lines.
    pub(crate) fn n_lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Appends `other` as further lines. The result counts as pasted.
    pub(crate) fn append(&mut self, other: &Self) {
        if self.text.is_empty() {
            self.clone_from(other);
        } else if !other.text.is_empty() {
            self.text.push('\n');
            self.text.push_str(&other.text);
            self.is_pasted = true;
        }
    }
}
