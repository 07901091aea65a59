//! The syntax of values, which is the same in each source.

use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::listener::ListenAddress;
use switchboard_protocol::{IpPrefix, IpPrefixError};

/// The value for "no address" and "no prefix". It turns a listener off.
pub(super) const NONE: &str = "none";

/// The longest word, in bytes.
const WORD_MAX_BYTES: usize = 64;

/// A length of time in the form `30s` or `1m 30s`. A number without a unit is a number of seconds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct TimeSpan(pub(super) Duration);

impl FromStr for TimeSpan {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let time = match text.parse() {
            Ok(seconds) if is_number => Duration::try_from_secs_f64(seconds).ok(),
            _ => humantime::parse_duration(text).ok(),
        };
        time.map(Self).ok_or("give a time such as 30s or 2m, or a number of seconds")
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TimeSpan> for String {
    fn from(time: TimeSpan) -> Self {
        humantime::format_duration(time.0).to_string()
    }
}

pub(super) fn number<T: FromStr>(text: &str) -> Result<T, &'static str> {
    // TOML has no larger numbers.
    if text.parse::<u64>().is_ok_and(|number| i64::try_from(number).is_err()) {
        return Err("give a smaller number: the largest is 9223372036854775807");
    }
    text.parse().map_err(|_| "give a whole number, 0 or more")
}

pub(super) fn boolean(text: &str) -> Result<bool, &'static str> {
    match &*text.to_ascii_lowercase() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("give true or false (or yes or no, 1 or 0)"),
    }
}

/// Checks a word: printable characters without spaces.
pub(super) fn word(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let is_word = !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if is_word && text.len() <= WORD_MAX_BYTES { Ok(text.to_owned()) } else { Err("give one word of 1 to 64 bytes") }
}

/// Checks an address, and returns its text. The text `none` stands for no address.
pub(super) fn address_or_none(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text != NONE {
        text.parse::<ListenAddress>()?;
    }
    Ok(text.to_owned())
}

/// Checks a name of a host. The text `none` stands for no name.
pub(super) fn host_or_none(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if text.is_empty() || !text.chars().all(is_plain) {
        return Err("give a name such as chat.example, without a port; other letters in the form xn--…");
    }
    Ok(text.to_owned())
}

/// Checks an address or a prefix of proxies, and returns its text. The text `none` stands for no proxy.
pub(super) fn proxy_or_none(text: &str) -> Result<String, IpPrefixError> {
    let text = text.trim();
    if text != NONE {
        text.parse::<IpPrefix>()?;
    }
    Ok(text.to_owned())
}

/// Checks that a directory has a name. The text `none` stands for no directory.
pub(super) fn directory_or_none(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("give a directory, or none") } else { Ok(text.to_owned()) }
}

/// Checks an IPv6 prefix, and returns its text. The text `none` stands for no prefix.
pub(super) fn ipv6_prefix_or_none(text: &str) -> Result<String, String> {
    const EXAMPLE: &str = "give an IPv6 prefix such as 2001:db8:1::/64";
    let text = text.trim();
    if text == NONE {
        return Ok(text.to_owned());
    }
    let Some((address, _)) = text.split_once('/') else { return Err(EXAMPLE.to_owned()) };
    if address.parse::<Ipv4Addr>().is_ok() {
        return Err(format!("{EXAMPLE}; each IPv4 address counts by itself already"));
    }
    match text.parse::<IpPrefix>() {
        Ok(_) => Ok(text.to_owned()),
        Err(IpPrefixError::Malformed) => Err(EXAMPLE.to_owned()),
        Err(error @ IpPrefixError::BitsAfterPrefix(_)) => Err(error.to_string()),
    }
}
