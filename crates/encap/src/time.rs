//! Timestamps in whole nanoseconds.
//!
//! The parser uses only integers: nanoseconds since 1970 need 61 bits, and a float stores 53 bits exactly. It accepts
//! three forms:
//!
//! | form | examples | meaning |
//! |---|---|---|
//! | seconds | `0.010`, `1700000000.123456789` | seconds since 1970, or since the start of the file |
//! | ISO 8601, RFC 3339 | `2026-01-31T12:00:00+01:00`, `2026-01-31 12:00` | UTC, unless the text has an offset |
//! | day first | `31/01/2026 12:00`, `31/01/2026 12:00:30.250` | UTC |

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use jiff::{civil, tz::TimeZone};
use serde::Serialize;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Number of decimals of a time in seconds that has a resolution of nanoseconds.
const DECIMALS: usize = 9;

/// A time, in nanoseconds since 1970-01-01 00:00:00 UTC.
///
/// ```
/// use switchboard_encap::time::Timestamp;
///
/// let time: Timestamp = "31/01/2026 12:00".parse()?;
/// assert_eq!(time, "2026-01-31T13:00:00+01:00".parse()?);
/// assert_eq!(time.to_string(), "1769860800.000000000");
/// assert_eq!(time.iso().to_string(), "2026-01-31T12:00:00Z");
/// # Ok::<(), switchboard_encap::time::TimeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time `nanos` nanoseconds after the start of 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Duration from `earlier` to `self`; `None` if `earlier` is after `self`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        (earlier <= self).then(|| Duration::from_nanos(self.0.abs_diff(earlier.0)))
    }

    /// The time `duration` later; `None` beyond the range of 64 bits (year 2262).
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let nanos = i64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Self)
    }

    /// ISO 8601 in UTC, with as many decimals as needed.
    #[must_use]
    pub fn iso(self) -> impl fmt::Display {
        // The range of i64 nanoseconds, 1677 to 2262, is inside jiff's range of years, -9999 to 9999.
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::MAX)
    }
}

/// Seconds since 1970, with nine decimals.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, nanos) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        f.pad(&format!("{sign}{}.{:09}", nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND))
    }
}

/// Why a text is not a time. Each message says how to write one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum TimeError {
    /// None of the accepted forms.
    #[error("is not a time: write seconds (0.125), 2026-01-31T12:00:00Z or 31/01/2026 12:00")]
    Unknown,
    /// A number with exponent: `1e-3`.
    #[error("has an exponent: write the seconds out, as in 0.001")]
    Exponent,
    /// A time before 1970, or negative seconds.
    #[error("is before zero: count seconds from the first message, or write a time after 1970")]
    Negative,
    /// More than nine decimals that are not all zeros.
    #[error("has {decimals} decimals: write at most {DECIMALS}, because captures store nanoseconds")]
    TooPrecise {
        /// Number of decimals.
        decimals: usize,
    },
    /// A leap second: `23:59:60`.
    #[error("is a leap second, which seconds since 1970 do not count: write 59")]
    LeapSecond,
    /// A time zone name without an offset: `2026-01-31T12:00:00[Europe/Berlin]`.
    #[error("has a zone name without an offset, and the offset depends on the date: write the offset, as in +01:00")]
    ZoneName,
    /// A number that looks like milliseconds, microseconds or nanoseconds since 1970.
    #[error("looks like {unit} since 1970: write seconds, as in 1700000000.123")]
    Unit {
        /// The likely unit.
        unit: &'static str,
    },
    /// After 2262.
    #[error("is too late: nanoseconds in 64 bits end in the year 2262")]
    TooLate,
}

/// The likely meaning of a number that was read as seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lookalike {
    /// A date: `20260131` or `31012026`.
    Date {
        /// Year, four digits.
        year: u16,
        /// Month, from 1.
        month: u8,
        /// Day, from 1.
        day: u8,
    },
    /// A year: `2026`.
    Year,
}

impl fmt::Display for Lookalike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date { year, month, day } => write!(f, "a date: write {year:04}-{month:02}-{day:02} if it is one"),
            Self::Year => f.write_str("a year: write the whole date if it is one"),
        }
    }
}

