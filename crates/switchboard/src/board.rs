//! The switchboard: takes events and decides their effects.

use std::time::{Duration, Instant};

use switchboard_protocol::{Command, Reply, Text, Username};

use crate::close_reason::CloseReason;
use crate::deadlines::Deadlines;
use crate::directory::Directory;
use crate::effects::{Effects, Fact};
use crate::event::Event;
use crate::refusal::Refusal;
use crate::session::{Chat, ChatId, Chats, Session, SessionId, Sessions};
use crate::version2::Version2;

/// The sessions, their names, their chats, and the deadlines by which they must register.
#[derive(Debug)]
pub struct Switchboard {
    pub(crate) sessions: Sessions,
    chats: Chats,
    pub(crate) directory: Directory,
    register_deadlines: Deadlines,
    /// Sessions whose outbox had no room for a reply to this event. `handle` closes them before it returns.
    pub(crate) overflowed: Vec<SessionId>,
    pub(crate) version2: Version2,
}

impl Switchboard {
    /// A switchboard without sessions. A session has `register_timeout` to register.
    #[must_use]
    pub fn new(register_timeout: Duration) -> Self {
        Self::with_capacity(register_timeout, 0)
    }

    /// Like [`Switchboard::new`], but with room for `sessions` sessions, because a table that grows delays an event.
    #[must_use]
    pub fn with_capacity(register_timeout: Duration, sessions: usize) -> Self {
        Self {
            sessions: Sessions::with_capacity_and_key(sessions),
            chats: Chats::with_capacity_and_key(sessions / 2),
            directory: Directory::with_capacity(sessions),
            register_deadlines: Deadlines::new(register_timeout),
            overflowed: Vec::new(),
            version2: Version2::default(),
        }
    }

    /// Adds a session that arrived at `now`. Its first event must be [`Event::Opened`], when it can receive replies.
    pub fn admit(&mut self, now: Instant) -> SessionId {
        let id = self.sessions.insert(Session::default());
        let sessions = &self.sessions;
        self.register_deadlines.start(id, now, |id| sessions.get(id).is_some_and(|session| !session.is_registered()));
        id
    }

    /// Applies one event and performs its effects in order. An event of a removed session is ignored.
    pub fn handle(&mut self, from: SessionId, event: Event<'_>, effects: &mut impl Effects) {
        if !self.sessions.contains_key(from) {
            return;
        }
        match event {
            Event::Opened => self.send(from, &Reply::Welcome, effects),
            Event::Command(command) => {
                if let Err(refusal) = self.handle_command(from, command, effects) {
                    self.send(from, &refusal.code().into(), effects);
                }
            }
            Event::Closed(reason) => self.remove(from, reason, effects),
        }
        self.close_overflowed(effects);
    }

    /// Closes the sessions that did not register before their deadline.
    pub fn expire(&mut self, now: Instant, effects: &mut impl Effects) {
        while let Some(id) = self.register_deadlines.next_due(now) {
            if self.sessions.get(id).is_some_and(|session| !session.is_registered()) {
                self.close(id, CloseReason::RegisterTimeout, effects);
            }
        }
    }

    /// The session that has `name`. The spelling may differ.
    pub fn find(&mut self, name: &str) -> Option<SessionId> {
        self.directory.find(name, &self.sessions)
    }

