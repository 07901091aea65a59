//! Rooms: who is in them, what they are about, and what their members may do.

use switchboard_protocol::version2::{DoneVerb, Reply, RoomName, Target};
use switchboard_protocol::{ErrorCode, Text};

use super::commit_queue::PendingReply;
use super::say::Draft;
use crate::board::Switchboard;
use crate::change::{
    AccountId, Change, ConversationId, ConversationKind, GuestAccess, Member, RecordKind, RedactTarget, RoomSettings,
    Standing,
};
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// Maximum members of a room (protocol-2 promise 9).
const MEMBERS_MAX: usize = 5_000;

/// Maximum rooms of a server.
const ROOMS_MAX: usize = 65_536;

impl Switchboard {
    /// `JOIN`.
    pub(super) fn join(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (id, joined) = self.become_member(from, target, Some(PendingReply::Done(DoneVerb::Join)), effects)?;
        if let Some(seq) = joined {
            // The record may still be on its way to the store.
            self.done_after_change(from, id, DoneVerb::Join, seq);
        }
        Ok(())
    }

    /// Makes the account a member, and the room if there is none. A guest may be in a room, but is no member. Returns
    /// the room, and the record with which the account joined, unless this is the one that `reply` waits for.
    pub(super) fn become_member(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        reply: Option<PendingReply>,
        effects: &mut impl StoreEffects,
    ) -> Result<(ConversationId, Option<u64>), ErrorCode> {
        self.own_name(from)?;
        let Target::Room(name) = target else { return Err(ErrorCode::InvalidRoom) };
        let name = RoomName::new(name).map_err(|_| ErrorCode::InvalidRoom)?;
        let account = self.account_of(from);
        let id = match self.version2.ledger.room(&name) {
            Some(id) => id,
            None => self.create_room(from, &name, effects)?,
        };
        let Some(account) = account else {
            let conversation = &self.version2.ledger.conversations[&id];
            if !conversation.may_read(None) {
                return Err(ErrorCode::NotLoggedIn);
            }
            return Ok((id, Some(conversation.last)));
        };
        let conversation = &self.version2.ledger.conversations[&id];
        let member = match conversation.members.get(&account) {
            Some(member) if member.standing.is_member() && member.joined > 0 => {
                return Ok((id, Some(member.joined)));
            }
            Some(Member { standing: Standing::Banned, .. }) => return Err(ErrorCode::NotAllowed),
            Some(&member) => member,
            None if conversation.settings.is_invite_only => return Err(ErrorCode::NotAllowed),
            None => Member::default(),
        };
        if conversation.member_ids().count() >= MEMBERS_MAX {
            return Err(ErrorCode::RoomFull);
        }
        let has_owner = conversation.members.values().any(|member| member.standing == Standing::Owner);
        let joined = conversation.last + 1;
        self.may_store(from, 0, effects)?;
        let standing = match member.standing {
            Standing::Moderator | Standing::Owner => member.standing,
            _ if !has_owner => Standing::Owner,
            Standing::Member | Standing::Invited | Standing::Banned => Standing::Member,
        };
        let member = Member { standing, joined, read: member.read };
        self.version2.ledger.set_member(id, account, member, effects);
        self.append_record(from, id, Draft::new(RecordKind::Joined, "", reply), effects);
        Ok((id, None))
    }

    fn create_room(
        &mut self,
        from: SessionId,
        name: &RoomName,
        effects: &mut impl StoreEffects,
    ) -> Result<ConversationId, ErrorCode> {
        if self.account_of(from).is_none() && !self.version2.settings.guests_create_rooms {
            return Err(ErrorCode::NotLoggedIn);
        }
        if self.version2.ledger.room_count() >= ROOMS_MAX {
            return Err(ErrorCode::TooManyRooms);
        }
        self.may_store(from, 0, effects)?;
        let kind = ConversationKind::Room { name: name.as_str().to_owned() };
        let settings = RoomSettings { guests: GuestAccess::Write, ..RoomSettings::default() };
        Ok(self.version2.ledger.create(kind, settings, effects))
    }

    /// `LEAVE`.
    pub(super) fn leave(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let id = self.room_of(from, target)?;
        let account = self.account_of(from);
        let conversation = &self.version2.ledger.conversations[&id];
        let is_member = conversation.standing(account).is_some_and(Standing::is_member);
        let last = conversation.last;
        if let Some(account) = account.filter(|_| is_member) {
            self.can_store()?;
            self.remove_from_room(from, id, account, Some(PendingReply::Done(DoneVerb::Leave)), effects);
        } else {
            // A guest may have had it open.
            if let Some(state) = self.version2.sessions.get_mut(&from) {
                state.partner = state.partner.filter(|&partner| partner != id);
            }
            self.remove_viewer(from, id, effects);
            self.done_after_change(from, id, DoneVerb::Leave, last);
        }
        Ok(())
    }

