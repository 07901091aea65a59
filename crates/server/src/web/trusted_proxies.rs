//! The proxies that the operator trusts: only they may name the client of a request.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, HeaderName};

use super::client::Client;
use switchboard_protocol::IpPrefix;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies that the operator trusts.
#[derive(Debug)]
pub(crate) struct TrustedProxies(Vec<IpPrefix>);

/// Why a request has no client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NoClient {
    /// A proxy on this machine has passed the request on. If it were a local request, all clients of the proxy
    /// would count as programs of this machine.
    #[error("This request has come through a proxy on this machine that is not in --trusted-proxy.")]
    UntrustedProxy,
    /// A trusted proxy has not appended the address of its client.
    #[error("X-Forwarded-For must have the address of the client at its end.")]
    Malformed,
}

impl TrustedProxies {
    pub(super) fn new(proxies: Vec<IpPrefix>) -> Self {
        Self(proxies)
    }

    /// Whether `address` is a trusted proxy.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|proxy| proxy.contains(address))
    }

    /// The client of a request from `peer`: the peer itself, or the client that a trusted proxy names.
    pub(super) fn client(&self, peer: Client, headers: &HeaderMap) -> Result<Client, NoClient> {
        if ![FORWARDED_FOR, FORWARDED_PROTO].iter().any(|name| headers.contains_key(name)) {
            // A trusted proxy that names no client speaks for itself, for example to check our health.
            return Ok(peer);
        }
        if self.contains(peer.address.ip()) {
            return self.named_client(headers).ok_or(NoClient::Malformed);
        }
        if peer.address.ip().is_loopback() { Err(NoClient::UntrustedProxy) } else { Ok(peer) }
    }

    /// Each proxy appends the address that it sees, so the last address that is not a trusted proxy is the client: a
    /// client can write only the addresses before it. `None` if this address is malformed.
    fn named_client(&self, headers: &HeaderMap) -> Option<Client> {
        let mut first = None;
        for list in headers.get_all(FORWARDED_FOR).iter().rev() {
            for element in list.to_str().ok()?.rsplit(',') {
                let address = parse(element.trim())?;
                first = Some(address);
                if !self.contains(address.ip()) {
                    return Some(Client { address, is_https: is_https(headers) });
                }
            }
        }
        first.map(|address| Client { address, is_https: is_https(headers) })
    }
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
        let proxies =
            TrustedProxies::new(["127.0.0.1", "10.0.0.0/8"].map(|prefix| prefix.parse().expect(prefix)).into());
        let cases = [
            // The peer, X-Forwarded-For, X-Forwarded-Proto, and the client.
            ("192.0.2.9", "198.51.100.1", "https", Ok(("192.0.2.9", false))),
            ("127.0.0.1", "198.51.100.1", "https", Ok(("198.51.100.1", true))),
            ("127.0.0.1", "198.51.100.1", "http", Ok(("198.51.100.1", false))),
            ("127.0.0.1", "198.51.100.1", "", Ok(("198.51.100.1", false))),
            ("127.0.0.1", "198.51.100.1:5000", "https, http", Ok(("198.51.100.1", false))),
            // A client that lies, behind two proxies.
            ("10.0.0.1", "127.0.0.1, 198.51.100.1, 10.0.0.2", "https", Ok(("198.51.100.1", true))),
            ("127.0.0.1", "[2001:db8::1]:5000", "https", Ok(("2001:db8::1", true))),
            ("127.0.0.1", "2001:db8::1", "https", Ok(("2001:db8::1", true))),
            ("127.0.0.1", "10.0.0.3", "https", Ok(("10.0.0.3", true))),
            ("127.0.0.1", "198.51.100.1, unknown", "https", Err(NoClient::Malformed)),
            ("127.0.0.1", "unknown, 198.51.100.1", "https", Ok(("198.51.100.1", true))),
            ("127.0.0.2", "198.51.100.1", "https", Err(NoClient::UntrustedProxy)),
        ];
        for (peer, forwarded_for, proto, expected) in cases {
            let headers = [(FORWARDED_FOR, forwarded_for), (FORWARDED_PROTO, proto)];
            let headers = headers.map(|(name, value)| (name, value.parse().expect(value))).into_iter().collect();
            let peer = Client { address: SocketAddr::new(peer.parse().expect(peer), 50_000), is_https: false };
            let found = proxies.client(peer, &headers);
            let found = found.map(|client| (client.address.ip().to_string(), client.is_https));
            assert_eq!(found, expected.map(|(address, is_https)| (address.to_owned(), is_https)), "{forwarded_for}");
        }
    }

    #[test]
    fn health_check_of_a_proxy_has_no_client_and_other_requests_need_one() {
        let peer = Client { address: "127.0.0.1:50000".parse().expect("an address"), is_https: false };
        let proxies = TrustedProxies::new(vec!["127.0.0.1".parse().expect("an address")]);
        assert_eq!(proxies.client(peer, &HeaderMap::new()), Ok(peer));
        let headers = [(FORWARDED_PROTO, "https".parse().expect("a value"))].into_iter().collect();
        assert_eq!(proxies.client(peer, &headers), Err(NoClient::Malformed));
    }
}
