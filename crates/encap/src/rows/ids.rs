//! Row ids and the detection of duplicates.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::BuildHasher as _;

use serde::Serialize;

/// Maximum length of an id, in bytes.
pub(crate) const ID_MAX_BYTES: usize = 255;

/// Maximum number of remembered ids, which take about 4 MiB. A run of consecutive numbers counts as one id.
pub(crate) const IDS_REMEMBERED: usize = 1 << 17;

/// The `msg_id` of a row.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(untagged)]
pub enum MessageId {
    /// A number without a sign or leading zeros.
    Number(u64),
    /// Any other text, such as `007`.
    Text(Box<str>),
}

impl From<&str> for MessageId {
    fn from(text: &str) -> Self {
        let is_canonical = text == "0" || text.starts_with(|c: char| ('1'..='9').contains(&c));
        match text.parse() {
            Ok(number) if is_canonical => Self::Number(number),
            _ => Self::Text(text.into()),
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.pad(text),
        }
    }
}

/// The set of used ids, in bounded memory.
///
/// Numbers are stored as runs, because most files number their rows consecutively: a million rows then need one run.
/// Texts are stored as 64-bit hashes, with a random key in each process.
#[derive(Debug, Default)]
pub(super) struct SeenIds {
    /// The first number of each run, and its last number.
    runs: BTreeMap<u64, u64>,
    /// The hashes of the texts.
    hashes: HashSet<u64>,
    hash_key: RandomState,
}

/// Result of inserting an id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum IdStatus {
    New,
    Repeated,
    /// Not seen before, but the set is full.
    NotRemembered,
}

impl SeenIds {
    /// Adds an id, unless the set is full.
    pub(super) fn insert(&mut self, id: &MessageId) -> IdStatus {
        let is_full = self.runs.len() + self.hashes.len() >= IDS_REMEMBERED;
        match id {
            MessageId::Number(number) => self.insert_number(*number, is_full),
            MessageId::Text(text) => {
                let hash = self.hash_key.hash_one(text);
                match self.hashes.contains(&hash) {
                    true => IdStatus::Repeated,
                    false if is_full => IdStatus::NotRemembered,
                    false => {
                        self.hashes.insert(hash);
                        IdStatus::New
                    }
                }
            }
        }
    }

    /// The first unused number at or above `number`.
    pub(super) fn first_unused(&self, number: u64) -> u64 {
        let nearest_run = self.runs.range(..=number).next_back();
        nearest_run.filter(|(_, last)| number <= **last).map_or(number, |(_, last)| last.saturating_add(1))
    }

    fn insert_number(&mut self, number: u64, is_full: bool) -> IdStatus {
        // Fast path: the successor of the last number.
        if let Some(mut run) = self.runs.last_entry()
            && run.get().checked_add(1) == Some(number)
        {
            *run.get_mut() = number;
            return IdStatus::New;
        }
        // The run that begins at `number` or before it, and is nearest to it.
        let nearest = self.runs.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if nearest.is_some_and(|(_, last)| number <= last) {
            return IdStatus::Repeated;
        }
        let preceding = nearest.filter(|(_, last)| last + 1 == number);
        let following_last = number.checked_add(1).and_then(|next| self.runs.remove(&next));
        if preceding.is_none() && following_last.is_none() && is_full {
            return IdStatus::NotRemembered;
        }
        self.runs.insert(preceding.map_or(number, |(first, _)| first), following_last.unwrap_or(number));
        IdStatus::New
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn id_is_a_number_only_in_canonical_form() {
        for (given, expected) in [("0", Some(0)), ("17", Some(17)), ("18446744073709551615", Some(u64::MAX))] {
            assert_eq!(MessageId::from(given), MessageId::Number(expected.unwrap()), "given {given:?}");
        }
        for given in ["007", "+7", "-1", "1.0", "a", "00", "18446744073709551616", "٣"] {
            assert_eq!(MessageId::from(given), MessageId::Text(given.into()), "given {given:?}");
        }
    }

    #[test]
    fn consecutive_numbers_share_a_run_and_the_set_is_bounded() {
        let mut seen = SeenIds::default();
        for number in 0..1_000_000 {
            assert_eq!(seen.insert(&MessageId::Number(number)), IdStatus::New);
        }
        assert_eq!(seen.runs.len(), 1);
        // These numbers are not consecutive, so each is a run of its own.
        let isolated = |index: usize| MessageId::Number(2_000_000 + 2 * index as u64);
        for index in 1..IDS_REMEMBERED {
            assert_eq!(seen.insert(&isolated(index)), IdStatus::New);
        }
        assert_eq!(seen.insert(&isolated(IDS_REMEMBERED)), IdStatus::NotRemembered);
        assert_eq!(seen.insert(&MessageId::Text("x".into())), IdStatus::NotRemembered);
        assert_eq!(seen.insert(&isolated(1)), IdStatus::Repeated);
        assert_eq!(seen.insert(&MessageId::Number(1_000_000)), IdStatus::New);
        assert_eq!(seen.runs.len() + seen.hashes.len(), IDS_REMEMBERED);
    }

    proptest! {
        #[test]
        fn runs_match_a_hash_set(
            numbers in prop::collection::vec(prop_oneof![0u64..40, u64::MAX - 5..=u64::MAX], 0..80),
        ) {
            let (mut seen, mut set) = (SeenIds::default(), HashSet::new());
            for number in numbers {
                let expected = if set.insert(number) { IdStatus::New } else { IdStatus::Repeated };
                prop_assert_eq!(seen.insert(&MessageId::Number(number)), expected, "number {}", number);
            }
        }
    }
}
