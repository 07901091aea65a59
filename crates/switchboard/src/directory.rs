//! The directory of names.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use switchboard_protocol::Username;

use crate::lookalike::Keys;
use crate::session::{Registration, SessionId, Sessions};

/// Finds sessions by name in any spelling, keeps names apart that look alike, and lists the names in order of
/// registration.
///
/// The sessions store the names. The directory stores only an id of eight bytes for each name, and a hash of eight
/// bytes for each key (see [`lookalike`](crate::lookalike)) that differs from the index form of its name.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// By the hash of the index form.
    by_name: HashTable<SessionId>,
    /// Hashes of keys that differ from the index form of their name. The hasher has a random seed, so the hashes stand
    /// for the keys: two keys with the same hash are too rare to matter, and cannot be constructed.
    key_hashes: HashTable<u64>,
    next_order: u64,
    hasher: RandomState,
    /// The cached list of names for `WHO`. `None` after a user has registered or left.
    roster: Option<String>,
    /// Buffer for the folded form of the name that `find` looks up.
    folded: String,
    /// Buffers for the index form and the keys of a name.
    keys: Keys,
}

/// The order of a registration that `WHO` does not list.
const UNLISTED: u64 = u64::MAX;

/// Hashes of the index form and the keys of a name.
#[derive(Clone, Copy, Debug)]
struct NameHashes {
    index: u64,
    /// Equal to `index` for a key that is the index form.
    keys: [u64; 2],
}

impl NameHashes {
    /// The hashes that `Directory::key_hashes` stores.
    fn stored_keys(self) -> impl Iterator<Item = u64> {
        let [first, second] = self.keys;
        let is_stored = |key: &u64| *key != self.index;
        Some(first).filter(is_stored).into_iter().chain(Some(second).filter(|key| *key != first).filter(is_stored))
    }
}

impl Directory {
    pub(crate) fn with_capacity(names: usize) -> Self {
        let (by_name, key_hashes) = (HashTable::with_capacity(names), HashTable::with_capacity(names));
        Self { by_name, key_hashes, ..Self::default() }
    }

    /// Finds the session that has `name`. The spelling may differ.
    pub(crate) fn find(&mut self, name: &str, sessions: &Sessions) -> Option<SessionId> {
        self.folded.clear();
        Username::fold_into(name, &mut self.folded).ok()?;
        let hash = hash(&self.hasher, self.keys.index_form(&self.folded));
        self.by_name.find(hash, |&id| folded_name(id, sessions) == self.folded).copied()
    }

    /// Whether a session has a name that is equal to `name` or looks like it.
    pub(crate) fn is_taken(&mut self, name: &Username, sessions: &Sessions) -> bool {
        let index = hash(&self.hasher, self.keys.index_form(name.folded()));
        let hashes = self.hashes(name, index);
        self.has_lookalike(hashes, sessions) || self.has_index_form(index, sessions)
    }

    /// Registers `name` for the session `id`, unless a session has a name that is equal or looks like it.
    pub(crate) fn register(&mut self, name: Username, id: SessionId, sessions: &mut Sessions) -> Result<(), NameTaken> {
        let index = hash(&self.hasher, self.keys.index_form(name.folded()));
        let hashes = self.hashes(&name, index);
        if self.has_lookalike(hashes, sessions) {
            return Err(NameTaken);
        }
        // Equal names have the same index form, and names with the same index form look alike.
        let entry = self.by_name.entry(
            hashes.index,
            |&other| index_hash(other, sessions) == hashes.index,
            |&other| index_hash(other, sessions),
        );
        let Entry::Vacant(vacant) = entry else { return Err(NameTaken) };
        vacant.insert(id);
        for key in hashes.stored_keys() {
            self.key_hashes.insert_unique(key, key, |&key| key);
        }
        let order = self.next_order;
        self.next_order += 1;
        self.roster = None;
        sessions[id].registration = Some(Box::new(Registration { name, order, index_hash: hashes.index }));
        Ok(())
    }

