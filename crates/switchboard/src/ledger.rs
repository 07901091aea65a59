//! The stored state that the core knows: accounts and conversations, without the records.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;

use switchboard_protocol::version2::RoomName;

use crate::accounts::Accounts;
use crate::bans::Bans;
use crate::change::{
    AccountId, Ban, BanTarget, Change, ConversationId, ConversationKind, DeviceId, Epoch, LastSent, Link, Member,
    Person, RoomSettings, Sanction, Snapshot, Standing, TokenHash, UnixMillis,
};
use crate::conversation::Conversation;
use crate::effects::StoreEffects;
use crate::version2::Position;

/// Of how many deleted conversations the names are kept. Replies that are on their way may name them.
const DELETED_KEPT: usize = 1024;

/// The accounts and conversations, and the changes to them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) accounts: Accounts,
    pub(crate) conversations: BTreeMap<ConversationId, Conversation>,
    pub(crate) bans: Bans,
    /// The conversation in which the server tells the operators what happens.
    pub(crate) audit_log: Option<ConversationId>,
    /// The rooms by the folded form of their names.
    rooms: BTreeMap<Box<str>, ConversationId>,
    directs: HashMap<[AccountId; 2], ConversationId>,
    memberships: HashMap<AccountId, BTreeSet<ConversationId>>,
    /// The conversations in which a device has given numbers.
    numbered: HashMap<DeviceId, BTreeSet<ConversationId>>,
    /// For each account that is a member of rooms: of how many.
    joined: HashMap<AccountId, usize>,
    /// Number of rooms without members.
    memberless: usize,
    /// The rooms without members in which nobody reads, the longest idle one first.
    vacant: BTreeSet<(u64, ConversationId)>,
    last_vacancy: u64,
    /// What ends by itself, and when.
    ends: BTreeSet<(UnixMillis, Ending)>,
    /// The conversations that were deleted last.
    deleted: VecDeque<(ConversationId, ConversationKind)>,
    next_conversation: u64,
    /// The place of the last change.
    position: Position,
}

/// Something that ends by itself.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Ending {
    /// The sanction of a person in a room.
    Sanction(ConversationId, Person),
    /// The invitation of an account into a room.
    Invitation(ConversationId, AccountId),
    /// A join link of a room.
    Link(ConversationId, TokenHash),
    /// A ban of the server.
    Ban(BanTarget),
}

impl Ledger {
    /// The state that a store has kept. Its next change has the place after `position`.
    pub(crate) fn load(mut snapshot: Snapshot, position: Position) -> Self {
        let mut ledger = Self {
            accounts: Accounts::load(snapshot.accounts, snapshot.next_ids),
            next_conversation: snapshot.next_ids.conversation,
            ends: snapshot.bans.iter().filter_map(|(target, ban)| ban_end(target, ban)).collect(),
            bans: Bans::load(snapshot.bans),
            position,
            ..Self::default()
        };
        // The vacant rooms are in the order in which they are inserted, so those that are idle for longer come first.
        snapshot.conversations.sort_by_key(|stored| stored.last_at);
        for stored in snapshot.conversations {
            let id = stored.conversation;
            ledger.insert(id, Conversation::load(stored));
        }
        ledger
    }

    fn insert(&mut self, id: ConversationId, conversation: Conversation) {
        match &conversation.kind {
            ConversationKind::Room { name } => {
                if let Ok(name) = RoomName::new(name) {
                    self.rooms.insert(name.folded().into(), id);
                }
            }
            ConversationKind::Direct(pair) => {
                self.directs.insert(*pair, id);
            }
        }
        for (&account, member) in &*conversation.members {
            self.memberships.entry(account).or_default().insert(id);
            if conversation.is_room() {
                self.count_joined(account, None, Some(member.standing));
            }
        }
        self.ends.extend(ends_of(id, &conversation));
        if conversation.settings.is_audit_log {
            self.audit_log = Some(id);
        }
        for &device in conversation.sent.keys() {
            self.numbered.entry(device).or_default().insert(id);
        }
        self.memberless += usize::from(conversation.is_memberless());
        self.conversations.insert(id, conversation);
        self.update_vacancy(id);
    }

