//! Targets: the words of a request that name a conversation or a person.

use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{Command, Target};

use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId};
use crate::effects::StoreEffects;
use crate::session::SessionId;

impl Switchboard {
    /// The conversation that `target` names, if there is one.
    pub(super) fn find_conversation(&self, from: SessionId, target: &Target<'_>) -> Result<ConversationId, ErrorCode> {
        let ledger = &self.version2.ledger;
        match target {
            Target::Room(name) => {
                let id = ledger.find_room(name).ok_or(ErrorCode::RoomNotFound)?;
                // Nobody else learns that there is an audit log.
                let is_secret = ledger.audit_log == Some(id) && !self.is_operator(from);
                if is_secret { Err(ErrorCode::RoomNotFound) } else { Ok(id) }
            }
            // The conversation with an account stays when the other account is deleted.
            Target::Account(id) if self.account_of(from) != Some(AccountId(*id)) => {
                ledger.direct(self.own_account(from)?, AccountId(*id)).ok_or(ErrorCode::UserNotFound)
            }
            Target::Name(_) | Target::Account(_) => {
                let own = self.own_account(from)?;
                ledger.direct(own, self.target_account(from, target)?).ok_or(ErrorCode::UserNotFound)
            }
        }
    }

    /// Like [`Self::find_conversation`], but creates the direct conversation with an account. `message_bytes` is the
    /// length of the message that follows: without a quota for it, nothing is created.
    pub(super) fn find_or_create(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        message_bytes: Option<usize>,
        effects: &mut impl StoreEffects,
    ) -> Result<ConversationId, ErrorCode> {
        match self.find_conversation(from, target) {
            Err(ErrorCode::UserNotFound) => {
                let (own, other) = (self.own_account(from)?, self.target_account(from, target)?);
                self.check_quota(from, 1 + u64::from(message_bytes.is_some()), message_bytes.unwrap_or(0), effects)?;
                self.may_store(from, 0, effects)?;
                let id = self.version2.ledger.create_direct(own, other, effects);
                Ok(id)
            }
            found => found,
        }
    }

    /// Creates the direct conversation that an `OPEN` names, if there is none. Returns whether it did: then the `OPEN`
    /// waits until the conversation is stored.
    pub(super) fn create_to_open(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<bool, ErrorCode> {
        if matches!(target, Target::Room(_)) {
            return Ok(false);
        }
        let before = self.version2.ledger.position();
        self.find_or_create(from, target, None, effects)?;
        Ok(self.version2.ledger.position() != before)
    }

    /// The account that `target` names, which is not the client's own.
    pub(super) fn target_account(&self, from: SessionId, target: &Target<'_>) -> Result<AccountId, ErrorCode> {
        let account = self.person(target)?;
        if self.account_of(from) == Some(account) { Err(ErrorCode::SelfConnect) } else { Ok(account) }
    }

    /// The account of a person.
    pub(super) fn person(&self, who: &Target<'_>) -> Result<AccountId, ErrorCode> {
        let accounts = &self.version2.ledger.accounts;
        let account = match who {
            Target::Room(_) => None,
            Target::Name(name) => accounts.find(name),
            Target::Account(id) => Some(AccountId(*id)).filter(|&id| accounts.get(id).is_some()),
        };
        account.ok_or(ErrorCode::UserNotFound)
    }

    /// The name of a conversation for one session: that of the room, or of the other account.
    pub(super) fn target_name(&self, id: ConversationId, session: SessionId) -> String {
        self.version2.ledger.target_name(id, self.account_of(session))
    }
}

/// The conversation that a command names, as its `ERROR` repeats it.
pub(super) fn target_word(command: &Command<'_>) -> Option<String> {
    match command {
        Command::Join { target, .. }
        | Command::Leave { target }
        | Command::Topic { target, .. }
        | Command::Invite { target, .. }
        | Command::Link { target, .. }
        | Command::Unlink { target, .. }
        | Command::Kick { target, .. }
        | Command::Ban { target, .. }
        | Command::Unban { target, .. }
        | Command::Mute { target, .. }
        | Command::Unmute { target, .. }
        | Command::Report { target, .. }
        | Command::Redact { target, .. }
        | Command::Say { target, .. }
        | Command::Open { target, .. }
        | Command::Close { target }
        | Command::History { target, .. }
        | Command::Read { target, .. }
        | Command::Readers { target, .. }
        | Command::Members { target }
        | Command::Room { target, .. } => Some(target.to_string()),
        Command::ServerKick { .. } | Command::ServerBan { .. } | Command::ServerUnban { .. } => Some("*".to_owned()),
        Command::Search { target, .. } => Some(target.as_ref().map_or_else(|| "*".to_owned(), Target::to_string)),
        _ => None,
    }
}
