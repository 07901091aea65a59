//! IP protocol numbers (IANA), shared by IPv4 and IPv6.

use std::fmt;

/// The protocol of a packet's payload, or the type of the next IPv6 extension header.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct IpProtocol(pub u8);

impl IpProtocol {
    /// IPv6 hop-by-hop options (RFC 8200 §4.3).
    pub(crate) const HOP_BY_HOP: Self = Self(0);
    /// ICMP for IPv4 (RFC 792).
    pub(crate) const ICMP: Self = Self(1);
    /// TCP (RFC 9293).
    pub const TCP: Self = Self(6);
    /// UDP (RFC 768).
    pub(crate) const UDP: Self = Self(17);
    /// IPv6 routing header (RFC 8200 §4.4).
    pub(crate) const ROUTING: Self = Self(43);
    /// IPv6 fragment header (RFC 8200 §4.5).
    pub const FRAGMENT: Self = Self(44);
    /// Authentication header (RFC 4302).
    pub(crate) const AUTHENTICATION: Self = Self(51);
    /// ICMP for IPv6 (RFC 4443).
    pub(crate) const ICMPV6: Self = Self(58);
    /// Nothing follows (RFC 8200 §4.7).
    pub(crate) const NO_NEXT_HEADER: Self = Self(59);
    /// IPv6 destination options (RFC 8200 §4.6).
    pub const DESTINATION_OPTIONS: Self = Self(60);

    /// The name of the protocol; `None` if this crate does not know it.
    pub(crate) const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::HOP_BY_HOP => "hop-by-hop options",
            Self::ICMP => "ICMP",
            Self::TCP => "TCP",
            Self::UDP => "UDP",
            Self::ROUTING => "routing header",
            Self::FRAGMENT => "fragment header",
            Self::AUTHENTICATION => "authentication header",
            Self::ICMPV6 => "ICMPv6",
            Self::NO_NEXT_HEADER => "no next header",
            Self::DESTINATION_OPTIONS => "destination options",
            _ => return None,
        })
    }
}

impl fmt::Display for IpProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
