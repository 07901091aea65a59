//! The line being edited, as the callbacks of the editor see it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::current_chat::Chat;
use super::typed_text::TypedText;

/// The line being edited. The editor's callbacks update it.
#[derive(Debug, Default)]
pub(crate) struct EditedLine(Mutex<LineState>);

#[derive(Debug, Default)]
struct LineState {
    /// The text as last drawn.
    typed: TypedText,
    /// The chat that the prompt names.
    prompt_chat: Chat,
    /// Whether the user pressed Ctrl-C on an empty line.
    is_cancelled: bool,
}

impl EditedLine {
    /// Begins a line with the text `typed`, under the prompt of `prompt_chat`.
    pub(crate) fn begin(&self, typed: TypedText, prompt_chat: Chat) {
        *self.lock() = LineState { typed, prompt_chat, is_cancelled: false };
    }

    /// Records the text that the editor draws. An empty line has no history: its next text is typed for the chat of
    /// the prompt.
    pub(crate) fn record(&self, text: &str) {
        let mut state = self.lock();
        if text.is_empty() {
            state.typed = TypedText { chat: state.prompt_chat.clone(), ..TypedText::default() };
        } else if text != state.typed.text {
            text.clone_into(&mut state.typed.text);
        }
    }

    /// Records that a paste begins after the text `before`. The line counts as pasted, unless its first word was typed.
    /// So `CONNECT ` with a pasted name is a command.
    pub(crate) fn begin_paste(&self, before: &str) {
        if !before.trim_start().contains(char::is_whitespace) {
            self.lock().typed.is_pasted = true;
        }
    }

    /// Records that the user pressed Ctrl-C on an empty line.
    pub(crate) fn cancel(&self) {
        self.lock().is_cancelled = true;
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled
    }

    /// Takes the text as last drawn.
    pub(crate) fn take(&self) -> TypedText {
        std::mem::take(&mut self.lock().typed)
    }

    fn lock(&self) -> MutexGuard<'_, LineState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::current_chat::CurrentChat;
    use super::*;

    #[test]
    fn text_belongs_to_the_chat_in_which_it_began() {
        let chat = CurrentChat::default();
        chat.set_peer(Some("Noy"));
        let with_noy = chat.get();
        let line = EditedLine::default();
        line.begin(TypedText::default(), with_noy.clone());
        line.record("");
        line.record("h");
        chat.set_peer(Some("Ada"));
        let draft = line.take();
        assert_eq!(draft, TypedText { text: "h".to_owned(), is_pasted: false, chat: with_noy.clone() });

        line.begin(draft, chat.get());
        line.record("h");
        line.record("hi");
        assert_eq!(line.take().chat, with_noy);

        line.record("");
        line.record("for Ada");
        assert_eq!(line.take().chat, chat.get());
    }

    #[test]
    fn a_line_is_pasted_unless_its_first_word_was_typed() {
        for (before, is_pasted) in [("", true), ("DISC", true), (" ", true), ("CONNECT ", false), ("/msg No", false)] {
            let line = EditedLine::default();
            line.record(before);
            line.begin_paste(before);
            line.record(&format!("{before}text"));
            assert_eq!(line.take().is_pasted, is_pasted, "before the paste: {before:?}");
        }
    }
}
