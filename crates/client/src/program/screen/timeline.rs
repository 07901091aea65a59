//! The lines of one conversation, in order.
//!
//! Records stand in the order of their numbers. A notice stands behind the record after which it came. Between two
//! ranges of known records there may be a hole: records that were not read yet.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeBounds;
use std::sync::Arc;

use switchboard_client::conversations::{Gap, GapReason, Item, Record, RecordVerb};

/// The maximum number of entries of a conversation. The oldest ones are read from the server again when needed.
pub(crate) const ENTRIES_MAX: usize = 100_000;

/// The maximum memory of the texts of a conversation, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The maximum number of author names that are shared between entries.
const SHARED_NAMES_MAX: usize = 4096;

/// Where an entry stands in its conversation.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place {
    /// Rises when the numbers of records lose their meaning: the conversation has a new epoch.
    generation: u32,
    /// The number of the record, or of the last record before a notice.
    seq: u64,
    /// 0 for a record. Notices and messages without a number count from 1.
    index: u64,
}

impl Place {
    /// A place after all entries.
    pub(crate) fn end() -> Self {
        Self { generation: u32::MAX, seq: u64::MAX, index: u64::MAX }
    }

    /// The number of the record that stands here. `None`: a notice, or a message without a number.
    pub(crate) fn seq(self) -> Option<u64> {
        (self.index == 0).then_some(self.seq)
    }
}

/// One entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// Milliseconds since 1970-01-01T00:00:00Z. For records, by the clock of the server.
    pub(crate) at_millis: u64,
    pub(crate) content: Content,
}

/// What an entry shows. Names and texts of the server are unchecked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    /// A message.
    Message(Message),
    /// A record that is no message, such as `JOINED`.
    Happening { verb: RecordVerb, author: Arc<str>, text: Box<str> },
    /// Records that this reader does not get. `from` 0: unknown ones, the server has lost or restored records.
    Gap { from: u64, to: u64, reason: GapReason },
    /// Records that were not read yet.
    Hole { from: u64, to: u64 },
    /// A sentence of the program.
    Notice { text: Box<str>, is_error: bool },
}

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) author: Arc<str>,
    /// The account of the author. `None` for a guest, and in a chat of version 1.
    pub(crate) by: Option<u64>,
    pub(crate) text: Box<str>,
    /// Whether this user wrote it, on any device.
    pub(crate) is_own: bool,
    /// Whether it names this user.
    pub(crate) is_mention: bool,
    /// The text was deleted.
    pub(crate) is_redacted: bool,
}

/// Decides which messages are the user's own, and which ones name the user.
pub(crate) trait Reader {
    fn is_own(&self, record: &Record) -> bool;
    fn is_mention(&self, text: &str) -> bool;
}

/// The entries of one conversation.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    entries: BTreeMap<Place, Entry>,
    /// The ranges of record numbers that are known, first to last, of the present generation. Neighbours are joined.
    known: BTreeMap<u64, u64>,
    /// The places of the holes between them.
    holes: Vec<Place>,
    generation: u32,
    last_index: u64,
    text_bytes: usize,
    names: HashSet<Arc<str>>,
    /// Whether there is no record before the first known one.
    is_complete: bool,
}

impl Timeline {
    /// Adds records and gaps as they arrive. Returns the new messages among them, for notifications and counts.
    pub(crate) fn add_live(&mut self, items: &[Item], reader: &impl Reader) -> Vec<Place> {
        let mut new = Vec::new();
        for item in items {
            match item {
                Item::Record(record) => {
                    self.know(record.seq, record.seq);
                    new.extend(self.add_record(record, reader));
                }
                Item::Gap(gap) => self.add_gap(gap),
                _ => {}
            }
        }
        self.update_holes();
        self.trim();
        new
    }

    /// Adds the page of the newest records before the number `before`.
    pub(crate) fn add_page(&mut self, before: u64, items: &[Item], reader: &impl Reader) {
        let first = items.iter().find_map(|item| match item {
            Item::Record(record) => Some(record.seq),
            Item::Gap(gap) if gap.from > 0 => Some(gap.from),
            _ => None,
        });
        let last_before = before.saturating_sub(1);
        if let Some(first) = first {
            let last = items.iter().rev().find_map(|item| match item {
                Item::Record(record) => Some(record.seq),
                Item::Gap(gap) => Some(gap.to),
                _ => None,
            });
            // A page from the end begins at a number that no record has.
            let is_from_end = self.last_seq().is_none_or(|known| known < last_before);
            self.know(first, if is_from_end { last.unwrap_or(first) } else { last_before });
        } else {
            self.is_complete |= self.known.first_key_value().is_none_or(|(&first, _)| first <= before);
            if let Some((&next, _)) = self.known.range(..=before).next_back().filter(|(_, last)| **last >= before) {
                self.know(1.min(next), last_before.max(1));
            }
        }
        for item in items {
            match item {
                Item::Record(record) => drop(self.add_record(record, reader)),
                Item::Gap(gap) if gap.from > 0 => self.add_gap(gap),
                _ => {}
            }
        }
        self.update_holes();
    }

