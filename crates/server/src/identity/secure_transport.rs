//! Whether a connection may carry secrets: nobody else may read its bytes.

use std::net::SocketAddr;

/// The transport of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    /// Plain TCP with this peer.
    Tcp(SocketAddr),
    /// TLS with this peer.
    Tls(SocketAddr),
    /// A WebSocket with this peer, without TLS.
    WebSocket(SocketAddr),
    /// A WebSocket with this peer, over TLS.
    WebSocketOverTls(SocketAddr),
    /// A socket in the file system. Only processes of this machine reach it.
    Unix,
}

/// A transport without its peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TransportKind {
    Tcp,
    Tls,
    WebSocket,
    WebSocketOverTls,
    Unix,
}

impl TransportKind {
    /// The word for it in `WIRE_OK`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "websocket",
            Self::WebSocketOverTls => "websocket-tls",
            Self::Unix => "unix",
        }
    }
}

impl Transport {
    /// The address of the peer, if it has one.
    pub(crate) fn peer(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(peer) | Self::Tls(peer) | Self::WebSocket(peer) | Self::WebSocketOverTls(peer) => Some(peer),
            Self::Unix => None,
        }
    }

    pub(crate) fn kind(self) -> TransportKind {
        match self {
            Self::Tcp(_) => TransportKind::Tcp,
            Self::Tls(_) => TransportKind::Tls,
            Self::WebSocket(_) => TransportKind::WebSocket,
            Self::WebSocketOverTls(_) => TransportKind::WebSocketOverTls,
            Self::Unix => TransportKind::Unix,
        }
    }

    /// The word for it in `WIRE_OK`.
    pub(crate) fn word(self) -> &'static str {
        self.kind().word()
    }

    /// Whether nobody between the two ends can read the bytes. A forwarded connection counts as one from the machine
    /// that forwards it: through `ssh -L`, a peer on loopback is as safe as SSH.
    pub(crate) fn is_secure(self) -> bool {
        match self {
            Self::Tcp(peer) | Self::WebSocket(peer) => peer.ip().to_canonical().is_loopback(),
            Self::Tls(_) | Self::WebSocketOverTls(_) | Self::Unix => true,
        }
    }

    /// Whether secrets may be sent here. Elsewhere they are refused with `NOT_SECURE`, unless the operator's setting
    /// `allow-insecure-secrets` allows them.
    pub(crate) fn allows_secrets(self, allow_insecure: bool) -> bool {
        self.is_secure() || allow_insecure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_need_loopback_tls_or_a_unix_socket() {
        let address = |peer: &str| SocketAddr::new(peer.parse().expect("an address"), 50_000);
        let tcp = |peer: &str| Transport::Tcp(address(peer));
        let cases = [
            (tcp("127.0.0.1"), true),
            (tcp("127.8.9.10"), true),
            (tcp("::1"), true),
            (tcp("::ffff:127.0.0.1"), true),
            (tcp("192.168.1.2"), false),
            (tcp("10.0.0.1"), false),
            (tcp("172.17.0.1"), false),
            (tcp("169.254.1.1"), false),
            (tcp("0.0.0.0"), false),
            (tcp("fe80::1"), false),
            (tcp("fd00::1"), false),
            (tcp("2001:db8::1"), false),
            (tcp("::ffff:192.0.2.1"), false),
            (Transport::Tls(address("192.168.1.2")), true),
            (Transport::WebSocket(address("127.0.0.1")), true),
            (Transport::WebSocket(address("192.168.1.2")), false),
            (Transport::WebSocketOverTls(address("192.168.1.2")), true),
            (Transport::Unix, true),
        ];
        for (transport, expected) in cases {
            assert_eq!(transport.allows_secrets(false), expected, "{transport:?}");
            assert!(transport.allows_secrets(true), "{transport:?}, allowed by the operator");
        }
    }
}
