//! What the first bytes of a frame are, by the number that capture files give it.

use std::fmt;

use serde::Serialize;

/// A link type, by its number in the registry of capture files (draft-ietf-opsawg-pcaplinktype).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(transparent)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: four bytes of address family, in the byte order of the machine that captured.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// An IPv4 or IPv6 packet, with nothing before it.
    pub const RAW: Self = Self(101);
    /// The same, by the number that it has in most systems and, in files that were written without care, on disk.
    pub const RAW_BSD: Self = Self(12);
    /// The same, by its number in OpenBSD.
    pub const RAW_OPENBSD: Self = Self(14);
    /// OpenBSD loopback: as [`LinkType::NULL`], in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux "cooked" capture.
    pub const LINUX_SLL: Self = Self(113);
    /// An IPv4 packet.
    pub const IPV4: Self = Self(228);
    /// An IPv6 packet.
    pub const IPV6: Self = Self(229);
    /// Linux "cooked" capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NULL => "NULL",
            Self::ETHERNET => "ETHERNET",
            Self::RAW | Self::RAW_BSD | Self::RAW_OPENBSD => "RAW",
            Self::LOOP => "LOOP",
            Self::LINUX_SLL => "LINUX_SLL",
            Self::IPV4 => "IPV4",
            Self::IPV6 => "IPV6",
            Self::LINUX_SLL2 => "LINUX_SLL2",
            Self(other) => return write!(f, "{other}"),
        };
        f.pad(name)
    }
}
