//! What a server is set to: every bound with its unit, its reason and its default.

use std::time::Duration;

use switchboard_protocol::limits;

/// The settings of a server. Build it from [`Settings::default`] and check it with [`Settings::validated`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How many sessions may be open. 10,000: half of the files that a process commonly may open.
    pub max_sessions: usize,
    /// How many of them one address may have (a /64 for IPv6). 100: a class behind one router, with room.
    pub max_sessions_per_address: usize,
    /// How long a session may go without a name. Two minutes: a person is asked for it, and may be typing.
    pub register_timeout: Duration,
    /// The longest line, in bytes with its LF.
    pub line_bytes: usize,
    /// The longest message text, in bytes.
    pub text_bytes: usize,
    /// How much may wait for a session before those who fill its outbox are read later, in bytes. 256 KiB: some
    /// thousand messages, which a healthy reader takes within one round trip.
    pub outbox_soft_bytes: usize,
    /// How much may wait for a session at all, in bytes. 2 MiB: the longest `USERS` line fits above the
    /// soft mark.
    pub outbox_bytes: usize,
    /// How long a session may take nothing of what waits for it. 30 seconds: a laptop that changes networks comes
    /// back within that.
    pub outbox_timeout: Duration,
    /// How many lines a second a session may send before it is read later; 0 is without limit. 100: no person types
    /// that fast, and few pastes are longer.
    pub lines_per_second: u32,
    /// Whether loopback has the limits of other addresses. It has not by default, because it is the operator's own:
    /// a load test there measures the server.
    pub limit_loopback: bool,
    /// How many lines of one session are carried out before others have their turn. 256: some tens of microseconds,
    /// so that ten who flood delay nobody else by a millisecond.
    pub turn_lines: usize,
    /// After how much silence a peer is probed for whether it is still there.
    pub keepalive: Duration,
    /// How long a peer may acknowledge nothing, probes or data, before it is taken for dead. Longer than `outbox_timeout`, so that a reader that is frozen is closed
    /// for that and not for a dead network.
    pub user_timeout: Duration,
    /// How long a stopping server writes what it owes.
    pub drain_timeout: Duration,
    /// Whether the text of messages is written down with the rest of what happens. Off: messages are private.
    pub log_messages: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_sessions: 10_000,
            max_sessions_per_address: 100,
            register_timeout: Duration::from_mins(2),
            line_bytes: limits::LINE_MAX_BYTES,
            text_bytes: limits::TEXT_MAX_BYTES,
            outbox_soft_bytes: 256 * 1024,
            outbox_bytes: 2 * 1024 * 1024,
            outbox_timeout: Duration::from_secs(30),
            lines_per_second: 100,
            limit_loopback: false,
            turn_lines: 256,
            keepalive: Duration::from_mins(1),
            user_timeout: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(10),
            log_messages: false,
        }
    }
}

/// Settings that contradict each other, or that no server can keep.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key} is {value}: {allowed}")]
pub struct InvalidSettings {
    /// Which setting.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What it may be.
    pub allowed: String,
}

/// The shortest line that the commands dialect can work with: a name and its verb.
const LINE_MIN_BYTES: usize = 256;

/// The longest time that a setting may give: Linux takes no longer one for keepalive (tcp(7)).
const TIME_MAX: Duration = Duration::from_hours(9);

// A line of any length that may be set fits in one read, but for whoever floods.
const _: () = assert!(limits::LINE_CEILING_BYTES <= crate::buffers::READ_BYTES);
const _: () = assert!(LINE_MIN_BYTES >= "REGISTER \r\n".len() + limits::USERNAME_MAX_BYTES);

/// The most that an outbox may be allowed to hold, in bytes: nobody who is that far behind catches up.
const OUTBOX_CEILING_BYTES: usize = 1 << 30;

