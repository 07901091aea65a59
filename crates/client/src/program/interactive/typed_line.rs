//! Handles the lines that the user types while the session is connected.

use switchboard_protocol::Text;
use switchboard_protocol::limits::LINE_CEILING_BYTES;

use super::super::line_editor::PASTE_UNASKED_MAX_LINES;
use super::super::send_buffer::SendBuffer;
use super::super::typed_text::TypedText;
use super::super::user_line::UserLine;
use super::ChatSession;
use super::request::{PendingRequest, RequestKind, is_register};

impl ChatSession<'_> {
    /// Handles a typed line: executes a local command, or sends a request.
    pub(super) async fn handle_line(&mut self, out: &mut SendBuffer, typed: TypedText) {
        if typed.is_pasted && typed.text.contains('\n') {
            let TypedText { text, is_pasted, chat } = typed;
            let lines = text.lines().map(|line| TypedText { text: line.to_owned(), is_pasted, chat: chat.clone() });
            return self.queued_lines.extend(lines);
        }
        let chat = self.chat.get();
        if typed.depends_on_chat() && typed.chat != chat {
            return self.return_line(typed).await;
        }
        let (is_message, line) = match typed.parse() {
            UserLine::Blank | UserLine::Quit => return,
            UserLine::Help => return self.screen.show(self.formatter.help()).await,
            UserLine::UnknownSlash(word) => {
                return self.show_error(format!("no such command: /{word}. /help lists the commands")).await;
            }
            UserLine::MissingText => {
                return self.show_error("not sent: write a text after the name, as /msg NAME TEXT").await;
            }
            UserLine::Message(_) | UserLine::DirectMessage { .. } if chat.peer.is_none() => {
                let register_first = if self.own_name.is_none() { "REGISTER NAME and then " } else { "" };
                let pasted = if typed.is_pasted { ". Pasted text is never a command" } else { "" };
                self.queued_lines.retain(|line| !line.is_pasted);
                let error =
                    format!("you are not in a chat: use {register_first}CONNECT NAME. WHO lists the users{pasted}");
                return self.show_error(error).await;
            }
            UserLine::DirectMessage { name, .. } if !is_same_name(name, chat.peer.as_deref()) => {
                let error = format!(
                    "not sent: you are in a chat with {}, not with {name}. DISCONNECT and CONNECT {name} opens \
                     another chat",
                    chat.name()
                );
                return self.show_error(error).await;
            }
            UserLine::Message(text) | UserLine::DirectMessage { text, .. } => (true, format!("MSG {text}")),
            UserLine::Command(command) => (false, command.to_owned()),
        };
        if let Err(error) = Text::new(&line, LINE_CEILING_BYTES - "\n".len()) {
            return self.show_error(error).await;
        }
        out.push_line(&line);
        let kind = match line {
            _ if is_message => RequestKind::Message,
            line if is_register(&line) => RequestKind::Register(line),
            _ => RequestKind::Command,
        };
        self.pending.push_back(PendingRequest::new(kind, chat));
    }

    /// Returns a line to the editor, because it was typed for another chat. The rest of a long paste is discarded.
    async fn return_line(&mut self, mut returned: TypedText) {
        let mut n_lines = 1;
        while returned.is_pasted
            && let Some(line) = self.queued_lines.pop_front_if(|line| line.is_pasted)
        {
            // A blank line would not be sent.
            n_lines += usize::from(!line.text.trim().is_empty());
            returned.append(&line);
        }
        if n_lines > PASTE_UNASKED_MAX_LINES {
            let earlier = returned.chat.name();
            let error = format!("{n_lines} pasted lines were not sent: the chat with {earlier} is over");
            return self.show_error(error).await;
        }
        self.show_notice(self.chat.get().question(&returned.chat)).await;
        self.screen.return_line(returned).await;
    }
}

/// Whether two names are equal except for case.
fn is_same_name(name: &str, peer: Option<&str>) -> bool {
    peer.is_some_and(|peer| peer.to_lowercase() == name.to_lowercase())
}
