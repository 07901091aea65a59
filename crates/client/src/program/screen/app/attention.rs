//! Bell, notifications and logs for new messages.

use super::super::conversation::Scroll;
use super::super::conversation_id::ConversationId;
use super::super::event::Effect;
use super::super::local_time::timestamp;
use super::super::log_files;
use super::super::timeline::{Content, Place};
use super::App;
use crate::program::settings::Attention;

/// The maximum length of the text in a notification, in characters.
const NOTIFIED_CHARS_MAX: usize = 200;

impl App {
    /// New messages have arrived in a conversation that is open.
    pub(super) fn new_messages(&mut self, id: &ConversationId, new: &[Place]) {
        let is_watched = self.current == *id && self.has_focus;
        let is_direct = !matches!(id, ConversationId::Room(_));
        let mut attention = None;
        let Some(conversation) = self.conversations.get_mut(id) else { return };
        for &place in new {
            let Some(entry) = conversation.timeline.get(place) else { continue };
            let Content::Message(message) = &entry.content else { continue };
            // A guest has no account: anybody may take the name next.
            let is_guest = message.by.is_none() && place.seq().is_some();
            let author = if is_guest { format!("~{}", message.author) } else { message.author.to_string() };
            let line = log_files::line(timestamp(entry.at_millis), &author, &message.text);
            self.effects.push(Effect::Log { conversation: id.clone(), line });
            if message.is_own || place.seq().is_some_and(|seq| seq <= conversation.read) {
                continue;
            }
            let calls = is_direct || message.is_mention;
            if !(is_watched && conversation.scroll == Scroll::End) {
                if conversation.n_unread == 0 && conversation.unread_line.is_none() {
                    conversation.unread_line = Some(place);
                }
                conversation.n_unread = conversation.n_unread.saturating_add(1);
                conversation.has_mention |= calls;
            }
            if !is_watched {
                let text: String = message.text.chars().take(NOTIFIED_CHARS_MAX).collect();
                attention = Some((calls, conversation.target.clone(), format!("{}: {text}", message.author)));
            }
        }
        if let Some((calls, title, body)) = attention {
            self.announce(calls, &title, &body);
        }
        if is_watched {
            self.mark_current_read();
        }
    }

    /// Rings the bell and notifies, as the settings say. `calls`: the news is addressed to the user.
    pub(super) fn announce(&mut self, calls: bool, title: &str, body: &str) {
        let is_wanted = |attention| match attention {
            Attention::Off => false,
            Attention::Mention => calls,
            Attention::All => true,
        };
        if is_wanted(self.preferences.bell) {
            self.effects.push(Effect::Bell);
        }
        if is_wanted(self.preferences.notify) && !self.has_focus {
            self.effects.push(Effect::Notify { title: title.to_owned(), body: body.to_owned() });
        }
    }
}
