//! The settings of a server: each bound with its unit, reason and default.

use std::path::PathBuf;
use std::time::Duration;

use switchboard_core::{Quota, Version2Settings};
use switchboard_protocol::limits;

use switchboard_protocol::IpPrefix;

/// Maximum number of on-link prefixes: more than a machine has networks, and few enough to compare an address with
/// each.
pub const ON_LINK_PREFIXES_MAX: usize = 64;

/// The settings of a server. Start from [`Settings::default`], and check with [`Settings::validated`].
///
/// A value in the description of a setting is its default, followed by the reason for this default.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting by itself, and has its name in the configuration")]
pub struct Settings {
    /// Whether the server announces itself on the local network. Off by default: the operator decides who learns of it.
    pub announce: bool,
    /// Maximum number of open sessions. 10,000: half of the usual limit of open files.
    pub max_sessions: usize,
    /// Maximum number of open sessions from one address (for a global IPv6 address, from its /64). 100: more than a
    /// school class behind one router.
    pub max_sessions_per_address: usize,
    /// IPv6 prefixes of local networks, at most [`ON_LINK_PREFIXES_MAX`]: each of their addresses counts by itself.
    /// None: the server cannot know its networks.
    pub on_link_prefixes: Vec<IpPrefix>,
    /// Time in which a session must register. Two minutes: a person may have to type the name.
    pub register_timeout: Duration,
    /// Maximum length of a line, in bytes with the LF.
    pub line_bytes: usize,
    /// Maximum length of a message text, in bytes.
    pub text_bytes: usize,
    /// Soft mark of an outbox, in bytes: above it, the server delays reading from the sessions that fill the outbox.
    /// 256 KiB: thousands of messages, which a healthy reader receives within one round trip.
    pub outbox_soft_bytes: usize,
    /// Hard mark of an outbox, in bytes: the reader is closed before the outbox exceeds this mark. 2 MiB: the longest
    /// `USERS` line fits above the soft mark.
    pub outbox_bytes: usize,
    /// Maximum time without progress of an outbox with unsent bytes. After this time, the reader is closed. Progress is
    /// a byte that the peer acknowledges, or on systems other than Linux a byte that the socket takes. 30 seconds:
    /// enough for a laptop that changes networks.
    pub outbox_timeout: Duration,
    /// Maximum time without progress of a reader that answers, but has closed its receive window. Only on Linux. Ten
    /// minutes: a reader of a kilobyte a second needs six to read a sixteenth of a buffer of 6 MiB, and only then
    /// opens its window again.
    pub zero_window_timeout: Duration,
    /// Lines per second above which the server delays reading from a session; 0 means no limit. 100: faster than a
    /// person types, and more than most pasted texts have.
    pub lines_per_second: u32,
    /// Whether the limits per address and per second apply to loopback. By default they do not: loopback is the
    /// operator's own, and a load test there should measure the server.
    pub limit_loopback: bool,
    /// Whether passwords and tokens are accepted over connections that others on the network can read. Off by default:
    /// only loopback, TLS and unix sockets may carry them.
    pub allow_insecure_secrets: bool,
    /// Maximum number of lines in one turn, before other sessions have their turns. 256: tens of microseconds of work,
    /// so that ten flooding sessions delay another session by less than a millisecond.
    pub turn_lines: usize,
    /// Silence on a connection after which TCP probes the peer.
    pub keepalive: Duration,
    /// Time without an acknowledgement of data or probes, after which the peer counts as dead. At least
    /// `outbox_timeout`, so that a reader that stops acknowledging is closed as a slow consumer.
    pub user_timeout: Duration,
    /// Silence of a WebSocket after which the server pings it; it is closed after two pings without an answer. 25
    /// seconds: twice in the minute after which proxies forget a silent connection.
    pub web_ping: Duration,
    /// Further names under which browsers reach the server, beside its addresses, the name of the machine and those in
    /// the certificate.
    pub web_hosts: Vec<String>,
    /// Proxies that may tell where their clients are. None: a proxy could tell anything.
    pub trusted_proxies: Vec<IpPrefix>,
    /// Maximum time for which a stopping server writes unsent bytes.
    pub drain_timeout: Duration,
    /// The name of the server, one word: clients see it, and it is in the challenges that they sign.
    pub server_name: String,
    /// The directory of the store. `None`: everything is kept in memory, bounded, and forgotten at the end.
    pub data: Option<PathBuf>,
    /// Maximum memory of the records without `data`, in bytes. 64 MiB: some hundred thousand messages.
    pub memory_bytes: usize,
    /// Maximum records of a conversation without `data`. 4,096: enough to read the messages of a night.
    pub memory_records: usize,
    /// Whether messages can be searched. With `data`, an index of their words costs processor time and room on the disk.
    pub search: bool,
    /// Maximum that an account stores in 24 hours. A million records and 1 GiB: far more than people write, and little
    /// enough that one account does not fill a disk in a day.
    pub account_quota: Quota,
    /// Maximum that a session of a guest stores in 24 hours. 10,000 records and 4 MiB: more than a person types.
    pub guest_quota: Quota,
    /// Maximum that all guests together store in 24 hours, because a guest may come back under another name. A million
    /// records and 256 MiB.
    pub all_guests_quota: Quota,
    /// Whether guests may create rooms.
    pub guests_create_rooms: bool,
    /// Whether the text of messages is logged. Off by default: messages are private.
    pub log_messages: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let core = Version2Settings::default();
        Self {
            announce: false,
            max_sessions: 10_000,
            max_sessions_per_address: 100,
            on_link_prefixes: Vec::new(),
            register_timeout: Duration::from_mins(2),
            line_bytes: limits::LINE_MAX_BYTES,
            text_bytes: limits::TEXT_MAX_BYTES,
            outbox_soft_bytes: 256 * 1024,
            outbox_bytes: 2 * 1024 * 1024,
            outbox_timeout: Duration::from_secs(30),
            zero_window_timeout: Duration::from_mins(10),
            lines_per_second: 100,
            limit_loopback: false,
            allow_insecure_secrets: false,
            turn_lines: 256,
            keepalive: Duration::from_mins(1),
            user_timeout: Duration::from_mins(1),
            web_ping: Duration::from_secs(25),
            web_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            drain_timeout: Duration::from_secs(10),
            server_name: "switchboard".to_owned(),
            data: None,
            memory_bytes: 64 * 1024 * 1024,
            memory_records: 4096,
            search: true,
            account_quota: core.account_quota,
            guest_quota: core.guest_quota,
            all_guests_quota: core.all_guests_quota,
            guests_create_rooms: true,
            log_messages: false,
        }
    }
}

