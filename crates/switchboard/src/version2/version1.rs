//! The commands of version 1 in a session of version 2.

use switchboard_protocol::version2::{Reply, Target};
use switchboard_protocol::{Command, ErrorCode, Text};

use super::commit_queue::{PendingReply, QueuedOutput};
use super::{OPEN_MAX, ReplyPath};
use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId};
use crate::effects::StoreEffects;
use crate::refusal::Refusal;
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
        // A `MSG` or `DISCONNECT` that has waited had no partner: a later `CONNECT` may have named one since.
        let was_deferred = self.version2.reply_path != ReplyPath::CommitQueue;
        let partner = self.partner_of(from).filter(|_| !was_deferred);
        match (command, partner) {
            (Command::Connect { to }, _) => self.connect_version2(from, &to, effects),
            (Command::Msg { text }, Some(id)) => self.msg_to_partner(from, id, n, &text, effects),
            (Command::Disconnect, Some(id)) => {
                if let Some(state) = self.version2.sessions.get_mut(&from) {
                    state.partner = None;
                }
                self.remove_viewer_in_turn(from, id, effects);
                self.reply(from, &Reply::Version1(switchboard_protocol::Reply::DisconnectOk), effects);
                Ok(())
            }
            (command, _) => self.handle_command(from, command, effects).map_err(Refusal::code),
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
        self.check_writable(from, id)?;
        self.say(from, id, n, text, PendingReply::MsgSent(n), effects)
    }

    /// Whether `CONNECT` to this target opens a conversation: a room, or an account from an account.
    pub(super) fn is_conversation(&self, from: SessionId, target: &Target<'_>) -> bool {
        match target {
            Target::Room(_) => true,
            Target::Name(_) | Target::Account(_) => self.account_of(from).is_some() && self.person(target).is_ok(),
        }
    }

    /// `CONNECT`: a room, or an account from an account, becomes the conversation to which `MSG` goes. Another user is
    /// connected as in version 1.
    fn connect_version2(
        &mut self,
        from: SessionId,
        to: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let target = Target::new(to);
        if !self.is_conversation(from, &target) {
            let name = match target {
                Target::Account(id) => {
                    let account = self.version2.ledger.accounts.get(AccountId(id)).ok_or(ErrorCode::UserNotFound)?;
                    account.name.to_string()
                }
                Target::Name(_) | Target::Room(_) => to.to_owned(),
            };
            return self.connect(from, &name, effects).map_err(Refusal::code);
        }
        if !matches!(target, Target::Room(_)) {
            self.target_account(from, &target)?;
        }
        if self.partner_of(from).is_some() || self.sessions[from].chat.is_some() {
            return Err(ErrorCode::UserBusy);
        }
        if self.version2.sessions[&from].open.len() >= OPEN_MAX {
            return Err(ErrorCode::TooManyOpen);
        }
        let id = match target {
            Target::Room(_) => self.become_member(from, &target, None, None, effects)?.0,
            Target::Name(_) | Target::Account(_) => self.find_or_create(from, &target, None, effects)?,
        };
        if let Some(state) = self.version2.sessions.get_mut(&from) {
            state.partner = Some(id);
        }
        self.enqueue(from, QueuedOutput::Connected(from, id, target.into_owned()));
        Ok(())
    }

    /// The session to which `CONNECT` connects `from`. If `peer` is a device of an account: the device that was used
    /// last, among those without a partner. `None` if all have one, or if `from` has one.
    #[cold]
    pub(crate) fn free_device(&self, from: SessionId, peer: SessionId) -> Option<SessionId> {
        if self.partner_of(from).is_some() {
            return None;
        }
        let is_free = |session: &SessionId| {
            self.sessions.get(*session).is_some_and(|state| state.chat.is_none()) && self.partner_of(*session).is_none()
        };
        let Some(account) = self.account_of(peer) else { return Some(peer).filter(is_free) };
        let sessions = self.version2.ledger.accounts.get(account)?.sessions();
        sessions.filter(is_free).max_by_key(|session| self.version2.sessions[session].last_active)
    }

    /// The conversation to which `MSG` of the session goes. It may be deleted since it became the partner.
    fn partner_of(&self, session: SessionId) -> Option<ConversationId> {
        let partner = self.version2.sessions.get(&session)?.partner?;
        self.version2.ledger.conversations.contains_key(&partner).then_some(partner)
    }

    /// The other sessions of the account of `session`.
    #[cold]
    pub(crate) fn other_devices(&self, session: SessionId) -> Vec<SessionId> {
        let account = self.account_of(session).and_then(|account| self.version2.ledger.accounts.get(account));
        account.map_or_else(Vec::new, |account| account.sessions().filter(|&other| other != session).collect())
    }
}
