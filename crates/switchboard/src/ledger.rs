//! What is stored, as far as the core knows it: accounts and conversations, without the records.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use switchboard_protocol::version2::RoomName;

use crate::accounts::Accounts;
use crate::change::{
    AccountId, Change, ConversationId, ConversationKind, DeviceId, Epoch, Member, RoomSettings, Snapshot,
};
use crate::conversation::Conversation;
use crate::effects::StoreEffects;
use crate::version2::Position;

/// The accounts and conversations, and the changes to them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) accounts: Accounts,
    pub(crate) conversations: BTreeMap<ConversationId, Conversation>,
    /// The rooms by the folded form of their names.
    rooms: BTreeMap<Box<str>, ConversationId>,
    directs: HashMap<[AccountId; 2], ConversationId>,
    memberships: HashMap<AccountId, BTreeSet<ConversationId>>,
    next_conversation: u64,
    /// The place of the last change.
    position: Position,
}

impl Ledger {
    /// The state that a store has kept. Its next change has the place after `position`.
    pub(crate) fn load(snapshot: Snapshot, position: Position) -> Self {
        let mut ledger = Self {
            accounts: Accounts::load(snapshot.accounts, snapshot.next_ids),
            next_conversation: snapshot.next_ids.conversation,
            position,
            ..Self::default()
        };
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
        for &account in conversation.members.keys() {
            self.memberships.entry(account).or_default().insert(id);
        }
        self.conversations.insert(id, conversation);
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

    /// The name of a conversation for a member: that of the room, or of the other account.
    pub(crate) fn target_name(&self, id: ConversationId, account: Option<AccountId>) -> String {
        let Some(conversation) = self.conversations.get(&id) else { return String::new() };
        match &conversation.kind {
            ConversationKind::Room { name } => name.clone(),
            ConversationKind::Direct(_) => {
                let other = account.and_then(|account| conversation.other(account));
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

    /// The direct conversation of two accounts.
    pub(crate) fn direct(&self, first: AccountId, second: AccountId) -> Option<ConversationId> {
        self.directs.get(&pair(first, second)).copied()
    }

    /// The conversations in which an account has a place, in order of their ids.
    pub(crate) fn conversations_of(&self, account: AccountId) -> impl Iterator<Item = ConversationId> {
        self.memberships.get(&account).into_iter().flatten().copied()
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
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.members.insert(account, member);
            self.memberships.entry(account).or_default().insert(id);
            self.append(Change::MemberSet { conversation: id, account, member }, effects);
        }
    }

    /// Takes the place of an account in a conversation away.
    pub(crate) fn remove_member(&mut self, id: ConversationId, account: AccountId, effects: &mut impl StoreEffects) {
        if let Some(conversation) = self.conversations.get_mut(&id)
            && conversation.members.remove(&account).is_some()
        {
            self.memberships.entry(account).or_default().remove(&id);
            self.append(Change::MemberRemoved { conversation: id, account }, effects);
        }
    }

    /// Sets all settings of a room.
    pub(crate) fn set_settings(&mut self, id: ConversationId, settings: RoomSettings, effects: &mut impl StoreEffects) {
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.settings = settings.clone();
            self.append(Change::SettingsSet { conversation: id, settings }, effects);
        }
    }

    /// Forgets the numbers that removed devices of an account have given.
    pub(crate) fn forget_devices(&mut self, devices: &[DeviceId], account: AccountId) {
        for id in self.memberships.get(&account).into_iter().flatten() {
            if let Some(conversation) = self.conversations.get_mut(id) {
                conversation.sent.retain(|device, _| !devices.contains(device));
            }
        }
    }

    /// Deletes an account: its devices and its places in conversations, too. Its records stay, and the other account of
    /// a direct conversation can still read it.
    pub(crate) fn delete_account(&mut self, account: AccountId, effects: &mut impl StoreEffects) {
        let devices: Vec<_> = self.accounts.remove(account).into_iter().flat_map(|account| account.devices).collect();
        self.forget_devices(&devices.into_iter().map(|(device, _)| device).collect::<Vec<_>>(), account);
        for id in self.memberships.remove(&account).unwrap_or_default() {
            if let Some(conversation) = self.conversations.get_mut(&id) {
                conversation.members.remove(&account);
            }
        }
        self.append(Change::AccountDeleted { account }, effects);
    }
}

/// The key of a direct conversation: the lower id first.
fn pair(first: AccountId, second: AccountId) -> [AccountId; 2] {
    if first <= second { [first, second] } else { [second, first] }
}
