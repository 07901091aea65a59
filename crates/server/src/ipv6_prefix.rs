//! An IPv6 prefix, such as `2001:db8:1::/64`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The IPv6 addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ipv6Prefix {
    /// The bits, followed by zeros.
    bits: u128,
    /// The number of bits, 0 to 128.
    len: u32,
}

/// Why a text is not a prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Ipv6PrefixError {
    /// The text is not an address, a slash and a length.
    #[error("give an IPv6 prefix such as 2001:db8:1::/64")]
    Malformed,
    /// The text is an IPv4 prefix.
    #[error("give an IPv6 prefix such as 2001:db8:1::/64; each IPv4 address counts by itself already")]
    Ipv4,
    /// A bit after the prefix is set.
    #[error("the address has bits after the prefix: write {0}")]
    BitsAfterPrefix(Ipv6Prefix),
}

impl Ipv6Prefix {
    /// The prefix of `len` bits, at most 128, of `address`.
    pub(crate) fn new(address: Ipv6Addr, len: u32) -> Result<Self, Ipv6PrefixError> {
        let bits = address.to_bits() & mask(len);
        let prefix = Self { bits, len };
        if bits == address.to_bits() { Ok(prefix) } else { Err(Ipv6PrefixError::BitsAfterPrefix(prefix)) }
    }

    /// Whether `address` begins with the bits of the prefix.
    #[must_use]
    pub fn contains(self, address: Ipv6Addr) -> bool {
        address.to_bits() & mask(self.len) == self.bits
    }
}

/// A mask of the first `len` bits.
fn mask(len: u32) -> u128 {
    u128::MAX.checked_shl(u128::BITS - len).unwrap_or(0)
}

impl FromStr for Ipv6Prefix {
    type Err = Ipv6PrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, len) = text.split_once('/').ok_or(Ipv6PrefixError::Malformed)?;
        if address.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(Ipv6PrefixError::Ipv4);
        }
        let address: Ipv6Addr = address.parse().map_err(|_| Ipv6PrefixError::Malformed)?;
        let is_number = len.bytes().all(|byte| byte.is_ascii_digit());
        let len = len.parse().ok().filter(|&len| is_number && len <= u128::BITS).ok_or(Ipv6PrefixError::Malformed)?;
        Self::new(address, len)
    }
}

impl fmt::Display for Ipv6Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv6Addr::from_bits(self.bits), self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_contains_the_addresses_that_begin_with_its_bits() {
        let cases = [
            ("2001:db8:1::/64", "2001:db8:1::7", true),
            ("2001:db8:1::/64", "2001:db8:1:1::7", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::/0", "ffff::1", true),
            ("2001:db8::1/128", "2001:db8::1", true),
            ("2001:db8::1/128", "2001:db8::2", false),
        ];
        for (prefix, address, expected) in cases {
            let parsed: Ipv6Prefix = prefix.parse().expect("the prefix is valid");
            assert_eq!(parsed.to_string(), prefix);
            assert_eq!(parsed.contains(address.parse().expect("the address is valid")), expected, "{address} {prefix}");
        }
    }

    #[test]
    fn invalid_prefix_reports_the_allowed_form() {
        let cases = ["", "2001:db8::", "2001:db8::/", "2001:db8::/129", "2001:db8::/+64", "/64", "lan/64", "::/64/64"];
        for text in cases {
            assert_eq!(text.parse::<Ipv6Prefix>(), Err(Ipv6PrefixError::Malformed), "given {text:?}");
        }
        assert_eq!("192.0.2.0/24".parse::<Ipv6Prefix>(), Err(Ipv6PrefixError::Ipv4));
        let error = "2001:db8:1::5/64".parse::<Ipv6Prefix>().expect_err("a bit after the prefix is set");
        assert_eq!(error.to_string(), "the address has bits after the prefix: write 2001:db8:1::/64");
    }
}
