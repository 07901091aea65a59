//! Slash commands.

use switchboard_protocol::version2::Standing;

use super::super::conversation::{Conversation, Status};
use super::super::conversation_id::{ConversationId, is_same_name};
use super::super::event::{Request, Security};
use super::super::overlay::Overlay;
use super::super::question::{Action, Question};
use super::super::sentences::{self, PASSWORD_IS_READABLE};
use super::super::slash_command::{COMMANDS, CommandKind};
use super::super::timeline::Content;
use super::{App, Link};
use crate::program::screen::completion::Sources;

impl App {
    /// Runs a command of the table.
    pub(super) fn run_command(&mut self, kind: CommandKind, argument: &str) {
        match kind {
            CommandKind::Join => self.with_room(argument, "/join #ROOM", Self::enter_room),
            CommandKind::Part => {
                let here = if self.current().is_room() { self.current().target.clone() } else { String::new() };
                let room = if argument.is_empty() { &here } else { argument };
                self.with_room(room, "/part #ROOM", Self::ask_to_leave);
            }
            CommandKind::Query => self.with_word(argument, "/query NAME", Self::go_to_person),
            CommandKind::Message => self.message(argument),
            // With an argument, it is a message.
            CommandKind::Me => self.usage("/me TEXT"),
            CommandKind::Names => self.names(),
            CommandKind::Topic => self.topic(argument),
            CommandKind::Quit => self.quit(),
            CommandKind::Nick => self.nick(argument),
            CommandKind::Who if !self.is_connected() => self.hint = Some("There is no connection.".to_owned()),
            CommandKind::Who => {
                self.request(Request::Who);
                let names = self.users.values().cloned().collect::<Vec<_>>().join(", ");
                self.notice(&format!("Connected now: {names}"));
            }
            CommandKind::Rooms => {
                self.lists_rooms = self.has_conversations();
                if self.lists_rooms {
                    self.request(Request::Rooms);
                } else {
                    self.hint = Some("This server has no rooms.".to_owned());
                }
            }
            CommandKind::Search => self.open_search(argument),
            CommandKind::Connect if argument.starts_with('#') => self.enter_room(argument),
            CommandKind::Connect => self.with_word(argument, "/connect NAME", Self::connect_to),
            CommandKind::Disconnect => self.disconnect(),
            CommandKind::LogIn => {
                let name = if argument.is_empty() { self.own_name().to_owned() } else { argument.to_owned() };
                if name.is_empty() {
                    self.usage("/login NAME");
                } else {
                    self.with_secrets(|app| app.ask_password(&name));
                }
            }
            CommandKind::Claim => self.with_secrets(|app| {
                if app.is_account() {
                    app.error("You are logged in already.");
                } else {
                    app.overlay = Some(Overlay::claim(app.password_warning()));
                }
            }),
            CommandKind::Close => self.close_current(),
            CommandKind::Help => self.overlay = Some(Overlay::help()),
            CommandKind::Ping => self.line("PING".to_owned()),
            CommandKind::Raw if argument.is_empty() => self.usage("/raw LINE, such as /raw WHO"),
            CommandKind::Raw => self.line(argument.to_owned()),
            CommandKind::LineHere(verb) => self.line_here(verb, argument),
            CommandKind::SettingHere(setting) => self.line_here("ROOM", &format!("{setting} {argument}")),
            CommandKind::Line(verb) => self.line(format!("{verb} {argument}").trim_end().to_owned()),
        }
    }

    /// Sends a line about the present conversation.
    fn line_here(&mut self, verb: &str, argument: &str) {
        if !self.current().has_records() {
            self.hint = Some(format!("/{} works in a room or a direct conversation.", verb.to_lowercase()));
            return;
        }
        let target = self.current().target.clone();
        self.line(format!("{verb} {target} {argument}").trim_end().to_owned());
    }

    /// Asks for the password of an account.
    pub(super) fn ask_password(&mut self, name: &str) {
        self.overlay = Some(Overlay::log_in(name, self.password_warning()));
    }

    /// The warning before a password leaves this machine in plain text.
    fn password_warning(&self) -> Option<String> {
        let is_plain = self.server.as_ref().is_some_and(|server| server.security == Security::Plain);
        is_plain.then(|| PASSWORD_IS_READABLE.to_owned())
    }

    fn usage(&mut self, usage: &str) {
        self.hint = Some(format!("Write {usage}"));
    }

    fn with_word(&mut self, argument: &str, usage: &str, run: impl FnOnce(&mut Self, &str)) {
        let word = argument.trim_start_matches('@').split(' ').next().unwrap_or_default();
        // `@7` is an account by its id.
        let is_id = argument.starts_with('@') && word.bytes().all(|byte| byte.is_ascii_digit());
        if word.is_empty() {
            self.usage(usage);
        } else {
            let word = if is_id { format!("@{word}") } else { word.to_owned() };
            run(self, &word);
        }
    }

