//! Makes guessing passwords slow: each attempt after a few failures waits longer, up to a minute.
//!
//! An attempt counts as a failure from its start, and a success takes that back. So parallel attempts, and clients that
//! close before the answer, gain nothing. Each attempt counts three times:
//!
//! | count | attempts without delay | the delay means |
//! |---|---|---|
//! | one account from one address | 3 | attempts follow each other: at most one a minute in the end |
//! | one address, all accounts | 32 | the same |
//! | one account, all addresses | 10 | each attempt waits, all at the same time |
//!
//! **The owner of an account is never locked out.** Device tokens and SSH keys cannot be guessed, so their logins do
//! not come here. A password from an address where nobody guesses waits at most a minute, however many other addresses
//! guess: the third count delays attempts, but it does not limit how many there are in a minute. A password from an
//! address from which it was right before does not even wait for that minute, and not for guesses at other accounts
//! from the same address. Only somebody who guesses at this account from this address is in the way, and there the
//! owner has the same chance at each attempt.
//!
//! **Memory is bounded, and the bound is no way to reset a count.** A full table first drops the entries with the
//! fewest failures. So an attacker who wants a count of n failures to be forgotten must cause n failures each in
//! thousands of other entries, and wins n attempts by it.
//!
//! The throttle does not know which accounts exist, so unknown names count alike.
//!
//! A fourth count bounds the passwords and keys that an address sets, and thereby the accounts that it makes.

mod failure_table;
mod known_places;

use std::time::Duration;

use switchboard_protocol::Username;
use tokio::time::Instant;

use self::failure_table::{FailureTable, Spacing};
use self::known_places::KnownPlaces;
use crate::address_key::AddressKey;

/// Maximum delay. A person who mistyped waits for a minute, and a program guesses 1,440 passwords a day.
pub(crate) const DELAY_MAX: Duration = Duration::from_mins(1);

/// Delay after the first failure that causes one. Each further failure doubles it.
pub(crate) const DELAY_MIN: Duration = Duration::from_secs(1);

/// Time after which one failure is forgotten.
const FORGET_INTERVAL: Duration = Duration::from_mins(10);

/// Maximum number of entries in each of the five tables. Each entry takes about 200 bytes, so full tables take 16 MB.
const ENTRIES_MAX: usize = 16_384;

/// Attempts without delay for one account from one address: two typing mistakes.
const FREE_IN_LANE: u32 = 3;

/// Attempts without delay for one address: a school class behind one router logs in at the same time.
const FREE_FOR_ADDRESS: u32 = 32;

/// New passwords and keys of one address without delay: three school classes behind one router.
const FREE_CREDENTIALS: u32 = 100;

/// Attempts without delay for one account: several devices of its owner, each with typing mistakes.
const FREE_FOR_ACCOUNT: u32 = 10;

/// A folded name and an address that tries it.
type Lane = (Box<str>, AddressKey);

/// The address that an attempt comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The address.
    pub(crate) address: AddressKey,
    /// Whether its attempts for all accounts are counted. By default, loopback is exempt, as from the other limits per
    /// address: a proxy on this machine brings the sessions of many people. The two other counts have no exemption.
    pub(crate) is_limited: bool,
}

/// An attempt that may start. Give it to [`LoginThrottle::finish`] when its password was checked. If the session ends
/// before that, drop it: the attempt stays a failure.
#[derive(Debug)]
#[must_use]
pub(crate) struct Attempt {
    lane: Lane,
    starts_at: Instant,
    /// Which counts have grown by this attempt. A count at its maximum does not, and then a success takes nothing back.
    /// Otherwise an attacker would lower the count of an address with logins to an own account.
    grown: Grown,
}

#[derive(Clone, Copy, Debug)]
struct Grown {
    lane: bool,
    account: bool,
    address: bool,
}

impl Attempt {
    /// The time before which the password must not be checked.
    pub(crate) fn starts_at(&self) -> Instant {
        self.starts_at
    }
}