/// The date or year that `text`, a whole number of seconds, looks like; `None` if it looks like neither.
pub(crate) fn lookalike(text: &str) -> Option<Lookalike> {
    let text = text.trim();
    let date = |year: &str, month: &str, day: &str| {
        let (year, month, day) =
            (parse_digits::<u16>(year, 4..=4)?, parse_digits::<i8>(month, 2..=2)?, parse_digits::<i8>(day, 2..=2)?);
        let is_likely = (1970..2263).contains(&year) && civil::Date::new(year.cast_signed(), month, day).is_ok();
        let [month, day] = [month, day].map(i8::unsigned_abs);
        is_likely.then_some(Lookalike::Date { year, month, day })
    };
    match text.len() {
        _ if !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        8 => date(&text[..4], &text[4..6], &text[6..]).or_else(|| date(&text[4..], &text[2..4], &text[..2])),
        4 => (1990..=2100).contains(&parse_digits::<u16>(text, 4..=4)?).then_some(Lookalike::Year),
        _ => None,
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let text = text.trim();
        let parse_as_seconds = |text: &str| {
            let name_unit = |error| finer_unit(text).map_or(error, |unit| TimeError::Unit { unit });
            parse_seconds(text).map(|time| time.map_err(name_unit))
        };
        // Fast path: most times are seconds with at most nine decimals.
        if let Some(time) = parse_as_seconds(text) {
            return time;
        }
        let text = without_extra_zeros(text)?;
        if let Some(time) = parse_as_seconds(&text) {
            return time;
        }
        if text.strip_prefix('-').is_some_and(|unsigned| parse_seconds(unsigned).is_some()) {
            return Err(TimeError::Negative);
        }
        if is_exponential(&text) {
            return Err(TimeError::Exponent);
        }
        if text.contains('[') && !has_offset(&text) {
            return Err(TimeError::ZoneName);
        }
        let time = parse_day_first(&text).or_else(|| parse_iso(&text)).ok_or(TimeError::Unknown)?;
        if is_leap_second(&text) {
            return Err(TimeError::LeapSecond);
        }
        match i64::try_from(time.as_nanosecond()) {
            Ok(nanos @ 0..) => Ok(Self(nanos)),
            Err(_) if time > jiff::Timestamp::UNIX_EPOCH => Err(TimeError::TooLate),
            _ => Err(TimeError::Negative),
        }
    }
}

/// Whether the text has an offset from UTC, or `Z`, before a zone name in brackets.
fn has_offset(text: &str) -> bool {
    let before_zone = text.split('[').next().unwrap_or_default();
    // The date contains hyphens, so the offset is searched only after it.
    let clock = before_zone.split_once(['T', 't', ' ']).map_or("", |(_, clock)| clock);
    clock.ends_with(['Z', 'z']) || clock.contains(['+', '-'])
}

/// Whether the time of day has 60 seconds: `23:59:60` or `235960`.
fn is_leap_second(text: &str) -> bool {
    let clock = text.split_once(['T', 't', ' ']).map_or("", |(_, clock)| clock.trim_start());
    let clock = clock.split(['+', '-', 'Z', 'z', '.', ',', '[']).next().unwrap_or_default();
    let digits: String = clock.chars().filter(char::is_ascii_digit).collect();
    digits.len() >= 5 && clock.trim_end().ends_with("60")
}

/// The likely unit of a whole number that is too large for seconds. With 13 digits in milliseconds, 16 in microseconds
/// or 19 in nanoseconds, it is a time from 2001 to 2286.
fn finer_unit(text: &str) -> Option<&'static str> {
    match text.len() {
        _ if !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        13 => Some("milliseconds"),
        16 => Some("microseconds"),
        19 => Some("nanoseconds"),
        _ => None,
    }
}

/// `text` without zeros after the ninth decimal. Other digits there are an error.
fn without_extra_zeros(text: &str) -> Result<Cow<'_, str>, TimeError> {
    let Some((whole, fraction)) = text.split_once('.') else { return Ok(Cow::Borrowed(text)) };
    let decimals = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if decimals <= DECIMALS {
        return Ok(Cow::Borrowed(text));
    }
    if fraction[DECIMALS..decimals].bytes().any(|digit| digit != b'0') {
        return Err(TimeError::TooPrecise { decimals });
    }
    Ok(Cow::Owned(format!("{whole}.{}{}", &fraction[..DECIMALS], &fraction[decimals..])))
}

/// Parses `12` or `12.345`, with at most nine decimals. Returns `None` for other forms, and an error if the time is too
/// late.
fn parse_seconds(text: &str) -> Option<Result<Timestamp, TimeError>> {
    const POWERS: [i64; DECIMALS + 1] =
        [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
    let bytes = text.as_bytes();
    let point = bytes.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = point.map_or((bytes, &b"0"[..]), |at| (&bytes[..at], &bytes[at + 1..]));
    let unit = POWERS.get(DECIMALS.checked_sub(fraction.len())?)?;
    let (whole, fraction) = (parse_integer(whole)?, parse_integer(fraction)?);
    let nanos = whole.checked_mul(POWERS[DECIMALS]).and_then(|nanos| nanos.checked_add(fraction * unit));
    Some(nanos.map(Timestamp).ok_or(TimeError::TooLate))
}

/// Parses digits; `None` if there are none, or other characters. A number above `i64::MAX` becomes `i64::MAX`.
fn parse_integer(digits: &[u8]) -> Option<i64> {
    let mut number = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.saturating_mul(10).saturating_add(i64::from(digit));
    }
    (!digits.is_empty()).then_some(number)
}

