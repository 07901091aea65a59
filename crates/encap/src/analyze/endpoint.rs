//! The endpoints of a conversation.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::side::Side;

/// Transport protocol of a conversation.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP: each connection is a conversation.
    Tcp,
    /// UDP: all datagrams between two endpoints, each an address and a port, are one conversation.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// One side of a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConversationSide {
    /// Transport protocol of the conversation.
    pub transport: Transport,
    /// Number of the conversation among those of its transport, from 0.
    pub number: u64,
    /// Client or server.
    pub side: Side,
    /// Address and port of the client.
    pub client: SocketAddr,
    /// Address and port of the server.
    pub server: SocketAddr,
}

/// Key of a conversation: two endpoints in ascending order, so that both directions have the same key. The fields are
/// integers, which hash faster than addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct EndpointPair {
    low: (u128, u16),
    high: (u128, u16),
    transport: Transport,
    /// Distinguishes an IPv6 address from the IPv4 address with the same bits.
    is_v6: bool,
}

impl EndpointPair {
    pub(super) fn new(transport: Transport, a: SocketAddr, b: SocketAddr) -> Self {
        let (x, y) = ((address_bits(a.ip()), a.port()), (address_bits(b.ip()), b.port()));
        let (low, high) = if x <= y { (x, y) } else { (y, x) };
        Self { low, high, transport, is_v6: a.is_ipv6() }
    }
}

fn address_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => Ipv6Addr::to_bits(address),
    }
}
