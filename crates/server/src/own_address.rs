//! This machine's address on the network.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// This machine's address on the network, according to its routes. A UDP socket that connects sends nothing, but it
/// chooses a route. The destination is a documentation address (RFC 5737) with any port.
pub(crate) fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    }
}
