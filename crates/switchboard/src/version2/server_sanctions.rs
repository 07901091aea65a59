//! The sanctions of operators against somebody on the whole server: `KICK *`, `BAN *` and `UNBAN *`.

use switchboard_protocol::version2::{DoneVerb, Period, Target};
use switchboard_protocol::{ErrorCode, IpPrefix, Username};

use super::audit::Actor;
use super::commit_queue::PendingReply;
use super::operator::Operated;
use super::rooms::end_of;
use crate::board::Switchboard;
use crate::change::{Ban, BanTarget};
use crate::close_reason::CloseReason;
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// Maximum bans of a server. Each new connection is compared with those of addresses.
const BANS_MAX: usize = 10_000;

impl Switchboard {
    /// The ban of the clients of an address.
    #[must_use]
    pub fn ban_of_address(&self, address: std::net::IpAddr) -> Option<&Ban> {
        self.version2.ledger.bans.of_address(address)
    }

    /// All bans of the server, in order of their targets.
    pub fn bans(&self) -> impl Iterator<Item = (String, &Ban)> {
        let ledger = &self.version2.ledger;
        ledger.bans.iter().map(|(target, ban)| (self.ban_target_word(target), ban))
    }

    /// Ends a session for a reason of the operator, unless it is one of an operator. Returns whether it does.
    pub fn end_session(
        &mut self,
        session: SessionId,
        reason: CloseReason,
        detail: &str,
        effects: &mut impl StoreEffects,
    ) -> bool {
        let ends = self.sessions.contains_key(session) && !self.is_operator(session);
        if ends {
            self.close_with_words(session, reason, detail, effects);
            self.close_overflowed(effects);
        }
        ends
    }

    /// `KICK *`.
    pub(super) fn server_kick(
        &mut self,
        from: SessionId,
        who: &Target<'_>,
        reason: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let actor = self.operator_of(from)?;
        let target = self.sanction_target(from, who)?;
        self.can_store()?;
        let shown = self.ban_target_word(&target);
        let is_of_addresses = matches!(target, BanTarget::Addresses(_));
        if self.end_sessions(&target, CloseReason::Kicked, reason, effects) == 0 && !is_of_addresses {
            return Err(ErrorCode::UserNotFound);
        }
        self.audit_sanction(&actor, &["KICK *", &shown, reason], DoneVerb::Kick, effects);
        Ok(())
    }

    /// `BAN *`.
    pub(super) fn server_ban(
        &mut self,
        from: SessionId,
        who: &Target<'_>,
        period: Option<Period>,
        reason: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let actor = self.operator_of(from)?;
        self.sanction_target(from, who)?;
        self.ban_from_server(&actor, who, period, reason, effects).map(drop)
    }

    /// `UNBAN *`.
    pub(super) fn server_unban(
        &mut self,
        from: SessionId,
        who: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let actor = self.operator_of(from)?;
        self.unban_from_server(&actor, who, effects).map(drop)
    }