    /// The session, unless it was removed.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(id)
    }

    /// All sessions, in no particular order.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.keys()
    }

    pub(crate) fn handle_command(
        &mut self,
        from: SessionId,
        command: Command<'_>,
        effects: &mut impl Effects,
    ) -> Result<(), Refusal> {
        match command {
            Command::Msg { text } => self.msg(from, &text, effects),
            Command::Tell { to, text } => self.tell(from, &to, &text, effects),
            Command::Register { name } => self.register(from, name, effects),
            Command::Connect { to } => self.connect(from, &to, effects),
            Command::Disconnect => self.disconnect(from, effects),
            Command::Ping => {
                self.send(from, &Reply::Pong, effects);
                Ok(())
            }
            Command::Who => {
                self.who(from, effects);
                Ok(())
            }
        }
    }

    pub(crate) fn register(
        &mut self,
        from: SessionId,
        name: Username,
        effects: &mut impl Effects,
    ) -> Result<(), Refusal> {
        if self.sessions[from].is_registered() {
            return Err(Refusal::AlreadyRegistered);
        }
        if let Some(ban) = self.version2.ledger.bans.of_name(&name) {
            let reason = ban.reason.clone();
            self.close_with_words(from, CloseReason::Banned, &reason, effects);
            return Ok(());
        }
        if self.version2.ledger.accounts.len() > 0 && self.version2.ledger.accounts.holder(&name).is_some() {
            return Err(Refusal::NameTaken);
        }
        self.directory.register(name, from, &mut self.sessions).map_err(|_| Refusal::NameTaken)?;
        let name = self.sessions[from].name().unwrap_or_default();
        effects.log(Fact::Registered { session: from, name });
        if effects.send(from, &Reply::RegisterOk { name: name.into() }).is_err() {
            self.overflowed.push(from);
        }
        if self.version2.is_spoken() {
            let name = name.to_owned();
            self.announce(&name, true, effects);
        }
        Ok(())
    }

    fn who(&mut self, from: SessionId, effects: &mut impl Effects) {
        let names = switchboard_protocol::Users::from_comma_separated(self.directory.roster(&self.sessions));
        if effects.send(from, &Reply::Users { names }).is_err() {
            self.overflowed.push(from);
        }
    }

    pub(crate) fn connect(&mut self, from: SessionId, to: &str, effects: &mut impl Effects) -> Result<(), Refusal> {
        let own_name = self.sessions[from].name().ok_or(Refusal::NotRegistered)?;
        let peer = self.directory.find(to, &self.sessions).ok_or(Refusal::UserNotFound)?;
        if peer == from {
            return Err(Refusal::SelfConnect);
        }
        if self.sessions[from].chat.is_some() {
            return Err(Refusal::UserBusy);
        }
        let peer = if self.version2.is_spoken() {
            self.free_device(from, peer).ok_or(Refusal::UserBusy)?
        } else if self.sessions[peer].chat.is_none() {
            peer
        } else {
            return Err(Refusal::UserBusy);
        };
        let peer_name = self.sessions[peer].name().unwrap_or_default();
        let own_result = effects.send(from, &Reply::ConnectOk { name: peer_name.into() });
        let peer_result = effects.send(peer, &Reply::IncomingConnection { name: own_name.into() });
        // Both sessions join the chat, even if one of them has no room for its reply and is closed later: its peer then
        // receives `PEER_DISCONNECTED`.
        let chat = self.chats.insert(Chat::new([from, peer]));
        self.sessions[from].chat = Some(chat);
        self.sessions[peer].chat = Some(chat);
        self.overflowed.extend(own_result.is_err().then_some(from));
        self.overflowed.extend(peer_result.is_err().then_some(peer));
        Ok(())
    }

    fn msg(&mut self, from: SessionId, text: &Text<'_>, effects: &mut impl Effects) -> Result<(), Refusal> {
        let session = &self.sessions[from];
        let own_name = session.name().ok_or(Refusal::NotRegistered)?;
        let chat = session.chat.and_then(|chat| self.chats.get(chat)).ok_or(Refusal::NotConnected)?;
        let reply = Reply::From { name: own_name.into(), text: text.as_str().into() };
        let mut is_delivered = false;
        for peer in chat.others(from) {
            if effects.send(peer, &reply).is_ok() {
                is_delivered = true;
                if self.version2.is_spoken() {
                    for device in self.other_devices(peer) {
                        if effects.send(device, &reply).is_err() {
                            self.overflowed.push(device);
                        }
                    }
                }
                if effects.logs_messages() {
                    let to = self.sessions[peer].name().unwrap_or_default();
                    effects.log(Fact::Delivered { from: own_name, to, text: text.as_str() });
                }
            } else {
                self.overflowed.push(peer);
            }
        }
        self.acknowledge(from, is_delivered, Refusal::NotConnected, effects)
    }

    fn tell(&mut self, from: SessionId, to: &str, text: &Text<'_>, effects: &mut impl Effects) -> Result<(), Refusal> {
        let own_name = self.sessions[from].name().ok_or(Refusal::NotRegistered)?;
        let peer = self.directory.find(to, &self.sessions).ok_or(Refusal::UserNotFound)?;
        if peer == from {
            return Err(Refusal::SelfConnect);
        }
        let reply = Reply::From { name: own_name.into(), text: text.as_str().into() };
        let is_delivered = effects.send(peer, &reply).is_ok();
        if self.version2.is_spoken() {
            for device in self.other_devices(peer) {
                if effects.send(device, &reply).is_err() {
                    self.overflowed.push(device);
                }
            }
        }
        if !is_delivered {
            self.overflowed.push(peer);
        } else if effects.logs_messages() {
            let to = self.sessions[peer].name().unwrap_or_default();
            effects.log(Fact::Delivered { from: own_name, to, text: text.as_str() });
        }
        self.acknowledge(from, is_delivered, Refusal::UserNotFound, effects)
    }

    /// Sends `MSG_SENT` if at least one reader had room for the message. Otherwise closes the readers, and returns
    /// `refusal`. So the sender receives `PEER_DISCONNECTED` before the `ERROR`.
    fn acknowledge(
        &mut self,
        from: SessionId,
        is_delivered: bool,
        refusal: Refusal,
        effects: &mut impl Effects,
    ) -> Result<(), Refusal> {
        if is_delivered {
            self.send(from, &Reply::MsgSent, effects);
            return Ok(());
        }
        self.close_overflowed(effects);
        Err(refusal)
    }

    fn disconnect(&mut self, from: SessionId, effects: &mut impl Effects) -> Result<(), Refusal> {
        if !self.sessions[from].is_registered() {
            return Err(Refusal::NotRegistered);
        }
        self.leave_chat(from, effects);
        self.send(from, &Reply::DisconnectOk, effects);
        Ok(())
    }

    /// Removes a session from its chat, if it is in a chat.
    fn leave_chat(&mut self, id: SessionId, effects: &mut impl Effects) {
        let Some(chat) = self.sessions.get_mut(id).and_then(|session| session.chat.take()) else { return };
        self.remove_from_chat(chat, id, effects);
    }

    /// Removes `id` from `chat` and sends `PEER_DISCONNECTED` to the remaining members. A chat of one member ends.
    fn remove_from_chat(&mut self, chat: ChatId, id: SessionId, effects: &mut impl Effects) {
        let Some(remaining) = self.chats.get_mut(chat).map(|chat| chat.leave(id).to_vec()) else { return };
        let chat_ends = remaining.len() < 2;
        if chat_ends {
            self.chats.remove(chat);
        }
        for member in remaining {
            if chat_ends && let Some(session) = self.sessions.get_mut(member) {
                session.chat = None;
            }
            self.send(member, &Reply::PeerDisconnected, effects);
        }
    }

    /// Closes a session's connection and removes the session.
    pub(crate) fn close(&mut self, id: SessionId, reason: CloseReason, effects: &mut impl Effects) {
        effects.close(id, reason);
        self.remove(id, reason, effects);
    }

    /// Like [`close`](Self::close), with words for the person after the code of the reason.
    pub(crate) fn close_with_words(
        &mut self,
        id: SessionId,
        reason: CloseReason,
        words: &str,
        effects: &mut impl Effects,
    ) {
        effects.close_with_words(id, reason, words);
        self.remove(id, reason, effects);
    }

    /// Removes a session, its name and its place in a chat.
    fn remove(&mut self, id: SessionId, reason: CloseReason, effects: &mut impl Effects) {
        let Some(session) = self.sessions.remove(id) else { return };
        effects.log(Fact::Left { session: id, name: session.name(), device: self.device_name(id), reason });
        if self.version2.is_spoken() {
            self.remove_from_version2(id, &session, effects);
        } else if let Some(registration) = &session.registration {
            self.directory.release(id, registration);
        }
        if let Some(chat) = session.chat {
            self.remove_from_chat(chat, id, effects);
        }
    }

    /// Sends `reply`, and records the session in `overflowed` if its outbox has no room.
    #[inline]
    fn send(&mut self, to: SessionId, reply: &Reply<'_>, effects: &mut impl Effects) {
        if effects.send(to, reply).is_err() {
            self.overflowed.push(to);
        }
    }

    /// Closes the overflowed sessions. Their peers receive `PEER_DISCONNECTED`. A peer without room for this reply is
    /// closed, too.
    pub(crate) fn close_overflowed(&mut self, effects: &mut impl Effects) {
        while let Some(id) = self.overflowed.pop() {
            if self.sessions.contains_key(id) {
                self.close(id, CloseReason::SlowConsumer, effects);
            }
        }
    }
}
