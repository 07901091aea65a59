//! Assigns addresses to apps that have only a name.
//!
//! The addresses are private in IPv4 (RFC 1918 §3) and for documentation in IPv6 (RFC 3849), so no host on the Internet
//! has them. A name never gets an address that occurs in the file.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::IpVersion;
use crate::rows::App;
use crate::wire::Mac;

/// The addresses of the apps of a file.
#[derive(Debug)]
pub(super) struct Addresses {
    /// The IPv4 and the IPv6 address of each app, by the number of the app.
    by_app: Vec<(Ipv4Addr, Ipv6Addr)>,
}

impl Addresses {
    /// Assigns addresses to `apps`, which are in the order of their numbers.
    pub(super) fn assign(apps: &[App]) -> Self {
        let given: HashSet<IpAddr> = apps.iter().filter_map(App::address).collect();
        let (mut v4, mut v6) = (0_u32, 0_u128);
        let mut next_unused = || {
            loop {
                v4 += 1;
                // In a /24 network, .0 is the network address and .255 the broadcast address.
                let address = v4_host(v4);
                if !matches!(address.octets()[3], 0 | 255) && !given.contains(&address.into()) {
                    break;
                }
            }
            loop {
                v6 += 1;
                if !given.contains(&v6_host(v6).into()) {
                    break;
                }
            }
            (v4_host(v4), v6_host(v6))
        };
        // The reader refuses a row between an IPv4 and an IPv6 address. So an app with an address of one version needs
        // none of the other.
        let by_app = apps.iter().map(|app| match app.address() {
            Some(IpAddr::V4(address)) => (address, Ipv6Addr::UNSPECIFIED),
            Some(IpAddr::V6(address)) => (Ipv4Addr::UNSPECIFIED, address),
            None => next_unused(),
        });
        Self { by_app: by_app.collect() }
    }

    /// The address of an app.
    pub(super) fn ip(&self, app: u32, version: IpVersion) -> IpAddr {
        let (v4, v6) = self.by_app[app as usize];
        match version {
            IpVersion::V4 => v4.into(),
            IpVersion::V6 => v6.into(),
        }
    }
}

/// `10.0.0.0` plus `number`.
fn v4_host(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits((10 << 24) + number)
}

/// `2001:db8::` plus `number`.
fn v6_host(number: u128) -> Ipv6Addr {
    Ipv6Addr::from_bits((0x2001_0db8 << 96) + number)
}

/// The MAC address of an app. A multicast group has the address that RFC 1112 §6.4 and RFC 2464 §7 define; a host has a
/// locally administered address, made from the number of the app.
pub(super) fn mac(app: u32, ip: IpAddr) -> Mac {
    match ip {
        IpAddr::V4(address) if address.is_broadcast() => Mac([0xff; 6]),
        IpAddr::V4(address) if address.is_multicast() => {
            let [_, b, c, d] = address.octets();
            Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(address) if address.is_multicast() => {
            let [.., a, b, c, d] = address.octets();
            Mac([0x33, 0x33, a, b, c, d])
        }
        _ => {
            let [a, b, c, d] = (app + 1).to_be_bytes();
            Mac([0x02, 0x00, a, b, c, d])
        }
    }
}

/// Whether the address is a multicast or broadcast address.
pub(super) fn is_group(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}
