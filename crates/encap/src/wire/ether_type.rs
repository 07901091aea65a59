//! `EtherType`: the protocol of a frame's payload (IEEE 802, RFC 9542).

use std::fmt;

/// An `EtherType` as registered with IEEE.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub(crate) const IPV4: Self = Self(0x0800);
    /// Address resolution (RFC 826).
    pub(crate) const ARP: Self = Self(0x0806);
    /// A customer VLAN tag follows (IEEE 802.1Q).
    pub(crate) const VLAN: Self = Self(0x8100);
    /// IPv6 (RFC 2464).
    pub(crate) const IPV6: Self = Self(0x86dd);
    /// A service VLAN tag follows (IEEE 802.1ad).
    pub(crate) const SERVICE_VLAN: Self = Self(0x88a8);
    /// A VLAN tag follows. This number marked stacked tags before IEEE 802.1ad.
    pub(crate) const OLD_STACKED_VLAN: Self = Self(0x9100);

    /// Whether a VLAN tag follows.
    #[inline]
    pub(crate) const fn is_vlan(self) -> bool {
        matches!(self, Self::VLAN | Self::SERVICE_VLAN | Self::OLD_STACKED_VLAN)
    }

    /// The name of the protocol; `None` if this crate does not decode it.
    pub(crate) const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::IPV4 => "IPv4",
            Self::ARP => "ARP",
            Self::VLAN => "802.1Q VLAN tag",
            Self::IPV6 => "IPv6",
            Self::SERVICE_VLAN => "802.1ad VLAN tag",
            Self::OLD_STACKED_VLAN => "stacked VLAN tag",
            _ => return None,
        })
    }
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}
