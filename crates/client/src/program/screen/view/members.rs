//! The list of members of a room.

use ratatui_core::layout::Rect;
use switchboard_protocol::version2::Standing;

use super::canvas::Canvas;
use super::theme::Theme;
use crate::program::screen::app::App;
use crate::program::screen::conversation_id::fold;

/// Draws the list, and the border on its left.
pub(super) fn draw(app: &App, theme: Theme, area: Rect, canvas: &mut Canvas<'_>) {
    if area.is_empty() {
        return;
    }
    canvas.fill(Rect::new(area.x, area.y, 1, area.height), '│', theme.quiet());
    let members = &app.current().members;
    let (x, columns) = (area.x + 2, area.width - 2);
    let rows = usize::from(area.height);
    let shown = if members.len() > rows { rows - 1 } else { rows };
    for (member, y) in members.iter().take(shown).zip(area.y..) {
        let mark = match member.standing {
            Standing::Owner => "★ ",
            Standing::Moderator => "+ ",
            Standing::Member => "  ",
            Standing::Guest => "~ ",
            Standing::Invited => "? ",
            Standing::Banned => "x ",
        };
        let is_here = app.users.contains_key(&fold(&member.name));
        let style = if is_here { theme.name(&member.name) } else { theme.quiet() };
        canvas.words(x, y, 2, mark, theme.quiet());
        canvas.fit(x + 2, y, columns.saturating_sub(2), &member.name, style);
    }
    if members.len() > shown {
        let more = format!("and {} more", members.len() - shown);
        canvas.words(x, area.bottom() - 1, columns, &more, theme.quiet());
    }
}
