//! Ports: given ones, those of protocols, and those that nobody has a dissector for.

use std::ops::RangeInclusive;

use crate::rows::{AppProtocol, Transport};

/// Ports for clients: among those that Linux gives (32768 to 60999), a stretch in which Wireshark has no dissector, on
/// TCP or UDP. A dissector is looked for on the lower port, and then on the higher one.
pub const CLIENT_PORTS: RangeInclusive<u16> = 41_200..=44_300;

/// Where servers of protocols without a port of their own listen, and what is added to a port to avoid its dissector.
pub const UNREAD_PORT: u16 = 50_000;

/// The port from which on Linux gives ports to clients.
const EPHEMERAL: u16 = 32_768;

/// Ports below this are for servers alone.
const PRIVILEGED: u16 = 1024;

/// The port of a protocol's server: its own, or one that no dissector reads.
pub(super) fn of_server(protocol: &AppProtocol, fits: bool) -> u16 {
    match protocol.port() {
        None => UNREAD_PORT,
        Some(port) if fits => port,
        Some(port) => UNREAD_PORT + port,
    }
}

/// Which of the two sides serves, as far as ports tell.
pub(super) fn server(protocol: &AppProtocol, ports: [Option<u16>; 2]) -> Option<usize> {
    let own = ports.map(|port| port.is_some() && port == protocol.port());
    match (own, ports) {
        ([true, false], _) => Some(0),
        ([false, true], _) => Some(1),
        (_, [Some(a), Some(b)]) if (a < PRIVILEGED) != (b < PRIVILEGED) => Some(usize::from(b < a)),
        (_, [Some(a), Some(b)]) if (a < EPHEMERAL) != (b < EPHEMERAL) => Some(usize::from(b < a)),
        (_, [Some(port), None]) => Some(usize::from(port >= EPHEMERAL)),
        (_, [None, Some(port)]) => Some(usize::from(port < EPHEMERAL)),
        _ => None,
    }
}

/// The protocol whose dissector Wireshark gives what is on a port.
pub(super) fn read_as(port: u16, transport: Transport) -> Option<&'static AppProtocol> {
    AppProtocol::WELL_KNOWN.iter().find(|known| {
        known.port() == Some(port) && known.transport() == transport && !matches!(known, AppProtocol::Chat)
    })
}
