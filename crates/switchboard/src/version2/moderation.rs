//! Moderation of a room: people are removed, banned and muted, and slow mode.
//!
//! A guest is nothing but a name, so a sanction of a guest concerns all guests of this name. Addresses would not do: the
//! guests of a class often share one. A guest that comes back under another name is kept out by the setting `guests`.

use switchboard_protocol::version2::{DoneVerb, Period, Target};
use switchboard_protocol::{ErrorCode, Username};

use super::commit_queue::PendingReply;
use super::rooms::end_of;
use super::say::NewRecord;
use crate::board::Switchboard;
use crate::change::{ConversationId, Member, Person, RecordKind, Sanction, SanctionKind, Standing, UnixMillis};
use crate::conversation::Conversation;
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// In slow mode, times that are over are forgotten when this many are kept.
const LAST_SAID_KEPT: usize = 1024;

/// The person in a request of a moderator.
struct Subject {
    room: ConversationId,
    person: Person,
    /// The name, as the record has it.
    name: String,
    /// The standing of an account.
    standing: Option<Standing>,
}

impl Switchboard {
    /// `KICK`: a moderator removes a person, or takes an invitation back. The person may come back if the room lets it.
    pub(super) fn kick(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        who: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let subject = self.subject(from, target, who)?;
        let done = (RecordKind::Kicked, DoneVerb::Kick);
        match subject.person {
            Person::Account(account) => {
                if subject.standing.is_none_or(|standing| standing == Standing::Banned) {
                    return Err(ErrorCode::UserNotFound);
                }
                self.set_standing(from, subject.room, account, None, done, effects)
            }
            Person::Guest(_) => {
                let viewers = self.version2.ledger.conversations[&subject.room].viewers.keys();
                let is_here = viewers.copied().any(|viewer| self.person_of(viewer).as_ref() == Some(&subject.person));
                if !is_here {
                    return Err(ErrorCode::UserNotFound);
                }
                self.may_store(from, 0, effects)?;
                self.append_sanction(from, &subject, &subject.name, done, effects);
                Ok(())
            }
        }
    }

    /// `BAN`: a moderator removes a person, which may not come back.
    pub(super) fn ban(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        who: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let subject = self.subject(from, target, who)?;
        let (id, done) = (subject.room, (RecordKind::Banned, DoneVerb::Ban));
        let conversation = &self.version2.ledger.conversations[&id];
        if subject.standing == Some(Standing::Banned)
            || conversation.has_sanction(&subject.person, SanctionKind::Banned)
        {
            let last = conversation.last;
            self.done_after_change(from, id, DoneVerb::Ban, last);
            return Ok(());
        }
        if let Person::Account(account) = subject.person {
            self.check_place(id, Standing::Banned)?;
            let place = Member { standing: Standing::Banned, ..Member::default() };
            return self.set_standing(from, id, account, Some(place), done, effects);
        }
        self.check_sanctions(id, &subject.person)?;
        self.may_store(from, 0, effects)?;
        let sanction = Sanction { kind: SanctionKind::Banned, until: None };
        self.version2.ledger.set_sanction(id, &subject.person, Some(sanction), effects);
        self.append_sanction(from, &subject, &subject.name, done, effects);
        Ok(())
    }

    /// `UNBAN`: the person may come back, but is no member yet.
    pub(super) fn unban(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        who: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let subject = self.subject(from, target, who)?;
        let done = (RecordKind::Unbanned, DoneVerb::Unban);
        match subject.person {
            Person::Account(account) if subject.standing == Some(Standing::Banned) => {
                self.set_standing(from, subject.room, account, None, done, effects)
            }
            Person::Account(_) => Err(ErrorCode::UserNotFound),
            Person::Guest(_) => self.end_sanction(from, &subject, SanctionKind::Banned, done, effects),
        }
    }