    /// Gives a further session of an account the account's name. `WHO` does not list the name twice.
    pub(crate) fn register_unlisted(&mut self, name: Username, id: SessionId, sessions: &mut Sessions) {
        let index_hash = hash(&self.hasher, self.keys.index_form(name.folded()));
        sessions[id].registration = Some(Box::new(Registration { name, order: UNLISTED, index_hash }));
    }

    /// Passes the name of the session `id`, which the caller has removed, on to another session of the same account.
    pub(crate) fn transfer(
        &mut self,
        registration: &Registration,
        id: SessionId,
        heir: SessionId,
        sessions: &mut Sessions,
    ) {
        if registration.order == UNLISTED {
            return;
        }
        if let Some(listed) = self.by_name.find_mut(registration.index_hash, |&other| other == id) {
            *listed = heir;
        }
        if let Some(registration_of_heir) = sessions.get_mut(heir).and_then(|session| session.registration.as_mut()) {
            registration_of_heir.order = registration.order;
        }
        self.roster = None;
    }

    /// Frees the name of the session `id`, which the caller has removed from the sessions.
    pub(crate) fn release(&mut self, id: SessionId, registration: &Registration) {
        let index = registration.index_hash;
        if let Ok(entry) = self.by_name.find_entry(index, |&other| other == id) {
            entry.remove();
        }
        self.roster = None;
        if self.key_hashes.is_empty() {
            return;
        }
        // The keys are computed again, because storing their hashes would cost each session 16 bytes.
        for key in self.hashes(&registration.name, index).stored_keys() {
            if let Ok(entry) = self.key_hashes.find_entry(key, |&other| other == key) {
                entry.remove();
            }
        }
    }

    /// Whether a session has a name with one of these keys. Names with the index form itself are not looked for.
    fn has_lookalike(&self, hashes: NameHashes, sessions: &Sessions) -> bool {
        let has_key = |key: u64| self.key_hashes.find(key, |&other| other == key).is_some();
        // The index form of most names is their only key.
        let looks_taken = |key: u64| has_key(key) || (key != hashes.index && self.has_index_form(key, sessions));
        let [first, second] = hashes.keys;
        looks_taken(first) || (second != first && looks_taken(second))
    }

    fn has_index_form(&self, hash: u64, sessions: &Sessions) -> bool {
        self.by_name.find(hash, |&other| index_hash(other, sessions) == hash).is_some()
    }

    /// The hashes of `name`, whose index form has the hash `index`.
    fn hashes(&mut self, name: &Username, index: u64) -> NameHashes {
        let Some([of_spelling, of_folded]) = self.keys.set(name) else {
            return NameHashes { index, keys: [index; 2] };
        };
        let first = hash(&self.hasher, of_spelling);
        let second = if of_folded == of_spelling { first } else { hash(&self.hasher, of_folded) };
        NameHashes { index, keys: [first, second] }
    }

    /// All names in order of registration, separated by commas.
    pub(crate) fn roster(&mut self, sessions: &Sessions) -> &str {
        self.roster.get_or_insert_with(|| {
            let mut registered: Vec<_> =
                sessions.values().filter_map(|session| session.registration.as_ref()).collect();
            registered.retain(|registration| registration.order != UNLISTED);
            registered.sort_unstable_by_key(|registration| registration.order);
            let mut roster = String::new();
            for registration in registered {
                if !roster.is_empty() {
                    roster.push(',');
                }
                roster.push_str(registration.name.as_str());
            }
            roster
        })
    }
}

/// Another session has the name, or one that looks like it.
#[derive(Debug)]
pub(crate) struct NameTaken;

/// The hash of an index form or a key, which are equal for most names.
fn hash(state: &RandomState, name: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(name);
    hasher.finish()
}

/// The folded name of a session, or an empty string if it has no name.
fn folded_name(id: SessionId, sessions: &Sessions) -> &str {
    sessions
        .get(id)
        .and_then(|session| session.registration.as_ref())
        .map_or("", |registration| registration.name.folded())
}

/// The hash of the index form of a session's name, or 0 if it has no name.
fn index_hash(id: SessionId, sessions: &Sessions) -> u64 {
    sessions.get(id).and_then(|session| session.registration.as_ref()).map_or(0, |registration| registration.index_hash)
}
