//! Facts about the server for the page: links for others, and the fingerprint to compare.

use std::net::{IpAddr, SocketAddr};

use hyper::StatusCode;
use hyper::http::uri::Authority;
use hyper::{Response, Uri};
use serde::Serialize;
use switchboard_protocol::version2::RoomName;

use super::hosts;
use super::response::{self, Body};
use crate::join_code;
use crate::loopback::is_loopback;
use crate::settings::Settings;
use crate::tls::Tls;

/// The facts that are the same for all requests.
#[derive(Debug)]
pub(crate) struct About {
    server: String,
    /// The listeners for the commands dialect over TLS: the bound address and the TLS side of each.
    commands_over_tls: Vec<(SocketAddr, Tls)>,
}

/// The answer to `/about.json`.
#[derive(Serialize)]
struct Answer<'a> {
    server: &'a str,
    version: &'static str,
    /// The address of the page, for others.
    page: &'a str,
    /// The fingerprint of the certificate, as browsers show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    /// The link for the program `switchboard`, with the hash of the key, if a listener is reachable there.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

impl About {
    pub(crate) fn new(settings: &Settings, commands_over_tls: Vec<(SocketAddr, Tls)>) -> Self {
        Self { server: settings.server_name.clone(), commands_over_tls }
    }

    /// The answer as JSON. `page`: the address of the page. `tls`: the TLS side of the web listener.
    pub(super) fn respond(&self, page: &str, tls: Option<&Tls>) -> Response<Body> {
        let fingerprint = tls.map(|tls| tls.fingerprints().certificate);
        let host = page.parse::<Uri>().ok().and_then(|page| page.authority().cloned());
        let link = host.and_then(|host| {
            let name = hosts::name(&host);
            let mut listeners = self.commands_over_tls.iter();
            let (address, tls) = listeners.find(|(address, _)| is_reachable_at(address.ip(), &name))?;
            Some(format!("switchboard://{}:{}/?key={}", host.host(), address.port(), tls.fingerprints().key))
        });
        let answer = Answer { server: &self.server, version: env!("SWITCHBOARD_VERSION"), page, fingerprint, link };
        let answer = serde_json::to_string(&answer).unwrap_or_default();
        response::of_type(StatusCode::OK, "application/json", answer)
    }
}

/// The QR code of the address of the page, with the room that `query` names.
pub(super) fn join_code(page: &str, query: Option<&str>) -> Response<Body> {
    let room = match query.and_then(|query| query.strip_prefix("room=")).map(decode_percent) {
        None if query.is_none() => String::new(),
        Some(Some(room)) if RoomName::new(&format!("#{room}")).is_ok() => format!("#{}", encode_percent(&room)),
        _ => return response::text(StatusCode::BAD_REQUEST, "Name a room with ?room=NAME, without its '#', or none."),
    };
    match join_code::svg(&format!("{page}{room}")) {
        Some(svg) => response::of_type(StatusCode::OK, "image/svg+xml", svg),
        None => response::text(StatusCode::BAD_REQUEST, "The link is too long for a QR code."),
    }
}

/// The address of the page for others. `host`: the one of the request. `reachable`: an address of this machine that
/// others reach, if the listener has one.
pub(super) fn page_address(host: &Authority, is_https: bool, reachable: Option<SocketAddr>) -> String {
    let is_local = is_loopback(&hosts::name(host));
    match reachable.filter(|_| is_local) {
        Some(reachable) => format!("https://{reachable}/"),
        None => format!("{}://{host}/", if is_https { "https" } else { "http" }),
    }
}

/// Whether a listener that is bound to `address` is reachable at `host`, as far as these tell. A name may have several
/// addresses.
fn is_reachable_at(address: IpAddr, host: &str) -> bool {
    if address.is_unspecified() {
        return true;
    }
    if address.is_loopback() || is_loopback(host) {
        return address.is_loopback() && is_loopback(host);
    }
    host.parse().map_or(true, |host: IpAddr| host == address)
}

/// Decodes the octets in a part of a URI (RFC 3986 §2.1). `None` if the result is not UTF-8.
fn decode_percent(text: &str) -> Option<String> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            octets.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            octets.push(*first);
            rest = after;
        }
    }
    String::from_utf8(octets).ok()
}

/// Encodes all octets except unreserved characters (RFC 3986 §2.3).
fn encode_percent(text: &str) -> String {
    let encode = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_page_tells_the_address_for_others() {
        let cases = [
            ("localhost:8088", false, None, "http://localhost:8088/"),
            ("localhost:8088", false, Some("192.0.2.7:8088"), "https://192.0.2.7:8088/"),
            ("[::1]:8088", false, Some("192.0.2.7:8088"), "https://192.0.2.7:8088/"),
            ("chat.example", true, Some("192.0.2.7:8088"), "https://chat.example/"),
            ("192.0.2.8:8088", true, Some("192.0.2.7:8088"), "https://192.0.2.8:8088/"),
        ];
        for (host, is_https, reachable, expected) in cases {
            let reachable = reachable.map(|address: &str| address.parse().expect(address));
            assert_eq!(page_address(&host.parse().expect(host), is_https, reachable), expected);
        }
    }

    #[test]
    fn listener_is_reachable_at_its_address() {
        let cases = [
            ("0.0.0.0", "192.0.2.7", true),
            ("::", "localhost", true),
            ("127.0.0.1", "localhost", true),
            ("127.0.0.1", "192.0.2.7", false),
            ("127.0.0.1", "chat.example", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "chat.example", true),
            ("192.0.2.7", "localhost", false),
            ("192.0.2.7", "192.0.2.8", false),
        ];
        for (address, host, expected) in cases {
            assert_eq!(is_reachable_at(address.parse().expect(address), host), expected, "{address} at {host}");
        }
    }

    #[test]
    fn code_is_drawn_for_rooms_only() {
        for (query, status) in [
            (None, 200),
            (Some("room=lab"), 200),
            (Some("room=%D7%A9%D7%9C%D7%95%D7%9D"), 200),
            (Some("room="), 400),
            (Some("room=a%20b"), 400),
            (Some("room=%FF"), 400),
            (Some("room=%4"), 400),
            (Some("text=lab"), 400),
        ] {
            assert_eq!(join_code("http://localhost/", query).status(), status, "{query:?}");
        }
        assert_eq!(encode_percent("lab-1 ש"), "lab-1%20%D7%A9");
    }
}