    /// Adds a message of a chat of version 1, which has no number.
    pub(crate) fn add_message(
        &mut self,
        at_millis: u64,
        author: &str,
        text: &str,
        is_own: bool,
        is_mention: bool,
    ) -> Place {
        let author = self.share_name(author);
        let message = Message { author, by: None, text: text.into(), is_own, is_mention, is_redacted: false };
        self.push(Entry { at_millis, content: Content::Message(message) })
    }

    /// Adds a sentence of the program behind the last entry.
    pub(crate) fn add_notice(&mut self, at_millis: u64, text: &str, is_error: bool) -> Place {
        self.push(Entry { at_millis, content: Content::Notice { text: text.into(), is_error } })
    }

    /// The entry at a place.
    pub(crate) fn get(&self, place: Place) -> Option<&Entry> {
        self.entries.get(&place)
    }

    /// The entries of a range, in order. Also usable from its end.
    pub(crate) fn range(&self, range: impl RangeBounds<Place>) -> impl DoubleEndedIterator<Item = (Place, &Entry)> {
        self.entries.range(range).map(|(&place, entry)| (place, entry))
    }

    /// All entries, in order.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (Place, &Entry)> {
        self.range(..)
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The memory of the texts, in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// The place of the record of this number in the present epoch, whether it is known or not.
    pub(crate) fn place_of(&self, seq: u64) -> Place {
        Place { generation: self.generation, seq, index: 0 }
    }

    /// The last known record of the present epoch.
    pub(crate) fn last_seq(&self) -> Option<u64> {
        self.known.last_key_value().map(|(_, &last)| last)
    }

    /// The number before which older records can be read. `None`: there are none, or no record is known.
    pub(crate) fn older_before(&self) -> Option<u64> {
        let (&first, _) = self.known.first_key_value()?;
        (!self.is_complete && first > 1).then_some(first)
    }

    /// Whether a record of this number is known, or known to be gone.
    pub(crate) fn is_known(&self, seq: u64) -> bool {
        self.known.range(..=seq).next_back().is_some_and(|(_, &last)| last >= seq)
    }

    /// Deletes the text of one message.
    fn redact(&mut self, seq: u64) {
        let place = self.place_of(seq);
        if let Some(entry) = self.entries.get_mut(&place) {
            self.text_bytes -= redact(entry);
        }
    }

    /// Deletes the texts of the messages before the record `until` that an author wrote: `@` and the id of an account, or
    /// a name.
    fn redact_author(&mut self, until: u64, author: &str) {
        let id = author.strip_prefix('@').and_then(|id| id.parse::<u64>().ok());
        let first = Place { generation: self.generation, ..Place::default() };
        for (_, entry) in self.entries.range_mut(first..Place { generation: self.generation, seq: until, index: 0 }) {
            if let Content::Message(message) = &entry.content
                && if id.is_some() { message.by == id } else { *message.author == *author }
            {
                self.text_bytes -= redact(entry);
            }
        }
    }

    /// Forgets all but the last `keep` entries. The others can be read again.
    pub(crate) fn forget_all_but(&mut self, keep: usize) {
        while self.entries.len() > keep {
            self.forget_first();
        }
        self.update_holes();
    }

    fn add_record(&mut self, record: &Record, reader: &impl Reader) -> Option<Place> {
        let place = self.place_of(record.seq);
        if self.entries.get(&place).is_some_and(|entry| !matches!(entry.content, Content::Hole { .. })) {
            return None;
        }
        if record.verb == RecordVerb::Redacted {
            match record.text.parse::<u64>() {
                Ok(number) => self.redact(number),
                Err(_) => self.redact_author(record.seq, &record.text),
            }
        }
        let author = self.share_name(&record.author);
        let is_message = record.verb == RecordVerb::From;
        let content = if is_message {
            Content::Message(Message {
                author,
                by: record.by,
                text: record.text.as_str().into(),
                is_own: reader.is_own(record),
                is_mention: reader.is_mention(&record.text),
                is_redacted: record.redacted_by.is_some(),
            })
        } else {
            Content::Happening { verb: record.verb, author, text: record.text.as_str().into() }
        };
        self.remove_repeated(record, &content);
        self.insert(place, Entry { at_millis: record.at_millis, content });
        is_message.then_some(place)
    }

