//! The rows of one entry of a conversation.

use ratatui_core::style::Style;
use switchboard_client::conversations::RecordVerb;

use super::theme::Theme;
use crate::program::screen::conversation::{Conversation, Outgoing, OutgoingState, Readers};
use crate::program::screen::conversation_id::ConversationId;
use crate::program::screen::local_time::timestamp;
use crate::program::screen::preferences::Preferences;
use crate::program::screen::sentences;
use crate::program::screen::text::{Row, layout};
use crate::program::screen::timeline::{Content, Entry, Message, Place};

/// The width from which time and author stand in columns of their own.
const COLUMNS_FROM: u16 = 60;

/// The column of the author, in cells.
const AUTHOR_COLUMNS: u16 = 12;

/// A message within this time after the one before, by the same author, shows no author again.
const GROUP_MILLIS: u64 = 5 * 60 * 1_000;

/// One row on the screen.
#[derive(Clone, Debug, Default)]
pub(super) struct TimelineRow {
    /// The time, if the row shows it.
    pub(super) time: Option<String>,
    /// The author, if the row shows one, and its style. Unchecked.
    pub(super) author: Option<(String, Style)>,
    /// The mark between author and text.
    pub(super) mark: &'static str,
    pub(super) text: Row,
    pub(super) style: Style,
    pub(super) kind: RowKind,
}

/// Where a row puts its text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum RowKind {
    /// In the column of texts.
    #[default]
    Text,
    /// Over the whole width, in the middle of a line.
    Rule,
    /// Over the whole width.
    Wide,
}

/// Makes the rows of a conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowMaker<'a> {
    pub(super) conversation: &'a Conversation,
    pub(super) preferences: &'a Preferences,
    pub(super) theme: Theme,
    pub(super) own_name: &'a str,
    pub(super) shows_wire: bool,
    /// The width of the timeline, in cells.
    pub(super) width: u16,
}

