//! The stored state without the records, in memory.

use std::collections::BTreeMap;

use switchboard_core::change::{
    AccountId, Ban, BanTarget, Change, ConversationId, Credential, DeviceId, LastSent, NextIds, Person, Record,
    Sanction, Snapshot, StoredAccount, StoredConversation, StoredDevice, UnixMillis,
};

use crate::error::StoreError;

/// A [`Snapshot`] to which changes can be applied.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: BTreeMap<AccountId, StoredAccount>,
    conversations: BTreeMap<ConversationId, StoredConversation>,
    bans: BTreeMap<BanTarget, Ban>,
    next_ids: NextIds,
}

impl Ledger {
    /// An empty ledger that continues to count ids from here.
    pub(crate) fn with_next_ids(next_ids: NextIds) -> Self {
        Self { next_ids, ..Self::default() }
    }

    pub(crate) fn next_ids(&self) -> NextIds {
        self.next_ids
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            accounts: self.accounts.values().cloned().collect(),
            conversations: self.conversations.values().cloned().collect(),
            bans: self.bans.iter().map(|(target, ban)| (target.clone(), ban.clone())).collect(),
            next_ids: self.next_ids,
        }
    }

    /// The number of the first record of a conversation, or of its next one. `None` if it is unknown.
    pub(crate) fn first(&self, conversation: ConversationId) -> Option<u64> {
        self.conversations.get(&conversation).map(|conversation| conversation.first)
    }

    /// Sets the number of the first record that is left.
    pub(crate) fn set_first(&mut self, conversation: ConversationId, first: u64) {
        if let Some(conversation) = self.conversations.get_mut(&conversation) {
            conversation.first = first;
        }
    }

    /// Applies a change. A change that does not fit changes nothing.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<(), StoreError> {
        self.try_apply(change).ok_or_else(|| unfit(change))
    }

    fn try_apply(&mut self, change: &Change) -> Option<()> {
        match change {
            Change::AccountCreated { account, name, credential } => self.create_account(*account, name, credential)?,
            Change::CredentialSet { account, credential } => {
                self.accounts.get_mut(account)?.credential = credential.clone();
            }
            Change::AccountDeleted { account } => self.delete_account(*account)?,
            Change::DeviceAdded { device, account, name } => self.add_device(*device, *account, name)?,
            Change::TokenSet { device, hash } => {
                let mut devices = self.accounts.values_mut().flat_map(|account| &mut account.devices);
                devices.find(|known| known.device == *device)?.token = Some(*hash);
            }
            Change::DeviceRemoved { device } => {
                self.accounts.values_mut().for_each(|account| account.devices.retain(|known| known.device != *device));
                self.forget_sent(&[*device]);
            }
            Change::BlockSet { account, blocked, is_blocked } => self.set_block(*account, *blocked, *is_blocked)?,
            Change::OperatorSet { account, is_operator } => {
                self.accounts.get_mut(account)?.is_operator = *is_operator;
            }
            Change::BanSet { target, ban } => match ban {
                Some(ban) => drop(self.bans.insert(target.clone(), ban.clone())),
                None => drop(self.bans.remove(target)),
            },
            Change::ConversationCreated { conversation, kind, epoch, settings } => {
                let stored = StoredConversation {
                    conversation: *conversation,
                    kind: kind.clone(),
                    epoch: *epoch,
                    settings: settings.clone(),
                    first: 1,
                    last: 0,
                    last_at: UnixMillis::default(),
                    members: Vec::new(),
                    sanctions: Vec::new(),
                    links: Vec::new(),
                    sent: Vec::new(),
                };
                insert_new(&mut self.conversations, *conversation, stored)?;
                raise(&mut self.next_ids.conversation, conversation.0);
            }
            Change::SettingsSet { conversation, settings } => {
                self.conversations.get_mut(conversation)?.settings = settings.clone();
            }
            Change::MemberSet { conversation, account, member } => {
                if !self.accounts.contains_key(account) {
                    return None;
                }
                set(&mut self.conversations.get_mut(conversation)?.members, *account, *member);
            }
            Change::MemberRemoved { conversation, account } => {
                self.conversations.get_mut(conversation)?.members.retain(|(member, _)| member != account);
            }
            Change::SanctionSet { conversation, person, sanction } => {
                self.set_sanction(*conversation, person, *sanction)?;
            }
            Change::LinkSet { conversation, hash, link } => {
                let links = &mut self.conversations.get_mut(conversation)?.links;
                match link {
                    Some(link) => set(links, *hash, *link),
                    None => links.retain(|(known, _)| known != hash),
                }
            }
            Change::RecordAppended(record) => self.append(record)?,
            Change::Redacted { conversation, .. } => drop(self.conversations.get(conversation)?),
            Change::Expired { conversation, first } => {
                let conversation = self.conversations.get_mut(conversation)?;
                if *first > conversation.last + 1 {
                    return None;
                }
                conversation.first = conversation.first.max(*first);
            }
            Change::ConversationDeleted { conversation } => drop(self.conversations.remove(conversation)?),
        }
        Some(())
    }

    fn create_account(&mut self, account: AccountId, name: &str, credential: &Credential) -> Option<()> {
        let stored = StoredAccount {
            account,
            name: name.to_owned(),
            credential: credential.clone(),
            devices: Vec::new(),
            blocked: Vec::new(),
            is_operator: false,
        };
        insert_new(&mut self.accounts, account, stored)?;
        raise(&mut self.next_ids.account, account.0);
        Some(())
    }

    fn add_device(&mut self, device: DeviceId, account: AccountId, name: &str) -> Option<()> {
        let devices = &mut self.accounts.get_mut(&account)?.devices;
        if devices.iter().any(|known| known.name == *name) {
            return None;
        }
        let place = devices.binary_search_by_key(&device, |known| known.device).err()?;
        devices.insert(place, StoredDevice { device, name: name.to_owned(), token: None });
        raise(&mut self.next_ids.device, device.0);
        Some(())
    }

    fn set_block(&mut self, account: AccountId, blocked: AccountId, is_blocked: bool) -> Option<()> {
        if !self.accounts.contains_key(&blocked) {
            return None;
        }
        let list = &mut self.accounts.get_mut(&account)?.blocked;
        match (list.binary_search(&blocked), is_blocked) {
            (Err(place), true) => list.insert(place, blocked),
            (Ok(place), false) => drop(list.remove(place)),
            (Ok(_), true) | (Err(_), false) => {}
        }
        Some(())
    }

    fn set_sanction(
        &mut self,
        conversation: ConversationId,
        person: &Person,
        sanction: Option<Sanction>,
    ) -> Option<()> {
        let has_account = match person {
            Person::Account(account) => self.accounts.contains_key(account),
            Person::Guest(_) => true,
        };
        let sanctions = &mut self.conversations.get_mut(&conversation)?.sanctions;
        match sanction {
            Some(_) if !has_account => return None,
            Some(sanction) => set(sanctions, person.clone(), sanction),
            None => sanctions.retain(|(known, _)| known != person),
        }
        Some(())
    }

    fn append(&mut self, record: &Record) -> Option<()> {
        let conversation = self.conversations.get_mut(&record.conversation)?;
        if record.seq != conversation.last + 1 {
            return None;
        }
        (conversation.last, conversation.last_at) = (record.seq, record.at);
        if let Some(sent) = record.sent {
            set(&mut conversation.sent, sent.device, LastSent { n: sent.n, seq: record.seq });
        }
        Some(())
    }

    fn delete_account(&mut self, account: AccountId) -> Option<()> {
        let removed = self.accounts.remove(&account)?;
        self.bans.remove(&BanTarget::Account(account));
        self.accounts.values_mut().for_each(|other| other.blocked.retain(|blocked| *blocked != account));
        let devices: Vec<DeviceId> = removed.devices.iter().map(|device| device.device).collect();
        self.forget_sent(&devices);
        for conversation in self.conversations.values_mut() {
            conversation.members.retain(|(member, _)| *member != account);
            conversation.sanctions.retain(|(person, _)| *person != Person::Account(account));
        }
        Some(())
    }

    fn forget_sent(&mut self, devices: &[DeviceId]) {
        for conversation in self.conversations.values_mut() {
            conversation.sent.retain(|(device, _)| !devices.contains(device));
        }
    }
}

/// The error for a change that does not fit. A text of a user is not repeated, because the error is logged.
pub(crate) fn unfit(change: &Change) -> StoreError {
    let change = match change {
        Change::RecordAppended(record) => format!("record {} of conversation {}", record.seq, record.conversation.0),
        Change::AccountCreated { account, .. } => format!("creation of account {}", account.0),
        Change::DeviceAdded { device, account, .. } => format!("device {} of account {}", device.0, account.0),
        other => format!("{other:?}"),
    };
    StoreError::Unfit { change }
}

/// Makes the counter of the next free id exceed `id`.
fn raise(next: &mut u64, id: u64) {
    *next = (*next).max(id.saturating_add(1));
}

fn insert_new<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) -> Option<()> {
    let std::collections::btree_map::Entry::Vacant(entry) = map.entry(key) else { return None };
    entry.insert(value);
    Some(())
}

/// Sets the value of a key in a sorted list.
fn set<K: Ord, V>(list: &mut Vec<(K, V)>, key: K, value: V) {
    match list.binary_search_by(|(known, _)| known.cmp(&key)) {
        Ok(place) => list[place].1 = value,
        Err(place) => list.insert(place, (key, value)),
    }
}
