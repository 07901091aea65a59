//! Rooms: who is in them, what they are about, and what their members may do.

use switchboard_protocol::version2::{DoneVerb, Period, Reply, RoomName, Secret, Target};
use switchboard_protocol::{ErrorCode, Text};

use super::audit::AUDIT_LOG;
use super::commit_queue::PendingReply;
use super::say::NewRecord;
use crate::board::Switchboard;
use crate::change::{
    AccountId, Change, ConversationId, ConversationKind, GuestAccess, Member, Person, RecordKind, RedactTarget,
    RoomSettings, Standing, UnixMillis,
};
use crate::conversation::Conversation;
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// How many rooms and members there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RoomLimits {
    /// Maximum rooms of a server.
    pub rooms: usize,
    /// Maximum rooms without members when a guest makes one, so that guests alone cannot use up all rooms.
    pub memberless_rooms: usize,
    /// Maximum rooms of which an account is a member, and maximum rooms that it makes in 24 hours: otherwise, an account
    /// that leaves its rooms at once could push out the rooms of all others.
    pub joined_rooms: usize,
    /// Maximum members of a room. It may have as many invited accounts besides, as many banned ones, and as many
    /// muted people and banned guests.
    pub members: usize,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self { rooms: 65_536, memberless_rooms: 4_096, joined_rooms: 1_024, members: 5_000 }
    }
}

impl Switchboard {
    /// `JOIN`.
    pub(super) fn join(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        invitation: Option<&Secret>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (id, joined) =
            self.become_member(from, target, invitation, Some(PendingReply::Done(DoneVerb::Join)), effects)?;
        if let Some(seq) = joined {
            // The record may still be on its way to the store.
            self.done_after_change(from, id, DoneVerb::Join, seq);
        }
        Ok(())
    }

    /// Makes the account of the session a member of a room, and makes the room if there is none. A guest does not become
    /// a member. `invitation`: the word of a join link, which makes no room. Returns the room, and the record that answers the request. `None` instead of the record: `reply` waits
    /// for the new record `JOINED`.
    pub(super) fn become_member(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        invitation: Option<&Secret>,
        reply: Option<PendingReply>,
        effects: &mut impl StoreEffects,
    ) -> Result<(ConversationId, Option<u64>), ErrorCode> {
        let Target::Room(name) = target else { return Err(ErrorCode::InvalidRoom) };
        let name = RoomName::new(name).map_err(|_| ErrorCode::InvalidRoom)?;
        if name.folded() == AUDIT_LOG && !self.is_operator(from) {
            return Err(ErrorCode::InvalidRoom);
        }
        let id = match self.version2.ledger.room(&name) {
            Some(id) if !self.version2.ledger.conversations[&id].is_abandoned() => id,
            _ if invitation.is_some() => return Err(ErrorCode::RoomNotFound),
            abandoned => self.create_room(from, &name, abandoned, effects)?,
        };
        let link = invitation.and_then(|word| self.find_link(id, word));
        let conversation = &self.version2.ledger.conversations[&id];
        let Some(account) = self.account_of(from) else {
            let last = conversation.last;
            return self.may_read(from, id).then_some((id, Some(last))).ok_or(ErrorCode::NotLoggedIn);
        };
        let member = match conversation.members.get(&account) {
            Some(member) if member.standing.is_member() && member.joined > 0 => {
                return Ok((id, Some(member.joined)));
            }
            Some(Member { standing: Standing::Banned, .. }) => return Err(ErrorCode::NotAllowed),
            Some(&member) => member,
            None if conversation.settings.is_invite_only && link.is_none() => return Err(ErrorCode::NotAllowed),
            None => Member::default(),
        };
        let link = link.filter(|_| conversation.settings.is_invite_only && member.standing != Standing::Invited);
        let limits = self.version2.settings.room_limits;
        if conversation.members.member_count() >= limits.members {
            return Err(ErrorCode::RoomFull);
        }
        let standing = match member.standing {
            Standing::Moderator | Standing::Owner => member.standing,
            _ if conversation.members.count(Standing::Owner) == 0 => Standing::Owner,
            Standing::Member | Standing::Invited | Standing::Banned => Standing::Member,
        };
        if self.version2.ledger.joined_rooms(account) >= limits.joined_rooms {
            return Err(ErrorCode::TooManyRooms);
        }
        let joined = conversation.last + 1;
        self.may_store(from, 0, effects)?;
        let member = Member { standing, joined, read: member.read, until: None };
        if let Some((hash, link)) = link {
            self.use_link(id, hash, link, effects);
        }
        self.version2.ledger.set_member(id, account, member, effects);
        self.append_record(from, id, NewRecord::new(RecordKind::Joined, "", reply), effects);
        Ok((id, None))
    }

