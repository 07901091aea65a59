//! Records and gaps, as they arrive.

use switchboard_client::conversations::{Item, RecordVerb};

use super::super::conversation::{Conversation, Member, Outgoing, OutgoingState, Status};
use super::super::conversation_id::{ConversationId, fold, is_same_name};
use super::super::event::Request;
use super::super::sentences;
use super::App;

impl App {
    pub(super) fn items_arrived(&mut self, target: &str, items: &[Item]) {
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
        let timeline = &conversation.timeline;
        let is_shown =
            |outgoing: &Outgoing| matches!(outgoing.state, OutgoingState::Stored(seq) if timeline.is_known(seq));
        conversation.outgoing.retain(|outgoing| !is_shown(outgoing));
        let member_changes = items.iter().any(|item| {
            matches!(item, Item::Record(record) if matches!(record.verb, RecordVerb::Set | RecordVerb::Banned | RecordVerb::Unbanned))
        });
        if member_changes {
            self.request(Request::Members { target: target.to_owned() });
        }
        self.new_messages(&id, &new);
    }

    pub(super) fn older_arrived(&mut self, target: &str, before: u64, items: &[Item]) {
        let reader = self.reader();
        let id = ConversationId::of_target(target);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.is_reading_older = false;
            conversation.timeline.add_page(before, items, &reader);
            self.count_unread(&id);
            self.show_wanted_place(&id);
        }
    }

    pub(super) fn read_moved(&mut self, target: &str, seq: u64) {
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
}

/// Removes the own message that a record shows.
fn take_outgoing(conversation: &mut Conversation, seq: u64, text: &str) {
    let is_of_record = |outgoing: &Outgoing| outgoing.state == OutgoingState::Stored(seq);
    // The server removes white space at the end of a text.
    let is_equal = |outgoing: &Outgoing| {
        matches!(outgoing.state, OutgoingState::Waiting | OutgoingState::Unknown(_))
            && outgoing.text.trim_end() == text.trim_end()
    };
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

pub(super) fn learn_topic(conversation: &mut Conversation, items: &[Item]) {
    for item in items {
        if let Item::Record(record) = item
            && record.verb == RecordVerb::Topic
        {
            conversation.topic.clone_from(&record.text);
        }
    }
}
