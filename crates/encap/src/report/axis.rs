//! An axis: a map from values to pixels, with ticks at round numbers.
//!
//! Values are integers (nanoseconds or bytes), and so are places (tenths of a pixel).

use std::fmt;

use maud::Render;

/// A place in a drawing, in tenths of a pixel. It is displayed in pixels: `Px(15)` as `1.5`.
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

/// The size of each unit of a quantity, as a power of ten: for times, of `ns`, `µs`, `ms` and `s`.
const EXPONENTS: [u32; 4] = [0, 3, 6, 9];

impl Unit {
    /// The units, in the order of [`EXPONENTS`].
    const fn names(self) -> [&'static str; 4] {
        match self {
            Self::Time => ["ns", "µs", "ms", "s"],
            Self::Bytes => ["B", "kB", "MB", "GB"],
            Self::Rate => ["B/s", "kB/s", "MB/s", "GB/s"],
        }
    }

    /// The index of the largest unit that is at most `value`, or 0.
    fn unit_index(value: u64) -> usize {
        EXPONENTS.iter().rposition(|exponent| 10_u64.pow(*exponent) <= value).unwrap_or(0)
    }

    /// Formats a value with its unit to three digits: `1.25 ms`.
    #[must_use]
    pub fn format(self, value: u64) -> String {
        let index = Self::unit_index(value);
        let unit = 10_u64.pow(EXPONENTS[index]);
        let decimals = match value / unit {
            _ if index == 0 => 0,
            0..=9 => 2,
            10..=99 => 1,
            _ => 0,
        };
        // The value of the last digit, to which `value` is rounded.
        let step = unit / 10_u64.pow(decimals);
        let text = decimal((value + step / 2) / step * step, EXPONENTS[index], decimals);
        let text = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        // A non-breaking space keeps number and unit on one line.
        format!("{text}\u{a0}{}", self.names()[index])
    }
}

/// Formats `value / 10^exponent` with `decimals` decimal places. Further places are cut off.
fn decimal(value: u64, exponent: u32, decimals: u32) -> String {
    let unit = 10_u64.pow(exponent);
    let whole = value / unit;
    if decimals == 0 {
        return whole.to_string();
    }
    let fraction = value % unit / 10_u64.pow(exponent - decimals);
    format!("{whole}.{fraction:0width$}", width = decimals as usize)
}

/// The smallest of 1, 2, 5, 10, 20, 50, … that is at least `value`, or [`u64::MAX`] if that has more than 64 bits.
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
    /// The distance of ticks on a linear axis.
    step: u64,
}

/// A labelled tick of an axis.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tick {
    /// Its place along the axis.
    pub at: Px,
    /// Its value as text.
    pub label: String,
}

impl Axis {
    /// A linear axis from 0 to `last`, with at most `n_ticks` ticks after that of 0.
    #[must_use]
    pub fn linear(unit: Unit, last: u64, pixels: (i64, i64), n_ticks: u64) -> Self {
        let last = last.max(1);
        Self { unit, values: (0, last), pixels, is_log: false, step: round_up(last.div_ceil(n_ticks.max(1))) }
    }

    /// A linear axis from 0 to the first tick at or above `last`, with at most `n_ticks` ticks after that of 0.
    #[must_use]
    pub fn linear_to_tick(unit: Unit, last: u64, pixels: (i64, i64), n_ticks: u64) -> Self {
        let axis = Self::linear(unit, last, pixels, n_ticks);
        Self { values: (0, axis.values.1.div_ceil(axis.step).saturating_mul(axis.step)), ..axis }
    }

    /// A logarithmic axis, from a round number at or below `first` to one at or above `last`.
    #[must_use]
    pub fn logarithmic(unit: Unit, (first, last): (u64, u64), pixels: (i64, i64)) -> Self {
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
        let (distance, length) = if self.is_log {
            (logarithm(value) - logarithm(first), logarithm(last) - logarithm(first))
        } else {
            (value - first, last - first)
        };
        // In tenths of a pixel.
        let (start, end) = (i128::from(self.pixels.0) * 10, i128::from(self.pixels.1) * 10);
        let place = start + (end - start) * i128::from(distance) / i128::from(length.max(1));
        Px(i64::try_from(place).unwrap_or_default())
    }