    /// Ends a membership by a `LEFT` record.
    pub(super) fn remove_from_room(
        &mut self,
        from: SessionId,
        id: ConversationId,
        account: AccountId,
        reply: Option<PendingReply>,
        effects: &mut impl StoreEffects,
    ) {
        if self.version2.ledger.conversations[&id].standing(Some(account)) == Some(Standing::Owner) {
            self.pass_ownership(id, account, effects);
        }
        self.version2.ledger.remove_member(id, account, effects);
        let draft = Draft { about: Some(account), ..Draft::new(RecordKind::Left, "", reply) };
        self.append_record(from, id, draft, effects);
    }

    /// Sends a reply that names a record, once the store has all changes so far.
    fn done_after_change(&mut self, to: SessionId, id: ConversationId, verb: DoneVerb, seq: u64) {
        let target = self.target_name(id, to);
        self.reply_after_change(to, Some(&target), &Reply::Done { verb, target: (&*target).into(), seq });
    }

    /// Makes another member the owner: the moderator that joined first, or else the member that joined first.
    fn pass_ownership(&mut self, id: ConversationId, owner: AccountId, effects: &mut impl StoreEffects) {
        let members = &self.version2.ledger.conversations[&id].members;
        let heir = members
            .iter()
            .filter(|(account, member)| **account != owner && member.standing.is_member())
            .min_by_key(|(_, member)| (!member.standing.is_moderator(), member.joined));
        if let Some((&heir, &member)) = heir {
            let member = Member { standing: Standing::Owner, ..member };
            self.version2.ledger.set_member(id, heir, member, effects);
        }
    }

    /// `TOPIC`. Each member may set it.
    pub(super) fn topic(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        text: &Text<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (id, _) = self.room_as(from, target, Standing::is_member)?;
        self.may_store(from, text.as_str().len(), effects)?;
        let settings = self.version2.ledger.conversations[&id].settings.clone();
        let settings = RoomSettings { topic: text.as_str().to_owned(), ..settings };
        self.version2.ledger.set_settings(id, settings, effects);
        let reply = Some(PendingReply::Done(DoneVerb::Topic));
        self.append_record(from, id, Draft::new(RecordKind::Topic, text.as_str(), reply), effects);
        Ok(())
    }

    /// `INVITE`: the account may join, also if the room is only for invited accounts.
    pub(super) fn invite(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        who: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (id, _) = self.room_as(from, target, Standing::is_member)?;
        let invited = self.person(who)?;
        let conversation = &self.version2.ledger.conversations[&id];
        match conversation.standing(Some(invited)) {
            Some(Standing::Banned) => Err(ErrorCode::NotAllowed),
            Some(_) => {
                // A member, or invited already: nothing is stored.
                let last = conversation.last;
                self.done_after_change(from, id, DoneVerb::Invite, last);
                Ok(())
            }
            None => {
                self.may_store(from, 0, effects)?;
                let member = Member { standing: Standing::Invited, ..Member::default() };
                self.version2.ledger.set_member(id, invited, member, effects);
                self.record_about(from, id, RecordKind::Invited, invited, DoneVerb::Invite, effects);
                Ok(())
            }
        }
    }

    /// `KICK` or `BAN`: a moderator removes a member, who may come back or not.
    pub(super) fn expel(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        who: &Target<'_>,
        done: DoneVerb,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (id, standing) = self.room_as(from, target, Standing::is_moderator)?;
        let expelled = self.person(who)?;
        let their_standing = self.version2.ledger.conversations[&id].standing(Some(expelled));
        let outranks = standing == Standing::Owner || !their_standing.is_some_and(Standing::is_moderator);
        if !outranks || their_standing == Some(Standing::Owner) {
            return Err(ErrorCode::NotAllowed);
        }
        if done == DoneVerb::Ban {
            if their_standing == Some(Standing::Banned) {
                let last = self.version2.ledger.conversations[&id].last;
                self.done_after_change(from, id, done, last);
                return Ok(());
            }
            self.may_store(from, 0, effects)?;
            let member = Member { standing: Standing::Banned, ..Member::default() };
            self.version2.ledger.set_member(id, expelled, member, effects);
            self.record_about(from, id, RecordKind::Banned, expelled, done, effects);
        } else {
            if !their_standing.is_some_and(Standing::is_member) {
                return Err(ErrorCode::UserNotFound);
            }
            self.may_store(from, 0, effects)?;
            self.version2.ledger.remove_member(id, expelled, effects);
            self.record_about(from, id, RecordKind::Kicked, expelled, done, effects);
        }
        Ok(())
    }

    /// `UNBAN`.
    pub(super) fn unban(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        who: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (id, _) = self.room_as(from, target, Standing::is_moderator)?;
        let banned = self.person(who)?;
        if self.version2.ledger.conversations[&id].standing(Some(banned)) != Some(Standing::Banned) {
            return Err(ErrorCode::UserNotFound);
        }
        self.may_store(from, 0, effects)?;
        self.version2.ledger.remove_member(id, banned, effects);
        self.record_about(from, id, RecordKind::Unbanned, banned, DoneVerb::Unban, effects);
        Ok(())
    }