    /// Bans somebody, and ends the sessions.
    pub(super) fn ban_from_server(
        &mut self,
        actor: &Actor,
        who: &Target<'_>,
        period: Option<Period>,
        reason: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<Operated, ErrorCode> {
        let target = self.ban_target(who)?;
        if self.is_of_operator(&target) {
            return Err(ErrorCode::NotAllowed);
        }
        self.can_store()?;
        let bans = &self.version2.ledger.bans;
        if bans.len() >= BANS_MAX && bans.get(&target).is_none() {
            return Err(ErrorCode::TooManyBans);
        }
        let until = period.map(|period| end_of(period, effects));
        let (by, at) = (actor.name.to_string(), effects.wall_clock());
        self.version2.ledger.set_ban(&target, Some(Ban { reason: reason.to_owned(), until, by, at }), effects);
        let sessions = self.end_sessions(&target, CloseReason::Banned, reason, effects);
        let shown = self.ban_target_word(&target);
        let period = period.map(|period| period.to_string()).unwrap_or_default();
        self.audit_sanction(actor, &["BAN *", &shown, &period, reason], DoneVerb::Ban, effects);
        Ok(Operated { account: target.account(), name: shown, tokens: 0, sessions })
    }

    /// Takes a ban back.
    pub(super) fn unban_from_server(
        &mut self,
        actor: &Actor,
        who: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<Operated, ErrorCode> {
        let bans = &self.version2.ledger.bans;
        let mut target = self.ban_target(who)?;
        if bans.get(&target).is_none()
            && let Target::Name(name) = who
            && let Ok(name) = Username::new(name)
        {
            // The name may have become an account since then.
            target = BanTarget::Name(name.folded().into());
        }
        if bans.get(&target).is_none() {
            return Err(ErrorCode::UserNotFound);
        }
        self.can_store()?;
        self.version2.ledger.set_ban(&target, None, effects);
        let shown = self.ban_target_word(&target);
        self.audit_sanction(actor, &["UNBAN *", &shown], DoneVerb::Unban, effects);
        Ok(Operated { account: target.account(), name: shown, tokens: 0, sessions: 0 })
    }

    /// Writes a sanction into the audit log. The answer to its operator names the record.
    fn audit_sanction(&mut self, actor: &Actor, words: &[&str], done: DoneVerb, effects: &mut impl StoreEffects) {
        let words: Vec<_> = words.iter().copied().filter(|word| !word.is_empty()).collect();
        self.append_audit(actor, &words.join(" "), Some(PendingReply::Done(done)), effects);
    }

    /// The user of a session that must be one of an operator.
    fn operator_of(&self, from: SessionId) -> Result<Actor, ErrorCode> {
        if self.is_operator(from) { self.actor(from) } else { Err(ErrorCode::NotAllowed) }
    }

    /// The target in a request of an operator. It is neither the client itself nor another operator.
    fn sanction_target(&self, from: SessionId, who: &Target<'_>) -> Result<BanTarget, ErrorCode> {
        let target = self.ban_target(who)?;
        match target.account() {
            Some(account) if self.account_of(from) == Some(account) => Err(ErrorCode::SelfConnect),
            _ if self.is_of_operator(&target) => Err(ErrorCode::NotAllowed),
            _ => Ok(target),
        }
    }

    fn is_of_operator(&self, target: &BanTarget) -> bool {
        let account = target.account().and_then(|account| self.version2.ledger.accounts.get(account));
        account.is_some_and(|account| account.is_operator)
    }

    fn ban_target(&self, who: &Target<'_>) -> Result<BanTarget, ErrorCode> {
        if let Ok(account) = self.person(who) {
            return Ok(BanTarget::Account(account));
        }
        match who {
            Target::Room(_) => Err(ErrorCode::InvalidArgument),
            Target::Account(_) => Err(ErrorCode::UserNotFound),
            Target::Name(word) => {
                let Some(addresses) = word.strip_prefix('@') else {
                    let name = Username::new(word).map_err(|_| ErrorCode::InvalidName)?;
                    return Ok(BanTarget::Name(name.folded().into()));
                };
                let addresses: IpPrefix = addresses.parse().map_err(|_| ErrorCode::InvalidArgument)?;
                Ok(BanTarget::Addresses(addresses))
            }
        }
    }

    /// The target of a ban as a request names it.
    fn ban_target_word(&self, target: &BanTarget) -> String {
        match target {
            BanTarget::Name(name) => name.to_string(),
            BanTarget::Account(id) => {
                let account = self.version2.ledger.accounts.get(*id);
                account.map_or_else(|| format!("@{}", id.0), |account| account.name.to_string())
            }
            BanTarget::Addresses(addresses) => format!("@{addresses}"),
        }
    }

    /// Ends the sessions of somebody. Returns their number, without those that only the shell finds.
    fn end_sessions(
        &mut self,
        target: &BanTarget,
        reason: CloseReason,
        detail: &str,
        effects: &mut impl StoreEffects,
    ) -> usize {
        match target {
            BanTarget::Account(account) => self.close_sessions_of(*account, None, reason, detail, effects),
            BanTarget::Name(name) => {
                let session = self.find(name);
                let ends = session.is_some_and(|session| self.end_session(session, reason, detail, effects));
                usize::from(ends)
            }
            BanTarget::Addresses(addresses) => {
                effects.end_addresses(*addresses, reason, detail);
                0
            }
        }
    }
}

impl BanTarget {
    fn account(&self) -> Option<crate::change::AccountId> {
        match self {
            Self::Account(account) => Some(*account),
            Self::Name(_) | Self::Addresses(_) => None,
        }
    }
}