/// Whether `text` is a number with an exponent.
fn is_exponential(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    unsigned.split_once(['e', 'E']).is_some_and(|(number, exponent)| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        parse_seconds(number).is_some() && parse_seconds(exponent).is_some()
    })
}

/// Parses ISO 8601. The time is in UTC, unless the text has an offset.
fn parse_iso(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok().or_else(|| from_utc(text.parse().ok()?))
}

/// Parses `DD/MM/YYYY HH:MM[:SS[.fff]]`. Day, month and hour may have one digit, because spreadsheets write them so.
fn parse_day_first(text: &str) -> Option<jiff::Timestamp> {
    let (date, clock) = text.split_once([' ', 'T'])?;
    let mut date = date.split('/');
    let (day, month, year) =
        (parse_digits(date.next()?, 1..=2)?, parse_digits(date.next()?, 1..=2)?, parse_digits(date.next()?, 4..=4)?);
    let mut clock = clock.trim_start().split(':');
    let (hour, minute) = (parse_digits(clock.next()?, 1..=2)?, parse_digits(clock.next()?, 2..=2)?);
    // Read 60 seconds as 59, so that the caller can report a leap second.
    let (second, nanos) = match clock.next() {
        None => (0, 0),
        Some(text) => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
            let second = parse_digits(whole, 2..=2)?;
            let nanos =
                parse_digits::<i32>(fraction, 1..=DECIMALS)? * 10_i32.pow(9 - u32::try_from(fraction.len()).ok()?);
            (if second == 60 { 59 } else { second }, nanos)
        }
    };
    if date.next().is_some() || clock.next().is_some() {
        return None;
    }
    from_utc(civil::DateTime::new(year, month, day, hour, minute, second, nanos).ok()?)
}

