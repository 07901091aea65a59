//! The position of the reader: the current conversation, the scroll position, and the unread messages.

use std::time::Duration;

use super::super::conversation::{Scroll, Status};
use super::super::conversation_id::{ConversationId, is_same_name};
use super::super::event::Request;
use super::super::timeline::{Content, Place};
use super::super::view;
use super::App;

/// The number of records to read at once.
const PAGE_RECORDS: u64 = 200;

/// The rows above the screen at which older records are read.
const READ_AHEAD_ROWS: usize = 40;

/// The time between two questions who has read the last own message.
const READERS_INTERVAL: Duration = Duration::from_secs(10);

/// The entries of all conversations together above which those that are not on the screen are forgotten.
const ALL_ENTRIES_MAX: usize = 300_000;

/// The same for the memory of their texts, in bytes.
const ALL_TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The entries that a forgotten conversation keeps.
const KEPT_ENTRIES: usize = 200;

impl App {
    /// Shows a conversation.
    pub(super) fn go_to(&mut self, id: &ConversationId) {
        self.go_to_at(id, Scroll::End);
    }

    fn go_to_at(&mut self, id: &ConversationId, scroll: Scroll) {
        if self.current == *id || !self.conversations.contains_key(id) {
            return;
        }
        self.question = None;
        self.completion = None;
        self.recall = None;
        let left = std::mem::replace(&mut self.current, id.clone());
        if let Some(left) = self.conversations.get_mut(&left) {
            left.unread_line = None;
        }
        self.previous = Some(left);
        self.readers_asked_at = None;
        self.current_mut().scroll = scroll;
        if self.current().status == Status::NotOpen {
            self.open_current();
        }
        self.show_unread_line();
        self.mark_current_read();
    }

    pub(super) fn go_back(&mut self) {
        if let Some(previous) = self.previous.clone() {
            self.go_to(&previous);
        }
    }

    /// Goes to the conversation before or after the current one in the list.
    pub(super) fn go_by(&mut self, forward: bool, is_wanted: impl Fn(&super::Conversation) -> bool) {
        let ids: Vec<_> = self.conversations.keys().cloned().collect();
        let here = ids.iter().position(|id| *id == self.current).unwrap_or(0);
        let n = ids.len();
        let order = (1..n).map(|step| if forward { (here + step) % n } else { (here + n - step) % n });
        let next = order.map(|index| &ids[index]).find(|id| is_wanted(&self.conversations[*id]));
        if let Some(next) = next.cloned() {
            self.go_to(&next);
        }
    }

    /// Moves the view of the current conversation by so many rows: up if negative.
    pub(super) fn scroll_by(&mut self, rows: isize) {
        let scroll = view::scrolled(self, rows);
        self.current_mut().scroll = scroll;
        self.read_older_if_near();
        if scroll == Scroll::End {
            self.mark_current_read();
        }
    }

    pub(super) fn scroll_to_end(&mut self) {
        self.current_mut().scroll = Scroll::End;
        self.current_mut().found = None;
        self.mark_current_read();
    }

    pub(super) fn scroll_to_start(&mut self) {
        let first = self.current().timeline.iter().next().map(|(place, _)| place);
        if let Some(place) = first {
            self.current_mut().scroll = Scroll::At { place, row: 0 };
            self.scroll_by(0);
        }
        self.read_older_if_near();
    }

    /// Shows the record of this number, which may have to be read first.
    pub(super) fn show_record(&mut self, target: &str, seq: u64) {
        let id = ConversationId::of_target(target);
        let place = self.conversation(&id, target).timeline.place_of(seq);
        // The reader does not see the end of the conversation.
        self.go_to_at(&id, Scroll::At { place, row: 0 });
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.scroll = Scroll::At { place, row: 0 };
        conversation.wanted_place = Some(seq);
        if conversation.timeline.is_known(seq) {
            self.show_wanted_place(&id);
        } else {
            let target = conversation.target.clone();
            self.request(Request::Older { target, before: seq.saturating_add(PAGE_RECORDS / 2), count: PAGE_RECORDS });
        }
    }

    /// Shows the record that the user looks for, if it is here now.
    pub(super) fn show_wanted_place(&mut self, id: &ConversationId) {
        let Some(conversation) = self.conversations.get_mut(id) else { return };
        let Some(seq) = conversation.wanted_place.filter(|seq| conversation.timeline.is_known(*seq)) else { return };
        conversation.wanted_place = None;
        conversation.found = Some(conversation.timeline.place_of(seq));
        conversation.scroll = Scroll::At { place: conversation.timeline.place_of(seq), row: 0 };
        if self.current == *id {
            // The rows below the record show the next messages.
            self.scroll_by(isize::try_from(view::timeline_size(self).1 / 3).unwrap_or(0));
        }
    }