/// A setting that is out of its bounds or contradicts another.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{key} is {value}: {allowed}")]
pub struct InvalidSettings {
    /// The name of the setting, as in a configuration file.
    pub key: &'static str,
    /// The invalid value.
    pub value: String,
    /// The allowed values, as an instruction: "give 1 to 10".
    pub allowed: String,
}

/// Bytes of a line beside its text: verb and author, or in version 2 also the tags and the target.
const LINE_OVERHEAD_BYTES: usize = limits::LINE_MAX_BYTES - limits::TEXT_MAX_BYTES;

/// Lowest value of `line_bytes`: `REGISTER` and the longest name must fit into a line, and a text of some length.
const LINE_MIN_BYTES: usize = 2 * LINE_OVERHEAD_BYTES;

/// Highest value of a time: the limit of Linux for keepalive (tcp(7)).
const TIME_MAX: Duration = Duration::from_hours(9);

// A line of any allowed length fits into the read buffer.
const _: () = assert!(limits::LINE_CEILING_BYTES <= crate::buffers::READ_BYTES);
const _: () = assert!(LINE_MIN_BYTES >= "REGISTER \r\n".len() + limits::USERNAME_MAX_BYTES);
const _: () = assert!(LINE_OVERHEAD_BYTES >= limits::FROM_OVERHEAD_BYTES + limits::USERNAME_MAX_BYTES);

/// Highest value of the marks of an outbox, in bytes: a reader that is further behind does not catch up.
const OUTBOX_CEILING_BYTES: usize = 1 << 30;

impl Settings {
    /// Returns the settings if they are within their bounds and consistent.
    ///
    /// # Errors
    ///
    /// [`InvalidSettings`] with the first invalid setting.
    pub fn validated(self) -> Result<Self, InvalidSettings> {
        self.mistakes().into_iter().next().map_or(Ok(self), Err)
    }

