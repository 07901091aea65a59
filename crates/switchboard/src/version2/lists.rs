//! Lists, read markers, blocks, and who comes and goes.

use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{self, Reply, Target, Words};

use super::{WATCHERS_MAX, Waiting};
use crate::board::Switchboard;
use crate::change::{AccountId, Change, ConversationId, ConversationKind, Member, Standing};
use crate::effects::StoreEffects;
use crate::session::SessionId;

impl Switchboard {
    /// `CONVERSATIONS`: those in which the account is a member.
    pub(super) fn list_conversations(
        &mut self,
        from: SessionId,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.own_name(from)?;
        let mut lines = Vec::new();
        let mut count = 0;
        if let Some(account) = self.account_of(from) {
            let ledger = &self.version2.ledger;
            for id in ledger.conversations_of(account) {
                if ledger.conversations[&id].standing(Some(account)).is_some_and(Standing::is_member) {
                    lines.extend(self.conversation_line(account, id));
                    count += 1;
                }
            }
        }
        Reply::ConversationsOk { count }.encode(&mut lines);
        self.reply_encoded(from, lines, effects);
        Ok(())
    }

    /// The line that tells a member how far a conversation is, and how far the member has read.
    pub(super) fn conversation_line(&self, account: AccountId, id: ConversationId) -> Vec<u8> {
        let mut line = Vec::new();
        let ledger = &self.version2.ledger;
        if let Some(conversation) = ledger.conversations.get(&id) {
            Reply::Conversation {
                target: ledger.target_name(id, Some(account)).into(),
                epoch: conversation.epoch.to_string().into(),
                first: conversation.first,
                last: conversation.durable,
                read: conversation.members.get(&account).map_or(0, |member| member.read),
            }
            .encode(&mut line);
        }
        line
    }

    /// `ROOMS`: those that the session may know of.
    pub(super) fn list_rooms(&mut self, from: SessionId, effects: &mut impl StoreEffects) -> Result<(), ErrorCode> {
        self.own_name(from)?;
        let account = self.account_of(from);
        let mut lines = Vec::new();
        let mut count = 0;
        for id in self.version2.ledger.rooms() {
            let conversation = &self.version2.ledger.conversations[&id];
            let may_join = account.is_some() && !conversation.settings.is_invite_only;
            let is_invited = conversation.standing(account).is_some_and(|standing| standing != Standing::Banned);
            let is_banned = conversation.standing(account) == Some(Standing::Banned);
            if let ConversationKind::Room { name } = &conversation.kind
                && !is_banned
                && (may_join || is_invited || conversation.may_read(account))
            {
                let members = conversation.member_ids().count() as u64;
                let topic = conversation.settings.topic.as_str();
                Reply::Room { target: name.into(), members, topic: topic.into() }.encode(&mut lines);
                count += 1;
            }
        }
        Reply::RoomsOk { count }.encode(&mut lines);
        self.reply_encoded(from, lines, effects);
        Ok(())
    }

    /// `MEMBERS`.
    pub(super) fn list_members(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let id = self.readable(from, target)?;
        let ledger = &self.version2.ledger;
        let target = ledger.target_name(id, self.account_of(from));
        let mut lines = Vec::new();
        let mut count = 0;
        for (&account, member) in &ledger.conversations[&id].members {
            let Some(account) = ledger.accounts.get(account) else { continue };
            let standing = match member.standing {
                Standing::Banned => version2::Standing::Banned,
                Standing::Invited => version2::Standing::Invited,
                Standing::Member => version2::Standing::Member,
                Standing::Moderator => version2::Standing::Moderator,
                Standing::Owner => version2::Standing::Owner,
            };
            Reply::Member { target: (&*target).into(), name: (&*account.name).into(), standing }.encode(&mut lines);
            count += 1;
        }
        Reply::MembersOk { target: target.into(), count }.encode(&mut lines);
        self.reply_encoded(from, lines, effects);
        Ok(())
    }

