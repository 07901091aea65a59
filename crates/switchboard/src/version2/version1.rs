//! The commands of version 1 in a session of version 2.

use switchboard_protocol::version2::{self, Reply, Target};
use switchboard_protocol::{Command, ErrorCode, Text};

use super::{PendingReply, Waiting};
use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId};
use crate::effects::StoreEffects;
use crate::session::SessionId;

impl Switchboard {
    /// Carries out `REGISTER`, `CONNECT`, `MSG`, `DISCONNECT`, `PING` or `WHO`.
    pub(super) fn version1_command(
        &mut self,
        from: SessionId,
        n: Option<u64>,
        command: Command<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let partner = self.version2.sessions[&from].partner;
        match (command, partner) {
            (Command::Connect { to }, _) => self.connect_version2(from, &to, effects),
            (Command::Msg { text }, Some(id)) => self.msg_to_partner(from, id, n, &text, effects),
            (Command::Disconnect, Some(id)) => {
                if let Some(state) = self.version2.sessions.get_mut(&from) {
                    state.partner = None;
                }
                self.remove_viewer(from, id, effects);
                self.reply(from, &Reply::Version1(switchboard_protocol::Reply::DisconnectOk), effects);
                Ok(())
            }
            (command, _) => self.handle_command(from, command, effects).map_err(super::super::refusal::Refusal::code),
        }
    }

    fn msg_to_partner(
        &mut self,
        from: SessionId,
        id: ConversationId,
        n: Option<u64>,
        text: &Text<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let account = self.account_of(from);
        let conversation = self.version2.ledger.conversations.get(&id).ok_or(ErrorCode::NotConnected)?;
        if !conversation.may_write(account) {
            return Err(ErrorCode::NotAMember);
        }
        self.say(from, id, n, text, PendingReply::MsgSent(n), effects)
    }

    /// `CONNECT`: a room, or an account from an account, becomes the conversation to which `MSG` goes. Another user is
    /// connected as in version 1.
    fn connect_version2(
        &mut self,
        from: SessionId,
        to: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.own_name(from)?;
        let target = Target::new(to);
        let is_conversation = match target {
            Target::Room(_) => true,
            Target::Name(_) | Target::Account(_) => self.account_of(from).is_some() && self.person(&target).is_ok(),
        };
        if !is_conversation {
            let Target::Account(id) = target else {
                return self.connect(from, to, effects).map_err(super::super::refusal::Refusal::code);
            };
            let account = self.version2.ledger.accounts.get(AccountId(id));
            let name = account.map(|account| account.name.to_string()).ok_or(ErrorCode::UserNotFound)?;
            return self.connect(from, &name, effects).map_err(super::super::refusal::Refusal::code);
        }
        if self.version2.sessions[&from].partner.is_some() || self.sessions[from].chat.is_some() {
            return Err(ErrorCode::UserBusy);
        }
        let id = match target {
            Target::Room(_) => self.become_member(from, &target, None, effects)?.0,
            Target::Name(_) | Target::Account(_) => self.find_or_create(from, &target, effects)?,
        };
        if let Some(state) = self.version2.sessions.get_mut(&from) {
            state.partner = Some(id);
        }
        let name = self.target_name(id, from);
        self.reply_after_change(from, &Reply::Version1(switchboard_protocol::Reply::ConnectOk { name: name.into() }));
        let open = version2::Command::Open { target, position: None };
        self.wait(from, Waiting::Request(from, Box::new(open.into_owned())));
        Ok(())
    }

    /// The session of the account of `peer` with which a guest is connected: the one that was used last, among those
    /// without a partner. `None` if all have one.
    pub(crate) fn free_device(&self, peer: SessionId) -> Option<SessionId> {
        let Some(account) = self.account_of(peer) else {
            let has_partner = self.version2.sessions.get(&peer).is_some_and(|state| state.partner.is_some());
            return (!has_partner && self.sessions[peer].chat.is_none()).then_some(peer);
        };
        let sessions = self.version2.ledger.accounts.get(account)?.sessions();
        let is_free = |session: &SessionId| {
            self.sessions.get(*session).is_some_and(|session| session.chat.is_none())
                && self.version2.sessions.get(session).is_some_and(|state| state.partner.is_none())
        };
        sessions.filter(is_free).max_by_key(|session| self.version2.sessions[session].last_active)
    }

    /// The other sessions of the account of `session`.
    pub(crate) fn other_devices(&self, session: SessionId) -> Vec<SessionId> {
        let account = self.account_of(session).and_then(|account| self.version2.ledger.accounts.get(account));
        account.map_or_else(Vec::new, |account| account.sessions().filter(|&other| other != session).collect())
    }
}
