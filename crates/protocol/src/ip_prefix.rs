//! A prefix of addresses of either family, such as `10.0.0.0/8` or `2001:db8:1::/64`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The bits before an IPv4 address that is mapped to IPv6 (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX_BITS: u32 = 96;

/// The addresses that begin with the same bits. An IPv4 prefix is kept as the one of its mapped addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IpPrefix {
    /// The bits, followed by zeros.
    bits: u128,
    /// The number of bits, 0 to 128.
    len: u32,
}

/// Why a text is not a prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IpPrefixError {
    /// The text is neither an address nor an address, a slash and a length.
    #[error("give an address or a prefix such as 10.0.0.0/8 or 2001:db8::/64")]
    Malformed,
    /// A bit after the prefix is set.
    #[error("the address has bits after the prefix: write {0}")]
    BitsAfterPrefix(IpPrefix),
}

impl IpPrefix {
    /// Whether `address` begins with the bits of the prefix.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        mapped(address) & mask(self.len) == self.bits
    }
}

impl FromStr for IpPrefix {
    type Err = IpPrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| IpPrefixError::Malformed)?;
        let (address_bits, bits_before) = match address {
            IpAddr::V4(_) => (Ipv4Addr::BITS, MAPPED_PREFIX_BITS),
            IpAddr::V6(_) => (Ipv6Addr::BITS, 0),
        };
        let is_number = |len: &&str| len.bytes().all(|byte| byte.is_ascii_digit());
        let len = match len {
            None => Some(address_bits),
            Some(len) => Some(len).filter(is_number).and_then(|len| len.parse().ok()),
        };
        let len = bits_before + len.filter(|&len| len <= address_bits).ok_or(IpPrefixError::Malformed)?;
        let bits = mapped(address) & mask(len);
        let prefix = Self { bits, len };
        if bits == mapped(address) { Ok(prefix) } else { Err(IpPrefixError::BitsAfterPrefix(prefix)) }
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from_bits(self.bits);
        match (address.to_ipv4_mapped(), self.len.checked_sub(MAPPED_PREFIX_BITS)) {
            (Some(address), Some(len)) => write!(f, "{address}/{len}"),
            _ => write!(f, "{address}/{}", self.len),
        }
    }
}

/// The bits of an IPv6 address, or of the IPv6 address to which an IPv4 address is mapped.
fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// A mask of the first `len` bits.
fn mask(len: u32) -> u128 {
    u128::MAX.checked_shl(u128::BITS - len).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_contains_the_addresses_that_begin_with_its_bits() {
        let cases = [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("127.0.0.1/32", "127.0.0.1", true),
            ("127.0.0.1/32", "127.0.0.2", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8:1::/64", "2001:db8:1::7", true),
            ("2001:db8:1::/64", "2001:db8:1:1::7", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::/0", "ffff::1", true),
            ("2001:db8::1/128", "2001:db8::1", true),
            ("2001:db8::1/128", "2001:db8::2", false),
        ];
        for (prefix, address, expected) in cases {
            let parsed: IpPrefix = prefix.parse().expect(prefix);
            assert_eq!(parsed.to_string(), prefix);
            assert_eq!(parsed.contains(address.parse().expect(address)), expected, "{prefix} {address}");
        }
        for address in ["127.0.0.1", "2001:db8::1"] {
            let parsed: IpPrefix = address.parse().expect(address);
            assert!(parsed.contains(address.parse().expect(address)), "{address}");
        }
    }

    #[test]
    fn other_texts_are_no_prefix() {
        let texts =
            ["", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "10.0.0.0/8/8", "/64", "lan/64"];
        for text in texts {
            assert_eq!(text.parse::<IpPrefix>(), Err(IpPrefixError::Malformed), "{text}");
        }
        for (text, prefix) in [("10.0.0.1/8", "10.0.0.0/8"), ("2001:db8:1::5/64", "2001:db8:1::/64")] {
            let error = text.parse::<IpPrefix>().expect_err(text);
            assert_eq!(error.to_string(), format!("the address has bits after the prefix: write {prefix}"));
        }
    }
}