    /// `MUTE`: a moderator lets a person read, and not write.
    pub(super) fn mute(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        who: &Target<'_>,
        period: Option<Period>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let subject = self.subject(from, target, who)?;
        let id = subject.room;
        let until = period.map(|period| end_of(period, effects));
        let sanction = Sanction { kind: SanctionKind::Muted, until };
        let conversation = &self.version2.ledger.conversations[&id];
        match conversation.sanctions.get(&subject.person) {
            // It may not even read.
            Some(Sanction { kind: SanctionKind::Banned, .. }) => return Err(ErrorCode::NotAllowed),
            Some(before) if *before == sanction && until.is_none() => {
                let last = conversation.last;
                self.done_after_change(from, id, DoneVerb::Mute, last);
                return Ok(());
            }
            Some(_) | None => {}
        }
        self.check_sanctions(id, &subject.person)?;
        let text = period.map_or_else(|| subject.name.clone(), |period| format!("{} {period}", subject.name));
        self.may_store(from, 0, effects)?;
        self.version2.ledger.set_sanction(id, &subject.person, Some(sanction), effects);
        self.append_sanction(from, &subject, &text, (RecordKind::Muted, DoneVerb::Mute), effects);
        Ok(())
    }

    /// `UNMUTE`: the person may write again.
    pub(super) fn unmute(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        who: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let subject = self.subject(from, target, who)?;
        self.end_sanction(from, &subject, SanctionKind::Muted, (RecordKind::Unmuted, DoneVerb::Unmute), effects)
    }

    fn end_sanction(
        &mut self,
        from: SessionId,
        subject: &Subject,
        kind: SanctionKind,
        done: (RecordKind, DoneVerb),
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        if !self.version2.ledger.conversations[&subject.room].has_sanction(&subject.person, kind) {
            return Err(ErrorCode::UserNotFound);
        }
        self.may_store(from, 0, effects)?;
        self.version2.ledger.set_sanction(subject.room, &subject.person, None, effects);
        self.append_sanction(from, subject, &subject.name, done, effects);
        Ok(())
    }

    /// Appends the record of a sanction.
    fn append_sanction(
        &mut self,
        from: SessionId,
        subject: &Subject,
        text: &str,
        (kind, done): (RecordKind, DoneVerb),
        effects: &mut impl StoreEffects,
    ) {
        let new_record = NewRecord {
            about: Some(subject.person.clone()),
            ..NewRecord::new(kind, text, Some(PendingReply::Done(done)))
        };
        self.append_record(from, subject.room, new_record, effects);
    }

    /// The room and the person of a request that only a moderator may send, and not about the owner or another
    /// moderator.
    fn subject(&mut self, from: SessionId, target: &Target<'_>, who: &Target<'_>) -> Result<Subject, ErrorCode> {
        let (room, own) = self.room_as(from, target, Standing::is_moderator)?;
        if let Ok(account) = self.person(who) {
            let standing = self.version2.ledger.conversations[&room].standing(Some(account));
            let is_allowed = match standing {
                Some(Standing::Owner) => false,
                Some(Standing::Moderator) => own == Standing::Owner,
                _ => true,
            };
            let name = self.version2.ledger.accounts.get(account).map(|account| account.name.to_string());
            let subject = Subject { room, person: Person::Account(account), name: name.unwrap_or_default(), standing };
            return if is_allowed { Ok(subject) } else { Err(ErrorCode::NotAllowed) };
        }
        let Target::Name(name) = who else { return Err(ErrorCode::UserNotFound) };
        let mut folded = String::new();
        Username::fold_into(name, &mut folded).map_err(|_| ErrorCode::UserNotFound)?;
        let session = self.find(name).filter(|&session| self.account_of(session).is_none());
        let shown = session.and_then(|session| self.sessions.get(session)?.name().map(str::to_owned));
        let person = Person::Guest(folded.as_str().into());
        // A sanction ends also while no guest has the name.
        let is_known = shown.is_some() || self.version2.ledger.conversations[&room].sanctions.contains_key(&person);
        let subject = Subject { room, person, name: shown.unwrap_or(folded), standing: None };
        if is_known { Ok(subject) } else { Err(ErrorCode::UserNotFound) }
    }

