//! From the typed text to messages: a text goes only to the person that it was written for.

use std::collections::VecDeque;

use switchboard_protocol::limits::TEXT_MAX_BYTES;

use super::super::conversation::{Outgoing, OutgoingState, Status};
use super::super::conversation_id::ConversationId;
use super::super::event::{Effect, Request};
use super::super::question::{Action, Messages, Question};
use super::super::slash_command::{self, CommandKind, Typed};
use super::super::split::{one_message_of_lines, split_long};
use super::App;

/// The maximum number of messages that are sent at once: as many as may wait for the answer of the server.
const MESSAGES_AT_ONCE_MAX: usize = 1_000;

/// The maximum number of lines that are sent without a question.
pub(crate) const UNASKED_LINES_MAX: usize = 3;

impl App {
    /// Enter was pressed in the input.
    pub(super) fn enter(&mut self) {
        if self.current().draft.composer.is_empty() {
            return;
        }
        let is_pasted = self.current().draft.composer.is_pasted_start();
        let text = self.current().draft.composer.text().to_owned();
        if text.trim().is_empty() {
            self.current_mut().draft.composer.take();
            return;
        }
        self.recall = None;
        self.completion = None;
        // A space before a slash is the old way to write a slash.
        if is_pasted || text.trim_end().contains('\n') || text.starts_with(' ') {
            self.send_or_ask(&text, slash_command::is_like_command(&text));
            return;
        }
        match slash_command::parse(text.trim_end()) {
            Typed::Text(message) => {
                let message = message.to_owned();
                self.send_or_ask(&message, false);
            }
            Typed::Command { info, argument } if info.kind == CommandKind::Me && !argument.is_empty() => {
                let message = format!("* {} {argument}", self.own_name());
                self.send_or_ask(&message, false);
            }
            Typed::Command { info, argument } => {
                let (kind, argument) = (info.kind, argument.to_owned());
                self.current_mut().draft.composer.take();
                if slash_command::is_rememberable(&text) {
                    self.remember_command(text.trim_end());
                }
                self.run_command(kind, &argument);
            }
            Typed::Unknown { remedy } => self.hint = Some(remedy),
        }
    }

    fn remember_command(&mut self, text: &str) {
        self.commands_typed.retain(|command| command != text);
        self.commands_typed.push_back(text.to_owned());
        if self.commands_typed.len() > super::RECALLED_COMMANDS_MAX {
            self.commands_typed.pop_front();
        }
        self.effects.push(Effect::RememberCommand(text.to_owned()));
    }

    /// Sends the text of the current draft, or asks first. `is_like_command`: the user may have meant a command.
    fn send_or_ask(&mut self, text: &str, is_like_command: bool) {
        let id = self.current.clone();
        if id == ConversationId::Server {
            self.hint =
                Some("Nobody reads this page. Ctrl-K chooses a conversation, /help lists the commands.".to_owned());
            return;
        }
        let lines: Vec<String> =
            text.lines().filter(|line| !line.trim().is_empty()).map(|line| line.trim_end().to_owned()).collect();
        let n_lines = lines.len();
        let messages: Vec<String> = lines.iter().flat_map(|line| split_long(line, TEXT_MAX_BYTES)).collect();
        let title = self.current().target.clone();
        let n_messages = messages.len();
        if n_messages > MESSAGES_AT_ONCE_MAX {
            self.hint = Some(format!("These are {n_messages} messages: send at most {MESSAGES_AT_ONCE_MAX} at once."));
            return;
        }
        let one = one_message_of_lines(&lines, TEXT_MAX_BYTES).filter(|_| n_lines > UNASKED_LINES_MAX);
        let (question, messages, lines) = if let Some(one) = one {
            let question = format!(
                "Send {n_lines} lines to {title}? Enter: as one message, with ⏎ for line ends · Alt-Enter: as {n_messages} messages · Esc: back"
            );
            (Some(question), vec![one], Some(messages))
        } else if n_lines > UNASKED_LINES_MAX {
            let question = format!("Send {n_lines} lines to {title} as {n_messages} messages? Enter: yes · Esc: back");
            (Some(question), messages, None)
        } else if is_like_command {
            let question = format!(
                "This begins like a command, but it is a message: it was pasted, or has several lines. Send it to {title}? \
                 Enter: yes · Esc: back"
            );
            (Some(question), messages, None)
        } else if n_messages > n_lines {
            let question = format!(
                "This text is too long for one message. Send it to {title} as {n_messages} messages? Enter: yes · Esc: back"
            );
            (Some(question), messages, None)
        } else {
            (None, messages, None)
        };
        let doubt = self.doubt_about_peer();
        match (doubt, question) {
            (None, None) => {
                self.current_mut().draft.composer.take();
                self.send(&id, messages);
            }
            (doubt, question) => {
                let text = match (doubt, question) {
                    (Some(doubt), None) => format!("{doubt} Enter: send · Esc: back"),
                    (Some(doubt), Some(question)) => format!("{doubt} {question}"),
                    (None, question) => question.unwrap_or_default(),
                };
                let peer_generation = self.current().peer_generation;
                let action = Action::Send(Messages { conversation: id, peer_generation, texts: messages, lines });
                self.question = Some(Question { text, action });
            }
        }
    }