    /// Makes a room. An abandoned room of this name is removed first, and at the limit the longest vacant one.
    fn create_room(
        &mut self,
        from: SessionId,
        name: &RoomName,
        abandoned: Option<ConversationId>,
        effects: &mut impl StoreEffects,
    ) -> Result<ConversationId, ErrorCode> {
        let (ledger, limits) = (&self.version2.ledger, self.version2.settings.room_limits);
        let is_awaited = |id| ledger.conversations[&id].durable < ledger.conversations[&id].last;
        if abandoned.is_some_and(is_awaited) {
            // The last `LEFT` is still on its way to the store and to the readers.
            return Err(ErrorCode::NotAllowed);
        }
        let account = self.account_of(from);
        if account.is_none() && !self.version2.settings.guests_create_rooms {
            return Err(ErrorCode::NotLoggedIn);
        }
        if account.is_some_and(|account| ledger.joined_rooms(account) >= limits.joined_rooms) {
            return Err(ErrorCode::TooManyRooms);
        }
        let is_full = ledger.room_count() >= limits.rooms
            || account.is_none() && ledger.memberless_rooms() >= limits.memberless_rooms;
        let removed = match abandoned {
            None if is_full => Some(ledger.longest_vacant_room().ok_or(ErrorCode::TooManyRooms)?),
            abandoned => abandoned,
        };
        if name.folded() == AUDIT_LOG {
            return Err(ErrorCode::InvalidRoom);
        }
        // The room, and the record of an account that joins it.
        self.check_quota(from, 1 + u64::from(account.is_some()), 0, effects)?;
        self.count_made_room(account)?;
        self.may_store(from, 0, effects)?;
        if let Some(removed) = removed {
            self.remove_room(removed, effects);
        }
        let kind = ConversationKind::Room { name: name.as_str().to_owned() };
        let settings = RoomSettings { guests: GuestAccess::Write, ..RoomSettings::default() };
        Ok(self.version2.ledger.create(kind, settings, effects))
    }

    /// Counts a room that an account makes within its quota, which was checked for the present time.
    fn count_made_room(&mut self, account: Option<AccountId>) -> Result<(), ErrorCode> {
        let max = self.version2.settings.room_limits.joined_rooms;
        let account = account.and_then(|account| self.version2.ledger.accounts.get_mut(account));
        let Some(account) = account else { return Ok(()) };
        if account.usage.rooms >= max {
            return Err(ErrorCode::QuotaFull);
        }
        account.usage.rooms += 1;
        Ok(())
    }

    /// Removes a room that only invited accounts may join after its last member has left: nobody can invite anybody any
    /// more, and the next owner of its name must not read its records.
    pub(super) fn remove_if_abandoned(&mut self, id: ConversationId, effects: &mut impl StoreEffects) {
        let conversation = self.version2.ledger.conversations.get(&id);
        // During an outage, nothing can be stored. The next `JOIN` removes the room.
        if conversation.is_some_and(Conversation::is_abandoned) && self.can_store().is_ok() {
            self.remove_room(id, effects);
        }
    }

    /// Deletes a room with its records. Its readers hear that it is closed.
    fn remove_room(&mut self, id: ConversationId, effects: &mut impl StoreEffects) {
        let Some(removed) = self.version2.ledger.delete_conversation(id, effects) else { return };
        self.orphan_views(id, removed);
    }

