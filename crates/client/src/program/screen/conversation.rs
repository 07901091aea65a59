//! One conversation of the chat: its timeline, its draft, and its unread count.

use std::collections::VecDeque;

use switchboard_protocol::version2::Standing;

use super::composer::Composer;
use super::conversation_id::ConversationId;
use super::event::LocalId;
use super::timeline::{Content, Place, Timeline};

/// The maximum number of entries in which the last own message is looked for.
const OWN_SEARCHED_MAX: usize = 1_000;

/// A conversation.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    /// The word for the conversation in the protocol, and its title: `#lab`, `Noy`. Unchecked.
    pub(crate) target: String,
    pub(crate) topic: String,
    pub(crate) status: Status,
    pub(crate) timeline: Timeline,
    /// Own messages that have no record yet, oldest first. The view shows them below the timeline.
    pub(crate) outgoing: VecDeque<Outgoing>,
    pub(crate) draft: Draft,
    /// Where the reader is.
    pub(crate) scroll: Scroll,
    /// A record that the user wants to see, and that is still being read.
    pub(crate) wanted_place: Option<u64>,
    /// The record that a search has found: the view marks it while the reader is near it.
    pub(crate) found: Option<Place>,
    /// Whether older records were asked for.
    pub(crate) is_reading_older: bool,
    /// The epoch of the numbers below. Empty: unknown.
    pub(crate) epoch: String,
    /// The last record that the server has, or 0.
    pub(crate) last: u64,
    /// The read marker of the account, or the last record that was shown to a guest.
    pub(crate) read: u64,
    /// The unread messages. For a conversation that is not open: the unread records.
    pub(crate) n_unread: u64,
    /// Whether an unread message names this user, or is a direct message.
    pub(crate) has_mention: bool,
    /// The view draws a line above this entry: it is the first one that the reader has not seen.
    pub(crate) unread_line: Option<Place>,
    /// The members of a room, sorted by standing and name.
    pub(crate) members: Vec<Member>,
    /// The accounts that have read the last own message.
    pub(crate) readers: Option<Readers>,
    /// The highest record that somebody else has read.
    pub(crate) read_by_others: u64,
    /// Rises when the person behind the name changes: the peer has left, or another one has come.
    pub(crate) peer_generation: u32,
}

/// Whether the server sends the records of the conversation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Status {
    /// It was not opened yet.
    NotOpen,
    Opening,
    Open,
    /// It has ended, for this reason.
    Over(String),
}

/// A text that is being written.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) composer: Composer,
    /// The `peer_generation` at the moment when the text was begun.
    pub(crate) peer_generation: u32,
}

/// An own message without a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Outgoing {
    pub(crate) local: LocalId,
    pub(crate) text: String,
    pub(crate) at_millis: u64,
    /// The `peer_generation` of the conversation at that moment.
    pub(crate) peer_generation: u32,
    pub(crate) state: OutgoingState,
}

/// The delivery state of an own message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum OutgoingState {
    /// It waits for the connection, or for the answer of the server.
    Waiting,
    /// The server has stored it as this record, which has not arrived yet.
    Stored(u64),
    /// It was not stored, for this reason.
    Refused(String),
    /// The connection was lost before the answer: nobody knows whether it was stored.
    Unknown(String),
}

/// Where the reader is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Scroll {
    /// At the end: new lines come into view.
    #[default]
    End,
    /// The lowest row on the screen is this row of this entry.
    At { place: Place, row: usize },
}

/// A member of a room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Member {
    /// Unchecked.
    pub(crate) name: String,
    pub(crate) standing: Standing,
}

/// The accounts that have read an own message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Readers {
    pub(crate) seq: u64,
    pub(crate) names: Vec<String>,
}

impl Conversation {
    pub(crate) fn new(id: ConversationId, target: &str) -> Self {
        Self {
            id,
            target: target.to_owned(),
            topic: String::new(),
            status: Status::NotOpen,
            timeline: Timeline::default(),
            outgoing: VecDeque::new(),
            draft: Draft::default(),
            scroll: Scroll::End,
            wanted_place: None,
            found: None,
            is_reading_older: false,
            epoch: String::new(),
            last: 0,
            read: 0,
            n_unread: 0,
            has_mention: false,
            unread_line: None,
            members: Vec::new(),
            readers: None,
            read_by_others: 0,
            peer_generation: 0,
        }
    }

    /// Takes the epoch that the server names. With another one, the numbers count anew: the room was made anew, another
    /// person has the name, or the server has lost records.
    pub(crate) fn set_epoch(&mut self, epoch: &str) {
        if !self.epoch.is_empty() && self.epoch != epoch {
            self.peer_generation += 1;
            self.timeline.begin_epoch();
            (self.last, self.read, self.n_unread, self.read_by_others) = (0, 0, 0, 0);
            (self.unread_line, self.readers, self.wanted_place) = (None, None, None);
        }
        epoch.clone_into(&mut self.epoch);
    }

    pub(crate) fn is_room(&self) -> bool {
        matches!(self.id, ConversationId::Room(_))
    }

    /// Whether messages are stored by the server.
    pub(crate) fn has_records(&self) -> bool {
        matches!(self.id, ConversationId::Room(_) | ConversationId::Direct(_))
    }

    /// The last own message that is stored.
    pub(crate) fn last_own_seq(&self) -> Option<u64> {
        let mut last = self.timeline.iter().rev().take(OWN_SEARCHED_MAX);
        last.find_map(|(place, entry)| match &entry.content {
            Content::Message(message) if message.is_own => place.seq(),
            _ => None,
        })
    }
}