/// Parses a number that has only digits, and as many as `n_digits` allows.
fn parse_digits<T: FromStr>(text: &str, n_digits: std::ops::RangeInclusive<usize>) -> Option<T> {
    (n_digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The timestamp of a date and time in UTC.
fn from_utc(time: civil::DateTime) -> Option<jiff::Timestamp> {
    TimeZone::UTC.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_parsed_in_three_forms_or_refused_with_a_reason() {
        /// 2026-01-31 12:00 UTC.
        const NOON: i64 = 1_769_860_800_000_000_000;
        let cases = [
            ("0", Ok(0)),
            ("0.010", Ok(10_000_000)),
            (" 1.5 ", Ok(1_500_000_000)),
            ("007.1", Ok(7_100_000_000)),
            ("0.000000001", Ok(1)),
            ("0.0000000010000", Ok(1)),
            ("1700000000.123456789", Ok(1_700_000_000_123_456_789)),
            ("9223372036.854775807", Ok(i64::MAX)),
            ("9223372036.854775808", Err(TimeError::TooLate)),
            ("99999999999999999999999", Err(TimeError::TooLate)),
            ("0.0000000001", Err(TimeError::TooPrecise { decimals: 10 })),
            ("-0.5", Err(TimeError::Negative)),
            ("-1", Err(TimeError::Negative)),
            ("1e-3", Err(TimeError::Exponent)),
            ("-1.5E+7", Err(TimeError::Exponent)),
            ("2026-01-31T12:00:00Z", Ok(NOON)),
            ("2026-01-31T12:00:00", Ok(NOON)),
            ("2026-01-31 12:00", Ok(NOON)),
            ("2026-01-31T13:00:00+01:00", Ok(NOON)),
            ("2026-01-31T07:00:00.000000001-05:00", Ok(NOON + 1)),
            ("2026-01-31T12:00:00.1234567890000Z", Ok(NOON + 123_456_789)),
            ("2026-01-31T12:00:00.1234567891Z", Err(TimeError::TooPrecise { decimals: 10 })),
            ("2026-01-31", Ok(NOON - 12 * 3_600_000_000_000)),
            ("1969-12-31T23:59:59Z", Err(TimeError::Negative)),
            ("0001-01-01T00:00:00Z", Err(TimeError::Negative)),
            ("2263-01-01T00:00:00Z", Err(TimeError::TooLate)),
            ("1700000000123", Err(TimeError::Unit { unit: "milliseconds" })),
            ("1700000000123456", Err(TimeError::Unit { unit: "microseconds" })),
            ("1700000000123456789", Err(TimeError::Unit { unit: "nanoseconds" })),
            ("2026-01-31T12:00:00[Europe/Berlin]", Err(TimeError::ZoneName)),
            ("2026-01-31T12:00:00[u-ca=gregory]", Err(TimeError::ZoneName)),
            ("2026-01-31T13:00:00+01:00[Europe/Berlin]", Ok(NOON)),
            ("2026-01-31T12:00:00Z[Etc/UTC]", Ok(NOON)),
            ("20161231T235960Z", Err(TimeError::LeapSecond)),
            ("2016-12-31T23:59:60.5+00:00", Err(TimeError::LeapSecond)),
            ("2026-01-31T12:00", Ok(NOON)),
            ("20260131T120000Z", Ok(NOON)),
            ("20260131T100060Z", Err(TimeError::LeapSecond)),
            ("2016-12-31T23:59:60Z", Err(TimeError::LeapSecond)),
            ("31/12/2016 23:59:60", Err(TimeError::LeapSecond)),
            ("31/01/2026 12:00", Ok(NOON)),
            ("31/1/2026 12:00:30", Ok(NOON + 30_000_000_000)),
            ("31/01/2026 12:00:30.25", Ok(NOON + 30_250_000_000)),
            ("1/2/2026 0:00", Ok(NOON + 12 * 3_600_000_000_000)),
            ("01/31/2026 12:00", Err(TimeError::Unknown)),
            ("30/02/2026 12:00", Err(TimeError::Unknown)),
            ("31/01/26 12:00", Err(TimeError::Unknown)),
            ("31/01/2026 12:00:00:00", Err(TimeError::Unknown)),
            ("31/01/2026/1 12:00", Err(TimeError::Unknown)),
            ("31/01/2026", Err(TimeError::Unknown)),
            ("12:60", Err(TimeError::Unknown)),
            ("0,010", Err(TimeError::Unknown)),
            ("1.", Err(TimeError::Unknown)),
            (".5", Err(TimeError::Unknown)),
            ("+1", Err(TimeError::Unknown)),
            ("1.2.3", Err(TimeError::Unknown)),
            ("NaN", Err(TimeError::Unknown)),
            ("inf", Err(TimeError::Unknown)),
            ("", Err(TimeError::Unknown)),
            ("-", Err(TimeError::Unknown)),
            ("٣", Err(TimeError::Unknown)),
        ];
        for (given, expected) in cases {
            assert_eq!(given.parse::<Timestamp>().map(Timestamp::as_nanos), expected, "given {given:?}");
        }
    }

    #[test]
    fn numbers_that_look_like_dates_are_detected() {
        let date = Some(Lookalike::Date { year: 2026, month: 1, day: 31 });
        for (given, expected) in [
            ("20260131", date),
            (" 31012026 ", date),
            ("2026", Some(Lookalike::Year)),
            ("20261331", None),
            ("1769860800", None),
            ("3000", None),
            ("20260131.5", None),
            ("0", None),
        ] {
            assert_eq!(lookalike(given), expected, "given {given:?}");
        }
    }

    #[test]
    fn times_are_displayed_with_nine_decimals_or_in_utc() {
        for (nanos, seconds, iso) in [
            (0, "0.000000000", "1970-01-01T00:00:00Z"),
            (10_000_000, "0.010000000", "1970-01-01T00:00:00.01Z"),
            (-1, "-0.000000001", "1969-12-31T23:59:59.999999999Z"),
            (i64::MAX, "9223372036.854775807", "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "-9223372036.854775808", "1677-09-21T00:12:43.145224192Z"),
        ] {
            let time = Timestamp::from_nanos(nanos);
            assert_eq!((&*time.to_string(), &*time.iso().to_string()), (seconds, iso));
        }
    }

    #[test]
    fn durations_are_never_negative() {
        let (early, late) = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
        assert_eq!(late.since(early), Some(Duration::from_nanos(u64::MAX)));
        assert_eq!(early.since(late), None);
        assert_eq!(early.since(early), Some(Duration::ZERO));
        assert_eq!(late.checked_add(Duration::from_nanos(1)), None);
        assert_eq!(Timestamp(1).checked_add(Duration::from_nanos(2)), Some(Timestamp(3)));
        assert_eq!(Timestamp(1).checked_add(Duration::MAX), None);
    }

    proptest! {
        #[test]
        fn displayed_times_are_parsed_back(nanos in 0..=i64::MAX) {
            let time = Timestamp(nanos);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            prop_assert_eq!(time.iso().to_string().parse(), Ok(time));
        }

        #[test]
        fn no_text_panics(text in "\\PC*", text_of_time_characters in "[0-9:/.eT+Z -]{0,40}") {
            let _ = text.parse::<Timestamp>();
            let _ = text_of_time_characters.parse::<Timestamp>();
        }
    }
}
