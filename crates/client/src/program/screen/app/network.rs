//! News of the network.

use switchboard_client::conversations::RoomInfo;
use switchboard_protocol::version2::Standing;

use super::super::conversation::{Member, Readers, Status};
use super::super::conversation_id::{ConversationId, fold, is_same_name};
use super::super::event::{Effect, NetworkEvent, Request, ServerInfo};
use super::super::overlay::Overlay;
use super::super::sentences;
use super::{App, Link, ROOMS_MAX, USERS_MAX, Wanted};

impl App {
    pub(super) fn handle_network(&mut self, event: NetworkEvent) {
        match event {
            NetworkEvent::Connecting => self.link = Link::Connecting,
            NetworkEvent::FirstContact { fingerprint } => self.error(&format!(
                "First contact with this server. Its certificate has the fingerprint {fingerprint}. The log of the server \
                 shows it, too: compare the two before you say anything private."
            )),
            NetworkEvent::Connected(server) => self.connected(server),
            NetworkEvent::Lost { reason, retry_in } => {
                self.round_trip = None;
                self.link = Link::Lost { reason, retry_at: self.now.uptime + retry_in };
                self.fail_messages_for_next_chat();
                self.chat_ended(false);
            }
            NetworkEvent::Ended { reason } => {
                self.round_trip = None;
                self.error(&reason);
                self.link = Link::Ended { reason };
                self.fail_messages_for_next_chat();
                self.chat_ended(false);
            }
            NetworkEvent::NameRefused { name, reason, needs_login } => {
                self.link = Link::Ended { reason: reason.clone() };
                let overlay =
                    if needs_login { Overlay::log_in(&name, Some(reason)) } else { Overlay::name(&name, Some(reason)) };
                self.overlay = Some(overlay);
            }
            // The user does something else meanwhile.
            NetworkEvent::PasswordRefused { reason, .. } if self.overlay.is_some() => self.error(&reason),
            NetworkEvent::PasswordRefused { name, reason } => {
                self.overlay = Some(Overlay::log_in(&name, Some(reason)));
            }
            NetworkEvent::RoundTrip(time) => self.round_trip = Some(time),
            NetworkEvent::Conversations(list) => self.conversations_listed(list),
            NetworkEvent::Conversation(info) => self.conversation_changed(&info),
            NetworkEvent::Opened(opened) => self.opened(opened),
            NetworkEvent::Closed { target, reason } => self.closed(&target, &reason),
            NetworkEvent::NoAccount { target, reason } => self.no_account(&target, &reason),
            NetworkEvent::Items { target, items } => self.items_arrived(&target, &items),
            NetworkEvent::Older { target, before, items } => self.older_arrived(&target, before, &items),
            NetworkEvent::Said { local, seq } => self.said(local, seq),
            NetworkEvent::NotSaid { local, reason, is_unknown } => self.not_said(local, reason, is_unknown),
            NetworkEvent::Unanswered(messages) => self.show_unanswered(messages),
            NetworkEvent::UnansweredDone => self.forget_unanswered(),
            NetworkEvent::ReadMoved { target, seq } => self.read_moved(&target, seq),
            NetworkEvent::Members { target, members } => self.members_listed(&target, members),
            NetworkEvent::Readers { target, seq, names } => {
                let own = self.own_name().to_owned();
                if let Some(conversation) = self.conversations.get_mut(&ConversationId::of_target(&target)) {
                    if names.iter().any(|name| !is_same_name(name, &own)) {
                        conversation.read_by_others = conversation.read_by_others.max(seq);
                    }
                    conversation.readers = Some(Readers { seq, names });
                }
            }
            NetworkEvent::Found { target, words, items, has_more } => {
                if let Some(Overlay::Search(search)) = &mut self.overlay {
                    search.found(target.as_deref(), &words, items, has_more);
                }
            }
            NetworkEvent::Rooms(rooms) => self.rooms_listed(rooms),
            NetworkEvent::Users(names) => {
                self.users = names.into_iter().take(USERS_MAX).map(|name| (fold(&name), name)).collect();
            }
            NetworkEvent::Came(name) if self.users.len() < USERS_MAX => drop(self.users.insert(fold(&name), name)),
            NetworkEvent::Came(_) => {}
            NetworkEvent::Gone(name) => drop(self.users.remove(&fold(&name))),
            NetworkEvent::Notice(text) => {
                let text = format!("The server: {text}");
                self.notice(&text);
                self.announce(true, "The server", &text);
            }
            NetworkEvent::ChatBegan { name, is_incoming } => self.chat_began(&name, is_incoming),
            NetworkEvent::ChatMessage { name, text } => self.chat_message(&name, &text),
            NetworkEvent::ChatEnded { by_peer } => self.chat_ended(by_peer),
            NetworkEvent::Invited { room, by } => {
                let text = format!("{by} invites you into {room}: /join {room} enters it.");
                self.notice(&text);
                self.announce(true, &by, &text);
            }
            NetworkEvent::Answer { shown_in, lines } => {
                for line in lines {
                    self.notice_in(&shown_in, &line, line.starts_with("ERROR"));
                }
            }
            NetworkEvent::Refused { request, reason } => self.refused(&request, &reason),
            NetworkEvent::Missed { count } => self.error(&format!(
                "{count} lines of the server came too fast and were left out. Messages of a chat may be among them."
            )),
            NetworkEvent::TokenNotStored { reason } => {
                self.error(&format!("The next start asks for your password again: {reason}"));
            }
        }
    }

