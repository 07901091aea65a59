//! The state of the chat: takes events, changes, and returns effects.

mod attention;
mod commands;
mod keys;
mod live_chat;
mod network;
mod opening;
mod outgoing;
mod reading;
mod records;
mod sending;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use switchboard_client::conversations::{Record, RoomInfo};

use super::conversation::{Conversation, Status};
use super::conversation_id::{ConversationId, is_same_name};
use super::event::{Effect, Event, LocalId, Request, ServerInfo};
use super::mention::is_mentioned;
use super::moment::Moment;
use super::overlay::Overlay;
use super::preferences::Preferences;
use super::question::Question;
use super::timeline::Reader;

/// The maximum number of conversations that are open at once. The server allows 1,024 for each session.
const OPEN_MAX: usize = 256;

/// The maximum number of conversations in the list: an account has at most 1,024 rooms, and few people write to thousands.
pub(crate) const CONVERSATIONS_MAX: usize = 4_096;

/// The maximum number of users in the list of those who are connected. Without the others, only their marks are missing.
pub(crate) const USERS_MAX: usize = 65_536;

/// The maximum number of rooms that the palette and `/rooms` show.
const ROOMS_MAX: usize = 16_384;

/// The maximum number of commands that the up key recalls.
pub(crate) const RECALLED_COMMANDS_MAX: usize = 1_000;

/// The chat.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) preferences: Preferences,
    pub(crate) link: Link,
    /// The server, and who this user is there. `None` before the first login.
    pub(crate) server: Option<ServerInfo>,
    pub(crate) round_trip: Option<Duration>,
    /// In the order of the list at the side.
    pub(crate) conversations: BTreeMap<ConversationId, Conversation>,
    pub(crate) current: ConversationId,
    /// The conversation before the current one.
    previous: Option<ConversationId>,
    /// The users who are connected, by folded name.
    pub(crate) users: BTreeMap<String, String>,
    /// The rooms of the last `ROOMS`.
    pub(crate) rooms: Vec<RoomInfo>,
    /// The chat of version 1 that is going on.
    pub(crate) chat: Option<ConversationId>,
    /// Messages that wait until the chat of version 1 with this user begins.
    for_next_chat: VecDeque<(ConversationId, LocalId)>,
    pub(crate) overlay: Option<Overlay>,
    /// A question that stands above the input until it is answered.
    pub(crate) question: Option<Question>,
    /// A sentence for the status line, until the next key.
    pub(crate) hint: Option<String>,
    /// Whether each message shows its number and its words of the protocol.
    pub(crate) shows_wire: bool,
    /// The terminal, in columns and rows.
    pub(crate) size: (u16, u16),
    has_focus: bool,
    /// Whether the next list of rooms is shown.
    lists_rooms: bool,
    pub(crate) now: Moment,
    last_local: LocalId,
    /// The completion that the tab key has begun.
    completion: Option<super::completion::Completion>,
    commands_typed: VecDeque<String>,
    /// How far the up key has gone back in `commands_typed`.
    recall: Option<usize>,
    /// The conversations to open when the session begins: those of the command line.
    wanted: Vec<Wanted>,
    /// Conversations whose read marker the server does not know yet.
    to_mark_read: BTreeSet<ConversationId>,
    /// When the readers of the last own message were last asked for.
    readers_asked_at: Option<Duration>,
    /// When the user last pressed Ctrl-C on an empty input: a second one ends the program.
    quit_asked_at: Option<Duration>,
    effects: Vec<Effect>,
}

/// A conversation to open when the session begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// A room, which is joined.
    Room(String),
    /// A person.
    Person(String),
}

/// The state of the connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Link {
    /// The first attempt, or a later one.
    Connecting,
    Connected,
    /// Lost. The next attempt begins at this time since the start of the program.
    Lost {
        reason: String,
        retry_at: Duration,
    },
    /// The user must act: no further attempt comes by itself.
    Ended {
        reason: String,
    },
}

impl App {
    pub(crate) fn new(preferences: Preferences, wanted: Vec<Wanted>, size: (u16, u16), now: Moment) -> Self {
        let server = Conversation { status: Status::Open, ..Conversation::new(ConversationId::Server, "") };
        Self {
            preferences,
            link: Link::Connecting,
            server: None,
            round_trip: None,
            conversations: BTreeMap::from([(ConversationId::Server, server)]),
            current: ConversationId::Server,
            previous: None,
            users: BTreeMap::new(),
            rooms: Vec::new(),
            chat: None,
            for_next_chat: VecDeque::new(),
            overlay: None,
            question: None,
            hint: None,
            shows_wire: false,
            size,
            has_focus: true,
            lists_rooms: false,
            now,
            last_local: 0,
            completion: None,
            commands_typed: VecDeque::new(),
            recall: None,
            wanted,
            to_mark_read: BTreeSet::new(),
            readers_asked_at: None,
            quit_asked_at: None,
            effects: Vec::new(),
        }
    }

