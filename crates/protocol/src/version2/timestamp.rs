//! The time of a record: `2026-11-28T22:10:37.123Z` (RFC 3339 §5.6, in UTC, with milliseconds).

const MILLIS_PER_DAY: u64 = 86_400_000;

/// The last millisecond of the year 9999. Later times have no such form.
const MILLIS_MAX: u64 = 253_402_300_799_999;

/// The length of a time in bytes.
const LEN: usize = "2026-11-28T22:10:37.123Z".len();

/// Appends the time that is `millis` milliseconds after 1970-01-01T00:00:00Z. A later year than 9999 is written as its
/// end.
pub(super) fn push_timestamp(out: &mut Vec<u8>, millis: u64) {
    let millis = millis.min(MILLIS_MAX);
    let (year, month, day) = civil_from_days(millis / MILLIS_PER_DAY);
    let in_day = millis % MILLIS_PER_DAY;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut write = |at: usize, digits: usize, mut value: u64| {
        for place in text[at..at + digits].iter_mut().rev() {
            *place = b'0' + (value % 10) as u8;
            value /= 10;
        }
    };
    write(0, 4, year);
    write(5, 2, month);
    write(8, 2, day);
    write(11, 2, in_day / 3_600_000);
    write(14, 2, in_day / 60_000 % 60);
    write(17, 2, in_day / 1000 % 60);
    write(20, 3, in_day % 1000);
    out.extend_from_slice(&text);
}

/// The time that is `millis` milliseconds after 1970-01-01T00:00:00Z.
#[must_use]
pub fn timestamp(millis: u64) -> String {
    let mut text = Vec::with_capacity(LEN);
    push_timestamp(&mut text, millis);
    String::from_utf8_lossy(&text).into_owned()
}

/// Parses a time in exactly this form, as milliseconds after 1970-01-01T00:00:00Z.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<u64> {
    let bytes: &[u8; LEN] = text.as_bytes().try_into().ok()?;
    for (&byte, &expected) in bytes.iter().zip(b"0000-00-00T00:00:00.000Z") {
        if expected == b'0' && !byte.is_ascii_digit() || expected != b'0' && byte != expected {
            return None;
        }
    }
    let read = |at: usize, digits: usize| {
        bytes[at..at + digits].iter().fold(0, |value, &byte| value * 10 + u64::from(byte - b'0'))
    };
    let (year, month, day) = (read(0, 4), read(5, 2), read(8, 2));
    let (hour, minute, second) = (read(11, 2), read(14, 2), read(17, 2));
    if year < 1970 || !(1..=12).contains(&month) || day == 0 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    // A day that its month lacks is a day of the next month.
    (civil_from_days(days) == (year, month, day))
        .then_some(days * MILLIS_PER_DAY + ((hour * 60 + minute) * 60 + second) * 1000 + read(20, 3))
}

/// The days from 0000-03-01 to 1970-01-01 in the Gregorian calendar. In years that begin in March, the day that only
/// leap years have is the last one.
const DAYS_BEFORE_1970: u64 = 719_468;

/// Year, month and day of the date that is `days` days after 1970-01-01 (Hinnant, *chrono-Compatible Low-Level Date
/// Algorithms*).
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The days from 1970-01-01 to a date of 1970 or later.
const fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - DAYS_BEFORE_1970
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(millis: u64) -> String {
        let mut out = Vec::new();
        push_timestamp(&mut out, millis);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn times_are_those_of_the_program_date() {
        // `date --utc --date=@SECONDS +%FT%TZ`
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_795_903_837_123, "2026-11-28T22:10:37.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (MILLIS_MAX, "9999-12-31T23:59:59.999Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(written(millis), text);
            assert_eq!(parse_timestamp(text), Some(millis), "{text}");
        }
        assert_eq!(written(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn only_the_written_form_parses() {
        let invalid = [
            "",
            "2026-11-28T22:10:37Z",
            "2026-11-28T22:10:37.123",
            "2026-11-28 22:10:37.123Z",
            "2026-11-28t22:10:37.123z",
            "2026-11-28T22:10:37.12:Z",
            "2026-02-29T00:00:00.000Z",
            "2100-02-29T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:60:00.000Z",
            "2026-01-01T00:00:60.000Z",
            "1969-12-31T23:59:59.999Z",
            "２026-11-28T22:10:37.1Z",
        ];
        for text in invalid {
            assert_eq!(parse_timestamp(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn times_round_trip(millis in 0..=MILLIS_MAX) {
            prop_assert_eq!(parse_timestamp(&written(millis)), Some(millis));
        }

        #[test]
        fn later_times_are_later_texts(earlier in 0..=MILLIS_MAX, later in 0..=MILLIS_MAX) {
            prop_assert_eq!(earlier.cmp(&later), written(earlier).cmp(&written(later)));
        }
    }
}