    /// The settings that are out of their bounds, or that contradict others.
    #[must_use]
    pub fn mistakes(&self) -> Vec<InvalidSettings> {
        let users_line_bytes = limits::users_line_max_bytes(self.max_sessions.min(limits::USERS_MAX));
        let mut mistakes = Vec::new();
        let mut check = |result: Result<(), InvalidSettings>| mistakes.extend(result.err());
        check(check_range("max-sessions", self.max_sessions, 1, limits::USERS_MAX));
        check(check_range("max-sessions-per-address", self.max_sessions_per_address, 1, usize::MAX));
        check(match self.on_link_prefixes.len() {
            0..=ON_LINK_PREFIXES_MAX => Ok(()),
            len => Err(InvalidSettings {
                key: "on-link-prefix",
                value: format!("a list of {len} prefixes"),
                allowed: format!("give at most {ON_LINK_PREFIXES_MAX}"),
            }),
        });
        check(check_range("line-bytes", self.line_bytes, LINE_MIN_BYTES, limits::LINE_CEILING_BYTES));
        let text_max_bytes = self.line_bytes.max(LINE_MIN_BYTES) - LINE_OVERHEAD_BYTES;
        check(check_range("text-bytes", self.text_bytes, 1, text_max_bytes).map_err(|error| InvalidSettings {
            allowed: format!(
                "{}, so that the text fits in line-bytes ({}) with its tags, verb and target",
                error.allowed, self.line_bytes
            ),
            ..error
        }));
        let line_bytes = self.line_bytes.min(limits::LINE_CEILING_BYTES);
        check(check_range("outbox-soft-bytes", self.outbox_soft_bytes, line_bytes, OUTBOX_CEILING_BYTES));
        let hard_mark_min = self.outbox_soft_bytes.min(OUTBOX_CEILING_BYTES) + users_line_bytes;
        check(check_range("outbox-bytes", self.outbox_bytes, hard_mark_min, OUTBOX_CEILING_BYTES).map_err(|error| {
            InvalidSettings {
                allowed: format!(
                    "{}; the minimum is outbox-soft-bytes ({}) plus the longest USERS line for max-sessions ({})",
                    error.allowed, self.outbox_soft_bytes, self.max_sessions
                ),
                ..error
            }
        }));
        check(check_range("turn-lines", self.turn_lines, 1, 1_000_000));
        check(check_range("memory-records", self.memory_records, 1, usize::MAX));
        for (key, value) in [
            ("register-timeout", self.register_timeout),
            ("outbox-timeout", self.outbox_timeout),
            ("zero-window-timeout", self.zero_window_timeout),
            ("keepalive", self.keepalive),
            ("web-ping", self.web_ping),
        ] {
            if value.is_zero() || value > TIME_MAX {
                check(Err(invalid_time(key, value, "give more than 0 and at most 9h")));
            }
        }
        if !self.keepalive.is_zero() && self.keepalive < Duration::from_secs(1) {
            let allowed = "give at least 1s: the system counts in seconds";
            check(Err(invalid_time("keepalive", self.keepalive, allowed)));
        }
        if self.user_timeout < self.outbox_timeout || self.user_timeout > TIME_MAX {
            let allowed = format!(
                "give at least outbox-timeout ({}) and at most 9h",
                humantime::format_duration(self.outbox_timeout)
            );
            check(Err(invalid_time("user-timeout", self.user_timeout, &allowed)));
        }
        mistakes
    }
}

/// Checks that `value` is in the range from `min` to `max`. `usize::MAX` stands for no maximum.
fn check_range(key: &'static str, value: usize, min: usize, max: usize) -> Result<(), InvalidSettings> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    let allowed = if max == usize::MAX { format!("give at least {min}") } else { format!("give {min} to {max}") };
    Err(InvalidSettings { key, value: value.to_string(), allowed })
}

fn invalid_time(key: &'static str, value: Duration, allowed: &str) -> InvalidSettings {
    InvalidSettings { key, value: humantime::format_duration(value).to_string(), allowed: allowed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        assert_eq!(Settings::default().validated(), Ok(Settings::default()));
    }

    #[test]
    fn error_names_the_setting_and_the_allowed_values() {
        let base = Settings::default;
        let cases = [
            (Settings { max_sessions: 0, ..base() }, "max-sessions is 0: give 1 to 65536"),
            (
                Settings { on_link_prefixes: vec!["::/0".parse().expect("a prefix"); 65], ..base() },
                "on-link-prefix is a list of 65 prefixes: give at most 64",
            ),
            (Settings { line_bytes: 100, ..base() }, "line-bytes is 100: give 512 to 65536"),
            (
                Settings { text_bytes: 4000, ..base() },
                "text-bytes is 4000: give 1 to 3840, so that the text fits in line-bytes (4096) with its tags, verb \
                 and target",
            ),
            (
                Settings { max_sessions: 20_000, ..base() },
                "outbox-bytes is 2097152: give 2842151 to 1073741824; the minimum is outbox-soft-bytes (262144) \
                 plus the longest USERS line for max-sessions (20000)",
            ),
            (Settings { outbox_soft_bytes: 10, ..base() }, "outbox-soft-bytes is 10: give 4096 to 1073741824"),
            (
                Settings { outbox_bytes: 1 << 31, ..base() },
                "outbox-bytes is 2147483648: give 1552151 to 1073741824; the minimum is outbox-soft-bytes (262144) \
                 plus the longest USERS line for max-sessions (10000)",
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