    /// Sets the commands that the up key recalls, oldest first.
    pub(crate) fn set_command_history(&mut self, commands: impl IntoIterator<Item = String>) {
        self.commands_typed = commands.into_iter().collect();
    }

    /// Handles one event. Returns its effects, in the order of their execution.
    pub(crate) fn handle(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        self.now = now;
        match event {
            Event::Key(key) => self.handle_key(key),
            Event::Paste(text) => self.handle_paste(&text),
            Event::Resized { columns, rows } => self.size = (columns, rows),
            Event::Focus(has_focus) => {
                self.has_focus = has_focus;
                self.mark_current_read();
            }
            Event::Network(event) => self.handle_network(event),
            Event::Problem(problem) => self.error(&problem),
            Event::Tick => self.handle_tick(),
        }
        std::mem::take(&mut self.effects)
    }

    /// The current conversation.
    pub(crate) fn current(&self) -> &Conversation {
        &self.conversations[&self.current]
    }

    pub(crate) fn current_mut(&mut self) -> &mut Conversation {
        self.conversations.get_mut(&self.current).expect("the current conversation is in the list")
    }

    /// The name of the user. Empty before the first login.
    pub(crate) fn own_name(&self) -> &str {
        self.server.as_ref().map_or("", |server| &server.name)
    }

    /// Whether the user has an account here.
    pub(crate) fn is_account(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.device.is_some())
    }

    /// Whether the server speaks version 2.
    pub(crate) fn has_conversations(&self) -> bool {
        self.server.as_ref().is_none_or(|server| server.version >= 2)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.link == Link::Connected
    }

    fn request(&mut self, request: Request) {
        self.effects.push(Effect::Request(request));
    }

    /// Adds a sentence to the current conversation.
    fn notice(&mut self, text: &str) {
        let id = self.current.clone();
        self.notice_in(&id, text, false);
    }

    /// Adds an error to the current conversation.
    fn error(&mut self, text: &str) {
        let id = self.current.clone();
        self.notice_in(&id, text, true);
    }

    fn notice_in(&mut self, id: &ConversationId, text: &str, is_error: bool) {
        let now = self.now.unix_millis;
        let id = if self.conversations.contains_key(id) { id.clone() } else { ConversationId::Server };
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.timeline.add_notice(now, text, is_error);
        }
    }

    /// The conversation, which is added to the list if it is not there.
    fn conversation(&mut self, id: &ConversationId, target: &str) -> &mut Conversation {
        if self.conversations.len() >= CONVERSATIONS_MAX && !self.conversations.contains_key(id) {
            self.remove_one_conversation();
        }
        self.conversations.entry(id.clone()).or_insert_with(|| Conversation::new(id.clone(), target))
    }

    /// Makes room in the list: removes a conversation in which nothing of the user waits.
    fn remove_one_conversation(&mut self) {
        let is_needed = |conversation: &Conversation| {
            conversation.id == ConversationId::Server
                || conversation.id == self.current
                || self.chat.as_ref() == Some(&conversation.id)
                || !conversation.draft.composer.is_empty()
                || !conversation.outgoing.is_empty()
        };
        let mut others = self.conversations.values().filter(|conversation| !is_needed(conversation));
        let oldest = others.next().map(|first| {
            let by_use = |conversation: &&Conversation| (conversation.status == Status::Open, conversation.n_unread);
            others.fold(first, |one, other| if by_use(&other) < by_use(&one) { other } else { one }).id.clone()
        });
        if let Some(id) = oldest
            && let Some(removed) = self.conversations.remove(&id)
            && removed.has_records()
            && removed.status == Status::Open
        {
            self.request(Request::Close { target: removed.target });
        }
    }

    fn next_local(&mut self) -> LocalId {
        self.last_local += 1;
        self.last_local
    }

    /// Who reads the records: decides which ones are the user's own.
    fn reader(&self) -> OwnReader {
        OwnReader { name: self.own_name().to_owned(), is_guest: !self.is_account() }
    }

    /// The number of open conversations.
    fn n_open(&self) -> usize {
        let is_open = |conversation: &&Conversation| {
            conversation.has_records() && matches!(conversation.status, Status::Open | Status::Opening)
        };
        self.conversations.values().filter(is_open).count()
    }
}

/// The user of this program, as a reader of records.
struct OwnReader {
    name: String,
    is_guest: bool,
}

impl Reader for OwnReader {
    fn is_own(&self, record: &Record) -> bool {
        // Only records of accounts have the tag `by`.
        record.by.is_none() == self.is_guest && is_same_name(&record.author, &self.name)
    }

    fn is_mention(&self, text: &str) -> bool {
        is_mentioned(&self.name, text)
    }
}