    /// The ticks. On a linear axis labels have no unit; on a logarithmic axis each label has its own.
    #[must_use]
    pub fn ticks(&self) -> Vec<Tick> {
        let (first, last) = self.values;
        if self.is_log {
            let decades = (last / first).ilog10();
            // Few decades leave room for more ticks.
            let digits: &[u64] = if decades <= 2 { &[1, 2, 5] } else { &[1] };
            // 20 powers of ten fit in 64 bits.
            let powers = (0..20).filter_map(|exponent| 10_u64.checked_pow(exponent));
            let round_values =
                powers.flat_map(|power| digits.iter().filter_map(move |digit| power.checked_mul(*digit)));
            let on_axis = round_values.filter(|value| (first..=last).contains(value));
            return on_axis.map(|value| Tick { at: self.place(value), label: self.unit.format(value) }).collect();
        }
        let exponent = EXPONENTS[Unit::unit_index(last)];
        let decimals = exponent.saturating_sub(self.step.ilog10());
        let values = (0..=last / self.step).map(|i| i * self.step);
        values.map(|value| Tick { at: self.place(value), label: decimal(value, exponent, decimals) }).collect()
    }

    /// The common unit of the tick labels. `None` on a logarithmic axis, where each label has its own.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        (!self.is_log).then(|| self.unit.names()[Unit::unit_index(self.values.1)])
    }
}

/// The logarithm to base 2, in units of 1/4096. Between powers of two it is interpolated linearly: it is not exact, but
/// monotonic. Ticks and marks use the same function, so a mark is never on the wrong side of a tick.
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
        assert_eq!(Axis::linear_to_tick(Unit::Bytes, 61, (0, 100), 5).last(), 80);
    }

    #[test]
    fn logarithmic_ticks_have_their_own_unit() {
        let axis = Axis::logarithmic(Unit::Time, (13_000, 41_000_000), (300, 0));
        assert_eq!(labels(&axis), ["10\u{a0}µs", "100\u{a0}µs", "1\u{a0}ms", "10\u{a0}ms"]);
        let axis = Axis::logarithmic(Unit::Time, (700, 700), (300, 0));
        assert_eq!(labels(&axis), ["500\u{a0}ns", "1\u{a0}µs"]);
        assert_eq!((axis.place(500), axis.place(1_000), axis.unit()), (Px::whole(300), Px::whole(0), None));
    }

    #[test]
    fn values_are_formatted_to_three_digits() {
        for (nanos, expected) in
            [(0, "0 ns"), (999, "999 ns"), (1_250_000, "1.25 ms"), (41_040_000, "41 ms"), (212_439_515_000, "212 s")]
        {
            assert_eq!(Unit::Time.format(nanos).replace('\u{a0}', " "), expected);
        }
        assert_eq!((Px(-15).to_string(), Px(120).to_string()), ("-1.5".into(), "12".into()));
    }

    proptest! {
        #[test]
        fn places_are_monotonic_and_within_the_axis(a: u64, b: u64, first: u64, last: u64) {
            for axis in [
                Axis::linear(Unit::Time, last, (10, 610), 6),
                Axis::linear_to_tick(Unit::Bytes, last, (10, 610), 6),
                Axis::logarithmic(Unit::Rate, (first.min(last), first.max(last)), (10, 610)),
            ] {
                let (low, high) = (axis.place(a.min(b)), axis.place(a.max(b)));
                prop_assert!(Px::whole(10) <= low && low <= high && high <= Px::whole(610));
                // A logarithmic axis has a tick for each of the 20 powers of ten that fit in 64 bits.
                prop_assert!(axis.ticks().len() <= 20);
            }
        }
    }
}