    /// `LEAVE`.
    pub(super) fn leave(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let id = self.room_of(from, target)?;
        if self.version2.ledger.audit_log == Some(id) {
            return Err(ErrorCode::NotAllowed);
        }
        let account = self.account_of(from);
        let conversation = &self.version2.ledger.conversations[&id];
        let is_member = conversation.standing(account).is_some_and(Standing::is_member);
        // A stranger does not learn how many records a closed room has.
        let last = if self.may_read(from, id) { conversation.last } else { 0 };
        if is_member {
            self.can_store()?;
        }
        if let Some(state) = self.version2.sessions.get_mut(&from) {
            state.partner = state.partner.filter(|&partner| partner != id);
        }
        if let Some(account) = account.filter(|_| is_member) {
            self.remove_from_room(from, id, account, Some(PendingReply::Done(DoneVerb::Leave)), effects);
        } else {
            // A guest may have had it open.
            self.remove_viewer_in_turn(from, id, effects);
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
        // The operator may remove the account without a session of it.
        let new_record = NewRecord {
            about: Some(Person::Account(account)),
            author: Some(account),
            ..NewRecord::new(RecordKind::Left, "", reply)
        };
        self.append_record(from, id, new_record, effects);
    }

    /// Sends a reply that names a record, once the store has all changes so far.
    pub(super) fn done_after_change(&mut self, to: SessionId, id: ConversationId, verb: DoneVerb, seq: u64) {
        let target = self.target_name(id, to);
        self.reply_after_change(to, &Reply::Done { verb, target: target.into(), seq });
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
        self.check_unmuted(from, id)?;
        let Conversation { settings, last, .. } = &self.version2.ledger.conversations[&id];
        if settings.topic == text.as_str() {
            self.done_after_change(from, id, DoneVerb::Topic, *last);
            return Ok(());
        }
        let settings = settings.clone();
        self.may_store(from, text.as_str().len(), effects)?;
        let settings = RoomSettings { topic: text.as_str().to_owned(), ..settings };
        self.version2.ledger.set_settings(id, settings, effects);
        let reply = Some(PendingReply::Done(DoneVerb::Topic));
        self.append_record(from, id, NewRecord::new(RecordKind::Topic, text.as_str(), reply), effects);
        Ok(())
    }

    /// `INVITE`: the account may join, also if the room is only for invited accounts.
    pub(super) fn invite(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        who: &Target<'_>,
        period: Option<Period>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (id, _) = self.room_as(from, target, Standing::is_member)?;
        let invited = self.person(who)?;
        let until = period.map(|period| end_of(period, effects));
        let conversation = &self.version2.ledger.conversations[&id];
        match conversation.members.get(&invited) {
            Some(Member { standing: Standing::Banned, .. }) => return Err(ErrorCode::NotAllowed),
            Some(Member { standing: Standing::Invited, until: before, .. }) if *before != until => {}
            Some(_) => {
                // A member, or invited already: nothing is stored.
                let last = conversation.last;
                self.done_after_change(from, id, DoneVerb::Invite, last);
                return Ok(());
            }
            None => self.check_place(id, Standing::Invited)?,
        }
        let place = Member { standing: Standing::Invited, until, ..Member::default() };
        self.set_standing(from, id, invited, Some(place), (RecordKind::Invited, DoneVerb::Invite), effects)
    }

    /// Whether the room can have one more invited or banned account.
    pub(super) fn check_place(&self, id: ConversationId, standing: Standing) -> Result<(), ErrorCode> {
        let count = self.version2.ledger.conversations[&id].members.count(standing);
        if count < self.version2.settings.room_limits.members { Ok(()) } else { Err(ErrorCode::RoomFull) }
    }

    /// Gives another account a new place, or takes its place away. The record has the name of the account.
    pub(super) fn set_standing(
        &mut self,
        from: SessionId,
        id: ConversationId,
        account: AccountId,
        place: Option<Member>,
        (kind, done): (RecordKind, DoneVerb),
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        self.may_store(from, 0, effects)?;
        let ledger = &mut self.version2.ledger;
        let name = ledger.accounts.get(account).map(|account| account.name.to_string()).unwrap_or_default();
        match place {
            Some(place) => ledger.set_member(id, account, place, effects),
            None => ledger.remove_member(id, account, effects),
        }
        let new_record = NewRecord {
            about: Some(Person::Account(account)),
            ..NewRecord::new(kind, &name, Some(PendingReply::Done(done)))
        };
        self.append_record(from, id, new_record, effects);
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
        let Conversation { settings, last, .. } = &self.version2.ledger.conversations[&id];
        let (mut settings, last) = (settings.clone(), *last);
        let standing = match setting {
            "moderator" => Some(Standing::Moderator),
            "member" => Some(Standing::Member),
            "owner" => Some(Standing::Owner),
            _ => None,
        };
        if let Some(standing) = standing {
            let owner = self.own_account(from)?;
            let account = self.person(&Target::new(value))?;
            let members = &self.version2.ledger.conversations[&id].members;
            let (before, member) = (members[&owner], members.get(&account).copied());
            let member = member.filter(|member| member.standing.is_member()).ok_or(ErrorCode::UserNotFound)?;
            if account == owner {
                return Err(ErrorCode::SelfConnect);
            }
            if member.standing == standing {
                self.done_after_change(from, id, DoneVerb::Room, last);
                return Ok(());
            }
            self.may_store(from, value.len(), effects)?;
            if standing == Standing::Owner {
                let before = Member { standing: Standing::Moderator, ..before };
                self.version2.ledger.set_member(id, owner, before, effects);
            }
            self.version2.ledger.set_member(id, account, Member { standing, ..member }, effects);
        } else {
            apply_setting(&mut settings, setting, value)?;
            if settings == self.version2.ledger.conversations[&id].settings {
                self.done_after_change(from, id, DoneVerb::Room, last);
                return Ok(());
            }
            self.may_store(from, value.len(), effects)?;
            self.version2.ledger.set_settings(id, settings, effects);
        }
        let text = format!("{setting} {value}");
        let reply = Some(PendingReply::Done(DoneVerb::Room));
        self.append_record(from, id, NewRecord::new(RecordKind::Set, &text, reply), effects);
        Ok(())
    }

    /// Appends the redaction of records, and the record that says so.
    pub(super) fn append_redaction(
        &mut self,
        from: SessionId,
        id: ConversationId,
        targets: Vec<RedactTarget>,
        text: &str,
        effects: &mut impl StoreEffects,
    ) {
        let Some(conversation) = self.version2.ledger.conversations.get(&id) else { return };
        // The reply waits for the place of the record, so the redaction comes first.
        let by = conversation.last + 1;
        for target in targets {
            self.version2.ledger.append(Change::Redacted { conversation: id, target, by }, effects);
        }
        let reply = Some(PendingReply::Done(DoneVerb::Redact));
        self.append_record(from, id, NewRecord::new(RecordKind::Redacted, text, reply), effects);
    }

    /// The room that `target` names.
    fn room_of(&self, from: SessionId, target: &Target<'_>) -> Result<ConversationId, ErrorCode> {
        let Target::Room(_) = target else { return Err(ErrorCode::InvalidRoom) };
        self.find_conversation(from, target)
    }

    /// The room that `target` names, in which the account has a standing that is `enough`.
    pub(super) fn room_as(
        &self,
        from: SessionId,
        target: &Target<'_>,
        enough: impl Fn(Standing) -> bool,
    ) -> Result<(ConversationId, Standing), ErrorCode> {
        let id = self.room_of(from, target)?;
        let account = self.own_account(from)?;
        let standing = self.version2.ledger.conversations[&id].standing(Some(account));
        if self.version2.ledger.audit_log == Some(id) {
            return Err(ErrorCode::NotAllowed);
        }
        match standing {
            Some(standing) if enough(standing) => Ok((id, standing)),
            // An operator has the rights of a moderator everywhere.
            _ if enough(Standing::Moderator) && self.is_operator(from) => Ok((id, Standing::Moderator)),
            Some(standing) if standing.is_member() => Err(ErrorCode::NotAllowed),
            _ => Err(ErrorCode::NotAMember),
        }
    }
}

/// The time at which something ends that begins now.
pub(super) fn end_of(period: Period, effects: &impl StoreEffects) -> UnixMillis {
    UnixMillis(effects.wall_clock().0 + u64::from(period.seconds()) * 1000)
}

/// Changes one setting of a room.
fn apply_setting(settings: &mut RoomSettings, setting: &str, value: &str) -> Result<(), ErrorCode> {
    match (setting, value) {
        ("guests", "none") => settings.guests = GuestAccess::None,
        ("guests", "read") => settings.guests = GuestAccess::Read,
        ("guests", "write") => settings.guests = GuestAccess::Write,
        ("invite", "on") => settings.is_invite_only = true,
        ("invite", "off") => settings.is_invite_only = false,
        ("slow", "off") => settings.slow_seconds = None,
        ("slow", value) => {
            let period = Period::parse(value).ok_or(ErrorCode::InvalidArgument)?;
            settings.slow_seconds = Some(period.seconds());
        }
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
