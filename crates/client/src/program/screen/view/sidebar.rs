//! The list of conversations.

use ratatui_core::layout::Rect;

use super::canvas::Canvas;
use super::theme::Theme;
use crate::program::screen::app::App;
use crate::program::screen::conversation::{Conversation, Status};
use crate::program::screen::conversation_id::{ConversationId, fold};

/// Draws the list, and the border on its right.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, canvas: &mut Canvas<'_>) {
    if area.is_empty() {
        return;
    }
    canvas.fill(Rect::new(area.right() - 1, area.y, 1, area.height), '│', theme.quiet());
    let columns = area.width - 1;
    let rows = usize::from(area.height);
    let here = app.conversations.keys().position(|id| *id == app.current).unwrap_or(0);
    // The current conversation stays in view.
    let first = here.saturating_sub(rows / 2).min(app.conversations.len().saturating_sub(rows));
    for ((id, conversation), y) in app.conversations.iter().skip(first).take(rows).zip(area.y..) {
        let is_current = *id == app.current;
        let style = if is_current {
            theme.selected()
        } else if conversation.has_mention {
            theme.mention()
        } else if conversation.n_unread > 0 {
            theme.strong()
        } else if matches!(conversation.status, Status::Over(_)) {
            theme.quiet()
        } else {
            theme.text()
        };
        if is_current {
            canvas.fill(Rect::new(area.x, y, columns, 1), ' ', style);
        }
        let count = count(conversation);
        let count_columns = u16::try_from(count.len()).unwrap_or(columns);
        let title_columns = columns.saturating_sub(3 + count_columns);
        canvas.words(area.x, y, 2, mark(app, id, conversation), style);
        canvas.fit(area.x + 2, y, title_columns, title(id, conversation), style);
        canvas.words(area.x + columns.saturating_sub(count_columns), y, count_columns, &count, style);
    }
}

/// The name in the list.
pub(super) fn title<'a>(id: &ConversationId, conversation: &'a Conversation) -> &'a str {
    if *id == ConversationId::Server { "server" } else { &conversation.target }
}

/// The number of unread messages, and a mark for a draft.
fn count(conversation: &Conversation) -> String {
    let draft = if conversation.draft.composer.is_empty() { "" } else { "~" };
    match conversation.n_unread {
        0 => draft.to_owned(),
        n @ 1..=999 => format!("{n}{draft}"),
        _ => format!("999+{draft}"),
    }
}

/// Whether the person of a conversation is connected.
fn mark(app: &App, id: &ConversationId, conversation: &Conversation) -> &'static str {
    match id {
        ConversationId::Direct(_) | ConversationId::Chat(_) if app.users.contains_key(&fold(&conversation.target)) => {
            "● "
        }
        ConversationId::Direct(_) | ConversationId::Chat(_) => "○ ",
        ConversationId::Room(_) | ConversationId::Server => "  ",
    }
}