impl RowMaker<'_> {
    /// Whether time and author stand in columns of their own.
    pub(super) fn has_columns(&self) -> bool {
        self.width >= COLUMNS_FROM
    }

    /// The width of the time, in cells.
    pub(super) fn time_columns(&self) -> u16 {
        u16::try_from(self.preferences.local_time.time(0).len()).unwrap_or(0)
    }

    /// The column in which texts begin.
    pub(super) fn text_column(&self) -> u16 {
        if self.has_columns() { self.time_columns() + 1 + AUTHOR_COLUMNS + 4 } else { 2 }
    }

    fn text_width(&self) -> u16 {
        self.width.saturating_sub(self.text_column()).max(1)
    }

    /// The rows of an entry: at least one.
    pub(super) fn entry(&self, place: Place, entry: &Entry) -> Vec<TimelineRow> {
        let before = self.conversation.timeline.range(..place).next_back().map(|(_, entry)| entry);
        let mut rows = Vec::new();
        let local_time = &self.preferences.local_time;
        let is_new_day = before.is_none_or(|before| {
            entry.at_millis > 0 && before.at_millis > 0 && local_time.is_other_day(before.at_millis, entry.at_millis)
        });
        if is_new_day && entry.at_millis > 0 {
            rows.push(self.rule(&local_time.day(entry.at_millis), self.theme.quiet()));
        }
        let is_first_unread = self.conversation.unread_line == Some(place);
        if is_first_unread {
            rows.push(self.rule("new messages", self.theme.unread()));
        }
        let is_grouped = !is_new_day && !is_first_unread && before.is_some_and(|before| is_group(before, entry));
        match &entry.content {
            Content::Message(message) => {
                let mark = self.mark_of_record(place, message);
                self.message(&mut rows, message, entry.at_millis, is_grouped, mark);
            }
            Content::Happening { verb, author, text } => {
                let text = sentences::happening(*verb, author, text);
                self.sentence(&mut rows, entry.at_millis, "→", &text, self.theme.quiet());
            }
            Content::Gap { from, to, reason } => {
                rows.push(self.rule(&sentences::gap(*from, *to, *reason), self.theme.unread()));
            }
            Content::Hole { from, to } => {
                let n = to - from + 1;
                rows.push(self.rule(&format!("{n} records are not here yet: they are being read"), self.theme.quiet()));
            }
            Content::Notice { text, is_error } => {
                let style = if *is_error { self.theme.error() } else { self.theme.quiet() };
                let mark = if *is_error { "!" } else { ":" };
                self.sentence(&mut rows, entry.at_millis, mark, text, style);
            }
        }
        if self.conversation.found == Some(place) {
            let texts = rows.iter_mut().filter(|row| row.kind == RowKind::Text);
            texts.for_each(|row| row.style = self.theme.selected());
        }
        if self.shows_wire {
            self.wire_words(&mut rows, place, entry);
        }
        rows
    }

    /// The rows of the own messages that have no record yet.
    pub(super) fn outgoing(&self) -> Vec<TimelineRow> {
        let mut rows = Vec::new();
        for outgoing in &self.conversation.outgoing {
            let message = Message {
                author: self.own_name.into(),
                by: None,
                text: outgoing.text.as_str().into(),
                is_own: true,
                is_mention: false,
                is_redacted: false,
            };
            let (mark, note) = match &outgoing.state {
                OutgoingState::Waiting => ("…", None),
                OutgoingState::Stored(_) => ("✓", None),
                OutgoingState::Refused(reason) => {
                    ("!", Some(format!("Not sent: {reason} · F5: send again · F6: discard")))
                }
                OutgoingState::Unknown(reason) => {
                    ("?", Some(format!("Perhaps not sent: {reason} · F5: send again · F6: discard")))
                }
            };
            let first = rows.len();
            self.message(&mut rows, &message, outgoing.at_millis, first > 0, mark);
            for row in &mut rows[first..] {
                row.style = self.theme.quiet();
            }
            if let Some(note) = note {
                self.texts(&mut rows, &note, self.theme.error(), RowKind::Text);
            }
            if self.shows_wire {
                self.texts(&mut rows, &self.outgoing_words(outgoing), self.theme.quiet(), RowKind::Text);
            }
        }
        rows
    }

    fn message(
        &self,
        rows: &mut Vec<TimelineRow>,
        message: &Message,
        at_millis: u64,
        is_grouped: bool,
        mark: &'static str,
    ) {
        let theme = self.theme;
        let style = if message.is_mention && !message.is_own { theme.mention() } else { theme.text() };
        let (text, style): (&str, _) =
            if message.is_redacted { ("(deleted)", theme.quiet()) } else { (&message.text, style) };
        let author = self.author(message);
        let time = self.preferences.local_time.time(at_millis);
        if !self.has_columns() && !is_grouped {
            rows.push(TimelineRow {
                author: Some(author),
                time: Some(time),
                mark: "",
                kind: RowKind::Wide,
                ..TimelineRow::default()
            });
            let first = rows.len();
            self.texts(rows, text, style, RowKind::Text);
            rows[first].mark = mark;
            return;
        }
        let first = rows.len();
        self.texts(rows, text, style, RowKind::Text);
        rows[first].mark = mark;
        if self.has_columns() && !is_grouped {
            rows[first].time = Some(time);
            rows[first].author = Some(author);
        }
    }

    /// Adds the author and the time to the first row of a message, if there are columns for them.
    pub(super) fn add_head(&self, place: Place, row: &mut TimelineRow) {
        let Some(entry) = self.conversation.timeline.get(place).filter(|_| self.has_columns()) else { return };
        if let (Content::Message(message), RowKind::Text) = (&entry.content, row.kind) {
            row.author = Some(self.author(message));
            row.time = Some(self.preferences.local_time.time(entry.at_millis));
        }
    }

    /// The shown name of an author, and its style.
    fn author(&self, message: &Message) -> (String, Style) {
        let style = if message.is_own { self.theme.own_name() } else { self.theme.name(&message.author) };
        // A guest has no account: anybody may take the name next.
        let is_guest = message.by.is_none() && self.conversation.has_records() && !message.is_own;
        let name = if is_guest { format!("~{}", message.author) } else { message.author.to_string() };
        (name, style)
    }

    /// A sentence with a mark in the place of the author.
    fn sentence(&self, rows: &mut Vec<TimelineRow>, at_millis: u64, mark: &'static str, text: &str, style: Style) {
        let first = rows.len();
        self.texts(rows, text, style, RowKind::Text);
        rows[first].mark = mark;
        if self.has_columns() && at_millis > 0 {
            rows[first].time = Some(self.preferences.local_time.time(at_millis));
        }
    }

    /// The rows of a text in the column of texts.
    fn texts(&self, rows: &mut Vec<TimelineRow>, text: &str, style: Style, kind: RowKind) {
        let texts = layout(text, self.text_width(), self.preferences.reorders);
        rows.extend(texts.into_iter().map(|text| TimelineRow { text, style, kind, ..TimelineRow::default() }));
    }

    /// A text in the middle of a line.
    fn rule(&self, text: &str, style: Style) -> TimelineRow {
        let columns = self.width.saturating_sub(6).max(1);
        let text = super::super::text::fit(text, columns, self.preferences.reorders);
        TimelineRow { text, style, kind: RowKind::Rule, ..TimelineRow::default() }
    }

    /// The state of an own message that is stored.
    fn mark_of_record(&self, place: Place, message: &Message) -> &'static str {
        if !message.is_own || !self.conversation.has_records() {
            return "│";
        }
        let is_read = place.seq().is_some_and(|seq| seq <= self.conversation.read_by_others);
        if is_read { "✓✓" } else { "✓" }
    }

    /// The line of the protocol that carries an entry.
    fn wire_words(&self, rows: &mut Vec<TimelineRow>, place: Place, entry: &Entry) {
        let target = &self.conversation.target;
        let at = timestamp(entry.at_millis);
        let words = match (&entry.content, place.seq()) {
            (Content::Message(Message { is_own: true, text, .. }), None) => format!("MSG {text}"),
            (Content::Message(message), None) => format!("FROM {}: {}", message.author, message.text),
            (Content::Message(message), Some(seq)) => {
                let by = message.by.map_or(String::new(), |by| format!(";by={by}"));
                format!("@in={target};seq={seq};at={at:.3}{by} FROM {}: {}", message.author, message.text)
            }
            (Content::Happening { verb: RecordVerb::Topic, author, text }, Some(seq)) => {
                format!("@in={target};seq={seq};at={at:.3} TOPIC {author}: {text}")
            }
            (Content::Happening { verb, author, text }, Some(seq)) => {
                format!("@in={target};seq={seq};at={at:.3} {} {author} {text}", verb.as_str())
            }
            (Content::Gap { from, to, reason }, _) => format!("GAP {target} {from} {to} {}", reason.as_str()),
            _ => return,
        };
        self.texts(rows, words.trim_end(), self.theme.quiet(), RowKind::Text);
        let readers = self.conversation.readers.as_ref().filter(|readers| place.seq() == Some(readers.seq));
        if let Some(Readers { seq, names }) = readers {
            self.texts(rows, &format!("READERS {target} {seq} {}", names.join(",")), self.theme.quiet(), RowKind::Text);
        }
    }

    fn outgoing_words(&self, outgoing: &Outgoing) -> String {
        let target = &self.conversation.target;
        let is_chat = matches!(self.conversation.id, ConversationId::Chat(_));
        match (&outgoing.state, is_chat) {
            (OutgoingState::Waiting, false) => format!("SAY {target}: waits for SAID"),
            (OutgoingState::Waiting, true) => "MSG: waits for MSG_SENT".to_owned(),
            (OutgoingState::Stored(seq), _) => format!("SAID {target} {seq}"),
            (OutgoingState::Refused(_), _) => "ERROR".to_owned(),
            (OutgoingState::Unknown(_), _) => format!("SAY {target}: no answer"),
        }
    }
}

/// Whether a message goes on in the group of the one before.
fn is_group(before: &Entry, entry: &Entry) -> bool {
    match (&before.content, &entry.content) {
        (Content::Message(one), Content::Message(two)) => {
            one.author == two.author
                && one.by == two.by
                && entry.at_millis.saturating_sub(before.at_millis) < GROUP_MILLIS
        }
        _ => false,
    }
}
