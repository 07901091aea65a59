//! The list of conversations, and which of them are open.

use switchboard_client::conversations::ConversationInfo;

use super::super::conversation::{Conversation, OutgoingState, Status};
use super::super::conversation_id::{ConversationId, fold};
use super::super::event::{OpenedConversation, Request};
use super::records::learn_topic;
use super::{App, OPEN_MAX};

impl App {
    pub(super) fn conversations_listed(&mut self, list: Vec<ConversationInfo>) {
        let mut to_open = Vec::new();
        for info in list {
            self.conversation_changed(&info);
            let id = ConversationId::of_target(&info.target);
            if self.conversations.get(&id).is_some_and(|conversation| conversation.status == Status::NotOpen) {
                to_open.push((info.last.saturating_sub(info.read).min(1), info.target));
            }
        }
        // Open conversations report mentions. Those with unread records come first.
        to_open.sort_unstable_by(|a, b| b.cmp(a));
        let n_free = OPEN_MAX.saturating_sub(self.n_open());
        for (_, target) in to_open.into_iter().take(n_free) {
            self.open(&ConversationId::of_target(&target), &target, false);
        }
    }

    /// A conversation that is not open has these numbers now.
    pub(super) fn conversation_changed(&mut self, info: &ConversationInfo) {
        let id = ConversationId::of_target(&info.target);
        let is_direct = matches!(id, ConversationId::Direct(_));
        let conversation = self.conversation(&id, &info.target);
        let is_new = info.last > conversation.last || conversation.epoch.is_empty();
        conversation.set_epoch(&info.epoch);
        conversation.last = info.last;
        conversation.read = conversation.read.max(info.read);
        if conversation.status == Status::Open {
            return;
        }
        let had_unread = conversation.n_unread > 0;
        conversation.n_unread = info.last.saturating_sub(info.read.max(info.first.saturating_sub(1)));
        conversation.has_mention |= is_direct && conversation.n_unread > 0;
        let calls = is_direct && is_new && conversation.n_unread > 0 && !had_unread;
        if calls {
            self.announce(true, &info.target, "has written to you");
        }
    }

    /// Opens a conversation that is in the list, if it is not open.
    pub(super) fn open(&mut self, id: &ConversationId, target: &str, joins: bool) {
        let conversation = self.conversation(id, target);
        if !conversation.has_records() || matches!(conversation.status, Status::Open | Status::Opening) && !joins {
            return;
        }
        conversation.status = Status::Opening;
        self.request(Request::Open { target: target.to_owned(), joins });
    }

    pub(super) fn open_current(&mut self) {
        let (id, target) = (self.current.clone(), self.current().target.clone());
        self.open(&id, &target, false);
    }

    pub(super) fn opened(&mut self, opened: OpenedConversation) {
        let OpenedConversation { asked, target, epoch, last, items } = opened;
        let reader = self.reader();
        let asked = ConversationId::of_target(&asked);
        let id = ConversationId::of_target(&target);
        if asked != id {
            self.take_place(&asked, &id);
        }
        let conversation = self.conversation(&id, &target);
        conversation.target.clone_from(&target);
        conversation.set_epoch(&epoch);
        conversation.status = Status::Open;
        conversation.last = conversation.last.max(last);
        // Without records, the page could not be read.
        if !items.is_empty() || last == 0 {
            conversation.timeline.add_page(last.saturating_add(1), &items, &reader);
        }
        if reader.is_guest && conversation.read == 0 {
            conversation.read = last;
        }
        learn_topic(conversation, &items);
        self.count_unread(&id);
        if matches!(id, ConversationId::Room(_)) {
            self.request(Request::Members { target });
        }
        if self.current == id {
            self.show_unread_line();
            self.mark_current_read();
        }
    }

    /// A conversation was asked for by another word than its name, such as `@7`.
    fn take_place(&mut self, asked: &ConversationId, id: &ConversationId) {
        let Some(mut conversation) = self.conversations.remove(asked) else { return };
        if self.current == *asked {
            self.current = id.clone();
        }
        if let Some(present) = self.conversations.get_mut(id) {
            present.outgoing.append(&mut conversation.outgoing);
            if present.draft.composer.is_empty() {
                present.draft = conversation.draft;
            }
        } else {
            conversation.id = id.clone();
            self.conversations.insert(id.clone(), conversation);
        }
    }

    /// The user has asked for the direct conversation with somebody who has no account: with a guest, it is a chat.
    pub(super) fn no_account(&mut self, target: &str, reason: &str) {
        let id = ConversationId::of_target(target);
        let is_guest_here = self.users.contains_key(&fold(target));
        let is_unused = |conversation: &Conversation| conversation.outgoing.is_empty() && conversation.epoch.is_empty();
        if is_guest_here && self.conversations.get(&id).is_some_and(is_unused) {
            self.become_chat(&id);
        } else {
            self.closed(target, reason);
        }
    }

    /// Opens a chat in the place of a direct conversation.
    fn become_chat(&mut self, direct: &ConversationId) {
        let is_current = self.current == *direct;
        let Some(removed) = self.conversations.remove(direct) else { return };
        let chat = ConversationId::of_chat(&removed.target);
        let conversation = self.conversation(&chat, &removed.target);
        if conversation.draft.composer.is_empty() {
            conversation.draft = removed.draft;
        }
        if is_current {
            self.current = chat;
        }
        self.connect_to(&removed.target);
    }

    pub(super) fn closed(&mut self, target: &str, reason: &str) {
        let id = ConversationId::of_target(target);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let was_open = conversation.status == Status::Open;
        conversation.status = Status::Over(reason.to_owned());
        conversation.members.clear();
        // Their records do not arrive any more.
        conversation.outgoing.retain(|outgoing| !matches!(outgoing.state, OutgoingState::Stored(_)));
        conversation.peer_generation += 1;
        // An attempt to open it has failed, or it is over.
        let text = if was_open { format!("{target} is over here: {reason}") } else { format!("{target}: {reason}") };
        self.notice_in(&id, &text, true);
    }
}
