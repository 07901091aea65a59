//! Keys and pastes.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::super::completion::Completion;
use super::super::composer::{Inserted, Origin};
use super::super::conversation::{Outgoing, OutgoingState};
use super::super::conversation_id::fold;
use super::super::event::{Effect, Request};
use super::super::overlay::{Outcome, Overlay, OverlayContext};
use super::super::question::{Action, Messages, Question};
use super::super::sentences;
use super::super::view;
use super::{App, Link};

/// The time within which a second Ctrl-C ends the program.
const QUIT_AGAIN_WITHIN: Duration = Duration::from_secs(3);

impl App {
    pub(super) fn handle_key(&mut self, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.hint = None;
        if key.code != KeyCode::Char('c') {
            self.quit_asked_at = None;
        }
        if self.handle_anywhere(key) || self.handle_in_overlay(key) || self.handle_in_question(key) {
            return;
        }
        if self.handle_in_chat(key) {
            return;
        }
        if key.code != KeyCode::Tab {
            self.completion = None;
        }
        let (width, _) = view::input_size(self);
        let conversation = self.current_mut();
        let was_empty = conversation.draft.composer.is_empty();
        if conversation.draft.composer.key(key, width) {
            if was_empty {
                conversation.draft.peer_generation = conversation.peer_generation;
            }
            self.recall = None;
        }
    }

    pub(super) fn handle_paste(&mut self, text: &str) {
        self.hint = None;
        if let Some(mut overlay) = self.overlay.take() {
            overlay.paste(text, &self.overlay_context());
            self.overlay = Some(overlay);
            return;
        }
        self.question = None;
        self.recall = None;
        self.completion = None;
        let conversation = self.current_mut();
        if conversation.draft.composer.is_empty() {
            conversation.draft.peer_generation = conversation.peer_generation;
        }
        let inserted = conversation.draft.composer.paste(text);
        if inserted == Inserted::Truncated {
            self.hint = Some("The paste was too long: its end was cut off.".to_owned());
        }
    }

