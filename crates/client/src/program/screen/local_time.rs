//! Times as the user's clock shows them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::program::settings::Clock;

/// The point in time of milliseconds since 1970. Times that no calendar has become its last one.
pub(crate) fn timestamp(unix_millis: u64) -> Timestamp {
    let millis = i64::try_from(unix_millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

/// Shows times in one time zone.
#[derive(Clone, Debug)]
pub(crate) struct LocalTime {
    zone: TimeZone,
    clock: Clock,
}

impl LocalTime {
    /// The time zone of the system.
    pub(crate) fn of_system(clock: Clock) -> Self {
        Self { zone: TimeZone::system(), clock }
    }

    /// Coordinated Universal Time, for tests.
    #[cfg(test)]
    pub(crate) fn utc() -> Self {
        Self { zone: TimeZone::UTC, clock: Clock::Hours24 }
    }

    /// The hours and minutes: `22:10`, or `10:10p` for the clock of 12 hours.
    pub(crate) fn time(&self, unix_millis: u64) -> String {
        let time = self.zoned(unix_millis);
        match self.clock {
            Clock::Hours24 => time.strftime("%H:%M").to_string(),
            Clock::Hours12 => {
                let half = if time.hour() < 12 { 'a' } else { 'p' };
                format!("{}{half}", time.strftime("%I:%M"))
            }
        }
    }

    /// The day: `Monday, 30 November 2026`.
    pub(crate) fn day(&self, unix_millis: u64) -> String {
        self.zoned(unix_millis).strftime("%A, %-d %B %Y").to_string()
    }

    /// The day and the time, for lists: `2026-11-30 22:10`.
    pub(crate) fn date_and_time(&self, unix_millis: u64) -> String {
        format!("{} {}", self.zoned(unix_millis).date(), self.time(unix_millis))
    }

    /// Whether two times are on different days.
    pub(crate) fn is_other_day(&self, before: u64, after: u64) -> bool {
        self.zoned(before).date() != self.zoned(after).date()
    }

    fn zoned(&self, unix_millis: u64) -> Zoned {
        timestamp(unix_millis).to_zoned(self.zone.clone())
    }
}
