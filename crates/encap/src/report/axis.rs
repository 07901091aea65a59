//! An axis: a map from values to pixels, with ticks at round numbers.
//!
//! Values are integers (nanoseconds or bytes), and so are places (tenths of a pixel).

use std::fmt;

use maud::Render;

/// A place in a drawing, in tenths of a pixel.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Px(pub i64);

impl Px {
    /// A whole number of pixels.
    #[must_use]
    pub const fn whole(pixels: i64) -> Self {
        Self(pixels * 10)
    }
}

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, tenths) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        match tenths % 10 {
            0 => write!(f, "{sign}{}", tenths / 10),
            tenth => write!(f, "{sign}{}.{tenth}", tenths / 10),
        }
    }
}

impl Render for Px {
    fn render_to(&self, buffer: &mut String) {
        use fmt::Write as _;
        let _ = write!(buffer, "{self}");
    }
}

/// The quantity on an axis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Nanoseconds.
    Time,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    Rate,
}

/// The power of ten of each prefix.
const EXPONENTS: [u32; 4] = [0, 3, 6, 9];

impl Unit {
    /// The unit with each prefix.
    const fn names(self) -> [&'static str; 4] {
        match self {
            Self::Time => ["ns", "µs", "ms", "s"],
            Self::Bytes => ["B", "kB", "MB", "GB"],
            Self::Rate => ["B/s", "kB/s", "MB/s", "GB/s"],
        }
    }

    /// The index of the largest prefix that is at most `value`.
    fn prefix(value: u64) -> usize {
        EXPONENTS.iter().rposition(|exponent| 10_u64.pow(*exponent) <= value).unwrap_or(0)
    }

    /// Formats a value with its unit to three digits: `1.25 ms`.
    #[must_use]
    pub fn say(self, value: u64) -> String {
        let prefix = Self::prefix(value);
        let whole = 10_u64.pow(EXPONENTS[prefix]);
        let decimals = match value / whole {
            _ if prefix == 0 => 0,
            0..=9 => 2,
            10..=99 => 1,
            _ => 0,
        };
        let step = whole / 10_u64.pow(decimals);
        let text = decimal((value + step / 2) / step * step, EXPONENTS[prefix], decimals);
        let text = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        // A non-breaking space keeps number and unit on one line.
        format!("{text}\u{a0}{}", self.names()[prefix])
    }
}

/// Formats `value / 10^exponent` with `decimals` decimal places.
fn decimal(value: u64, exponent: u32, decimals: u32) -> String {
    let whole = 10_u64.pow(exponent);
    let text = format!("{}", value / whole);
    if decimals == 0 {
        return text;
    }
    let rest = value % whole / 10_u64.pow(exponent - decimals);
    format!("{text}.{rest:0width$}", width = decimals as usize)
}

/// The smallest of 1, 2, 5, 10, 20, 50, … that is at least `value`.
#[must_use]
pub fn round_up(value: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for digit in [1, 2, 5] {
            match power.checked_mul(digit) {
                Some(round) if round < value => {}
                Some(round) => return round,
                None => return u64::MAX,
            }
        }
        let Some(next) = power.checked_mul(10) else { return u64::MAX };
        power = next;
    }
}

/// The largest of 1, 2, 5, 10, … that is at most `value`; 1 for 0.
fn round_down(value: u64) -> u64 {
    let power = 10_u64.pow(value.max(1).ilog10());
    [5, 2, 1].into_iter().filter_map(|digit| power.checked_mul(digit)).find(|round| *round <= value).unwrap_or(1)
}

/// Maps a range of values to a range of pixels.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    unit: Unit,
    /// The first and the last value.
    values: (u64, u64),
    /// The pixels of the first and the last value.
    pixels: (i64, i64),
    is_log: bool,
    step: u64,
}

/// A labelled tick of an axis.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tick {
    /// Its place along the axis.
    pub at: Px,
    /// Its number.
    pub label: String,
}

impl Axis {
    /// A linear axis from 0 to `last`, with about `n` ticks.
    #[must_use]
    pub fn linear(unit: Unit, last: u64, pixels: (i64, i64), n: u64) -> Self {
        let last = last.max(1);
        Self { unit, values: (0, last), pixels, is_log: false, step: round_up(last.div_ceil(n.max(1))) }
    }

    /// A linear axis from 0 to the next round number at or above `last`, with about `n` ticks.
    #[must_use]
    pub fn to_round(unit: Unit, last: u64, pixels: (i64, i64), n: u64) -> Self {
        let axis = Self::linear(unit, last, pixels, n);
        Self { values: (0, axis.values.1.div_ceil(axis.step).saturating_mul(axis.step)), ..axis }
    }

    /// A logarithmic axis, from a round number at or below `first` to one at or above `last`.
    #[must_use]
    pub fn powers(unit: Unit, (first, last): (u64, u64), pixels: (i64, i64)) -> Self {
        let first = round_down(first);
        let last = round_up(last.max(first.saturating_add(1)));
        Self { unit, values: (first, last), pixels, is_log: true, step: 1 }
    }