    /// Why the person who would get the draft may be another one than at the beginning of the text.
    fn doubt_about_peer(&self) -> Option<String> {
        let conversation = self.current();
        let name = &conversation.target;
        if let ConversationId::Chat(_) = conversation.id
            && conversation.status != Status::Open
        {
            return Some(format!("{name} is not in a chat with you. Connect to {name} and send?"));
        }
        if conversation.draft.peer_generation != conversation.peer_generation {
            return Some(format!(
                "{name} has left since you began this text, or is another person now. Send it anyway?"
            ));
        }
        if let Status::Over(reason) = &conversation.status {
            return Some(format!("This conversation is over ({}). Try to send?", reason.trim_end_matches('.')));
        }
        None
    }

    /// Answers the question.
    pub(super) fn answer_question(&mut self, question: Question, by_lines: bool) {
        match question.action {
            // The person has changed while the question was open.
            Action::Send(Messages { peer_generation, .. }) if peer_generation != self.current().peer_generation => {
                self.enter();
            }
            Action::SendAgain => self.send_failed(),
            Action::Send(Messages { conversation, texts, lines, .. }) => {
                if let Some(conversation) = self.conversations.get_mut(&conversation) {
                    conversation.draft.composer.take();
                }
                let messages = lines.filter(|_| by_lines).unwrap_or(texts);
                self.send(&conversation, messages);
            }
            Action::Leave(room) => self.request(Request::Leave { target: room }),
            Action::Quit => self.effects.push(Effect::Quit),
        }
    }

    /// Sends messages to a conversation.
    pub(super) fn send(&mut self, id: &ConversationId, messages: Vec<String>) {
        for text in messages {
            self.send_one(id, text);
        }
        if let Some(conversation) = self.conversations.get_mut(id) {
            conversation.unread_line = None;
        }
        if self.current == *id {
            self.scroll_to_end();
        }
    }

    fn send_one(&mut self, id: &ConversationId, text: String) {
        let (local, at_millis) = (self.next_local(), self.now.unix_millis);
        let is_chat_open = self.chat.as_ref() == Some(id);
        let is_connected = self.is_connected();
        let Some(conversation) = self.conversations.get_mut(id) else { return };
        let target = conversation.target.clone();
        // Later, another person may have the name of a guest.
        let is_refused = matches!(id, ConversationId::Chat(_)) && !is_connected;
        let state = if is_refused {
            OutgoingState::Refused("there is no connection, and a message to a guest does not wait.".to_owned())
        } else {
            OutgoingState::Waiting
        };
        let peer_generation = conversation.peer_generation;
        let outgoing = Outgoing { local, text: text.clone(), at_millis, peer_generation, state };
        conversation.outgoing.push_back(outgoing);
        match id {
            ConversationId::Room(_) | ConversationId::Direct(_) => {
                self.request(Request::Say { target, text, local });
            }
            ConversationId::Chat(_) if is_refused => {}
            ConversationId::Chat(_) if is_chat_open => self.request(Request::SayInChat { name: target, text, local }),
            ConversationId::Chat(_) => {
                let is_asked = self.for_next_chat.iter().any(|(other, _)| other == id);
                self.for_next_chat.push_back((id.clone(), local));
                if !is_asked {
                    self.request(Request::BeginChat { name: target });
                }
            }
            ConversationId::Server => {}
        }
    }

    /// Sends the failed messages of the current conversation again. Asks first if the person may be another one now.
    pub(super) fn send_again(&mut self) {
        let conversation = self.current();
        let is_chat_over = matches!(conversation.id, ConversationId::Chat(_)) && conversation.status != Status::Open;
        let mut failed = conversation.outgoing.iter().filter(|outgoing| is_failed(outgoing)).peekable();
        if failed.peek().is_none() {
            self.hint = Some("No message of this conversation has failed.".to_owned());
        } else if is_chat_over || failed.any(|outgoing| outgoing.peer_generation != conversation.peer_generation) {
            let name = &conversation.target;
            let text = format!(
                "{name} has left since you wrote this, or is another person now. Send it anyway? Enter: yes · Esc: no"
            );
            self.question = Some(Question { text, action: Action::SendAgain });
        } else {
            self.send_failed();
        }
    }

    fn send_failed(&mut self) {
        let id = self.current.clone();
        let conversation = self.current_mut();
        let (failed, others) = std::mem::take(&mut conversation.outgoing).into_iter().partition(is_failed);
        conversation.outgoing = others;
        let failed: VecDeque<Outgoing> = failed;
        self.send(&id, failed.into_iter().map(|outgoing| outgoing.text).collect());
    }

    /// Discards the messages of the current conversation that were not sent.
    pub(super) fn discard_failed(&mut self) {
        self.current_mut().outgoing.retain(|outgoing| !is_failed(outgoing));
    }
}

fn is_failed(outgoing: &Outgoing) -> bool {
    matches!(outgoing.state, OutgoingState::Refused(_) | OutgoingState::Unknown(_))
}
