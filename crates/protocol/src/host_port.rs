//! Addresses of servers as people write them: `HOST:PORT`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A host and a port. The host is not resolved.
///
/// An IPv6 host may have a zone (RFC 4007 §11), such as `fe80::1%eth0`. The resolver of the system (`getaddrinfo`)
/// understands names and numbers of zones. So a caller resolves the pair [`HostPort::pair`], and not the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// Why a text is not an address.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HostPortError {
    /// The text has no port, and there is no default.
    #[error("the port is missing: write HOST:PORT")]
    NoPort,
    /// The port is not a number from 0 to 65535.
    #[error("port {port:?} is not a number from 0 to 65535")]
    InvalidPort {
        /// The text after the last colon.
        port: String,
    },
    /// The host is empty.
    #[error("the host is missing: write HOST:PORT")]
    NoHost,
    /// A name has a character that no host name has.
    #[error("host {host:?} has the character {found:?}: write a name, an IPv4 address or [an IPv6 address]")]
    InvalidHost {
        /// The host.
        host: String,
        /// The character.
        found: char,
    },
    /// The text has several colons, but the host is not an IPv6 address in brackets.
    #[error("{host:?} is not an IPv6 address in brackets: write [ADDRESS]:PORT or [ADDRESS%ZONE]:PORT")]
    InvalidIpv6 {
        /// The host as written.
        host: String,
    },
}

impl HostPort {
    /// Parses an address that may omit its port. Without a port, an IPv6 address may also omit the brackets.
    ///
    /// ```
    /// use switchboard_protocol::HostPort;
    ///
    /// let address = HostPort::parse_or_default_port("fe80::1%eth0", 12345)?;
    /// assert_eq!(address.to_string(), "[fe80::1%eth0]:12345");
    /// assert_eq!(address.pair(), ("fe80::1%eth0", 12345));
    /// # Ok::<(), switchboard_protocol::HostPortError>(())
    /// ```
    pub fn parse_or_default_port(text: &str, default_port: u16) -> Result<Self, HostPortError> {
        Self::parse(text, Some(default_port))
    }

    /// The host without brackets, and the port: an argument for the resolver.
    #[must_use]
    pub fn pair(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    fn parse(text: &str, default_port: Option<u16>) -> Result<Self, HostPortError> {
        if default_port.is_some() && is_ipv6(text) {
            return Self::new(text, None, default_port);
        }
        if let Some(after_bracket) = text.strip_prefix('[') {
            let invalid = || HostPortError::InvalidIpv6 { host: text.to_owned() };
            let (host, rest) = after_bracket.split_once(']').ok_or_else(invalid)?;
            if !is_ipv6(host) {
                return Err(HostPortError::InvalidIpv6 { host: host.to_owned() });
            }
            let port = match rest.strip_prefix(':') {
                None if !rest.is_empty() => return Err(invalid()),
                port => port,
            };
            return Self::new(host, port, default_port);
        }
        let (host, port) = text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        if host.contains(':') {
            return Err(HostPortError::InvalidIpv6 { host: text.to_owned() });
        }
        if host.is_empty() {
            return Err(HostPortError::NoHost);
        }
        let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || "[]/%@?#\"'\\,".contains(c);
        if let Some(found) = host.chars().find(|&c| is_forbidden(c)) {
            return Err(HostPortError::InvalidHost { host: host.to_owned(), found });
        }
        Self::new(host, port, default_port)
    }

    fn new(host: &str, port: Option<&str>, default_port: Option<u16>) -> Result<Self, HostPortError> {
        let port = match port {
            Some(port) => parse_port(port)?,
            None => default_port.ok_or(HostPortError::NoPort)?,
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    /// Parses `HOST:PORT`. An IPv6 address stands in brackets.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, None)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Parses a port in decimal digits. `u16::from_str` would also accept a sign.
fn parse_port(text: &str) -> Result<u16, HostPortError> {
    let invalid = || HostPortError::InvalidPort { port: text.to_owned() };
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.ok_or_else(invalid)?.parse().map_err(|_| invalid())
}

/// Whether `host` is an IPv6 address, with or without a zone.
fn is_ipv6(host: &str) -> bool {
    let (address, zone) = host.split_once('%').map_or((host, None), |(address, zone)| (address, Some(zone)));
    let is_zone = |zone: &str| !zone.is_empty() && zone.chars().all(|c| c.is_ascii_graphic() && !"[]/%".contains(c));
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(is_zone)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn address_with_port_is_parsed_and_displayed() {
        let cases = [
            ("127.0.0.1:12345", ("127.0.0.1", 12345)),
            ("chat.example:0", ("chat.example", 0)),
            ("[::1]:65535", ("::1", 65535)),
            ("[fe80::1%eth0]:12345", ("fe80::1%eth0", 12345)),
            ("[fe80::1%2]:12345", ("fe80::1%2", 12345)),
        ];
        for (text, pair) in cases {
            let address: HostPort = text.parse().expect(text);
            assert_eq!(address.pair(), pair, "given {text:?}");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn default_port_applies_only_without_a_port() {
        let cases = [
            ("chat.example", "chat.example:7"),
            ("chat.example:8", "chat.example:8"),
            ("::1", "[::1]:7"),
            ("fe80::1%eth0", "[fe80::1%eth0]:7"),
            ("[::1]", "[::1]:7"),
            ("[::1]:8", "[::1]:8"),
        ];
        for (text, expected) in cases {
            assert_eq!(HostPort::parse_or_default_port(text, 7).expect(text).to_string(), expected);
        }
    }

    #[test]
    fn error_names_the_wrong_part() {
        let cases = [
            ("", "the host is missing"),
            ("foo", "the port is missing"),
            ("[::1]", "the port is missing"),
            (":12345", "the host is missing"),
            ("foo:", "port \"\" is not a number"),
            ("foo:bar", "port \"bar\" is not a number"),
            ("foo:+80", "port \"+80\" is not a number"),
            ("foo:65536", "port \"65536\" is not a number"),
            ("::1:12345", "\"::1:12345\" is not an IPv6 address in brackets"),
            ("[::1", "\"[::1\" is not an IPv6 address in brackets"),
            ("[::1]12345", "is not an IPv6 address in brackets"),
            ("[foo]:1", "\"foo\" is not an IPv6 address in brackets"),
            ("[fe80::1%]:1", "\"fe80::1%\" is not an IPv6 address in brackets"),
            ("no such host:1", "host \"no such host\" has the character ' '"),
            ("a/b:1", "has the character '/'"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<HostPort>().expect_err(text).to_string();
            assert!(error.contains(expected), "given {text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn displayed_address_parses_to_the_same_value(text in ".{0,40}") {
            for address in [text.parse::<HostPort>(), HostPort::parse_or_default_port(&text, 7)].into_iter().flatten() {
                prop_assert_eq!(address.to_string().parse::<HostPort>(), Ok(address));
            }
        }
    }
}
