//! The search: each key searches the loaded messages, and Enter asks the server.

use crossterm::event::{KeyCode, KeyEvent};
use switchboard_client::conversations::{Item, RecordVerb};

use super::super::conversation::Conversation;
use super::super::conversation_id::ConversationId;
use super::super::timeline::Content;
use super::{LineInput, Outcome, OverlayContext, move_selection};

/// The maximum number of hits among the loaded messages.
const LOCAL_HITS_MAX: usize = 64;

/// The search.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) input: LineInput,
    /// The conversation. With the tab key, the search is in all of them.
    pub(crate) target: String,
    pub(crate) is_everywhere: bool,
    /// Whether the server stores the conversation.
    is_stored: bool,
    pub(crate) state: SearchState,
    /// The newest first.
    pub(crate) hits: Vec<Hit>,
    pub(crate) selected: usize,
}

/// Where the hits come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SearchState {
    /// The records that are here.
    Local,
    /// The server was asked for these words.
    Asked(String),
    /// The server has answered. `has_more`: it ended at a bound.
    Answered { words: String, has_more: bool },
}

/// A message that has all words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Hit {
    pub(crate) target: String,
    pub(crate) seq: u64,
    pub(crate) at_millis: u64,
    /// Unchecked, like the text.
    pub(crate) author: String,
    pub(crate) text: String,
}

impl Search {
    pub(super) fn new(words: &str, conversation: &Conversation) -> Self {
        let mut search = Self {
            input: LineInput::new(words),
            target: conversation.target.clone(),
            is_everywhere: false,
            is_stored: conversation.has_records(),
            state: if words.is_empty() || !conversation.has_records() {
                SearchState::Local
            } else {
                SearchState::Asked(words.to_owned())
            },
            hits: Vec::new(),
            selected: 0,
        };
        search.find_local(conversation);
        search
    }

    pub(super) fn key(&mut self, key: KeyEvent, context: &OverlayContext<'_>) -> Outcome {
        let words = self.input.text().trim().to_owned();
        match key.code {
            KeyCode::Tab => {
                self.is_everywhere = !self.is_everywhere;
                self.state = SearchState::Local;
            }
            KeyCode::Enter if words.is_empty() => {}
            KeyCode::Enter => {
                let is_answered = matches!(&self.state, SearchState::Answered { words: asked, .. } if *asked == words);
                if let Some(hit) = self.hits.get(self.selected).filter(|_| is_answered) {
                    return Outcome::Record { target: hit.target.clone(), seq: hit.seq };
                }
                if !self.is_stored && !self.is_everywhere {
                    return Outcome::Stays;
                }
                self.state = SearchState::Asked(words.clone());
                let target = (!self.is_everywhere).then(|| self.target.clone());
                return Outcome::Search { target, words };
            }
            _ if move_selection(&mut self.selected, self.hits.len(), key) => {}
            _ => {
                if self.input.key(key) && self.input.text().trim() != words {
                    self.state = SearchState::Local;
                    if let Some(conversation) = context.conversations.get(context.current) {
                        self.find_local(conversation);
                    }
                }
            }
        }
        Outcome::Stays
    }

    pub(super) fn paste(&mut self, line: &str) {
        self.input.paste(line);
        self.state = SearchState::Local;
    }

    /// The server has refused the search.
    pub(crate) fn refused(&mut self) {
        self.state = SearchState::Local;
    }

    /// The server has answered.
    pub(crate) fn found(&mut self, target: Option<&str>, words: &str, items: Vec<Item>, has_more: bool) {
        let is_awaited = matches!(&self.state, SearchState::Asked(asked) if asked == words);
        let is_same_place = match target {
            Some(target) => {
                !self.is_everywhere && ConversationId::of_target(target) == ConversationId::of_target(&self.target)
            }
            None => self.is_everywhere,
        };
        if !is_awaited || !is_same_place {
            return;
        }
        self.state = SearchState::Answered { words: words.to_owned(), has_more };
        self.selected = 0;
        self.hits = items
            .into_iter()
            .filter_map(|item| match item {
                Item::Record(record) if matches!(record.verb, RecordVerb::From | RecordVerb::Topic) => Some(Hit {
                    target: record.target,
                    seq: record.seq,
                    at_millis: record.at_millis,
                    author: record.author,
                    text: record.text,
                }),
                _ => None,
            })
            .collect();
    }

    fn find_local(&mut self, conversation: &Conversation) {
        let words: Vec<String> = self.input.text().to_lowercase().split_whitespace().map(str::to_owned).collect();
        self.selected = 0;
        self.hits.clear();
        if words.is_empty() {
            return;
        }
        for (place, entry) in conversation.timeline.iter().rev() {
            let (Content::Message(message), Some(seq)) = (&entry.content, place.seq()) else { continue };
            let text = message.text.to_lowercase();
            if words.iter().all(|word| text.contains(word)) {
                self.hits.push(Hit {
                    target: conversation.target.clone(),
                    seq,
                    at_millis: entry.at_millis,
                    author: message.author.to_string(),
                    text: message.text.to_string(),
                });
                if self.hits.len() == LOCAL_HITS_MAX {
                    break;
                }
            }
        }
    }
}
