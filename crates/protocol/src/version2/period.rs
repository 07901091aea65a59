//! Periods: how long a sanction lasts, or the least time between two messages, such as `10m`. (`protocol.md` §13.4)

use std::fmt;

/// A time of whole seconds, which a line gives in one unit.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Period {
    seconds: u32,
}

/// The units in seconds, the largest first.
const UNITS: [(char, u32); 4] = [('d', 24 * 60 * 60), ('h', 60 * 60), ('m', 60), ('s', 1)];

impl Period {
    /// A period of this length. `None` if it is zero.
    #[must_use]
    pub const fn from_seconds(seconds: u32) -> Option<Self> {
        if seconds == 0 { None } else { Some(Self { seconds }) }
    }

    /// Parses digits and a unit: `30s`, `10m`, `2h` or `1d`. `None` if it is anything else, zero, or longer than 2³² − 1
    /// seconds, which are 136 years.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let (digits, unit) = word.split_at(word.len().checked_sub(1).filter(|&end| word.is_char_boundary(end))?);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (_, length) = UNITS.into_iter().find(|(letter, _)| unit == letter.encode_utf8(&mut [0; 4]))?;
        Self::from_seconds(digits.parse::<u32>().ok()?.checked_mul(length)?)
    }

    /// The length in seconds, which is at least 1.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.seconds
    }
}

impl fmt::Display for Period {
    /// Writes the period in the largest unit that fits without a rest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |&(_, length): &(char, u32)| self.seconds.is_multiple_of(length);
        let (unit, length) = UNITS.into_iter().find(fits).unwrap_or(('s', 1));
        write!(f, "{}{unit}", self.seconds / length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_digits_and_a_unit_are_a_period() {
        let cases = [
            ("30s", Some(30)),
            ("10m", Some(600)),
            ("2h", Some(7_200)),
            ("1d", Some(86_400)),
            ("007s", Some(7)),
            ("4294967295s", Some(u32::MAX)),
            ("4294967296s", None),
            ("49711d", None),
            ("0s", None),
            ("s", None),
            ("10", None),
            ("", None),
            ("10M", None),
            ("+1d", None),
            ("-1d", None),
            ("1.5h", None),
            ("1h30m", None),
            ("10分", None),
            ("٣d", None),
        ];
        for (given, seconds) in cases {
            assert_eq!(Period::parse(given).map(Period::seconds), seconds, "given {given:?}");
        }
    }

    #[test]
    fn period_is_written_in_its_largest_unit() {
        for (given, expected) in [("60s", "1m"), ("61s", "61s"), ("120m", "2h"), ("48h", "2d"), ("36h", "36h")] {
            assert_eq!(Period::parse(given).expect("a period").to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn periods_round_trip(seconds in 1..=u32::MAX) {
            let period = Period::from_seconds(seconds).expect("it is not zero");
            prop_assert_eq!(Period::parse(&period.to_string()), Some(period));
        }
    }
}
