//! The parts of a server's address on the command line: `HOST:PORT`, or a link, which may name a room and a key.

use switchboard_client::JoinLink;
use switchboard_protocol::version2::RoomName;

/// Returns `HOST:PORT`, without the room and the key of a link.
pub(crate) fn host_port(addr: &str) -> String {
    addr.parse::<JoinLink>().map_or_else(|_| addr.to_owned(), |link| link.address.to_string())
}

/// Returns the room that a link names.
pub(crate) fn room(addr: &str) -> Option<RoomName> {
    addr.parse::<JoinLink>().ok()?.room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_an_address_and_may_have_a_room() {
        let cases = [
            ("127.0.0.1:12345", "127.0.0.1:12345", None),
            ("switchboard://chat.example:1", "chat.example:1", None),
            ("switchboard://[::1]:1/#Lab", "[::1]:1", Some("#Lab")),
            ("switchboard://h:1/#lab?key=DBFVjrSVh7diZMF4UEuujerdq6qIuhRZuMzvzJ-rqFg", "h:1", Some("#lab")),
        ];
        for (addr, server, expected) in cases {
            assert_eq!(host_port(addr), server);
            assert_eq!(room(addr).as_ref().map(RoomName::as_str), expected, "{addr}");
        }
    }
}
