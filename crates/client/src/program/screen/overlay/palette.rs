//! The palette: jumps to a conversation, a room or a person.

use crossterm::event::{KeyCode, KeyEvent};

use super::super::conversation_id::ConversationId;
use super::{LineInput, Outcome, OverlayContext, move_selection};

/// The maximum number of rows.
const ROWS_MAX: usize = 200;

/// The palette.
#[derive(Debug)]
pub(crate) struct Palette {
    pub(crate) input: LineInput,
    pub(crate) rows: Vec<PaletteRow>,
    pub(crate) selected: usize,
}

/// One place to go to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PaletteRow {
    /// A conversation of the list at the side.
    Conversation { id: ConversationId, title: String, n_unread: u64 },
    /// A room that the user is not in.
    Room { room: String, topic: String },
    /// A user who is connected.
    Person(String),
    /// The typed name of a room: Enter makes it.
    NewRoom(String),
}

impl PaletteRow {
    pub(crate) fn title(&self) -> &str {
        match self {
            Self::Conversation { title, .. } => title,
            Self::Room { room, .. } | Self::NewRoom(room) => room,
            Self::Person(name) => name,
        }
    }
}

impl Palette {
    pub(super) fn new(context: &OverlayContext<'_>) -> Self {
        let mut palette = Self { input: LineInput::default(), rows: Vec::new(), selected: 0 };
        palette.update(context);
        palette
    }

    pub(super) fn key(&mut self, key: KeyEvent, context: &OverlayContext<'_>) -> Outcome {
        // Enter opens the row that the screen shows as selected.
        if key.code == KeyCode::Enter {
            return match self.rows.get(self.selected) {
                Some(PaletteRow::Conversation { id, .. }) => Outcome::GoTo(id.clone()),
                Some(PaletteRow::Room { room, .. } | PaletteRow::NewRoom(room)) => Outcome::EnterRoom(room.clone()),
                Some(PaletteRow::Person(name)) => Outcome::GoToPerson(name.clone()),
                None => Outcome::Stays,
            };
        }
        if !move_selection(&mut self.selected, self.rows.len(), key) && self.input.key(key) {
            self.selected = 0;
        }
        self.update(context);
        Outcome::Stays
    }

    pub(super) fn paste(&mut self, line: &str, context: &OverlayContext<'_>) {
        self.input.paste(line);
        self.selected = 0;
        self.update(context);
    }

    /// Makes the rows that match the input: the best first.
    fn update(&mut self, context: &OverlayContext<'_>) {
        let words = self.input.text().trim().to_owned();
        let mut scored: Vec<(u32, bool, u64, PaletteRow)> = Vec::new();
        for (id, conversation) in context.conversations {
            let title = if *id == ConversationId::Server { "server" } else { &conversation.target };
            if let Some(score) = score(&words, title) {
                let n_unread = conversation.n_unread;
                let row = PaletteRow::Conversation { id: id.clone(), title: title.to_owned(), n_unread };
                // Where the user is already comes last.
                let score = if id == context.current { u32::MAX } else { score };
                scored.push((score, !conversation.has_mention, u64::MAX - n_unread, row));
            }
        }
        for room in context.rooms {
            if !context.conversations.contains_key(&ConversationId::of_target(&room.room))
                && let Some(score) = score(&words, &room.room)
            {
                let row = PaletteRow::Room { room: room.room.clone(), topic: room.topic.clone() };
                scored.push((score.saturating_add(1), true, u64::MAX, row));
            }
        }
        for name in context.users.iter().filter(|(folded, _)| **folded != context.own_name).map(|(_, name)| name) {
            let is_listed = [ConversationId::of_target(name), ConversationId::of_chat(name)]
                .iter()
                .any(|id| context.conversations.contains_key(id));
            if !is_listed && let Some(score) = score(&words, name) {
                scored.push((score.saturating_add(1), true, u64::MAX, PaletteRow::Person(name.clone())));
            }
        }
        scored.sort_by_key(|(score, is_quiet, unread, _)| (*score, *is_quiet, *unread));
        self.rows = scored.into_iter().map(|(.., row)| row).take(ROWS_MAX).collect();
        let is_new_room = words.starts_with('#')
            && words.len() > 1
            && !words.contains(' ')
            && !self.rows.iter().any(|row| ConversationId::of_target(row.title()) == ConversationId::of_target(&words));
        if is_new_room {
            self.rows.push(PaletteRow::NewRoom(words));
        }
        self.selected = self.selected.min(self.rows.len().saturating_sub(1));
    }
}

/// How well `title` matches the letters of `words`, which stand in it in this order. Lower is better.
fn score(words: &str, title: &str) -> Option<u32> {
    let (words, title) = (words.to_lowercase(), title.to_lowercase());
    let bare = title.trim_start_matches('#');
    if bare.starts_with(words.trim_start_matches('#')) || title.starts_with(&words) {
        return Some(0);
    }
    if let Some(at) = title.find(&words) {
        return Some(10 + u32::try_from(at).unwrap_or(u32::MAX / 2).min(100));
    }
    let mut letters = title.chars();
    let is_subsequence = words.chars().filter(|c| !c.is_whitespace()).all(|c| letters.any(|letter| letter == c));
    is_subsequence.then_some(1_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crossterm::event::KeyModifiers;
    use switchboard_client::conversations::RoomInfo;

    use super::super::super::conversation::Conversation;
    use super::*;

    #[test]
    fn the_rows_follow_the_typed_letters() {
        let names = ["#lab", "#lounge", "Elias", "Noy"];
        let conversations: BTreeMap<_, _> = names
            .into_iter()
            .map(|name| {
                let id = ConversationId::of_target(name);
                (id.clone(), Conversation::new(id, name))
            })
            .collect();
        let current = ConversationId::of_target("#lab");
        let users =
            [("elias", "Elias"), ("ada", "Ada")].map(|(folded, name)| (folded.to_owned(), name.to_owned())).into();
        let rooms = [RoomInfo { room: "#labels".to_owned(), members: 1, topic: String::new() }];
        let context = OverlayContext {
            conversations: &conversations,
            current: &current,
            users: &users,
            rooms: &rooms,
            own_name: "noy".to_owned(),
        };
        let typed = |text: &str| {
            let mut palette = Palette::new(&context);
            for c in text.chars() {
                palette.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE), &context);
            }
            palette
        };
        let titles = |text: &str| typed(text).rows.iter().map(|row| row.title().to_owned()).collect::<Vec<_>>();
        assert_eq!(titles("el"), ["Elias", "#labels"]);
        assert_eq!(titles("lng"), ["#lounge"]);
        assert_eq!(titles("a"), ["Ada", "Elias", "#labels", "#lab"]);
        assert_eq!(titles("#new"), ["#new"]);
        assert_eq!(titles("").last().map(String::as_str), Some("#lab"), "the user is there already");
        let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        assert!(
            matches!(typed("no").key(enter, &context), Outcome::GoTo(id) if id == ConversationId::of_target("Noy"))
        );
        assert!(matches!(typed("ad").key(enter, &context), Outcome::GoToPerson(name) if name == "Ada"));
        assert!(matches!(typed("labe").key(enter, &context), Outcome::EnterRoom(room) if room == "#labels"));
        assert!(matches!(typed("#new").key(enter, &context), Outcome::EnterRoom(room) if room == "#new"));
    }
}
