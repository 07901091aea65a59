//! The client that a trusted proxy names in the headers of a request.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, HeaderName};

use super::client::Client;
use crate::ip_prefix::IpPrefix;

pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether `address` is a proxy that the operator trusts.
pub(super) fn is_trusted(address: IpAddr, proxies: &[IpPrefix]) -> bool {
    proxies.iter().any(|proxy| proxy.contains(address))
}

/// The client of a request from `peer`. Each proxy appends the address that it sees, so the last address that is not a
/// trusted proxy is the client: a client can write only the addresses before it. `None` if this address is malformed.
pub(super) fn client(peer: Client, headers: &HeaderMap, proxies: &[IpPrefix]) -> Option<Client> {
    if !is_trusted(peer.address.ip(), proxies) {
        return Some(peer);
    }
    let mut address = peer.address;
    let lists = headers.get_all(FORWARDED_FOR).iter().rev();
    for list in lists {
        for element in list.to_str().ok()?.rsplit(',') {
            address = parse(element.trim())?;
            if !is_trusted(address.ip(), proxies) {
                return Some(Client { address, is_https: is_https(headers) });
            }
        }
    }
    Some(Client { address, is_https: is_https(headers) })
}

/// An address, perhaps with a port.
fn parse(element: &str) -> Option<SocketAddr> {
    let bare = element.strip_prefix('[').and_then(|element| element.strip_suffix(']')).unwrap_or(element);
    let address = bare.parse().map(|address: IpAddr| SocketAddr::new(address, 0)).or_else(|_| element.parse());
    address.ok().map(|address| SocketAddr::new(address.ip().to_canonical(), address.port()))
}

/// Whether the last proxy before us has received the request over HTTPS.
fn is_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all(FORWARDED_PROTO).iter().next_back().and_then(|schemes| schemes.to_str().ok());
    last.and_then(|schemes| schemes.rsplit(',').next())
        .is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies = ["127.0.0.1", "10.0.0.0/8"].map(|prefix| prefix.parse().expect(prefix));
        let cases = [
            // The peer, X-Forwarded-For, X-Forwarded-Proto, and the client.
            ("192.0.2.9", "198.51.100.1", "https", Some(("192.0.2.9", false))),
            ("127.0.0.1", "198.51.100.1", "https", Some(("198.51.100.1", true))),
            ("127.0.0.1", "198.51.100.1", "http", Some(("198.51.100.1", false))),
            ("127.0.0.1", "198.51.100.1", "", Some(("198.51.100.1", false))),
            ("127.0.0.1", "198.51.100.1:5000", "https, http", Some(("198.51.100.1", false))),
            // A client that lies, behind two proxies.
            ("10.0.0.1", "127.0.0.1, 198.51.100.1, 10.0.0.2", "https", Some(("198.51.100.1", true))),
            ("127.0.0.1", "[2001:db8::1]:5000", "https", Some(("2001:db8::1", true))),
            ("127.0.0.1", "2001:db8::1", "https", Some(("2001:db8::1", true))),
            ("127.0.0.1", "10.0.0.3", "https", Some(("10.0.0.3", true))),
            ("127.0.0.1", "198.51.100.1, unknown", "https", None),
            ("127.0.0.1", "unknown, 198.51.100.1", "https", Some(("198.51.100.1", true))),
        ];
        for (peer, forwarded_for, proto, expected) in cases {
            let headers = [(FORWARDED_FOR, forwarded_for), (FORWARDED_PROTO, proto)];
            let headers = headers.map(|(name, value)| (name, value.parse().expect(value))).into_iter().collect();
            let peer = Client { address: SocketAddr::new(peer.parse().expect(peer), 50_000), is_https: false };
            let found =
                client(peer, &headers, &proxies).map(|client| (client.address.ip().to_string(), client.is_https));
            assert_eq!(found, expected.map(|(address, is_https)| (address.to_owned(), is_https)), "{forwarded_for}");
        }
    }

    #[test]
    fn health_check_of_a_proxy_has_no_client() {
        let peer = Client { address: "127.0.0.1:50000".parse().expect("an address"), is_https: false };
        let proxies = ["127.0.0.1".parse().expect("an address")];
        assert_eq!(client(peer, &HeaderMap::new(), &proxies), Some(peer));
    }
}
