//! News of the network.

use switchboard_client::conversations::{ConversationInfo, Item, RecordVerb};

use super::super::conversation::{Conversation, Member, Outgoing, OutgoingState, Readers, Status};
use super::super::conversation_id::{ConversationId, fold, is_same_name};
use super::super::event::{Effect, NetworkEvent, OpenedConversation, Request, ServerInfo};
use super::super::overlay::Overlay;
use super::super::sentences;
use super::super::timeline::Content;
use super::{App, Link, OPEN_MAX, ROOMS_MAX, USERS_MAX, Wanted};

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
                self.chat_ended(false);
                self.link = Link::Lost { reason, retry_at: self.now.uptime + retry_in };
            }
            NetworkEvent::Ended { reason } => {
                self.round_trip = None;
                self.chat_ended(false);
                self.error(&format!("The connection has ended: {reason}"));
                self.link = Link::Ended { reason };
            }
            NetworkEvent::NameRefused { reason } => {
                self.link = Link::Ended { reason: reason.clone() };
                self.overlay = Some(Overlay::name(self.own_name(), Some(reason)));
            }
            NetworkEvent::RoundTrip(time) => self.round_trip = Some(time),
            NetworkEvent::Conversations(list) => self.conversations_listed(list),
            NetworkEvent::Conversation(info) => self.conversation_changed(&info),
            NetworkEvent::Opened(opened) => self.opened(opened),
            NetworkEvent::Closed { target, reason } => self.closed(&target, &reason),
            NetworkEvent::Items { target, items } => self.items_arrived(&target, &items),
            NetworkEvent::Older { target, before, items } => self.older_arrived(&target, before, &items),
            NetworkEvent::Said { local, seq } => self.said(local, seq),
            NetworkEvent::NotSaid { local, reason, is_unknown } => self.not_said(local, reason, is_unknown),
            NetworkEvent::Unanswered(messages) => {
                for message in messages {
                    let id = ConversationId::of_target(&message.target);
                    let (local, at_millis) = (0, self.now.unix_millis);
                    let outgoing = Outgoing { local, text: message.text, at_millis, state: OutgoingState::Waiting };
                    self.conversation(&id, &message.target).outgoing.push_back(outgoing);
                }
            }
            NetworkEvent::UnansweredDone => {
                for conversation in self.conversations.values_mut() {
                    conversation.outgoing.retain(|outgoing| outgoing.local != 0);
                }
            }
            NetworkEvent::ReadMoved { target, seq } => self.read_moved(&target, seq),
            NetworkEvent::Members { target, members } => {
                let mut members: Vec<_> =
                    members.into_iter().map(|(name, standing)| Member { name, standing }).collect();
                members.sort_by_cached_key(|member| (sentences::rank(member.standing), fold(&member.name)));
                if let Some(conversation) = self.conversations.get_mut(&ConversationId::of_target(&target)) {
                    conversation.members = members;
                }
            }
            NetworkEvent::Readers { target, seq, names } => {
                let own = self.own_name().to_owned();
                if let Some(conversation) = self.conversations.get_mut(&ConversationId::of_target(&target)) {
                    let names = names.into_iter().filter(|name| !is_same_name(name, &own)).collect();
                    conversation.readers = Some(Readers { seq, names });
                }
            }
            NetworkEvent::Found { target, words, items, has_more } => {
                if let Some(Overlay::Search(search)) = &mut self.overlay {
                    search.found(target.as_deref(), &words, items, has_more);
                }
            }
            NetworkEvent::Rooms(rooms) => {
                for room in &rooms {
                    if let Some(conversation) = self.conversations.get_mut(&ConversationId::of_target(&room.room)) {
                        conversation.topic.clone_from(&room.topic);
                    }
                }
                self.rooms = rooms;
                self.rooms.truncate(ROOMS_MAX);
            }
            NetworkEvent::Users(names) => {
                self.users = names.into_iter().take(USERS_MAX).map(|name| (fold(&name), name)).collect();
            }
            NetworkEvent::Came(name) if self.users.len() < USERS_MAX => drop(self.users.insert(fold(&name), name)),
            NetworkEvent::Came(_) => {}
            NetworkEvent::Gone(name) => drop(self.users.remove(&fold(&name))),
            NetworkEvent::ChatBegan { name, is_incoming } => self.chat_began(&name, is_incoming),
            NetworkEvent::ChatMessage { name, text } => self.chat_message(&name, &text),
            NetworkEvent::ChatEnded { by_peer } => self.chat_ended(by_peer),
            NetworkEvent::Invited { room, by } => {
                let text = format!("{by} invites you into {room}: /join {room} enters it.");
                self.notice(&text);
                self.call_attention(&by, &text);
            }
            NetworkEvent::Answer { shown_in, lines } => {
                for line in lines {
                    self.notice_in(&shown_in, &line, line.starts_with("ERROR"));
                }
            }
            NetworkEvent::Refused { request, reason } => {
                if self.for_next_chat_failed(&request, &reason) {
                    return;
                }
                self.error(&format!("{request}: {reason}"));
            }
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
        self.link = Link::Connected;
        let sentence = sentences::connected(&server);
        if !is_same_user {
            self.effects.push(Effect::RememberServer { name: server.name.clone() });
        }
        self.server = Some(server);
        if let Some(Overlay::Name(_) | Overlay::Password(_)) = self.overlay {
            self.overlay = None;
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

    /// The session has another user now, and nothing is open in it. The user enters the same rooms: an account as a member.
    fn open_again_as_other_user(&mut self) {
        let mut rooms = Vec::new();
        for conversation in self.conversations.values_mut().filter(|conversation| conversation.has_records()) {
            let was_open = matches!(conversation.status, Status::Open | Status::Opening);
            conversation.status = Status::NotOpen;
            if was_open && conversation.is_room() {
                rooms.push((conversation.id.clone(), conversation.target.clone()));
            }
        }
        for (id, room) in rooms {
            self.open(&id, &room, true);
        }
        self.open_current();
    }

    fn conversations_listed(&mut self, list: Vec<ConversationInfo>) {
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
    fn conversation_changed(&mut self, info: &ConversationInfo) {
        let id = ConversationId::of_target(&info.target);
        let is_direct = matches!(id, ConversationId::Direct(_));
        let conversation = self.conversation(&id, &info.target);
        let is_new = info.last > conversation.last || conversation.epoch.is_empty();
        if !conversation.epoch.is_empty() && conversation.epoch != info.epoch {
            // Another person may have the name now, or the server has lost its records.
            conversation.peer_generation += 1;
        }
        conversation.epoch.clone_from(&info.epoch);
        conversation.last = info.last;
        conversation.read = info.read;
        if conversation.status == Status::Open {
            return;
        }
        let had_unread = conversation.n_unread > 0;
        conversation.n_unread = info.last.saturating_sub(info.read.max(info.first.saturating_sub(1)));
        conversation.has_mention |= is_direct && conversation.n_unread > 0;
        let calls = is_direct && is_new && conversation.n_unread > 0 && !had_unread;
        if calls {
            self.call_attention(&info.target, "has written to you");
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

    fn opened(&mut self, opened: OpenedConversation) {
        let OpenedConversation { asked, target, epoch, last, items } = opened;
        let reader = self.reader();
        let asked = ConversationId::of_target(&asked);
        let id = ConversationId::of_target(&target);
        if asked != id {
            self.take_place(&asked, &id);
        }
        let conversation = self.conversation(&id, &target);
        conversation.target = target.clone();
        if !conversation.epoch.is_empty() && conversation.epoch != epoch {
            conversation.peer_generation += 1;
        }
        conversation.epoch = epoch;
        conversation.status = Status::Open;
        conversation.last = conversation.last.max(last);
        conversation.timeline.add_page(last.saturating_add(1), &items, &reader);
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

    fn closed(&mut self, target: &str, reason: &str) {
        let id = ConversationId::of_target(target);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let was_open = conversation.status == Status::Open;
        conversation.status = Status::Over(reason.to_owned());
        conversation.members.clear();
        conversation.peer_generation += 1;
        // An attempt to open it has failed, or it is over.
        let text = if was_open { format!("{target} is over here: {reason}") } else { format!("{target}: {reason}") };
        self.notice_in(&id, &text, true);
    }

    fn items_arrived(&mut self, target: &str, items: &[Item]) {
        let id = ConversationId::of_target(target);
        let reader = self.reader();
        let is_guest = reader.is_guest;
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        for item in items {
            match item {
                Item::Record(record) => {
                    conversation.last = record.seq;
                    // The record of a message may arrive before the answer to the message.
                    let is_from_here = record.n.is_some() || is_guest && super::Reader::is_own(&reader, record);
                    if record.verb == RecordVerb::From && is_from_here {
                        take_outgoing(conversation, record.seq, &record.text);
                    }
                    update_members(conversation, record.verb, &record.author, &record.text);
                }
                Item::Gap(gap) if gap.to == 0 => {
                    conversation.last = 0;
                    conversation.peer_generation += 1;
                }
                _ => {}
            }
        }
        learn_topic(conversation, items);
        let new = conversation.timeline.add_live(items, &reader);
        if let Some(seq) = conversation.outgoing.iter().find_map(|outgoing| match outgoing.state {
            OutgoingState::Stored(seq) if conversation.timeline.is_known(seq) => Some(seq),
            _ => None,
        }) {
            conversation.outgoing.retain(|outgoing| outgoing.state != OutgoingState::Stored(seq));
        }
        let member_changes = items.iter().any(|item| {
            matches!(item, Item::Record(record) if matches!(record.verb, RecordVerb::Set | RecordVerb::Banned | RecordVerb::Unbanned))
        });
        if member_changes {
            self.request(Request::Members { target: target.to_owned() });
        }
        self.new_messages(&id, &new);
    }

    fn older_arrived(&mut self, target: &str, before: u64, items: &[Item]) {
        let reader = self.reader();
        let id = ConversationId::of_target(target);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.is_reading_older = false;
            conversation.timeline.add_page(before, items, &reader);
            self.count_unread(&id);
            self.show_wanted_place(&id);
        }
    }

    fn said(&mut self, local: u64, seq: u64) {
        let own_name = self.own_name().to_owned();
        let now = self.now.unix_millis;
        for conversation in self.conversations.values_mut() {
            let Some(index) = conversation.outgoing.iter().position(|outgoing| outgoing.local == local) else {
                continue;
            };
            if seq == 0 {
                if let Some(outgoing) = conversation.outgoing.remove(index) {
                    conversation.timeline.add_message(now, &own_name, &outgoing.text, true, false);
                }
            } else if conversation.status == Status::Open && !conversation.timeline.is_known(seq) {
                conversation.outgoing[index].state = OutgoingState::Stored(seq);
            } else if conversation.status == Status::Open {
                conversation.outgoing.remove(index);
            } else {
                // The conversation is not open: no record will arrive.
                conversation.outgoing.remove(index);
                conversation.last = conversation.last.max(seq);
            }
            return;
        }
    }

    fn not_said(&mut self, local: u64, reason: String, is_unknown: bool) {
        for conversation in self.conversations.values_mut() {
            if let Some(outgoing) = conversation.outgoing.iter_mut().find(|outgoing| outgoing.local == local) {
                outgoing.state =
                    if is_unknown { OutgoingState::Unknown(reason) } else { OutgoingState::Refused(reason) };
                return;
            }
        }
        self.error(&format!("A message was not sent: {reason}"));
    }

    fn read_moved(&mut self, target: &str, seq: u64) {
        let id = ConversationId::of_target(target);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.read = conversation.read.max(seq);
            if conversation.status == Status::Open {
                self.count_unread(&id);
            } else {
                conversation.n_unread = conversation.last.saturating_sub(conversation.read);
                conversation.has_mention &= conversation.n_unread > 0;
            }
        }
    }

    fn chat_began(&mut self, name: &str, is_incoming: bool) {
        let id = ConversationId::of_chat(name);
        let sentence = if is_incoming {
            format!("{name} opened a chat with you: nothing of it is stored. /disconnect leaves it.")
        } else {
            format!("You are in a chat with {name}: nothing of it is stored. /disconnect leaves it.")
        };
        let conversation = self.conversation(&id, name);
        conversation.target = name.to_owned();
        conversation.status = Status::Open;
        // The person behind the name may be another one than before. A draft that asked for this chat is for this person.
        if is_incoming {
            conversation.peer_generation += 1;
        }
        self.notice_in(&id, &sentence, false);
        self.chat = Some(id.clone());
        if is_incoming {
            self.call_attention(name, "opened a chat with you");
            if self.current == ConversationId::Server && self.current().draft.composer.is_empty() {
                self.go_to(&id);
            }
        }
        self.send_for_next_chat(&id);
    }

    fn chat_message(&mut self, name: &str, text: &str) {
        let id = ConversationId::of_chat(name);
        let is_mention = super::is_mentioned(self.own_name(), text);
        let now = self.now.unix_millis;
        let conversation = self.conversation(&id, name);
        let place = conversation.timeline.add_message(now, name, text, false, is_mention);
        self.new_messages(&id, &[place]);
    }

    fn chat_ended(&mut self, by_peer: bool) {
        let Some(id) = self.chat.take() else { return };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let name = conversation.target.clone();
        let reason = if by_peer { format!("{name} left the chat") } else { "you left the chat".to_owned() };
        let reason = if self.link == Link::Connected { reason } else { "the connection was lost".to_owned() };
        conversation.status = Status::Over(reason.clone());
        conversation.peer_generation += 1;
        self.notice_in(&id, &sentences::capitalized(&format!("{reason}.")), false);
    }
}

/// Removes the own message that a record shows.
fn take_outgoing(conversation: &mut Conversation, seq: u64, text: &str) {
    let is_of_record = |outgoing: &Outgoing| outgoing.state == OutgoingState::Stored(seq);
    // The server removes white space at the end of a text.
    let is_equal =
        |outgoing: &Outgoing| outgoing.state == OutgoingState::Waiting && outgoing.text.trim_end() == text.trim_end();
    let outgoing = &conversation.outgoing;
    let index = outgoing.iter().position(is_of_record).or_else(|| outgoing.iter().position(is_equal));
    if let Some(index) = index {
        conversation.outgoing.remove(index);
    }
}

/// Keeps the list of members true, as far as a record says.
fn update_members(conversation: &mut Conversation, verb: RecordVerb, author: &str, object: &str) {
    let remove = |members: &mut Vec<Member>, name: &str| members.retain(|member| !is_same_name(&member.name, name));
    match verb {
        RecordVerb::Joined => {
            remove(&mut conversation.members, author);
            let member = Member { name: author.to_owned(), standing: switchboard_protocol::version2::Standing::Member };
            conversation.members.push(member);
            conversation.members.sort_by_cached_key(|member| (sentences::rank(member.standing), fold(&member.name)));
        }
        RecordVerb::Left => remove(&mut conversation.members, author),
        RecordVerb::Kicked | RecordVerb::Banned => remove(&mut conversation.members, object),
        _ => {}
    }
}

fn learn_topic(conversation: &mut Conversation, items: &[Item]) {
    for item in items {
        if let Item::Record(record) = item
            && record.verb == RecordVerb::Topic
        {
            conversation.topic.clone_from(&record.text);
        }
    }
}

impl Conversation {
    /// The last own message that is stored.
    pub(crate) fn last_own_seq(&self) -> Option<u64> {
        let last = self.timeline.iter().rev().take(1_000);
        last.filter_map(|(place, entry)| match &entry.content {
            Content::Message(message) if message.is_own => place.seq(),
            _ => None,
        })
        .next()
    }
}
