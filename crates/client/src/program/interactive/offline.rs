//! Handles the lines that the user types while there is no connection.

use switchboard_protocol::limits::LINE_CEILING_BYTES;
use switchboard_protocol::{Command, ParseError, commands};

use super::super::terminal::EditorHandle;
use super::super::typed_text::TypedText;
use super::super::user_line::UserLine;
use super::ChatSession;
use super::request::is_register;

impl ChatSession<'_> {
    /// Handles a line typed while there is no connection. Returns whether it changed the name to register.
    pub(super) async fn handle_offline_line(&mut self, line: &TypedText) -> bool {
        match line.parse() {
            UserLine::Blank | UserLine::Quit => {}
            UserLine::Help => self.screen.show(self.formatter.help()).await,
            UserLine::Command(command) => match commands::parse(command.as_bytes(), LINE_CEILING_BYTES) {
                Ok(Some(Command::Register { name })) => {
                    self.show_notice(format!("You will be {}.", self.formatter.name(name.as_str()))).await;
                    self.own_name = Some(name.to_string());
                    self.lost_name = None;
                    self.queued_lines
                        .retain(|line| !matches!(line.parse(), UserLine::Command(command) if is_register(command)));
                    return true;
                }
                Err(ParseError::Name(error)) => self.show_error(error).await,
                _ => self.show_error("not connected: that line was not sent").await,
            },
            UserLine::Message(_)
            | UserLine::DirectMessage { .. }
            | UserLine::MissingText
            | UserLine::UnknownSlash(_) => {
                self.show_error("not connected: that line was not sent").await;
            }
        }
        false
    }

    /// Shows that there is no chat, and refuses lines until the user leaves.
    pub(super) async fn wait_until_user_leaves(&mut self, editor: &mut EditorHandle) {
        self.set_peer(None).await;
        if !std::mem::take(&mut self.queued_lines).is_empty() {
            self.show_error("not connected: the last lines were not sent").await;
        }
        self.show_notice("Ctrl-D or /quit leaves.").await;
        while let Some(line) = editor.lines.recv().await {
            match line.parse() {
                UserLine::Blank | UserLine::Quit => {}
                UserLine::Help => self.screen.show(self.formatter.help()).await,
                _ => self.show_error("not connected: that line was not sent").await,
            }
        }
    }

    /// Waits for a typed line and queues it. Returns `false` if the user leaves.
    pub(super) async fn wait_for_line(&mut self, editor: &mut EditorHandle) -> bool {
        self.show_notice("Type a command to reconnect.").await;
        while let Some(line) = editor.lines.recv().await {
            match line.parse() {
                UserLine::Blank => {}
                UserLine::Help => self.screen.show(self.formatter.help()).await,
                _ => {
                    self.queued_lines.push_back(line);
                    return true;
                }
            }
        }
        false
    }
}