    /// `READ`: moves the read marker of the account forward.
    pub(super) fn mark_read(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        seq: u64,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let account = self.own_account(from)?;
        let id = self.find_conversation(from, target)?;
        let conversation = &self.version2.ledger.conversations[&id];
        let member = conversation.members.get(&account).copied().filter(|member| member.standing.is_member());
        let member = member.ok_or(ErrorCode::NotAMember)?;
        let read = seq.min(conversation.durable).max(member.read);
        let target = self.target_name(id, from);
        let reply = Reply::ReadOk { target: (&*target).into(), seq: read };
        if read == member.read {
            self.reply_after_change(from, &reply);
            return Ok(());
        }
        self.can_store()?;
        self.version2.ledger.set_member(id, account, Member { read, ..member }, effects);
        self.reply_after_change(from, &reply);
        let mut line = Vec::new();
        Reply::Read { target: target.into(), seq: read }.encode(&mut line);
        let position = self.version2.ledger.position();
        let sessions: Vec<_> = self
            .version2
            .ledger
            .accounts
            .get(account)
            .into_iter()
            .flat_map(super::super::accounts::Account::sessions)
            .collect();
        for session in sessions.into_iter().filter(|&session| session != from) {
            self.version2.queue.push(position, Waiting::Push(session, line.clone()));
        }
        Ok(())
    }

    /// `READERS`: the members who have read up to `seq`.
    pub(super) fn readers(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        seq: u64,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let id = self.readable(from, target)?;
        let ledger = &self.version2.ledger;
        let names: Vec<String> = ledger.conversations[&id]
            .members
            .iter()
            .filter(|(_, member)| member.standing.is_member() && member.read >= seq)
            .filter_map(|(&account, _)| ledger.accounts.get(account).map(|account| account.name.to_string()))
            .collect();
        let target = ledger.target_name(id, self.account_of(from)).into();
        self.reply(from, &Reply::Readers { target, seq, names: names.into() }, effects);
        Ok(())
    }

    /// `BLOCK` or `UNBLOCK`: the account no longer hears another one, or hears it again.
    pub(super) fn block(
        &mut self,
        from: SessionId,
        who: &Target<'_>,
        is_blocked: bool,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let own = self.own_account(from)?;
        let other = self.person(who)?;
        if other == own {
            return Err(ErrorCode::SelfConnect);
        }
        self.can_store()?;
        let ledger = &mut self.version2.ledger;
        let shown = ledger.accounts.get(other).map(|account| account.name.to_string()).unwrap_or_default();
        let Some(account) = ledger.accounts.get_mut(own) else { return Ok(()) };
        let has_changed = if is_blocked { account.blocked.insert(other) } else { account.blocked.remove(&other) };
        if has_changed {
            ledger.append(Change::BlockSet { account: own, blocked: other, is_blocked }, effects);
        }
        let name = shown.into();
        let reply = if is_blocked { Reply::BlockOk { name } } else { Reply::UnblockOk { name } };
        self.reply_after_change(from, &reply);
        Ok(())
    }

    /// `WATCH` or `UNWATCH`.
    pub(super) fn watch(
        &mut self,
        from: SessionId,
        is_watching: bool,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.own_name(from)?;
        let watchers = &mut self.version2.watchers;
        if is_watching {
            if watchers.len() >= WATCHERS_MAX && !watchers.contains(&from) {
                return Err(ErrorCode::TooManyWatchers);
            }
            watchers.insert(from);
        } else {
            watchers.remove(&from);
        }
        self.reply(from, if is_watching { &Reply::WatchOk } else { &Reply::UnwatchOk }, effects);
        Ok(())
    }

    /// `WIRE`: the state of the connection.
    pub(super) fn wire(&mut self, from: SessionId, effects: &mut impl StoreEffects) {
        let state = &self.version2.sessions[&from];
        let values = format!("open={} waiting={}", state.open.len(), state.waiting);
        self.send_now(from, &Reply::WireOk { values: Words::from_space_separated(&values) }, effects);
    }
}
