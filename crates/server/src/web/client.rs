//! The client of an HTTP request: where it is, and how its bytes travel.

use std::net::SocketAddr;

use crate::identity::secure_transport::Transport;
use crate::loopback::is_loopback;

/// The client of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    /// The client speaks HTTPS.
    pub(super) is_https: bool,
}

impl Client {
    /// The transport of a WebSocket of this client.
    pub(super) fn transport(self) -> Transport {
        if self.is_https { Transport::WebSocketOverTls(self.address) } else { Transport::WebSocket(self.address) }
    }

    /// Whether nobody between the two ends can read or change the page. `host`: the name or address in the request.
    ///
    /// A plain request from this machine may come through a proxy that names no client. Then `host` is not loopback.
    pub(super) fn is_private(self, host: &str) -> bool {
        self.is_https || (self.transport().is_secure() && is_loopback(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_request_is_private_on_loopback_under_a_local_name() {
        let cases = [
            ("127.0.0.1", "localhost", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("::1", "::1", true),
            ("127.0.0.1", "chat.example", false),
            ("127.0.0.1", "192.0.2.7", false),
            ("192.0.2.9", "localhost", false),
        ];
        for (address, host, expected) in cases {
            let address = SocketAddr::new(address.parse().expect(address), 50_000);
            assert_eq!(Client { address, is_https: false }.is_private(host), expected, "{address} {host}");
            assert!(Client { address, is_https: true }.is_private(host), "{address} {host}");
        }
    }
}
