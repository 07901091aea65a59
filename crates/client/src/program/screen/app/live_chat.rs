//! The chat of version 1: it has one partner at a time, and nothing of it is stored.

use super::super::conversation::{OutgoingState, Status};
use super::super::conversation_id::ConversationId;
use super::super::event::Request;
use super::super::sentences;
use super::{App, Link};

impl App {
    pub(super) fn chat_began(&mut self, name: &str, is_incoming: bool) {
        let id = ConversationId::of_chat(name);
        let sentence = if is_incoming {
            format!("{name} opened a chat with you: nothing of it is stored. /disconnect leaves it.")
        } else {
            format!("You are in a chat with {name}: nothing of it is stored. /disconnect leaves it.")
        };
        let conversation = self.conversation(&id, name);
        name.clone_into(&mut conversation.target);
        conversation.status = Status::Open;
        // The person behind the name may be another one than before. A draft that asked for this chat is for this person.
        if is_incoming {
            conversation.peer_generation += 1;
        }
        self.notice_in(&id, &sentence, false);
        self.chat = Some(id.clone());
        if is_incoming {
            self.announce(true, name, "opened a chat with you");
            if self.current == ConversationId::Server && self.current().draft.composer.is_empty() {
                self.go_to(&id);
            } else if self.current != id {
                let conversation = self.conversation(&id, name);
                conversation.n_unread = conversation.n_unread.saturating_add(1);
                conversation.has_mention = true;
                self.hint = Some(format!("{name} opened a chat with you. Alt-A goes there."));
            }
        }
        self.send_for_next_chat(&id);
    }

    /// The connection is lost: messages that wait for a chat are not sent. Later, another person may have the name.
    pub(super) fn fail_messages_for_next_chat(&mut self) {
        for (id, local) in std::mem::take(&mut self.for_next_chat) {
            let conversation = self.conversations.get_mut(&id);
            let waiting = conversation
                .and_then(|conversation| conversation.outgoing.iter_mut().find(|outgoing| outgoing.local == local));
            if let Some(outgoing) = waiting {
                outgoing.state = OutgoingState::Refused("the connection was lost.".to_owned());
            }
        }
    }

    pub(super) fn chat_message(&mut self, name: &str, text: &str) {
        let id = ConversationId::of_chat(name);
        let is_mention = super::is_mentioned(self.own_name(), text);
        let now = self.now.unix_millis;
        let conversation = self.conversation(&id, name);
        let place = conversation.timeline.add_message(now, name, text, false, is_mention);
        self.new_messages(&id, &[place]);
    }

    pub(super) fn chat_ended(&mut self, by_peer: bool) {
        let Some(id) = self.chat.take() else { return };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let name = conversation.target.clone();
        let reason = if by_peer { format!("{name} left the chat") } else { "you left the chat".to_owned() };
        let reason = if self.link == Link::Connected { reason } else { "the connection was lost".to_owned() };
        conversation.status = Status::Over(reason.clone());
        conversation.peer_generation += 1;
        let sentence = if by_peer { format!("{reason}.") } else { sentences::capitalized(&format!("{reason}.")) };
        self.notice_in(&id, &sentence, false);
    }

    /// The chat with a user has begun: sends the messages that wait for it.
    pub(super) fn send_for_next_chat(&mut self, id: &ConversationId) {
        let (now, later) = std::mem::take(&mut self.for_next_chat).into_iter().partition(|(other, _)| other == id);
        self.for_next_chat = later;
        for (id, local) in now {
            let conversation = self.conversations.get(&id);
            let outgoing = conversation.and_then(|conversation| {
                conversation
                    .outgoing
                    .iter()
                    .find(|outgoing| outgoing.local == local)
                    .map(|outgoing| (conversation.target.clone(), outgoing.text.clone()))
            });
            if let Some((name, text)) = outgoing {
                self.request(Request::SayInChat { name, text, local });
            }
        }
        if let Some(conversation) = self.conversations.get_mut(id)
            && conversation.draft.composer.is_empty()
        {
            conversation.draft.peer_generation = conversation.peer_generation;
        }
    }

    /// A request was refused. Returns whether messages waited for it: they were not sent.
    pub(super) fn for_next_chat_failed(&mut self, request: &str, reason: &str) -> bool {
        let Some(name) = request.strip_prefix("CONNECT ") else { return false };
        let id = ConversationId::of_chat(name);
        let waiting: Vec<_> =
            self.for_next_chat.iter().filter(|(other, _)| *other == id).map(|(_, local)| *local).collect();
        self.for_next_chat.retain(|(other, _)| *other != id);
        for local in &waiting {
            if let Some(conversation) = self.conversations.get_mut(&id)
                && let Some(outgoing) = conversation.outgoing.iter_mut().find(|outgoing| outgoing.local == *local)
            {
                outgoing.state = OutgoingState::Refused(reason.to_owned());
            }
        }
        !waiting.is_empty()
    }
}
