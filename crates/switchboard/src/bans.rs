//! The bans of the server, by name, account and address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use switchboard_protocol::Username;

use crate::accounts::keys;
use crate::change::{AccountId, Ban, BanTarget};

/// All bans.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    bans: BTreeMap<BanTarget, Ban>,
    /// The keys of each banned name, with the name. Names that look alike have a key in common.
    names: BTreeSet<(Box<[u8]>, Box<str>)>,
}

impl Bans {
    pub(crate) fn load(stored: Vec<(BanTarget, Ban)>) -> Self {
        let mut bans = Self::default();
        for (target, ban) in stored {
            bans.set(&target, Some(ban));
        }
        bans
    }

    pub(crate) fn len(&self) -> usize {
        self.bans.len()
    }

    /// All bans, in order of their targets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&BanTarget, &Ban)> {
        self.bans.iter()
    }

    pub(crate) fn get(&self, target: &BanTarget) -> Option<&Ban> {
        self.bans.get(target)
    }

    /// Sets or ends a ban. Returns the one before.
    pub(crate) fn set(&mut self, target: &BanTarget, ban: Option<Ban>) -> Option<Ban> {
        if let BanTarget::Name(folded) = target
            && let Ok(name) = Username::new(folded)
        {
            for key in keys(&name) {
                if ban.is_some() {
                    self.names.insert((key, folded.clone()));
                } else {
                    self.names.remove(&(key, folded.clone()));
                }
            }
        }
        match ban {
            Some(ban) => self.bans.insert(target.clone(), ban),
            None => self.bans.remove(target),
        }
    }

    /// The ban of a name, or of one that looks like it.
    pub(crate) fn of_name(&self, name: &Username) -> Option<&Ban> {
        if self.names.is_empty() {
            return None;
        }
        let banned = keys(name).into_iter().find_map(|key| {
            let (found, banned) = self.names.range((key.clone(), "".into())..).next()?;
            (*found == key).then_some(banned)
        })?;
        self.get(&BanTarget::Name(banned.clone()))
    }

    pub(crate) fn of_account(&self, account: AccountId) -> Option<&Ban> {
        self.get(&BanTarget::Account(account))
    }

    pub(crate) fn of_address(&self, address: IpAddr) -> Option<&Ban> {
        let is_banned = |target: &BanTarget| matches!(target, BanTarget::Addresses(prefix) if prefix.contains(address));
        self.bans.iter().find(|(target, _)| is_banned(target)).map(|(_, ban)| ban)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::UnixMillis;

    fn ban(reason: &str) -> Ban {
        Ban { reason: reason.to_owned(), until: None, by: "Noy".to_owned(), at: UnixMillis(1) }
    }

    #[test]
    fn name_is_banned_with_those_that_look_like_it_until_its_ban_ends() {
        let name = |name: &str| Username::new(name).expect("a name");
        let mut bans = Bans::default();
        let target = BanTarget::Name("noy".into());
        bans.set(&target, Some(ban("noise")));
        for spelling in ["Noy", "NOY", "N\u{43e}y"] {
            assert_eq!(bans.of_name(&name(spelling)), Some(&ban("noise")), "{spelling}");
        }
        assert_eq!(bans.of_name(&name("Noya")), None);
        // Another banned name with a key in common keeps its ban.
        bans.set(&BanTarget::Name("n\u{43e}y".into()), Some(ban("other")));
        bans.set(&target, None);
        assert_eq!(bans.of_name(&name("Noy")), Some(&ban("other")));
        bans.set(&BanTarget::Name("n\u{43e}y".into()), None);
        assert!(bans.names.is_empty() && bans.len() == 0);
    }

    #[test]
    fn address_is_banned_by_each_prefix_that_holds_it() {
        let mut bans = Bans::default();
        let target = |prefix: &str| BanTarget::Addresses(prefix.parse().expect("a prefix"));
        bans.set(&target("203.0.113.0/24"), Some(ban("4")));
        bans.set(&target("2001:db8::/64"), Some(ban("6")));
        let of = |address: &str| bans.of_address(address.parse().expect("an address")).map(|ban| &*ban.reason);
        for (address, expected) in [
            ("203.0.113.7", Some("4")),
            ("::ffff:203.0.113.7", Some("4")),
            ("203.0.114.7", None),
            ("2001:db8::1", Some("6")),
            ("2001:db8:0:1::1", None),
        ] {
            assert_eq!(of(address), expected, "{address}");
        }
    }
}