    /// `ROOM #lab <setting> <value>`.
    pub(super) fn set_room(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        setting: &str,
        value: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (id, _) = self.room_as(from, target, |standing| standing == Standing::Owner)?;
        self.may_store(from, value.len(), effects)?;
        let mut settings = self.version2.ledger.conversations[&id].settings.clone();
        match setting {
            "moderator" | "member" | "owner" => self.set_standing(from, id, setting, &Target::new(value), effects)?,
            _ => {
                apply_setting(&mut settings, setting, value)?;
                self.version2.ledger.set_settings(id, settings, effects);
            }
        }
        let text = format!("{setting} {value}");
        let reply = Some(PendingReply::Done(DoneVerb::Room));
        self.append_record(from, id, Draft::new(RecordKind::Set, &text, reply), effects);
        Ok(())
    }

    fn set_standing(
        &mut self,
        from: SessionId,
        id: ConversationId,
        standing: &str,
        who: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let owner = self.own_account(from)?;
        let account = self.person(who)?;
        let member = self.version2.ledger.conversations[&id].members.get(&account).copied();
        let member = member.filter(|member| member.standing.is_member()).ok_or(ErrorCode::UserNotFound)?;
        if account == owner {
            return Err(ErrorCode::SelfConnect);
        }
        let new = match standing {
            "moderator" => Standing::Moderator,
            "member" => Standing::Member,
            _ => {
                let before = self.version2.ledger.conversations[&id].members[&owner];
                let before = Member { standing: Standing::Moderator, ..before };
                self.version2.ledger.set_member(id, owner, before, effects);
                Standing::Owner
            }
        };
        self.version2.ledger.set_member(id, account, Member { standing: new, ..member }, effects);
        Ok(())
    }

    /// Appends the redaction of records, and the record that says so.
    pub(super) fn append_redaction(
        &mut self,
        from: SessionId,
        id: ConversationId,
        target: RedactTarget,
        text: &str,
        effects: &mut impl StoreEffects,
    ) {
        let Some(conversation) = self.version2.ledger.conversations.get(&id) else { return };
        // The reply waits for the place of the record, so the redaction comes first.
        let by = conversation.last + 1;
        self.version2.ledger.append(Change::Redacted { conversation: id, target, by }, effects);
        let reply = Some(PendingReply::Done(DoneVerb::Redact));
        self.append_record(from, id, Draft::new(RecordKind::Redacted, text, reply), effects);
    }

    /// The room that `target` names.
    fn room_of(&self, from: SessionId, target: &Target<'_>) -> Result<ConversationId, ErrorCode> {
        self.own_name(from)?;
        let Target::Room(_) = target else { return Err(ErrorCode::InvalidRoom) };
        self.find_conversation(from, target)
    }

    /// The room that `target` names, in which the account has a standing that is `enough`.
    fn room_as(
        &self,
        from: SessionId,
        target: &Target<'_>,
        enough: impl Fn(Standing) -> bool,
    ) -> Result<(ConversationId, Standing), ErrorCode> {
        let id = self.room_of(from, target)?;
        let account = self.own_account(from)?;
        let standing = self.version2.ledger.conversations[&id].standing(Some(account));
        match standing {
            Some(standing) if enough(standing) => Ok((id, standing)),
            Some(standing) if standing.is_member() => Err(ErrorCode::NotAllowed),
            _ => Err(ErrorCode::NotAMember),
        }
    }

    /// Appends a record about another account, whose name is its text.
    fn record_about(
        &mut self,
        from: SessionId,
        id: ConversationId,
        kind: RecordKind,
        about: AccountId,
        done: DoneVerb,
        effects: &mut impl StoreEffects,
    ) {
        let name = self.version2.ledger.accounts.get(about).map(|account| account.name.to_string()).unwrap_or_default();
        let draft = Draft { about: Some(about), ..Draft::new(kind, &name, Some(PendingReply::Done(done))) };
        self.append_record(from, id, draft, effects);
    }
}

/// Changes one setting of a room.
fn apply_setting(settings: &mut RoomSettings, setting: &str, value: &str) -> Result<(), ErrorCode> {
    match (setting, value) {
        ("guests", "none") => settings.guests = GuestAccess::None,
        ("guests", "read") => settings.guests = GuestAccess::Read,
        ("guests", "write") => settings.guests = GuestAccess::Write,
        ("invite", "on") => settings.is_invite_only = true,
        ("invite", "off") => settings.is_invite_only = false,
        ("keep", "forever") => (settings.keep_days, settings.keep_records) = (None, None),
        ("keep", value) => {
            let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()));
            match (number.parse(), unit) {
                (Ok(days @ 1..), "d") => settings.keep_days = Some(days),
                (Ok(records @ 1..), "") => settings.keep_records = Some(u64::from(records)),
                _ => return Err(ErrorCode::InvalidArgument),
            }
        }
        _ => return Err(ErrorCode::InvalidArgument),
    }
    Ok(())
}