    /// Keys that mean the same everywhere. Returns whether `key` is one.
    fn handle_anywhere(&mut self, key: KeyEvent) -> bool {
        let is_ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('z') if is_ctrl => self.effects.push(Effect::Suspend),
            KeyCode::Char('c') if is_ctrl => self.interrupt(),
            KeyCode::Char('k') if is_ctrl => self.open_palette(),
            KeyCode::F(1) => self.overlay = Some(Overlay::help()),
            _ => return false,
        }
        true
    }

    /// Ends the program, after a question if messages would be lost.
    pub(super) fn quit(&mut self) {
        let is_kept = self.is_account();
        let is_lost = |conversation: &super::Conversation, outgoing: &Outgoing| match outgoing.state {
            // The outbox file of an account has the messages that wait.
            OutgoingState::Waiting => !is_kept || !conversation.has_records(),
            OutgoingState::Refused(_) | OutgoingState::Unknown(_) => true,
            OutgoingState::Stored(_) => false,
        };
        let conversations = self.conversations.values();
        let n_lost: usize = conversations
            .map(|conversation| conversation.outgoing.iter().filter(|outgoing| is_lost(conversation, outgoing)).count())
            .sum();
        if n_lost == 0 {
            self.effects.push(Effect::Quit);
            return;
        }
        let messages = if n_lost == 1 {
            "One message was not sent".to_owned()
        } else {
            format!("{n_lost} messages were not sent")
        };
        let text = format!("{messages}, and will be lost. End the program? Enter: yes · Esc: no");
        self.question = Some(Question { text, action: Action::Quit });
    }

    /// Ctrl-C: closes the top thing, clears the text, and ends the program the second time.
    fn interrupt(&mut self) {
        if let Some(overlay) = self.overlay.take() {
            if matches!(overlay, Overlay::Name(_)) && !self.is_connected() {
                self.effects.push(Effect::Quit);
            }
            return;
        }
        if self.question.take().is_some() {
            return;
        }
        if !self.current().draft.composer.is_empty() {
            let _ = self.current_mut().draft.composer.set("", Origin::Typed);
            self.recall = None;
            self.hint = Some("Cleared. Ctrl-_ brings the text back.".to_owned());
            return;
        }
        let is_second = self.quit_asked_at.is_some_and(|at| self.now.uptime.saturating_sub(at) < QUIT_AGAIN_WITHIN);
        if is_second {
            self.quit();
            return;
        }
        self.quit_asked_at = Some(self.now.uptime);
        self.hint = Some("Ctrl-C once more ends the program.".to_owned());
    }

    pub(super) fn open_palette(&mut self) {
        self.overlay = match self.overlay.take() {
            Some(Overlay::Palette(_)) => None,
            _ => Some(Overlay::palette(&self.overlay_context())),
        };
    }

    fn overlay_context(&self) -> OverlayContext<'_> {
        OverlayContext {
            conversations: &self.conversations,
            current: &self.current,
            users: &self.users,
            rooms: &self.rooms,
            own_name: fold(self.own_name()),
        }
    }

    fn handle_in_overlay(&mut self, key: KeyEvent) -> bool {
        let Some(mut overlay) = self.overlay.take() else { return false };
        let outcome = overlay.key(key, &self.overlay_context());
        match outcome {
            Outcome::Stays => self.overlay = Some(overlay),
            Outcome::Closes => {
                let is_login = matches!(overlay, Overlay::Name(_) | Overlay::Password(_));
                if is_login && matches!(self.link, Link::Ended { .. }) {
                    self.notice(sentences::WAYS_TO_CONNECT);
                }
            }
            Outcome::GoTo(id) => self.go_to(&id),
            Outcome::EnterRoom(room) => self.enter_room(&room),
            Outcome::GoToPerson(name) => self.go_to_person(&name),
            Outcome::Record { target, seq } => {
                self.show_record(&target, seq);
            }
            Outcome::Search { target, words } => {
                self.overlay = Some(overlay);
                self.request(Request::Search { target, words });
            }
            Outcome::LogIn { name, password } => self.request(Request::LogIn { name, password }),
            Outcome::Claim { password } => self.request(Request::Claim { password }),
            Outcome::Rename { name } => self.request(Request::Rename { name }),
            Outcome::AskPassword { name } => self.ask_password(&name),
        }
        true
    }

    fn handle_in_question(&mut self, key: KeyEvent) -> bool {
        let Some(question) = self.question.take() else { return false };
        match key.code {
            KeyCode::Enter if key.modifiers.is_empty() => self.answer_question(question, false),
            KeyCode::Enter if matches!(&question.action, Action::Send(Messages { lines: Some(_), .. })) => {
                self.answer_question(question, true);
            }
            KeyCode::Enter => self.question = Some(question),
            KeyCode::Esc => {}
            // Another key goes on with the text.
            // These keys do not change the text.
            KeyCode::F(_) | KeyCode::PageUp | KeyCode::PageDown => {
                self.question = Some(question);
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Keys of the chat itself. Returns whether `key` is one.
    fn handle_in_chat(&mut self, key: KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        let is_empty = self.current().draft.composer.is_empty();
        let page = isize::try_from(view::timeline_size(self).1.saturating_sub(2).max(1)).unwrap_or(1);
        match key.code {
            KeyCode::Enter if !alt && !shift && !ctrl => self.enter(),
            KeyCode::Char('d') if ctrl && is_empty => self.quit(),
            KeyCode::Char('f') if ctrl => self.open_search(""),
            KeyCode::Char('r') if ctrl => self.connect_now(),
            KeyCode::Char('l') if ctrl => self.effects.push(Effect::Redraw),
            KeyCode::F(2) => self.shows_wire = !self.shows_wire,
            KeyCode::F(3) => self.open_search(""),
            KeyCode::F(5) => self.send_again(),
            KeyCode::F(6) => self.discard_failed(),
            KeyCode::PageUp => self.scroll_by(-page),
            KeyCode::PageDown => self.scroll_by(page),
            KeyCode::Up if ctrl || shift && !alt => self.scroll_by(-1),
            KeyCode::Down if ctrl || shift && !alt => self.scroll_by(1),
            KeyCode::Home if ctrl => self.scroll_to_start(),
            KeyCode::End if ctrl => self.scroll_to_end(),
            KeyCode::End if is_empty => self.scroll_to_end(),
            KeyCode::Up if alt => self.go_by(false, |conversation| !shift || conversation.n_unread > 0),
            KeyCode::Down if alt => self.go_by(true, |conversation| !shift || conversation.n_unread > 0),
            KeyCode::Char('a' | 'A') if alt => self.go_to_unread(),
            KeyCode::Char('/') if alt => self.go_back(),
            KeyCode::Char(digit @ '1'..='9') if alt => self.go_to_number(digit),
            KeyCode::Esc => self.scroll_to_end(),
            KeyCode::Tab | KeyCode::BackTab => self.complete(key.code == KeyCode::BackTab),
            KeyCode::Up if is_empty || self.recall.is_some() => self.recall_command(true),
            KeyCode::Down if self.recall.is_some() => self.recall_command(false),
            _ => return false,
        }
        true
    }

    /// Goes to the unread conversation that calls for the user most.
    fn go_to_unread(&mut self) {
        let others = self.conversations.iter().filter(|(id, _)| **id != self.current);
        let unread = others.filter(|(_, conversation)| conversation.n_unread > 0);
        let next = unread.max_by_key(|(_, conversation)| conversation.has_mention).map(|(id, _)| id.clone());
        match next {
            Some(id) => self.go_to(&id),
            None => self.hint = Some("Nothing is unread.".to_owned()),
        }
    }

    fn go_to_number(&mut self, digit: char) {
        let index = digit.to_digit(10).unwrap_or(1) as usize - 1;
        if let Some(id) = self.conversations.keys().nth(index).cloned() {
            self.go_to(&id);
        }
    }

    /// The up and down keys in an empty input recall commands, never messages.
    fn recall_command(&mut self, is_earlier: bool) {
        let n_commands = self.commands_typed.len();
        let steps = match (self.recall, is_earlier) {
            (None, true) => 1,
            (Some(steps), true) => (steps + 1).min(n_commands),
            (Some(steps), false) => steps - 1,
            (None, false) => 0,
        };
        if n_commands == 0 {
            return;
        }
        self.recall = (steps > 0).then_some(steps);
        let command = self.recall.and_then(|steps| self.commands_typed.get(n_commands - steps)).cloned();
        let conversation = self.current_mut();
        let _ = conversation.draft.composer.set(&command.unwrap_or_default(), Origin::Typed);
        conversation.draft.peer_generation = conversation.peer_generation;
    }

    /// The tab key: completes the word before the cursor, and offers the next candidate when it is pressed again.
    fn complete(&mut self, is_backward: bool) {
        if self.completion.is_none() {
            let composer = &self.current().draft.composer;
            let word = composer.word_before_cursor();
            let is_first = composer.text().trim_start().len() <= word.len();
            self.completion = Completion::begin(word, is_first, &self.completion_sources());
        }
        let Some(completion) = &mut self.completion else { return };
        let (bytes, text) = completion.next(is_backward);
        let text = text.to_owned();
        let conversation = self.current_mut();
        let _ = conversation.draft.composer.replace_before_cursor(bytes, &text);
    }
}