/// The end of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The password was right.
    Accepted,
    /// The password was wrong, or the account does not exist.
    Refused,
    /// The password was not checked, because the server was busy or stopped.
    NotChecked,
}

/// Other attempts wait already. The time is the earliest at which another one can be accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AskAgainAt(pub(crate) Instant);

/// The failures of all addresses and accounts.
#[derive(Debug)]
pub(crate) struct LoginThrottle {
    lanes: FailureTable<Lane>,
    addresses: FailureTable<AddressKey>,
    accounts: FailureTable<Box<str>>,
    /// The new passwords and keys of each address, counted like failures.
    credentials: FailureTable<AddressKey>,
    /// Where the password of an account was right.
    known_places: KnownPlaces<Lane>,
}

impl LoginThrottle {
    pub(crate) fn new() -> Self {
        Self::with_capacity(ENTRIES_MAX)
    }

    fn with_capacity(entries_max: usize) -> Self {
        Self {
            lanes: FailureTable::new(Spacing::OneByOne, FREE_IN_LANE, entries_max),
            addresses: FailureTable::new(Spacing::OneByOne, FREE_FOR_ADDRESS, entries_max),
            accounts: FailureTable::new(Spacing::AllAtOnce, FREE_FOR_ACCOUNT, entries_max),
            credentials: FailureTable::new(Spacing::OneByOne, FREE_CREDENTIALS, entries_max),
            known_places: KnownPlaces::new(entries_max),
        }
    }

    /// Counts an attempt, and returns when it may start: at most [`DELAY_MAX`] from now.
    ///
    /// # Errors
    ///
    /// [`AskAgainAt`] if it would start later. Then nothing is counted.
    pub(crate) fn begin(&mut self, origin: Origin, name: &Username, now: Instant) -> Result<Attempt, AskAgainAt> {
        let lane = (Box::from(name.folded()), origin.address);
        let mut starts_at = self.lanes.next_start(&lane, now);
        if !self.known_places.contains(&lane) {
            starts_at = starts_at.max(self.accounts.next_start(&lane.0, now));
            if origin.is_limited {
                starts_at = starts_at.max(self.addresses.next_start(&lane.1, now));
            }
        }
        if starts_at > now + DELAY_MAX {
            return Err(AskAgainAt(starts_at - DELAY_MAX));
        }
        let grown = Grown {
            lane: self.lanes.count(lane.clone(), starts_at, now),
            account: self.accounts.count(lane.0.clone(), starts_at, now),
            address: origin.is_limited && self.addresses.count(lane.1, starts_at, now),
        };
        Ok(Attempt { lane, starts_at, grown })
    }

    /// Counts a password or key that a client sets. Most of them make a new account.
    ///
    /// # Errors
    ///
    /// [`AskAgainAt`] if the address has set too many. Then nothing is counted.
    pub(crate) fn admit_credential(&mut self, origin: Origin, now: Instant) -> Result<(), AskAgainAt> {
        if !origin.is_limited {
            return Ok(());
        }
        let starts_at = self.credentials.next_start(&origin.address, now);
        if starts_at > now {
            return Err(AskAgainAt(starts_at));
        }
        self.credentials.count(origin.address, now, now);
        Ok(())
    }

    /// Ends an attempt.
    ///
    /// A success resets the count of this account from this address, and takes back what the attempt itself added to
    /// the two others. It does not reset those: an attacker would log in to an own account between two guesses.
    pub(crate) fn finish(&mut self, attempt: Attempt, outcome: Outcome, now: Instant) {
        let Attempt { lane, grown, .. } = attempt;
        if outcome == Outcome::Refused {
            return;
        }
        if grown.account {
            self.accounts.take_back(&lane.0, now);
        }
        if grown.address {
            self.addresses.take_back(&lane.1, now);
        }
        if outcome == Outcome::Accepted {
            self.lanes.reset(&lane);
            self.known_places.insert(lane, now);
        } else if grown.lane {
            self.lanes.take_back(&lane, now);
        }
    }
}

#[cfg(test)]
mod tests;