    /// The largest value.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.values.1
    }

    /// The place of a value. Values outside the range are clamped to it.
    #[must_use]
    pub fn place(&self, value: u64) -> Px {
        let (first, last) = self.values;
        let value = value.clamp(first, last);
        let (part, whole) = if self.is_log {
            (logarithm(value) - logarithm(first), logarithm(last) - logarithm(first))
        } else {
            (value - first, last - first)
        };
        let (start, end) = (i128::from(self.pixels.0) * 10, i128::from(self.pixels.1) * 10);
        let place = start + (end - start) * i128::from(part) / i128::from(whole.max(1));
        Px(i64::try_from(place).unwrap_or_default())
    }

    /// The ticks. On a linear axis labels have no unit; on a logarithmic axis each label has its own.
    #[must_use]
    pub fn ticks(&self) -> Vec<Tick> {
        let (first, last) = self.values;
        if self.is_log {
            let decades = (last / first).ilog10();
            let digits: &[u64] = if decades <= 2 { &[1, 2, 5] } else { &[1] };
            let powers = (0..20).filter_map(|exponent| 10_u64.checked_pow(exponent));
            let rounds = powers.flat_map(|power| digits.iter().filter_map(move |digit| power.checked_mul(*digit)));
            let rounds = rounds.filter(|round| (first..=last).contains(round));
            return rounds.map(|value| Tick { at: self.place(value), label: self.unit.say(value) }).collect();
        }
        let exponent = EXPONENTS[Unit::prefix(last)];
        let decimals = exponent.saturating_sub(self.step.ilog10());
        let values = (0..=last / self.step).map(|i| i * self.step);
        values.map(|value| Tick { at: self.place(value), label: decimal(value, exponent, decimals) }).collect()
    }

    /// The common unit of the tick labels. `None` on a logarithmic axis.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        (!self.is_log).then(|| self.unit.names()[Unit::prefix(self.values.1)])
    }
}

/// The logarithm to base 2 in units of 1/4096, interpolated linearly between powers of two. It is monotonic, and ticks
/// use the same function as values, so the drawing is consistent.
fn logarithm(value: u64) -> u64 {
    let value = u128::from(value.max(1));
    let exponent = value.ilog2();
    (u64::from(exponent) << 12) + u64::try_from(((value << 12) >> exponent) & 0xfff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_share_a_unit() {
        let table: &[(Unit, u64, &[&str], &str)] = &[
            (Unit::Time, 3_200_000_000, &["0", "1", "2", "3"], "s"),
            (Unit::Time, 1_200_000_000, &["0.0", "0.5", "1.0"], "s"),
            (Unit::Time, 450, &["0", "100", "200", "300", "400"], "ns"),
            (Unit::Time, 90_000, &["0", "20", "40", "60", "80"], "µs"),
            (Unit::Bytes, 61, &["0", "20", "40", "60"], "B"),
            (Unit::Bytes, 1_400, &["0.0", "0.5", "1.0"], "kB"),
            (Unit::Bytes, 0, &["0", "1"], "B"),
        ];
        for (unit, last, expected, name) in table {
            let axis = Axis::linear(*unit, *last, (0, 100), 5);
            assert_eq!(
                (labels(&axis), axis.unit()),
                (expected.iter().map(|&s| s.into()).collect(), Some(*name)),
                "{last}"
            );
        }
        assert_eq!(Axis::to_round(Unit::Bytes, 61, (0, 100), 5).last(), 80);
    }

    #[test]
    fn logarithmic_ticks_have_their_own_unit() {
        let axis = Axis::powers(Unit::Time, (13_000, 41_000_000), (300, 0));
        assert_eq!(labels(&axis), ["10\u{a0}µs", "100\u{a0}µs", "1\u{a0}ms", "10\u{a0}ms"]);
        let axis = Axis::powers(Unit::Time, (700, 700), (300, 0));
        assert_eq!(labels(&axis), ["500\u{a0}ns", "1\u{a0}µs"]);
        assert_eq!((axis.place(500), axis.place(1_000), axis.unit()), (Px::whole(300), Px::whole(0), None));
    }

    #[test]
    fn values_are_formatted_to_three_digits() {
        for (nanos, expected) in
            [(0, "0 ns"), (999, "999 ns"), (1_250_000, "1.25 ms"), (41_040_000, "41 ms"), (212_439_515_000, "212 s")]
        {
            assert_eq!(Unit::Time.say(nanos).replace('\u{a0}', " "), expected);
        }
        assert_eq!((Px(-15).to_string(), Px(120).to_string()), ("-1.5".into(), "12".into()));
    }

    proptest! {
        #[test]
        fn places_are_monotonic_and_within_the_axis(a: u64, b: u64, first: u64, last: u64) {
            for axis in [
                Axis::linear(Unit::Time, last, (10, 610), 6),
                Axis::to_round(Unit::Bytes, last, (10, 610), 6),
                Axis::powers(Unit::Rate, (first.min(last), first.max(last)), (10, 610)),
            ] {
                let (low, high) = (axis.place(a.min(b)), axis.place(a.max(b)));
                prop_assert!(Px::whole(10) <= low && low <= high && high <= Px::whole(610));
                prop_assert!(axis.ticks().len() <= 21);
            }
        }
    }
}
