//! Timestamp resolution of an interface.

use crate::time::Timestamp;

const NANOS_PER_SEC: i128 = 1_000_000_000;

/// Nanoseconds in 10⁻ⁿ seconds, for n from 0 to 9.
const NANOS_PER_UNIT: [u64; 10] =
    [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// The unit of an interface's timestamps: a negative power of ten or two, in seconds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Resolution {
    /// 10⁻ⁿ seconds: 6 is microseconds.
    Decimal(u8),
    /// 2⁻ⁿ seconds.
    Binary(u8),
}

impl Resolution {
    /// Microseconds, the default of pcapng.
    pub(crate) const MICROS: Self = Self::Decimal(6);
    /// Nanoseconds, the resolution of the files that the writer produces.
    pub(crate) const NANOS: Self = Self::Decimal(9);

    /// Decodes the option `if_tsresol`. The highest bit selects powers of two.
    pub(crate) const fn from_option(value: u8) -> Self {
        match value & 0x80 {
            0 => Self::Decimal(value),
            _ => Self::Binary(value & 0x7f),
        }
    }

    /// The time that is `units` after 1970, moved by `offset_secs` and rounded down to a nanosecond. `None` if the time
    /// is more than about 292 years from 1970, the range of [`Timestamp`].
    #[inline]
    pub(super) fn timestamp(self, units: u64, offset_secs: i64) -> Option<Timestamp> {
        let units = i128::from(units);
        let nanos = match self {
            Self::Decimal(power @ ..=9) => units * i128::from(NANOS_PER_UNIT[usize::from(power)]),
            // If the divisor exceeds 127 bits, the result is 0: fewer than 2⁶⁴ units are then less than a nanosecond.
            Self::Decimal(power) => 10_i128.checked_pow(u32::from(power) - 9).map_or(0, |divisor| units / divisor),
            Self::Binary(power) => (units * NANOS_PER_SEC) >> power,
        };
        let nanos = nanos + i128::from(offset_secs) * NANOS_PER_SEC;
        i64::try_from(nanos).ok().map(Timestamp::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_converted_with_resolution_and_offset() {
        let max = u64::MAX;
        for (option, units, offset_secs, nanos) in [
            (0, 3, 0, Some(3_000_000_000)),
            (3, 1_500, 0, Some(1_500_000_000)),
            (6, 1_700_000_000_000_001, 0, Some(1_700_000_000_000_001_000)),
            (9, 1_700_000_000_000_000_001, 0, Some(1_700_000_000_000_000_001)),
            (12, 1_700_000_000_999, 0, Some(1_700_000_000)),
            (28, max, 0, Some(1)),
            (29, max, 0, Some(0)),
            (127, max, 0, Some(0)),
            (0x80, 2, 0, Some(2_000_000_000)),
            (0x8a, 1_536, 0, Some(1_500_000_000)),
            (0xa0, 0x1_8000_0000, 0, Some(1_500_000_000)),
            (0xff, max, 0, Some(0)),
            (9, 1, -1, Some(-999_999_999)),
            (6, 0, 1_700_000_000, Some(1_700_000_000_000_000_000)),
            (9, i64::MAX.cast_unsigned(), 0, Some(i64::MAX)),
            (9, i64::MAX.cast_unsigned() + 1, 0, None),
            (0, max, 0, None),
            (0, max, i64::MIN, None),
            (0, 0, i64::MAX, None),
        ] {
            let time = Resolution::from_option(option).timestamp(units, offset_secs);
            assert_eq!(time, nanos.map(Timestamp::from_nanos), "{units} of {option:#04x} moved by {offset_secs} s");
        }
    }
}
