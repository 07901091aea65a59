//! The title above the messages, and the status line.

use ratatui_core::layout::Rect;

use super::canvas::Canvas;
use super::sidebar;
use super::theme::Theme;
use crate::program::screen::app::{App, Link};
use crate::program::screen::conversation::{Scroll, Status};
use crate::program::screen::conversation_id::ConversationId;
use crate::program::screen::sentences;

/// Draws the name and the topic of the current conversation.
pub(super) fn draw_title(app: &App, theme: Theme, area: Rect, canvas: &mut Canvas<'_>) {
    if area.is_empty() {
        return;
    }
    let conversation = app.current();
    let style = theme.strong();
    let x = canvas.fit(area.x, area.y, area.width, sidebar::title(&app.current, conversation), style);
    let about = match (&conversation.status, &app.current) {
        (Status::Opening, _) => "is being opened …".to_owned(),
        (Status::Over(reason), _) => format!("over: {reason}"),
        (_, ConversationId::Chat(_)) => "a chat that nobody stores".to_owned(),
        (_, ConversationId::Direct(_)) => "direct messages".to_owned(),
        (_, ConversationId::Server) => String::new(),
        _ => conversation.topic.clone(),
    };
    let columns = area.right().saturating_sub(x + 2);
    canvas.fit(x + 2, area.y, columns, &about, theme.quiet());
}

/// Draws the state of the connection, and what is unread elsewhere.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, canvas: &mut Canvas<'_>) {
    if area.is_empty() {
        return;
    }
    canvas.fill(area, ' ', theme.bar());
    let right = right_part(app);
    let right_columns = u16::try_from(right.chars().count()).unwrap_or(u16::MAX).min(area.width);
    let left_columns = if right_columns + 10 > area.width { area.width } else { area.width - right_columns - 1 };
    canvas.fit(area.x, area.y, left_columns, &left_part(app), theme.bar());
    if left_columns < area.width {
        canvas.words(area.right() - right_columns, area.y, right_columns, &right, theme.bar());
    }
}

/// The connection: its state, and who can read it.
fn left_part(app: &App) -> String {
    let me = app.server.as_ref().map_or(String::new(), |server| format!("{} @ {} ", server.name, server.address));
    match &app.link {
        Link::Connecting => format!(" {me}· connecting …"),
        Link::Connected => {
            let security = app.server.as_ref().map_or("", |server| sentences::security(server.security));
            let round_trip =
                app.round_trip.map_or(String::new(), |time| format!(" · {:.1} ms", 1e3 * time.as_secs_f64()));
            format!(" {me}· {security}{round_trip}")
        }
        Link::Lost { reason, retry_at } => {
            let seconds = retry_at.saturating_sub(app.now.uptime).as_secs_f64().ceil();
            format!(" NOT CONNECTED · again in {seconds} s (Ctrl-R: now) · {reason}")
        }
        Link::Ended { reason } => format!(" NOT CONNECTED · {reason}"),
    }
}

/// Unread messages elsewhere, and whether the view is at the end.
fn right_part(app: &App) -> String {
    let others = app.conversations.iter().filter(|(id, _)| **id != app.current);
    let (n_unread, n_mentions) = others.fold((0_u64, 0_u64), |(unread, mentions), (_, conversation)| {
        (unread.saturating_add(conversation.n_unread), mentions + u64::from(conversation.has_mention))
    });
    let mut parts = Vec::new();
    if app.current().scroll != Scroll::End {
        let n_below = app.current().n_unread;
        parts.push(if n_below > 0 { format!("↓ {n_below} new, End") } else { "↓ End".to_owned() });
    }
    if n_mentions > 0 {
        parts.push(format!("{n_unread} unread, some for you: Alt-A"));
    } else if n_unread > 0 {
        parts.push(format!("{n_unread} unread: Alt-A"));
    }
    if parts.is_empty() {
        parts.push("F1 help".to_owned());
    }
    format!("{} ", parts.join(" · "))
}
