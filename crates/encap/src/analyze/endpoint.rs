//! Who talks to whom.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::side::Side;

/// What carries a conversation.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP: one conversation a connection.
    Tcp,
    /// UDP: one conversation a pair of addresses and ports.
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
    /// What carries the conversation.
    pub transport: Transport,
    /// The conversation's number.
    pub number: u64,
    /// The side.
    pub side: Side,
    /// The client's address and port.
    pub client: SocketAddr,
    /// The server's.
    pub server: SocketAddr,
}

/// Two endpoints whichever way round, to find their conversation by: numbers alone, so that they are hashed fast.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct EndpointPair {
    low: (u128, u16),
    high: (u128, u16),
    transport: Transport,
    is_v6: bool,
}

impl EndpointPair {
    pub(super) fn new(transport: Transport, a: SocketAddr, b: SocketAddr) -> Self {
        let (x, y) = ((number(a.ip()), a.port()), (number(b.ip()), b.port()));
        let (low, high) = if x <= y { (x, y) } else { (y, x) };
        Self { low, high, transport, is_v6: a.is_ipv6() }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => Ipv6Addr::to_bits(address),
    }
}