    /// Whether the room can have a sanction of this person.
    fn check_sanctions(&self, id: ConversationId, person: &Person) -> Result<(), ErrorCode> {
        let sanctions = &self.version2.ledger.conversations[&id].sanctions;
        let has_place = sanctions.len() < self.version2.settings.room_limits.members || sanctions.contains_key(person);
        if has_place { Ok(()) } else { Err(ErrorCode::RoomFull) }
    }

    /// The person of a session, if it has a name.
    pub(super) fn person_of(&self, session: SessionId) -> Option<Person> {
        if let Some(account) = self.account_of(session) {
            return Some(Person::Account(account));
        }
        let registration = self.sessions.get(session)?.registration.as_ref()?;
        Some(Person::Guest(registration.name.folded().into()))
    }

    /// Whether the session may read a conversation.
    pub(super) fn may_read(&self, session: SessionId, id: ConversationId) -> bool {
        let conversation = self.version2.ledger.conversations.get(&id);
        conversation.is_some_and(|conversation| {
            conversation.may_read(self.account_of(session)) && !self.is_banned_guest(session, conversation)
        })
    }

    /// Whether the session is one of a guest that a room has banned.
    pub(super) fn is_banned_guest(&self, session: SessionId, conversation: &Conversation) -> bool {
        // Fast path: most rooms have no sanctions.
        !conversation.sanctions.is_empty()
            && self.person_of(session).is_some_and(|person| conversation.has_sanction(&person, SanctionKind::Banned))
    }

    /// Whether the session may write as far as the moderators are concerned.
    pub(super) fn check_unmuted(&self, from: SessionId, id: ConversationId) -> Result<(), ErrorCode> {
        let conversation = &self.version2.ledger.conversations[&id];
        let is_muted = !conversation.sanctions.is_empty()
            && self.person_of(from).is_some_and(|person| conversation.has_sanction(&person, SanctionKind::Muted));
        if is_muted { Err(ErrorCode::Muted) } else { Ok(()) }
    }

    /// Whether slow mode lets the session write now.
    pub(super) fn check_pace(
        &self,
        from: SessionId,
        id: ConversationId,
        effects: &impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let conversation = &self.version2.ledger.conversations[&id];
        let Some(slow_millis) = conversation.slow_millis() else { return Ok(()) };
        let standing = conversation.standing(self.account_of(from));
        let is_moderator = standing.is_some_and(Standing::is_moderator) || self.is_operator(from);
        let last = self.person_of(from).and_then(|person| conversation.last_said.get(&person).copied());
        let is_soon = last.is_some_and(|last| is_within(last, slow_millis, effects.wall_clock()));
        if is_soon && !is_moderator { Err(ErrorCode::TooSoon) } else { Ok(()) }
    }

    /// Remembers that the session has written, if the room is in slow mode.
    pub(super) fn count_said(&mut self, from: SessionId, id: ConversationId, effects: &impl StoreEffects) {
        let person = self.person_of(from);
        let Some(conversation) = self.version2.ledger.conversations.get_mut(&id) else { return };
        let Some(slow_millis) = conversation.slow_millis() else { return };
        let now = effects.wall_clock();
        if conversation.last_said.len() >= LAST_SAID_KEPT {
            conversation.last_said.retain(|_, last| is_within(*last, slow_millis, now));
        }
        conversation.last_said.extend(person.map(|person| (person, now)));
    }
}

impl Conversation {
    /// The time of the slow mode, in milliseconds.
    fn slow_millis(&self) -> Option<u64> {
        self.settings.slow_seconds.map(|seconds| u64::from(seconds) * 1000)
    }
}

/// Whether less than `millis` has passed. After the clock was set back, nobody waits for the old time to come again.
fn is_within(last: UnixMillis, millis: u64, now: UnixMillis) -> bool {
    now.0.checked_sub(last.0).is_some_and(|passed| passed < millis)
}