    /// Counts the memberships of an account in rooms.
    fn count_joined(&mut self, account: AccountId, before: Option<Standing>, after: Option<Standing>) {
        let is_member = |standing: Option<Standing>| standing.is_some_and(Standing::is_member);
        if is_member(before) == is_member(after) {
            return;
        }
        let joined = self.joined.entry(account).or_default();
        if is_member(after) {
            *joined += 1;
        } else {
            *joined -= 1;
            if *joined == 0 {
                self.joined.remove(&account);
            }
        }
    }

    /// Something has happened in a room: if it is vacant, it is the one that is idle for the shortest time now.
    pub(crate) fn update_vacancy(&mut self, id: ConversationId) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if let Some(vacancy) = conversation.vacancy.take() {
            self.vacant.remove(&(vacancy, id));
        }
        if conversation.is_vacant() {
            self.last_vacancy += 1;
            conversation.vacancy = Some(self.last_vacancy);
            self.vacant.insert((self.last_vacancy, id));
        }
    }

    /// The vacant room in which nothing has happened for the longest time.
    pub(crate) fn longest_vacant_room(&self) -> Option<ConversationId> {
        self.vacant.first().map(|&(_, id)| id)
    }

    /// Number of rooms without members.
    pub(crate) fn memberless_rooms(&self) -> usize {
        self.memberless
    }

    /// Number of memberships of the account in rooms.
    pub(crate) fn joined_rooms(&self, account: AccountId) -> usize {
        self.joined.get(&account).copied().unwrap_or_default()
    }

    /// Adds a change at the end of the store.
    pub(crate) fn append(&mut self, change: Change, effects: &mut impl StoreEffects) {
        self.position = effects.append(change);
    }

    /// Continues the places after a failure.
    pub(crate) fn set_position(&mut self, position: Position) {
        self.position = position;
    }

    /// The place of the last change.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The room with this name.
    pub(crate) fn room(&self, name: &RoomName) -> Option<ConversationId> {
        self.rooms.get(name.folded()).copied()
    }

    /// The room with this name, in any spelling.
    pub(crate) fn find_room(&self, name: &str) -> Option<ConversationId> {
        // Fast path: a folded name folds to itself, so it need not be checked and folded.
        self.rooms.get(name).copied().or_else(|| self.room(&RoomName::new(name).ok()?))
    }

    /// The name of a conversation for a member: that of the room, or of the other account.
    pub(crate) fn target_name(&self, id: ConversationId, account: Option<AccountId>) -> String {
        let deleted = || self.deleted.iter().find(|(deleted, _)| *deleted == id).map(|(_, kind)| kind);
        let kind = self.conversations.get(&id).map(|conversation| &conversation.kind).or_else(deleted);
        let Some(kind) = kind else { return String::new() };
        match kind {
            ConversationKind::Room { name } => name.clone(),
            ConversationKind::Direct(_) => {
                let other = account.and_then(|account| kind.other(account));
                let name = other.and_then(|other| self.accounts.get(other)).map(|account| account.name.to_string());
                name.unwrap_or_else(|| format!("@{}", other.map_or(0, |other| other.0)))
            }
        }
    }

    /// Number of rooms.
    pub(crate) fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// The rooms after one, in order of their folded names.
    pub(crate) fn rooms_after(&self, name: Option<&str>) -> impl Iterator<Item = (&str, ConversationId)> {
        let start = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.rooms.range::<str, _>((start, Bound::Unbounded)).map(|(name, &id)| (&**name, id))
    }

    /// The conversations after one, in order of their ids.
    pub(crate) fn conversations_from(
        &self,
        last: Option<ConversationId>,
    ) -> impl Iterator<Item = (&ConversationId, &Conversation)> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.conversations.range((start, Bound::Unbounded))
    }

    /// The direct conversation of two accounts.
    pub(crate) fn direct(&self, first: AccountId, second: AccountId) -> Option<ConversationId> {
        self.directs.get(&pair(first, second)).copied()
    }

    /// The conversations in which an account has a place, in order of their ids.
    pub(crate) fn conversations_of(&self, account: AccountId) -> impl Iterator<Item = ConversationId> {
        self.conversations_after(account, None)
    }

    /// The same, after one of them.
    pub(crate) fn conversations_after(
        &self,
        account: AccountId,
        after: Option<ConversationId>,
    ) -> impl Iterator<Item = ConversationId> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let conversations = self.memberships.get(&account).into_iter();
        conversations.flat_map(move |ids| ids.range((start, Bound::Unbounded))).copied()
    }

    /// Creates a conversation without records and members.
    pub(crate) fn create(
        &mut self,
        kind: ConversationKind,
        settings: RoomSettings,
        effects: &mut impl StoreEffects,
    ) -> ConversationId {
        let id = ConversationId(self.next_conversation);
        self.next_conversation += 1;
        let epoch = Epoch(effects.random());
        self.append(
            Change::ConversationCreated { conversation: id, kind: kind.clone(), epoch, settings: settings.clone() },
            effects,
        );
        self.insert(id, Conversation::new(kind, epoch, settings));
        id
    }

    /// Creates the direct conversation of two accounts.
    pub(crate) fn create_direct(
        &mut self,
        first: AccountId,
        second: AccountId,
        effects: &mut impl StoreEffects,
    ) -> ConversationId {
        let pair = pair(first, second);
        let id = self.create(ConversationKind::Direct(pair), RoomSettings::default(), effects);
        for account in pair {
            self.set_member(id, account, Member::default(), effects);
        }
        id
    }

    /// Gives an account a place in a conversation, or another one.
    pub(crate) fn set_member(
        &mut self,
        id: ConversationId,
        account: AccountId,
        member: Member,
        effects: &mut impl StoreEffects,
    ) {
        if self.set_place(id, account, Some(member)) {
            self.append(Change::MemberSet { conversation: id, account, member }, effects);
        }
    }

    /// Takes the place of an account in a conversation away.
    pub(crate) fn remove_member(&mut self, id: ConversationId, account: AccountId, effects: &mut impl StoreEffects) {
        if self.set_place(id, account, None) {
            self.append(Change::MemberRemoved { conversation: id, account }, effects);
        }
    }

    /// Gives or takes a place, and keeps the indexes right. Returns whether there was something to do.
    fn set_place(&mut self, id: ConversationId, account: AccountId, member: Option<Member>) -> bool {
        let Some(conversation) = self.conversations.get_mut(&id) else { return false };
        let (before, end_before) = match conversation.members.get(&account) {
            Some(member) => (Some(member.standing), member.until),
            None => (None, None),
        };
        let (is_room, was_memberless) = (conversation.is_room(), conversation.is_memberless());
        match member {
            Some(member) => {
                conversation.members.set(account, member);
                self.memberships.entry(account).or_default().insert(id);
            }
            None if conversation.members.remove(account).is_none() => return false,
            None => {
                if let Some(memberships) = self.memberships.get_mut(&account) {
                    memberships.remove(&id);
                }
            }
        }
        match (was_memberless, conversation.is_memberless()) {
            (false, true) => self.memberless += 1,
            (true, false) => self.memberless -= 1,
            (false, false) | (true, true) => {}
        }
        if is_room {
            self.count_joined(account, before, member.map(|member| member.standing));
        }
        let end = |until| (until, Ending::Invitation(id, account));
        self.replace_end(end_before.map(end), member.and_then(|member| member.until).map(end));
        self.update_vacancy(id);
        true
    }

    /// Gives a person in a room a sanction, another one, or ends it.
    pub(crate) fn set_sanction(
        &mut self,
        id: ConversationId,
        person: &Person,
        sanction: Option<Sanction>,
        effects: &mut impl StoreEffects,
    ) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let before = match sanction {
            Some(sanction) => conversation.sanctions.insert(person.clone(), sanction),
            None => conversation.sanctions.remove(person),
        };
        let end = |sanction: Sanction| sanction.until.map(|until| (until, Ending::Sanction(id, person.clone())));
        self.replace_end(before.and_then(end), sanction.and_then(end));
        if before != sanction {
            self.append(Change::SanctionSet { conversation: id, person: person.clone(), sanction }, effects);
        }
    }

    /// Gives a room a join link, changes it, or ends it.
    pub(crate) fn set_link(
        &mut self,
        id: ConversationId,
        hash: TokenHash,
        link: Option<Link>,
        effects: &mut impl StoreEffects,
    ) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let before = match link {
            Some(link) => conversation.links.insert(hash, link),
            None => conversation.links.remove(&hash),
        };
        let end = |link: Link| link.until.map(|until| (until, Ending::Link(id, hash)));
        self.replace_end(before.and_then(end), link.and_then(end));
        self.append(Change::LinkSet { conversation: id, hash, link }, effects);
    }

    /// Bans somebody from the server, in another way than before, or ends the ban.
    pub(crate) fn set_ban(&mut self, target: &BanTarget, ban: Option<Ban>, effects: &mut impl StoreEffects) {
        let after = ban.as_ref().and_then(|ban| ban_end(target, ban));
        let before = self.bans.set(target, ban.clone()).and_then(|ban| ban_end(target, &ban));
        self.replace_end(before, after);
        self.append(Change::BanSet { target: target.clone(), ban }, effects);
    }

    /// Makes an account an operator, or an ordinary account again.
    pub(crate) fn set_operator(&mut self, account: AccountId, is_operator: bool, effects: &mut impl StoreEffects) {
        if let Some(stored) = self.accounts.get_mut(account) {
            stored.is_operator = is_operator;
            self.append(Change::OperatorSet { account, is_operator }, effects);
        }
    }

    /// Something has another end than before, or none.
    fn replace_end(&mut self, before: Option<(UnixMillis, Ending)>, after: Option<(UnixMillis, Ending)>) {
        if let Some(before) = before {
            self.ends.remove(&before);
        }
        self.ends.extend(after);
    }

    /// Ends the next thing that is due at this time. Returns whether there was one.
    pub(crate) fn end_next(&mut self, now: UnixMillis, effects: &mut impl StoreEffects) -> bool {
        let Some((_, ending)) = self.ends.first().filter(|(until, _)| *until <= now).cloned() else { return false };
        match ending {
            Ending::Sanction(id, person) => self.set_sanction(id, &person, None, effects),
            Ending::Invitation(id, account) => self.remove_member(id, account, effects),
            Ending::Link(id, hash) => self.set_link(id, hash, None, effects),
            Ending::Ban(target) => self.set_ban(&target, None, effects),
        }
        true
    }

    /// Sets all settings of a room.
    pub(crate) fn set_settings(&mut self, id: ConversationId, settings: RoomSettings, effects: &mut impl StoreEffects) {
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.settings = settings.clone();
            self.append(Change::SettingsSet { conversation: id, settings }, effects);
        }
    }

    /// Keeps the highest number that a device has given in a conversation.
    pub(crate) fn set_last_sent(&mut self, id: ConversationId, device: DeviceId, last: LastSent) {
        if let Some(conversation) = self.conversations.get_mut(&id)
            && conversation.sent.insert(device, last).is_none()
        {
            self.numbered.entry(device).or_default().insert(id);
        }
    }

    /// Forgets the numbers that a removed device has given.
    pub(crate) fn forget_device(&mut self, device: DeviceId) {
        for id in self.numbered.remove(&device).unwrap_or_default() {
            if let Some(conversation) = self.conversations.get_mut(&id) {
                conversation.sent.remove(&device);
            }
        }
    }

    /// Deletes a conversation with its records, and returns it. A room that is made anew has nothing of it.
    pub(crate) fn delete_conversation(
        &mut self,
        id: ConversationId,
        effects: &mut impl StoreEffects,
    ) -> Option<Conversation> {
        let conversation = self.conversations.remove(&id)?;
        if let Some(vacancy) = conversation.vacancy {
            self.vacant.remove(&(vacancy, id));
        }
        self.memberless -= usize::from(conversation.is_memberless());
        match &conversation.kind {
            ConversationKind::Room { name } => {
                if let Ok(name) = RoomName::new(name) {
                    self.rooms.remove(name.folded());
                }
            }
            ConversationKind::Direct(pair) => drop(self.directs.remove(pair)),
        }
        for (&account, member) in &*conversation.members {
            if let Some(memberships) = self.memberships.get_mut(&account) {
                memberships.remove(&id);
            }
            if conversation.is_room() {
                self.count_joined(account, Some(member.standing), None);
            }
        }
        for end in ends_of(id, &conversation) {
            self.ends.remove(&end);
        }
        for device in conversation.sent.keys() {
            if let Some(numbered) = self.numbered.get_mut(device) {
                numbered.remove(&id);
            }
        }
        self.remember_deleted(id, conversation.kind.clone());
        self.append(Change::ConversationDeleted { conversation: id }, effects);
        Some(conversation)
    }

    /// Keeps the name of a conversation that is gone.
    /// Takes over which conversations were deleted last before the store was loaded anew.
    pub(crate) fn take_deleted(&mut self, old: &mut Self) {
        self.deleted = std::mem::take(&mut old.deleted);
    }

    pub(crate) fn remember_deleted(&mut self, id: ConversationId, kind: ConversationKind) {
        self.deleted.push_back((id, kind));
        if self.deleted.len() > DELETED_KEPT {
            self.deleted.pop_front();
        }
    }

    /// Deletes an account: its devices and its places in conversations, too. Its records stay, and the other account of
    /// a direct conversation can still read it. If the other account is deleted as well, so is the conversation.
    pub(crate) fn delete_account(&mut self, account: AccountId, effects: &mut impl StoreEffects) {
        for (device, _) in self.accounts.remove(account).into_iter().flat_map(|account| account.devices) {
            self.forget_device(device);
        }
        self.append(Change::AccountDeleted { account }, effects);
        let target = BanTarget::Account(account);
        if let Some(ban) = self.bans.set(&target, None) {
            self.replace_end(ban_end(&target, &ban), None);
        }
        let person = Person::Account(account);
        for (&id, conversation) in &mut self.conversations {
            if let Some(until) = conversation.sanctions.remove(&person).and_then(|sanction| sanction.until) {
                self.ends.remove(&(until, Ending::Sanction(id, person.clone())));
            }
        }
        for id in self.memberships.remove(&account).unwrap_or_default() {
            self.set_place(id, account, None);
            let is_left = |conversation: &Conversation| !conversation.is_room() && conversation.members.is_empty();
            if self.conversations.get(&id).is_some_and(is_left) {
                self.delete_conversation(id, effects);
            }
        }
    }
}

/// When a ban ends by itself.
fn ban_end(target: &BanTarget, ban: &Ban) -> Option<(UnixMillis, Ending)> {
    ban.until.map(|until| (until, Ending::Ban(target.clone())))
}

/// What ends by itself in a conversation.
fn ends_of(id: ConversationId, conversation: &Conversation) -> impl Iterator<Item = (UnixMillis, Ending)> {
    let sanctions = conversation.sanctions.iter();
    let sanctions = sanctions.map(move |(person, sanction)| (sanction.until, Ending::Sanction(id, person.clone())));
    let invitations = conversation.members.iter();
    let invitations = invitations.map(move |(&account, member)| (member.until, Ending::Invitation(id, account)));
    let links = conversation.links.iter().map(move |(&hash, link)| (link.until, Ending::Link(id, hash)));
    sanctions.chain(invitations).chain(links).filter_map(|(until, ending)| until.map(|until| (until, ending)))
}

/// The key of a direct conversation: the lower id first.
fn pair(first: AccountId, second: AccountId) -> [AccountId; 2] {
    if first <= second { [first, second] } else { [second, first] }
}
