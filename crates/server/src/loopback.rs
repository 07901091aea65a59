//! Whether a host is this machine.

use std::net::IpAddr;

/// Whether only this machine reaches `host`, a name or an address, as far as its text tells.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}