    fn connected(&mut self, server: ServerInfo) {
        let is_first = self.server.is_none();
        let is_same_user = self
            .server
            .as_ref()
            .is_some_and(|before| is_same_name(&before.name, &server.name) && before.device == server.device);
        let was_ended = matches!(self.link, Link::Ended { .. });
        self.link = Link::Connected;
        let sentence = sentences::connected(&server);
        if !is_same_user {
            self.effects.push(Effect::RememberServer { name: server.name.clone() });
        }
        self.server = Some(server);
        // A form that the user is filling in stays: its letters would go into the text.
        if was_ended && matches!(self.overlay, Some(Overlay::Name(_))) {
            self.overlay = None;
        }
        for conversation in self.conversations.values_mut() {
            conversation.is_reading_older = false;
        }
        if is_first {
            self.notice_in(&ConversationId::Server, &sentence, false);
            let wanted = std::mem::take(&mut self.wanted);
            let has_wanted = !wanted.is_empty();
            for wanted in wanted {
                match wanted {
                    Wanted::Room(room) => self.enter_room(&room),
                    Wanted::Person(name) => self.go_to_person(&name),
                }
            }
            if !has_wanted {
                self.notice_in(&ConversationId::Server, sentences::FIRST_STEPS, false);
            }
        } else if !is_same_user {
            self.notice_in(&ConversationId::Server, &sentence, false);
            self.open_again_as_other_user();
        }
        if self.has_conversations() {
            self.request(Request::Rooms);
        }
        self.request(Request::Who);
    }

    /// A request was refused, or had no answer. `request` is in the words of the protocol.
    fn refused(&mut self, request: &str, reason: &str) {
        if self.for_next_chat_failed(request, reason) {
            return;
        }
        if request.starts_with("HISTORY ") {
            self.conversations.values_mut().for_each(|conversation| conversation.is_reading_older = false);
        }
        if let Some(Overlay::Search(search)) = &mut self.overlay
            && request.starts_with("SEARCH ")
        {
            search.refused();
        }
        // The chat makes these requests by itself.
        let is_own_idea = ["MEMBERS ", "READERS ", "READ "].iter().any(|verb| request.starts_with(verb));
        if !is_own_idea {
            self.error(&format!("{request}: {reason}"));
        }
    }

    fn members_listed(&mut self, target: &str, members: Vec<(String, Standing)>) {
        let mut members: Vec<_> = members.into_iter().map(|(name, standing)| Member { name, standing }).collect();
        members.sort_by_cached_key(|member| (sentences::rank(member.standing), fold(&member.name)));
        if let Some(conversation) = self.conversations.get_mut(&ConversationId::of_target(target)) {
            conversation.members = members;
        }
    }

    fn rooms_listed(&mut self, rooms: Vec<RoomInfo>) {
        for room in &rooms {
            if let Some(conversation) = self.conversations.get_mut(&ConversationId::of_target(&room.room)) {
                conversation.topic.clone_from(&room.topic);
            }
        }
        self.rooms = rooms;
        self.rooms.truncate(ROOMS_MAX);
        if std::mem::take(&mut self.lists_rooms) {
            self.list_rooms();
        }
    }

    /// The session has another user now, and nothing is open in it. The user enters the same rooms: an account as a member.
    fn open_again_as_other_user(&mut self) {
        let mut rooms = Vec::new();
        for conversation in self.conversations.values_mut().filter(|conversation| conversation.has_records()) {
            let was_open = matches!(conversation.status, Status::Open | Status::Opening);
            conversation.status = Status::NotOpen;
            conversation.read = 0;
            if was_open && conversation.is_room() {
                rooms.push((conversation.id.clone(), conversation.target.clone()));
            }
        }
        for (id, room) in rooms {
            self.open(&id, &room, true);
        }
        self.open_current();
    }
}
