//! The current chat. The session changes it, and the editor's prompt names it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chat_formatter::plain_name;

/// The longest name in a prompt, in characters. A longer name is cut, so that room for the line remains. Our server
/// allows 32 characters, but another server may allow more.
const PROMPT_NAME_MAX_CHARS: usize = 32;

/// A chat, or the time between two chats.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Chat {
    /// The number of changes before this chat. It differs for two chats with users of the same name.
    number: u64,
    /// The peer. `None` outside of a chat.
    pub(crate) peer: Option<Arc<str>>,
}

impl Chat {
    /// The peer's name for the screen, or `nobody` outside of a chat.
    pub(crate) fn name(&self) -> String {
        self.peer.as_deref().map_or("nobody".to_owned(), plain_name)
    }

    /// The notice for a line that was typed for the earlier chat `typed_for` and is shown again in this chat.
    pub(crate) fn question(&self, typed_for: &Self) -> String {
        let (name, earlier) = (self.name(), typed_for.name());
        match (&self.peer, &typed_for.peer) {
            (None, _) => format!("You wrote this for {earlier}, and that chat is over: it was not sent."),
            (_, None) => {
                format!("You wrote this before the chat with {name} began. Enter sends it to {name}, Ctrl-C clears it.")
            }
            _ if earlier == name => {
                format!("You wrote this for an earlier chat with {name}. Enter sends it to {name}, Ctrl-C clears it.")
            }
            _ => format!("You wrote this for {earlier}. Enter sends it to {name}, Ctrl-C clears it."),
        }
    }

    /// The notice for a message that was sent in the chat `sent_in`, and that the server acknowledges in this chat.
    /// `None` if it is the same chat. Otherwise the chat changed while the message was on its way, and the server has
    /// delivered it to the peer of this chat.
    pub(crate) fn misdelivery(&self, sent_in: &Self) -> Option<String> {
        self.peer.as_ref().filter(|_| self != sent_in)?;
        let (name, earlier) = (self.name(), sent_in.name());
        Some(match &sent_in.peer {
            None => format!("the chat with {name} began before your last line arrived: {name} got it"),
            Some(_) if earlier == name => {
                format!("the chat with {name} ended before your last line arrived: it went to the new chat with {name}")
            }
            Some(_) => format!("the chat with {earlier} ended before your last line arrived: {name} got it"),
        })
    }

    /// The prompt for lines of this chat: `Noy> `, or `> ` outside of a chat.
    pub(crate) fn prompt(&self) -> String {
        let Some(peer) = &self.peer else { return "> ".to_owned() };
        let name = plain_name(peer);
        match name.char_indices().nth(PROMPT_NAME_MAX_CHARS) {
            Some((end, _)) => format!("{}…> ", &name[..end]),
            None => format!("{name}> "),
        }
    }
}

/// A handle to the current chat. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CurrentChat(Arc<Mutex<Chat>>);

impl CurrentChat {
    pub(crate) fn get(&self) -> Chat {
        self.lock().clone()
    }

    /// Changes the peer. Returns the previous peer.
    pub(crate) fn set_peer(&self, peer: Option<&str>) -> Option<Arc<str>> {
        let mut chat = self.lock();
        let number = chat.number + 1;
        std::mem::replace(&mut *chat, Chat { number, peer: peer.map(Arc::from) }).peer
    }

    fn lock(&self) -> MutexGuard<'_, Chat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_names_the_peer() {
        let chat = CurrentChat::default();
        let prompt_for = |peer| {
            chat.set_peer(peer);
            chat.get().prompt()
        };
        assert_eq!(prompt_for(None), "> ");
        assert_eq!(prompt_for(Some("Noy")), "Noy> ");
        assert_eq!(prompt_for(Some("\u{1b}[2J")), r"\u{1b}[2J> ");
        assert_eq!(prompt_for(Some(&"é".repeat(40))), format!("{}…> ", "é".repeat(32)));
    }

    #[test]
    fn two_chats_with_the_same_name_differ() {
        let chat = CurrentChat::default();
        chat.set_peer(Some("Noy"));
        let first = chat.get();
        assert_eq!(chat.set_peer(None).as_deref(), Some("Noy"));
        chat.set_peer(Some("Noy"));
        assert_ne!(chat.get(), first);
    }
}