    /// After a new epoch, the server may repeat records that are here already, with the numbers of the earlier epoch.
    fn remove_repeated(&mut self, record: &Record, content: &Content) {
        if self.generation == 0 {
            return;
        }
        let earlier = Place { generation: self.generation - 1, seq: record.seq, index: 0 };
        let is_same = |entry: &Entry| entry.at_millis == record.at_millis && entry.content == *content;
        if self.entries.get(&earlier).is_some_and(is_same) {
            self.remove(earlier);
        }
    }

    fn add_gap(&mut self, gap: &Gap) {
        let content = Content::Gap { from: gap.from, to: gap.to, reason: gap.reason };
        if gap.to == 0 {
            let at_millis = self.entries.last_key_value().map_or(0, |(_, entry)| entry.at_millis);
            self.push(Entry { at_millis, content });
            self.begin_epoch();
            return;
        }
        self.know(gap.from, gap.to);
        let at_millis = self.range(..self.place_of(gap.from)).next_back().map_or(0, |(_, entry)| entry.at_millis);
        self.insert(self.place_of(gap.from), Entry { at_millis, content });
    }

    /// The records count anew: the conversation has a new epoch.
    pub(crate) fn begin_epoch(&mut self) {
        self.generation += 1;
        self.known.clear();
        // They stay on the screen, and nobody can read their records any more.
        self.holes.clear();
        self.is_complete = false;
    }

    fn push(&mut self, entry: Entry) -> Place {
        self.last_index += 1;
        let last = self.entries.last_key_value().filter(|(place, _)| place.generation == self.generation);
        let seq = last.map_or(0, |(place, _)| place.seq);
        let place = Place { generation: self.generation, seq, index: self.last_index };
        self.insert(place, entry);
        self.trim();
        place
    }

    fn insert(&mut self, place: Place, entry: Entry) {
        self.remove(place);
        self.text_bytes += text_bytes(&entry);
        self.entries.insert(place, entry);
    }

    fn remove(&mut self, place: Place) {
        if let Some(entry) = self.entries.remove(&place) {
            self.text_bytes -= text_bytes(&entry);
        }
    }

    /// Notes that the records `first` to `last` are here, or are known to be gone.
    fn know(&mut self, first: u64, last: u64) {
        let (mut first, mut last) = (first, last.max(first));
        // Join all ranges that touch this one.
        while let Some((&start, &end)) = self.known.range(..=last.saturating_add(1)).next_back()
            && end.saturating_add(1) >= first
        {
            self.known.remove(&start);
            first = first.min(start);
            last = last.max(end);
        }
        self.known.insert(first, last);
    }

    /// Puts a hole between each two known ranges.
    fn update_holes(&mut self) {
        if self.holes.is_empty() && self.known.len() < 2 {
            return;
        }
        for place in std::mem::take(&mut self.holes) {
            // A record may have taken the place.
            if self.entries.get(&place).is_some_and(|entry| matches!(entry.content, Content::Hole { .. })) {
                self.remove(place);
            }
        }
        let ends: Vec<_> = self.known.iter().map(|(&first, &last)| (first, last)).collect();
        for pair in ends.windows(2) {
            let (from, to) = (pair[0].1 + 1, pair[1].0 - 1);
            let place = self.place_of(from);
            let at_millis = self.range(..place).next_back().map_or(0, |(_, entry)| entry.at_millis);
            self.insert(place, Entry { at_millis, content: Content::Hole { from, to } });
            self.holes.push(place);
        }
    }

    fn trim(&mut self) {
        while self.entries.len() > ENTRIES_MAX || self.text_bytes > TEXT_BYTES_MAX {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some((&place, _)) = self.entries.first_key_value() else { return };
        self.remove(place);
        if place.generation == self.generation
            && let Some(seq) = place.seq()
        {
            self.is_complete = false;
            while let Some((first, last)) = self.known.first_key_value().map(|(&first, &last)| (first, last))
                && first <= seq
            {
                self.known.remove(&first);
                if last > seq {
                    self.known.insert(seq + 1, last);
                }
            }
        }
    }

    fn share_name(&mut self, name: &str) -> Arc<str> {
        if let Some(shared) = self.names.get(name) {
            return Arc::clone(shared);
        }
        if self.names.len() >= SHARED_NAMES_MAX {
            self.names.clear();
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }
}

/// Deletes the text of a message. Returns its length.
fn redact(entry: &mut Entry) -> usize {
    let Content::Message(message) = &mut entry.content else { return 0 };
    message.is_redacted = true;
    std::mem::take(&mut message.text).len()
}

fn text_bytes(entry: &Entry) -> usize {
    match &entry.content {
        Content::Message(Message { text, .. }) | Content::Happening { text, .. } | Content::Notice { text, .. } => {
            text.len()
        }
        Content::Gap { .. } | Content::Hole { .. } => 0,
    }
}

#[cfg(test)]
mod tests;
