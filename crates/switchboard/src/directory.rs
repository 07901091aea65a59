//! The directory of names.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use switchboard_protocol::Username;

use crate::session::{Registration, SessionId, Sessions};

/// Finds sessions by name in any spelling, and lists the names in order of registration.
///
/// The sessions store the names. The directory stores only an id of eight bytes for each name.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    by_name: HashTable<SessionId>,
    next_order: u64,
    hasher: RandomState,
    /// The cached list of names for `WHO`. `None` after a user has registered or left.
    roster: Option<String>,
    /// Buffer for the folded form of the name that `find` looks up.
    folded: String,
}

impl Directory {
    pub(crate) fn with_capacity(names: usize) -> Self {
        Self { by_name: HashTable::with_capacity(names), ..Self::default() }
    }

    /// Finds the session that has `name`. The spelling may differ.
    pub(crate) fn find(&mut self, name: &str, sessions: &Sessions) -> Option<SessionId> {
        self.folded.clear();
        Username::fold_into(name, &mut self.folded).ok()?;
        let hash = self.hasher.hash_one(&self.folded);
        self.by_name.find(hash, |&id| folded_name(id, sessions) == self.folded).copied()
    }

    /// Registers `name` for the session `id`, unless a session already has that name.
    pub(crate) fn register(&mut self, name: Username, id: SessionId, sessions: &mut Sessions) -> Result<(), NameTaken> {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(name.folded());
        let entry = self.by_name.entry(
            hash,
            |&other| folded_name(other, sessions) == name.folded(),
            |&other| hasher.hash_one(folded_name(other, sessions)),
        );
        let Entry::Vacant(vacant) = entry else { return Err(NameTaken) };
        vacant.insert(id);
        let order = self.next_order;
        self.next_order += 1;
        self.roster = None;
        sessions[id].registration = Some(Registration { name, order });
        Ok(())
    }

    /// Frees the name of the session `id`, which the caller has removed from the sessions.
    pub(crate) fn release(&mut self, id: SessionId, registration: &Registration) {
        let hash = self.hasher.hash_one(registration.name.folded());
        if let Ok(entry) = self.by_name.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        self.roster = None;
    }

    /// All names in order of registration, separated by commas.
    pub(crate) fn roster(&mut self, sessions: &Sessions) -> &str {
        self.roster.get_or_insert_with(|| {
            let mut registered: Vec<_> =
                sessions.values().filter_map(|session| session.registration.as_ref()).collect();
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

/// Another session has the name.
#[derive(Debug)]
pub(crate) struct NameTaken;

/// The folded name of a session, or an empty string if it has no name.
fn folded_name(id: SessionId, sessions: &Sessions) -> &str {
    sessions
        .get(id)
        .and_then(|session| session.registration.as_ref())
        .map_or("", |registration| registration.name.folded())
}