    /// Reads older records if the first row on the screen is near the first known record, or near a hole.
    pub(super) fn read_older_if_near(&mut self) {
        let conversation = self.current();
        if conversation.is_reading_older || conversation.status != Status::Open || !self.is_connected() {
            return;
        }
        let top = view::first_place(self, READ_AHEAD_ROWS);
        let hole =
            conversation.timeline.range(top..).take(2 * READ_AHEAD_ROWS).find_map(|(_, entry)| match entry.content {
                Content::Hole { to, .. } => Some(to + 1),
                _ => None,
            });
        let is_at_start = conversation.timeline.iter().next().is_none_or(|(first, _)| first >= top);
        let older = conversation.timeline.older_before().filter(|_| is_at_start);
        let Some(before) = hole.or(older) else { return };
        let target = conversation.target.clone();
        self.current_mut().is_reading_older = true;
        self.request(Request::Older { target, before, count: PAGE_RECORDS });
    }

    /// Counts the unread messages of an open conversation.
    pub(super) fn count_unread(&mut self, id: &ConversationId) {
        let Some(conversation) = self.conversations.get_mut(id) else { return };
        let is_direct = matches!(id, ConversationId::Direct(_));
        let first_unread = conversation.timeline.place_of(conversation.read.saturating_add(1));
        let (mut n_unread, mut has_mention) = (0, false);
        for (place, entry) in conversation.timeline.range(first_unread..) {
            if let Content::Message(message) = &entry.content
                && place.seq().is_some()
                && !message.is_own
            {
                n_unread += 1;
                has_mention |= is_direct || message.is_mention;
            }
        }
        (conversation.n_unread, conversation.has_mention) = (n_unread, has_mention);
    }

    /// Puts the line above the first unread message of the current conversation.
    pub(super) fn show_unread_line(&mut self) {
        let conversation = self.current_mut();
        if conversation.n_unread == 0 || conversation.unread_line.is_some() || !conversation.has_records() {
            return;
        }
        let first_unread = conversation.timeline.place_of(conversation.read.saturating_add(1));
        let is_unread = |(place, entry): &(Place, &super::super::timeline::Entry)| {
            place.seq().is_some() && matches!(&entry.content, Content::Message(message) if !message.is_own)
        };
        conversation.unread_line = conversation.timeline.range(first_unread..).find(is_unread).map(|(place, _)| place);
    }

    /// The user sees the end of the current conversation: nothing in it is unread.
    pub(super) fn mark_current_read(&mut self) {
        if !self.has_focus || self.current().scroll != Scroll::End {
            return;
        }
        let id = self.current.clone();
        let conversation = self.current_mut();
        if conversation.has_records() && matches!(conversation.status, Status::NotOpen | Status::Opening) {
            return;
        }
        conversation.n_unread = 0;
        conversation.has_mention = false;
        let last = conversation.timeline.last_seq().unwrap_or(0);
        if last > conversation.read {
            conversation.read = last;
            if self.is_account() && conversation_is_stored(&id) {
                self.to_mark_read.insert(id);
            }
        }
    }

    /// Once a second: the requests that need not be sent at once.
    pub(super) fn handle_tick(&mut self) {
        self.forget_entries();
        if !self.is_connected() {
            return;
        }
        for id in std::mem::take(&mut self.to_mark_read) {
            let Some(conversation) = self.conversations.get(&id) else { continue };
            let (target, seq) = (conversation.target.clone(), conversation.read);
            self.request(Request::Read { target, seq });
        }
        self.ask_for_readers();
        self.read_older_if_near();
    }

    fn ask_for_readers(&mut self) {
        let conversation = self.current();
        let is_due = self.readers_asked_at.is_none_or(|at| self.now.uptime.saturating_sub(at) >= READERS_INTERVAL);
        let Some(seq) = conversation.last_own_seq().filter(|_| conversation.status == Status::Open) else { return };
        // In a direct conversation, there is one other reader.
        let is_read = |names: &[String]| match conversation.id {
            ConversationId::Direct(_) => names.iter().any(|name| !is_same_name(name, self.own_name())),
            _ => false,
        };
        let is_known =
            conversation.readers.as_ref().is_some_and(|readers| readers.seq == seq && is_read(&readers.names));
        if !is_due || is_known || !self.is_account() {
            return;
        }
        let target = conversation.target.clone();
        self.readers_asked_at = Some(self.now.uptime);
        self.request(Request::Readers { target, seq });
    }

    /// Frees the memory of conversations that are not on the screen, if all of them together hold too much.
    fn forget_entries(&mut self) {
        let timelines = self.conversations.values().map(|conversation| &conversation.timeline);
        let (n_entries, text_bytes) =
            timelines.fold((0, 0), |(n, bytes), timeline| (n + timeline.len(), bytes + timeline.text_bytes()));
        if n_entries <= ALL_ENTRIES_MAX && text_bytes <= ALL_TEXT_BYTES_MAX {
            return;
        }
        let current = self.current.clone();
        for (_, conversation) in self.conversations.iter_mut().filter(|(id, _)| **id != current) {
            conversation.timeline.forget_all_but(KEPT_ENTRIES);
        }
    }
}

fn conversation_is_stored(id: &ConversationId) -> bool {
    matches!(id, ConversationId::Room(_) | ConversationId::Direct(_))
}