    fn with_room(&mut self, argument: &str, usage: &str, run: impl FnOnce(&mut Self, &str)) {
        let word = argument.split([' ', ',']).next().unwrap_or_default();
        if word.is_empty() {
            self.usage(usage);
        } else if !self.has_conversations() {
            self.hint = Some("This server has no rooms.".to_owned());
        } else {
            let room = if word.starts_with('#') { word.to_owned() } else { format!("#{word}") };
            run(self, &room);
        }
    }

    fn with_secrets(&mut self, run: impl FnOnce(&mut Self)) {
        if self.has_conversations() { run(self) } else { self.hint = Some("This server has no accounts.".to_owned()) }
    }

    fn line(&mut self, line: String) {
        let shown_in = self.current.clone();
        self.notice(&format!("> {line}"));
        self.request(Request::Line { line, shown_in });
    }

    /// Joins a room and shows it.
    pub(super) fn enter_room(&mut self, room: &str) {
        let id = ConversationId::of_target(room);
        let conversation = self.conversation(&id, room);
        if conversation.status == Status::Open {
            let own_name = self.own_name();
            let members = &self.conversations[&id].members;
            let is_member = members
                .iter()
                .any(|member| is_same_name(&member.name, own_name) && sentences::is_membership(member.standing));
            if !is_member && self.is_account() {
                self.request(Request::Line { line: format!("JOIN {room}"), shown_in: id.clone() });
            }
        } else {
            self.open(&id, room, true);
        }
        self.go_to(&id);
    }

    /// Shows the conversation with a person: the stored one of two accounts, or a chat of version 1.
    pub(super) fn go_to_person(&mut self, name: &str) {
        let (direct, chat) = (ConversationId::of_target(name), ConversationId::of_chat(name));
        if self.server.is_none() {
            self.hint = Some("There is no connection yet.".to_owned());
        } else if is_same_name(name, self.own_name()) {
            self.hint = Some("This is you.".to_owned());
        } else if self.conversations.contains_key(&chat) && (self.chat.as_ref() == Some(&chat) || !self.is_account()) {
            self.go_to(&chat);
        } else if self.is_account() {
            self.conversation(&direct, name);
            self.go_to(&direct);
        } else {
            self.connect_to(name);
        }
    }

    /// Opens a chat of version 1. Between accounts, this is the stored conversation.
    pub(super) fn connect_to(&mut self, name: &str) {
        let chat = ConversationId::of_chat(name);
        if self.chat.as_ref() == Some(&chat) {
            self.go_to(&chat);
            return;
        }
        self.conversation(&chat, name);
        self.go_to(&chat);
        if let Some(partner) = self.chat.as_ref().and_then(|id| self.conversations.get(id)) {
            let sentence = format!("You are in a chat with {}. Leave it before you connect to {name}.", partner.target);
            self.error(&sentence);
        } else {
            self.request(Request::BeginChat { name: name.to_owned() });
        }
    }

    /// Asks before an account leaves a room: a way back may need an invitation.
    fn ask_to_leave(&mut self, room: &str) {
        if !self.is_account() {
            self.request(Request::Leave { target: room.to_owned() });
            return;
        }
        let own_name = self.own_name();
        let conversation = self.conversations.get(&ConversationId::of_target(room));
        let members = conversation.map_or(&[][..], |conversation| &conversation.members);
        let own_standing =
            members.iter().find(|member| is_same_name(&member.name, own_name)).map(|member| member.standing);
        let n_members = members.iter().filter(|member| sentences::is_membership(member.standing)).count();
        let warning = match own_standing {
            Some(Standing::Owner) if n_members == 1 => {
                " You are its last member: if it is for invited accounts only, it is deleted."
            }
            Some(Standing::Owner) => " You are its owner: another member becomes the owner.",
            _ => "",
        };
        let text = format!("Leave {room}? You will not be a member any more.{warning} Enter: yes · Esc: no");
        self.question = Some(Question { text, action: Action::Leave(room.to_owned()) });
    }

    fn disconnect(&mut self) {
        let partner = self.chat.as_ref().filter(|chat| **chat != self.current);
        if let Some(partner) = partner.and_then(|id| self.conversations.get(id)) {
            self.hint = Some(format!("You are in a chat with {}: go there to leave it.", partner.target));
        } else if self.chat.is_some() {
            self.request(Request::EndChat);
        } else {
            self.hint = Some("You are in no chat with a guest. /part leaves a room, /close a conversation.".to_owned());
        }
    }

