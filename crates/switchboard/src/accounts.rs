//! The accounts, their names, and their devices.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use switchboard_protocol::Username;
use switchboard_protocol::version2::DeviceName;

use crate::change::{AccountId, Credential, DeviceId, NextIds, StoredAccount, StoredDevice, TokenHash};
use crate::lookalike::Keys;
use crate::session::SessionId;
use crate::version2::Position;
use crate::version2::state::Usage;

/// All accounts. An account holds its name while nobody of it is connected, too.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    by_id: BTreeMap<AccountId, Account>,
    /// The folded form of each name, and its keys ([`lookalike`](crate::lookalike)).
    by_key: HashMap<Box<[u8]>, AccountId>,
    next_account: u64,
    next_device: u64,
}

/// One account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: Arc<str>,
    pub(crate) credential: Credential,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    pub(crate) blocked: BTreeSet<AccountId>,
    /// Whether it has the rights of a moderator in every room, and over the server.
    pub(crate) is_operator: bool,
    /// Its use of storage since the server started.
    pub(crate) usage: Usage,
}

/// One device of an account.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) name: DeviceName,
    pub(crate) token: Option<TokenHash>,
    /// The session that is logged in as this device.
    pub(crate) session: Option<SessionId>,
    /// The change that added it.
    pub(crate) added: Position,
}

impl Accounts {
    /// The accounts of a store. Nobody is logged in.
    pub(crate) fn load(stored: Vec<StoredAccount>, next_ids: NextIds) -> Self {
        let mut accounts = Self { next_account: next_ids.account, next_device: next_ids.device, ..Self::default() };
        for StoredAccount { account, name, credential, devices, blocked, is_operator } in stored {
            accounts.insert(account, &name, credential);
            if let Some(loaded) = accounts.by_id.get_mut(&account) {
                for StoredDevice { device, name, token } in devices {
                    // A name that is no device name, written by another program, is not found.
                    if let Ok(name) = DeviceName::new(&name) {
                        loaded
                            .devices
                            .insert(device, Device { name, token, session: None, added: Position::default() });
                    }
                }
                loaded.blocked = blocked.into_iter().collect();
                loaded.is_operator = is_operator;
            }
        }
        accounts
    }

    pub(crate) fn get(&self, id: AccountId) -> Option<&Account> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: AccountId) -> Option<&mut Account> {
        self.by_id.get_mut(&id)
    }

    /// The accounts after one, in order of their ids.
    pub(crate) fn after(&self, last: Option<AccountId>) -> impl Iterator<Item = (AccountId, &Account)> {
        let start = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_id.range((start, Bound::Unbounded)).map(|(&id, account)| (id, account))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The account with `name`. The spelling may differ.
    pub(crate) fn find(&self, name: &str) -> Option<AccountId> {
        if self.by_key.is_empty() {
            return None;
        }
        let mut folded = String::new();
        Username::fold_into(name, &mut folded).ok()?;
        let id = *self.by_key.get(folded.as_bytes())?;
        // The folded form may also be a key of another name.
        let name = Username::new(&self.by_id.get(&id)?.name).ok()?;
        (name.folded() == folded).then_some(id)
    }

    /// The account whose name is equal to `name`, or looks like it.
    pub(crate) fn holder(&self, name: &Username) -> Option<AccountId> {
        if self.by_key.is_empty() {
            return None;
        }
        keys(name).iter().find_map(|key| self.by_key.get(key).copied())
    }

    /// A new id for an account.
    pub(crate) fn next_account(&mut self) -> AccountId {
        next_id(&mut self.next_account, AccountId)
    }

    /// A new id for a device.
    pub(crate) fn next_device(&mut self) -> DeviceId {
        next_id(&mut self.next_device, DeviceId)
    }

    /// Adds an account without devices.
    pub(crate) fn insert(&mut self, id: AccountId, name: &str, credential: Credential) {
        if let Ok(name) = Username::new(name) {
            self.by_key.extend(keys(&name).into_iter().map(|key| (key, id)));
        }
        let account = Account {
            name: name.into(),
            credential,
            devices: BTreeMap::new(),
            blocked: BTreeSet::new(),
            is_operator: false,
            usage: Usage::default(),
        };
        self.by_id.insert(id, account);
    }

    /// Removes an account, and frees its name.
    pub(crate) fn remove(&mut self, id: AccountId) -> Option<Account> {
        let account = self.by_id.remove(&id)?;
        // Others may have blocked the account. Its id never comes back, so that does no harm.
        if let Ok(name) = Username::new(&account.name) {
            for key in keys(&name) {
                self.by_key.remove(&key);
            }
        }
        Some(account)
    }
}

impl Account {
    /// The device with this name.
    pub(crate) fn device(&self, name: &DeviceName) -> Option<(DeviceId, &Device)> {
        self.devices.iter().find(|(_, device)| device.name == *name).map(|(&id, device)| (id, device))
    }

    /// The sessions of all devices.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.devices.values().filter_map(|device| device.session)
    }
}

fn next_id<T>(next: &mut u64, id: impl FnOnce(u64) -> T) -> T {
    *next += 1;
    id(*next - 1)
}

/// The folded form of a name, its index form, and its keys ([`lookalike`](crate::lookalike)).
pub(crate) fn keys(name: &Username) -> Vec<Box<[u8]>> {
    let mut buffers = Keys::default();
    let mut keys = vec![name.folded().as_bytes().into(), buffers.index_form(name.folded()).into()];
    keys.extend(buffers.set(name).into_iter().flatten().map(Box::from));
    keys
}
