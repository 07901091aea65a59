//! The places of accounts in a conversation, and how many places of each standing there are.

use std::collections::BTreeMap;
use std::ops::Deref;

use crate::change::{AccountId, Member, Standing};

/// The places of accounts, in order of the account ids. They are read like a map.
#[derive(Debug, Default)]
pub(crate) struct Members {
    places: BTreeMap<AccountId, Member>,
    /// The number of places, by standing.
    counts: [usize; 5],
}

impl Members {
    /// Gives an account a place, or another one.
    pub(crate) fn set(&mut self, account: AccountId, member: Member) {
        if let Some(before) = self.places.insert(account, member) {
            self.counts[before.standing as usize] -= 1;
        }
        self.counts[member.standing as usize] += 1;
    }

    /// Takes the place of an account away.
    pub(crate) fn remove(&mut self, account: AccountId) -> Option<Member> {
        let member = self.places.remove(&account)?;
        self.counts[member.standing as usize] -= 1;
        Some(member)
    }

    /// Number of accounts with this standing.
    pub(crate) fn count(&self, standing: Standing) -> usize {
        self.counts[standing as usize]
    }

    /// Number of members.
    pub(crate) fn member_count(&self) -> usize {
        self.count(Standing::Member) + self.count(Standing::Moderator) + self.count(Standing::Owner)
    }
}

impl Deref for Members {
    type Target = BTreeMap<AccountId, Member>;

    fn deref(&self) -> &Self::Target {
        &self.places
    }
}

impl FromIterator<(AccountId, Member)> for Members {
    fn from_iter<T: IntoIterator<Item = (AccountId, Member)>>(places: T) -> Self {
        let mut members = Self::default();
        places.into_iter().for_each(|(account, member)| members.set(account, member));
        members
    }
}