    fn message(&mut self, argument: &str) {
        let Some((name, text)) = argument.split_once(' ').map(|(name, text)| (name, text.trim())) else {
            self.usage("/msg NAME TEXT");
            return;
        };
        if text.is_empty() {
            self.usage("/msg NAME TEXT");
            return;
        }
        let name =
            name.strip_prefix('@').filter(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(name);
        let id = if name.starts_with('#')
            || self.is_account() && self.chat.as_ref() != Some(&ConversationId::of_chat(name))
        {
            ConversationId::of_target(name)
        } else {
            ConversationId::of_chat(name)
        };
        if let (ConversationId::Chat(_), Some(partner)) = (&id, &self.chat)
            && *partner != id
        {
            let partner = self.conversations.get(partner).map_or("", |conversation| &conversation.target);
            self.hint = Some(format!("Not sent: you are in a chat with {partner}. /disconnect leaves it."));
            return;
        }
        self.conversation(&id, name);
        self.send(&id, vec![text.to_owned()]);
        if self.current != id {
            self.hint = Some(format!("On its way to {name}. Alt-/ goes there."));
            self.previous = Some(id);
        }
    }

    fn names(&mut self) {
        let conversation = self.current();
        if !conversation.is_room() {
            self.hint = Some("/names works in a room. /who lists the users who are connected.".to_owned());
            return;
        }
        let target = conversation.target.clone();
        let list =
            |member: &super::super::conversation::Member| format!("{} ({})", member.name, member.standing.as_str());
        let names = conversation.members.iter().map(list).collect::<Vec<_>>().join(", ");
        self.notice(&format!("Members of {target}: {names}"));
        self.request(Request::Members { target });
    }

    fn topic(&mut self, argument: &str) {
        let conversation = self.current();
        if !conversation.is_room() {
            self.hint = Some("/topic works in a room.".to_owned());
        } else if argument.is_empty() {
            let topic = if conversation.topic.is_empty() { "no topic" } else { &conversation.topic };
            let text = format!("Topic of {}: {topic}", conversation.target);
            self.notice(&text);
        } else {
            let line = format!("TOPIC {} {argument}", conversation.target);
            self.line(line);
        }
    }

    fn nick(&mut self, name: &str) {
        if name.is_empty() || name.contains(' ') {
            self.usage("/nick NAME");
        } else if self.is_account() && self.is_connected() {
            self.hint = Some(
                "An account keeps its name. To be a guest with another name, start the program with --name.".to_owned(),
            );
        } else {
            self.request(Request::Rename { name: name.to_owned() });
        }
    }

    pub(super) fn list_rooms(&mut self) {
        if self.rooms.is_empty() {
            self.notice("There are no rooms yet. /join #ROOM makes one.");
        } else {
            let lines: Vec<_> = self
                .rooms
                .iter()
                .map(|room| {
                    let members =
                        if room.members == 1 { "1 member".to_owned() } else { format!("{} members", room.members) };
                    format!("{}: {members}. {}", room.room, room.topic)
                })
                .collect();
            for line in lines {
                self.notice(line.trim_end());
            }
        }
    }

    pub(super) fn open_search(&mut self, words: &str) {
        let overlay = Overlay::search(words, self.current());
        self.overlay = Some(overlay);
        if !words.is_empty() && self.current().has_records() {
            let target = Some(self.current().target.clone());
            self.request(Request::Search { target, words: words.to_owned() });
        }
    }

    pub(super) fn connect_now(&mut self) {
        match self.link {
            Link::Connected => self.hint = Some("You are connected.".to_owned()),
            _ => self.request(Request::ConnectNow),
        }
    }

    /// Removes the current conversation from the list.
    fn close_current(&mut self) {
        let id = self.current.clone();
        if id == ConversationId::Server {
            self.hint = Some("This page stays. /quit ends the program.".to_owned());
            return;
        }
        if self.chat.as_ref() == Some(&id) {
            self.request(Request::EndChat);
            return;
        }
        if !self.current().outgoing.is_empty() {
            self.hint = Some("Messages still wait here: F6 discards those that have failed.".to_owned());
            return;
        }
        self.go_by(false, |_| true);
        if let Some(closed) = self.conversations.remove(&id)
            && closed.status == Status::Open
            && closed.has_records()
        {
            self.request(Request::Close { target: closed.target });
        }
        if self.previous.as_ref() == Some(&id) {
            self.previous = None;
        }
    }

    /// What the tab key can complete here. Those who wrote last come first.
    pub(super) fn completion_sources(&self) -> Sources {
        let conversation = self.current();
        let authors = conversation.timeline.iter().rev().take(500).filter_map(|(_, entry)| match &entry.content {
            Content::Message(message) if !message.is_own => Some(message.author.to_string()),
            _ => None,
        });
        let members = conversation.members.iter().map(|member| member.name.clone());
        let peers = self.conversations.values().filter(|other| !other.is_room() && other.id != ConversationId::Server);
        let peers = peers.map(|other| other.target.clone());
        let rooms = self.conversations.values().filter(|other| Conversation::is_room(other));
        Sources {
            commands: COMMANDS.iter().map(|info| format!("/{}", info.names[0])).collect(),
            rooms: rooms
                .map(|room| room.target.clone())
                .chain(self.rooms.iter().map(|room| room.room.clone()))
                .collect(),
            names: authors
                .chain(members)
                .chain(self.users.values().cloned())
                .chain(peers)
                .filter(|name| !is_same_name(name, self.own_name()))
                .collect(),
        }
    }
}
