//! Addresses of WebSockets (RFC 6455 §3): `ws://HOST:PORT/ws`, and with TLS `wss://HOST:PORT/ws`.

use switchboard_protocol::{HostPort, sanitize};

use super::cli_error::CliError;

/// The path of the WebSocket of our server, if an address has none.
const DEFAULT_PATH: &str = "/ws";

/// The address of a WebSocket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WebSocketUrl {
    /// The host and the port as written, for the header `Host`.
    pub(crate) authority: String,
    pub(crate) address: HostPort,
    pub(crate) path: String,
    pub(crate) has_tls: bool,
}

impl WebSocketUrl {
    /// Parses `text`. Returns `None` if it does not begin as such an address does.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, CliError>> {
        let (scheme, rest) = text.split_once("://")?;
        let (has_tls, default_port) = match &*scheme.to_ascii_lowercase() {
            "ws" => (false, 80),
            "wss" => (true, 443),
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { DEFAULT_PATH } else { path };
        let usage = |why: &str| CliError::Usage(sanitize(&format!("in the address {text}, the {why}")).into_owned());
        // The path becomes a part of the first line of a request.
        if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Some(Err(usage("path has a character that is not allowed there")));
        }
        let address = HostPort::parse_or_default_port(authority, default_port);
        let address = address.map_err(|error| usage(&error.to_string()));
        Some(address.map(|address| Self { authority: authority.to_owned(), address, path: path.to_owned(), has_tls }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_websockets_are_parsed() {
        let cases = [
            ("ws://127.0.0.1:8088/ws", ("127.0.0.1:8088", "127.0.0.1:8088", "/ws", false)),
            ("WSS://chat.example", ("chat.example", "chat.example:443", "/ws", true)),
            ("ws://[::1]/", ("[::1]", "[::1]:80", "/", false)),
            ("wss://chat.example/chat/ws?x=1", ("chat.example", "chat.example:443", "/chat/ws?x=1", true)),
        ];
        for (text, expected) in cases {
            let url = WebSocketUrl::parse(text).expect(text).expect(text);
            let WebSocketUrl { authority, address, path, has_tls } = &url;
            assert_eq!((&**authority, &*address.to_string(), &**path, *has_tls), expected);
        }
        for text in ["chat.example:1", "switchboard://h:1", "https://chat.example/ws"] {
            assert!(WebSocketUrl::parse(text).is_none(), "{text}");
        }
        for (text, part) in [
            ("ws://", "the host is missing"),
            ("ws://h:x/ws", "port \"x\" is not a number"),
            ("ws://h/a b", "path has a character"),
            ("ws://h/\r\nx", "path has a character"),
        ] {
            let error = WebSocketUrl::parse(text).expect(text).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
