//! The choice of ports, and the dissectors that Wireshark has for them.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use switchboard_protocol::Dialect;

use crate::rows::{AppProtocol, Transport};

/// Ports of clients: a part of the ephemeral ports of Linux (32768 to 60999) in which Wireshark has no dissector for
/// TCP or UDP. Wireshark looks for a dissector on the lower port of a packet first, and then on the higher one.
pub const CLIENT_PORTS: RangeInclusive<u16> = 41_200..=44_300;

/// The port of servers whose protocol has none, and the offset that moves a port away from its dissector.
pub const UNREAD_PORT: u16 = 50_000;

/// The first ephemeral port of Linux.
const EPHEMERAL: u16 = 32_768;

/// Ports below are for servers only.
const PRIVILEGED: u16 = 1024;

/// The port of a server: that of the protocol if its dissector `fits`, or one without a dissector.
pub(super) fn of_server(protocol: &AppProtocol, fits: bool) -> u16 {
    match protocol.port() {
        None => UNREAD_PORT,
        Some(port) if fits => port,
        Some(port) => UNREAD_PORT + port,
    }
}

/// The index of the server, if the ports tell it.
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

/// The dissectors of Wireshark by port (`tshark -G decodes`).
static DECODES: LazyLock<HashMap<(Transport, u16), &'static str>> = LazyLock::new(|| {
    let lines = include_str!("decodes.txt").lines().filter(|line| !line.starts_with('#'));
    let decode = |line: &'static str| {
        let mut words = line.split(' ');
        let transport = if words.next()? == "tcp" { Transport::Tcp } else { Transport::Udp };
        Some(((transport, words.next()?.parse().ok()?), words.next()?))
    };
    lines.filter_map(decode).collect()
});

/// The dissector of Wireshark for a port.
pub(super) fn dissector(port: u16, transport: Transport) -> Option<&'static str> {
    DECODES.get(&(transport, port)).copied()
}

/// The first of the ports, from the lower one, with a dissector that does not fit, and that dissector.
pub(super) fn misread(
    ports: [Option<u16>; 2],
    transport: Transport,
    protocol: &AppProtocol,
    fits: bool,
) -> Option<(u16, &'static str)> {
    let mut ports: Vec<u16> = ports.into_iter().flatten().collect();
    ports.sort_unstable();
    let (port, reads) = ports.into_iter().find_map(|port| Some((port, dissector(port, transport)?)))?;
    let own = protocol.port().and_then(|port| dissector(port, transport));
    // The port of the other chat dialect has the dissector of HTTP, which accepts any text.
    let is_own = (fits && own == Some(reads)) || (*protocol == AppProtocol::Chat && port == Dialect::Line.port());
    (!is_own).then_some((port, reads))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misread_ports_have_a_dissector_of_another_protocol() {
        let of = |name: &str| AppProtocol::from(name);
        for (ports, transport, protocol, fits, expected) in [
            ([Some(43_000), Some(123)], Transport::Udp, of("TEXT"), true, Some((123, "ntp"))),
            ([Some(53), Some(50_000)], Transport::Udp, of("TEXT"), true, Some((53, "dns"))),
            ([Some(43_000), Some(389)], Transport::Tcp, of("TEXT"), true, Some((389, "ldap"))),
            ([None, Some(5683)], Transport::Tcp, of("TEXT"), true, Some((5683, "coap"))),
            ([None, Some(44_818)], Transport::Udp, of("TEXT"), true, Some((44_818, "enip"))),
            ([None, Some(8000)], Transport::Tcp, of("HTTP"), true, None),
            ([None, Some(80)], Transport::Tcp, of("HTTP"), false, Some((80, "http"))),
            ([None, Some(80)], Transport::Tcp, of("HTTP"), true, None),
            ([Some(80), Some(443)], Transport::Tcp, of("HTTP"), true, None),
            ([None, Some(8080)], Transport::Tcp, of("CHAT"), false, None),
            ([None, Some(12_345)], Transport::Tcp, of("CHAT"), false, None),
            ([None, None], Transport::Tcp, of("TEXT"), true, None),
        ] {
            assert_eq!(misread(ports, transport, &protocol, fits), expected, "{protocol} {ports:?} {transport:?}");
        }
        assert!(DECODES.len() > 800, "the table is read");
    }
}