impl Settings {
    /// The same settings, once they are known to fit together.
    pub fn validated(self) -> Result<Self, InvalidSettings> {
        let overhead = limits::FROM_OVERHEAD_BYTES + limits::USERNAME_MAX_BYTES;
        let users_line = limits::users_line_max_bytes(self.max_sessions.min(limits::USERS_MAX));
        between("max-sessions", self.max_sessions, 1, limits::USERS_MAX)?;
        between("max-sessions-per-address", self.max_sessions_per_address, 1, usize::MAX)?;
        between("line-bytes", self.line_bytes, LINE_MIN_BYTES, limits::LINE_CEILING_BYTES)?;
        between("text-bytes", self.text_bytes, 1, self.line_bytes - overhead).map_err(|error| InvalidSettings {
            allowed: format!("{}, so that name and text fit in line-bytes ({})", error.allowed, self.line_bytes),
            ..error
        })?;
        between("outbox-soft-bytes", self.outbox_soft_bytes, self.line_bytes, OUTBOX_CEILING_BYTES)?;
        let least = self.outbox_soft_bytes + users_line;
        between("outbox-bytes", self.outbox_bytes, least, OUTBOX_CEILING_BYTES).map_err(|error| InvalidSettings {
            allowed: format!(
                "{}, of which outbox-soft-bytes ({}) and the USERS line of max-sessions ({}) are the least",
                error.allowed, self.outbox_soft_bytes, self.max_sessions
            ),
            ..error
        })?;
        between("turn-lines", self.turn_lines, 1, 1_000_000)?;
        for (key, value) in [
            ("register-timeout", self.register_timeout),
            ("outbox-timeout", self.outbox_timeout),
            ("keepalive", self.keepalive),
        ] {
            if value.is_zero() || value > TIME_MAX {
                return Err(invalid(key, value, "give more than 0 and at most 9h"));
            }
        }
        if self.keepalive < Duration::from_secs(1) {
            return Err(invalid("keepalive", self.keepalive, "give 1s at least: the system counts in seconds"));
        }
        if self.user_timeout < self.outbox_timeout || self.user_timeout > TIME_MAX {
            let allowed = format!(
                "give at least outbox-timeout ({}) and at most 9h",
                humantime::format_duration(self.outbox_timeout)
            );
            return Err(invalid("user-timeout", self.user_timeout, &allowed));
        }
        Ok(self)
    }
}

fn between(key: &'static str, value: usize, least: usize, most: usize) -> Result<(), InvalidSettings> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let allowed =
        if most >= usize::MAX / 4 { format!("give at least {least}") } else { format!("give {least} to {most}") };
    Err(InvalidSettings { key, value: value.to_string(), allowed })
}

fn invalid(key: &'static str, value: Duration, allowed: &str) -> InvalidSettings {
    InvalidSettings { key, value: humantime::format_duration(value).to_string(), allowed: allowed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_together() {
        assert_eq!(Settings::default().validated(), Ok(Settings::default()));
    }

    #[test]
    fn what_does_not_fit_is_named_with_what_would() {
        let base = Settings::default;
        let cases = [
            (Settings { max_sessions: 0, ..base() }, "max-sessions is 0: give 1 to 65536"),
            (Settings { line_bytes: 100, ..base() }, "line-bytes is 100: give 256 to 65536"),
            (
                Settings { text_bytes: 4000, ..base() },
                "text-bytes is 4000: give 1 to 3960, so that name and text fit in line-bytes (4096)",
            ),
            (
                Settings { max_sessions: 20_000, ..base() },
                "outbox-bytes is 2097152: give 2842151 to 1073741824, of which outbox-soft-bytes (262144) and the \
                 USERS line of max-sessions (20000) are the least",
            ),
            (Settings { outbox_soft_bytes: 10, ..base() }, "outbox-soft-bytes is 10: give 4096 to 1073741824"),
            (
                Settings { outbox_bytes: 1 << 31, ..base() },
                "outbox-bytes is 2147483648: give 1552151 to 1073741824, of which outbox-soft-bytes (262144) and the \
                 USERS line of max-sessions (10000) are the least",
            ),
            (
                Settings { user_timeout: Duration::from_secs(5), ..base() },
                "user-timeout is 5s: give at least outbox-timeout (30s) and at most 9h",
            ),
            (
                Settings { outbox_timeout: Duration::ZERO, ..base() },
                "outbox-timeout is 0s: give more than 0 and at most 9h",
            ),
        ];
        for (settings, expected) in cases {
            assert_eq!(settings.validated().expect_err(expected).to_string(), expected);
        }
    }
}
