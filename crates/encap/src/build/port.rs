//! The choice of ports, and the dissectors that Wireshark has for them.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use switchboard_protocol::Dialect;

use crate::rows::{AppProtocol, Transport};

/// Ports of clients: ephemeral ports of Linux (32768 to 60999) for which Wireshark has no dissector. Wireshark looks
/// for a dissector by both ports of a packet, first by the lower port, so the client's port must not have a dissector.
pub const CLIENT_PORTS: RangeInclusive<u16> = 41_200..=44_300;

/// The server's port for a protocol without a port of its own. Also the offset that is added to the port of a protocol
/// if its dissector cannot read the messages.
pub const UNREAD_PORT: u16 = 50_000;

/// The first ephemeral port of Linux.
const EPHEMERAL_MIN: u16 = 32_768;

/// The first port that programs may use without privileges. Only servers use lower ports.
const UNPRIVILEGED_MIN: u16 = 1024;

/// The port of a server: the default port of the protocol if the protocol's dissector can read all messages, else a
/// port without a dissector.
pub(super) fn server_port(protocol: &AppProtocol, is_dissectable: bool) -> u16 {
    match protocol.port() {
        None => UNREAD_PORT,
        Some(port) if is_dissectable => port,
        Some(port) => UNREAD_PORT + port,
    }
}

/// The index of the server, if the ports show it: only the server has the default port of the protocol, or only the
/// server has a privileged port, or only the client has an ephemeral port. If just one port is known, an ephemeral port
/// is the client's and any other port is the server's.
pub(super) fn server_by_ports(protocol: &AppProtocol, ports: [Option<u16>; 2]) -> Option<usize> {
    let is_default = ports.map(|port| port.is_some() && port == protocol.port());
    match (is_default, ports) {
        ([true, false], _) => Some(0),
        ([false, true], _) => Some(1),
        (_, [Some(a), Some(b)]) if (a < UNPRIVILEGED_MIN) != (b < UNPRIVILEGED_MIN) => Some(usize::from(b < a)),
        (_, [Some(a), Some(b)]) if (a < EPHEMERAL_MIN) != (b < EPHEMERAL_MIN) => Some(usize::from(b < a)),
        (_, [Some(port), None]) => Some(usize::from(port >= EPHEMERAL_MIN)),
        (_, [None, Some(port)]) => Some(usize::from(port < EPHEMERAL_MIN)),
        _ => None,
    }
}

/// The dissectors of Wireshark by port, from the output of `tshark -G decodes`.
static DECODES: LazyLock<HashMap<(Transport, u16), &'static str>> = LazyLock::new(|| {
    let lines = include_str!("decodes.txt").lines().filter(|line| !line.starts_with('#'));
    let decode = |line: &'static str| {
        let mut words = line.split(' ');
        let transport = if words.next()? == "tcp" { Transport::Tcp } else { Transport::Udp };
        Some(((transport, words.next()?.parse().ok()?), words.next()?))
    };
    lines.filter_map(decode).collect()
});

/// The name of Wireshark's dissector for a port.
pub(super) fn dissector(port: u16, transport: Transport) -> Option<&'static str> {
    DECODES.get(&(transport, port)).copied()
}

/// The port by which Wireshark chooses the dissector, which is the lowest port with a dissector, and the name of that
/// dissector. `None` if that is the protocol's own dissector and it can read the messages, or if no port has a
/// dissector.
pub(super) fn misread_port(
    ports: [Option<u16>; 2],
    transport: Transport,
    protocol: &AppProtocol,
    is_dissectable: bool,
) -> Option<(u16, &'static str)> {
    let mut ports: Vec<u16> = ports.into_iter().flatten().collect();
    ports.sort_unstable();
    let (port, reader) = ports.into_iter().find_map(|port| Some((port, dissector(port, transport)?)))?;
    let own_dissector = protocol.port().and_then(|port| dissector(port, transport));
    // The port of the line dialect (8080) has the dissector of HTTP, which accepts any text.
    let is_readable = (is_dissectable && own_dissector == Some(reader))
        || (*protocol == AppProtocol::Chat && port == Dialect::Line.port());
    (!is_readable).then_some((port, reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misread_ports_have_a_dissector_of_another_protocol() {
        let protocol = |name: &str| AppProtocol::from(name);
        for (ports, transport, protocol, is_dissectable, expected) in [
            ([Some(43_000), Some(123)], Transport::Udp, protocol("TEXT"), true, Some((123, "ntp"))),
            ([Some(53), Some(50_000)], Transport::Udp, protocol("TEXT"), true, Some((53, "dns"))),
            ([Some(43_000), Some(389)], Transport::Tcp, protocol("TEXT"), true, Some((389, "ldap"))),
            ([None, Some(5683)], Transport::Tcp, protocol("TEXT"), true, Some((5683, "coap"))),
            ([None, Some(44_818)], Transport::Udp, protocol("TEXT"), true, Some((44_818, "enip"))),
            ([None, Some(8000)], Transport::Tcp, protocol("HTTP"), true, None),
            ([None, Some(80)], Transport::Tcp, protocol("HTTP"), false, Some((80, "http"))),
            ([None, Some(80)], Transport::Tcp, protocol("HTTP"), true, None),
            ([Some(80), Some(443)], Transport::Tcp, protocol("HTTP"), true, None),
            ([None, Some(8080)], Transport::Tcp, protocol("CHAT"), false, None),
            ([None, Some(12_345)], Transport::Tcp, protocol("CHAT"), false, None),
            ([None, None], Transport::Tcp, protocol("TEXT"), true, None),
        ] {
            let found = misread_port(ports, transport, &protocol, is_dissectable);
            assert_eq!(found, expected, "{protocol} {ports:?} {transport:?}");
        }
        assert!(DECODES.len() > 800, "{} lines of decodes.txt have three words", DECODES.len());
    }
}
