//! Groups addresses that can belong to one subscriber, so that a limit per address holds for all of them together.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use switchboard_protocol::IpPrefix;

/// The address of a subscriber or of a machine. Equal keys share one limit.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum AddressKey {
    V4(Ipv4Addr),
    /// A global IPv6 address, by its first 64 bits, because an IPv6 subscriber has at least a /64 (RFC 6177 §2).
    V6Subnet(u64),
    /// An IPv6 address of a local network, where each machine has one, and all share their first 64 bits. The same
    /// link-local address on another interface is another machine (RFC 4007 §6).
    V6Host(Ipv6Addr, ScopeId),
}

/// The number of an interface, or 0 for an address that is not link-local.
type ScopeId = u32;

impl AddressKey {
    pub(crate) fn new(peer: SocketAddr, on_link_prefixes: &[IpPrefix]) -> Self {
        let peer = match peer {
            SocketAddr::V4(peer) => return Self::V4(*peer.ip()),
            SocketAddr::V6(peer) => peer,
        };
        let address = *peer.ip();
        if let Some(address) = address.to_ipv4_mapped() {
            return Self::V4(address);
        }
        if address.is_unicast_link_local() {
            return Self::V6Host(address, peer.scope_id());
        }
        let is_on_link = || on_link_prefixes.iter().any(|prefix| prefix.contains(address.into()));
        if address.is_unique_local() || is_on_link() {
            return Self::V6Host(address, 0);
        }
        Self::V6Subnet((address.to_bits() >> 64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The socket address of a peer with this address. For a link-local one, the number of the interface follows a `%`.
    fn peer(address: &str) -> SocketAddr {
        match address.parse() {
            Ok(address) => SocketAddr::new(address, 50_000),
            Err(_) => format!("[{address}]:50000").parse().expect("the address is valid"),
        }
    }

    #[test]
    fn addresses_share_a_count_if_they_can_belong_to_one_subscriber() {
        let on_link = ["2001:db8:1::/64", "2001:db8:2::/48"].map(|prefix| prefix.parse().expect("a valid prefix"));
        let cases = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            // An IPv4 address mapped into IPv6 is the IPv4 address.
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.2", "::ffff:192.0.2.1", false),
            // Global addresses of one /64 are those of one subscriber.
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            // Link-local addresses are those of machines, each on one interface.
            ("fe80::1%2", "fe80::1%2", true),
            ("fe80::1%2", "fe80::2%2", false),
            ("fe80::1%2", "fe80::1%3", false),
            ("febf:ffff::1%2", "febf:ffff::2%2", false),
            // Unique local addresses.
            ("fd12:3456::1", "fd12:3456::1", true),
            ("fd12:3456::1", "fd12:3456::2", false),
            // On-link prefixes.
            ("2001:db8:1::1", "2001:db8:1::2", false),
            ("2001:db8:1::1", "2001:db8:1::1", true),
            ("2001:db8:2:7::1", "2001:db8:2:7::2", false),
            ("2001:db8:3::1", "2001:db8:3::2", true),
            // An address outside the prefix does not count with one in it.
            ("2001:db8:1:1::1", "2001:db8:1::1", false),
            // Only a link-local address has a scope.
            ("2001:db8::1%2", "2001:db8::1%3", true),
            ("fd12:3456::1%2", "fd12:3456::1%3", true),
            ("::1", "::1", true),
        ];
        for (first, second, expected) in cases {
            let [first_key, second_key] = [first, second].map(|address| AddressKey::new(peer(address), &on_link));
            assert_eq!(first_key == second_key, expected, "{first} and {second}");
        }
    }
}
