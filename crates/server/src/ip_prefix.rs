//! A prefix of addresses of either family, such as `10.0.0.0/8`, or a single address.

use std::net::IpAddr;
use std::str::FromStr;

use crate::ipv6_prefix::{Ipv6Prefix, Ipv6PrefixError};

/// The bits before an IPv4 address that is mapped to IPv6 (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX_BITS: u32 = 96;

/// The addresses that begin with the same bits. An IPv4 prefix is kept as the one of its mapped addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IpPrefix(Ipv6Prefix);

/// Why a text is not a prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("give an address or a prefix such as 10.0.0.0/8 or 2001:db8::/64, with no bit set after the prefix")]
pub struct IpPrefixError;

impl IpPrefix {
    /// Whether `address` begins with the bits of the prefix.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(mapped(address))
    }
}

impl FromStr for IpPrefix {
    type Err = IpPrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, len) = match text.split_once('/') {
            Some((address, len)) => (address, Some(len)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| IpPrefixError)?;
        let (all_bits, bits_before) = if address.is_ipv4() { (32, MAPPED_PREFIX_BITS) } else { (128, 0) };
        let len = match len {
            None => all_bits,
            Some(len) if len.bytes().all(|byte| byte.is_ascii_digit()) => len.parse().map_err(|_| IpPrefixError)?,
            Some(_) => return Err(IpPrefixError),
        };
        if len > all_bits {
            return Err(IpPrefixError);
        }
        let prefix = Ipv6Prefix::new(mapped(address), bits_before + len);
        prefix.map(Self).map_err(|_: Ipv6PrefixError| IpPrefixError)
    }
}

fn mapped(address: IpAddr) -> std::net::Ipv6Addr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
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
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("::1", "::1", true),
        ];
        for (prefix, address, expected) in cases {
            let parsed: IpPrefix = prefix.parse().expect(prefix);
            assert_eq!(parsed.contains(address.parse().expect(address)), expected, "{prefix} {address}");
        }
    }

    #[test]
    fn other_texts_are_no_prefix() {
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/+8", "::/129", "10.0.0.0/8/8"]
        {
            assert_eq!(text.parse::<IpPrefix>(), Err(IpPrefixError), "{text}");
        }
    }
}
