//! Linux "cooked" capture, version 1 (`LINUX_SLL`): the header that Linux writes for captures on the interface `any`.
//!
//! ```text
//!  0             2             4             6                         14            16
//! +-------------+-------------+-------------+-------------------------+-------------+
//! | packet type |  ARPHRD_    | addr length |  link-layer address     |  protocol   |
//! +-------------+-------------+-------------+-------------------------+-------------+
//! ```

use std::ops::Range;

use super::bytes::u16_at;
use super::fields::{Fields, hex, name_or_unknown};
use super::{EtherType, Field, HeaderError};

pub(crate) const HEADER_LEN: usize = 16;

const PACKET_TYPE: Range<usize> = 0..2;
const INTERFACE_TYPE: Range<usize> = 2..4;
const ADDRESS_LENGTH: Range<usize> = 4..6;
const ADDRESS: Range<usize> = 6..14;
const PROTOCOL: Range<usize> = 14..16;

/// A view of a cooked header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    bytes: &'a [u8; HEADER_LEN],
}

impl<'a> Header<'a> {
    /// Checks that `bytes` holds a whole header.
    #[inline]
    pub(crate) fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let bytes = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        Ok(Self { bytes })
    }

    /// Direction of the packet; see [`packet_type_name`].
    pub(crate) fn packet_type(self) -> u16 {
        u16_at(self.bytes, PACKET_TYPE)
    }

    /// `ARPHRD_` number of the interface type.
    pub(crate) fn interface_type(self) -> u16 {
        u16_at(self.bytes, INTERFACE_TYPE)
    }

    /// Link-layer address of the sender, at most its first eight bytes.
    pub(crate) fn address(self) -> &'a [u8] {
        let length = usize::from(u16_at(self.bytes, ADDRESS_LENGTH)).min(ADDRESS.len());
        &self.bytes[ADDRESS][..length]
    }

    #[inline]
    pub(crate) fn ether_type(self) -> EtherType {
        EtherType(u16_at(self.bytes, PROTOCOL))
    }

    pub(crate) fn fields(self) -> Vec<Field> {
        let mut f = Fields::default();
        f.add("packet type", PACKET_TYPE, self.packet_type(), packet_type_name(self.packet_type()));
        f.add("ARPHRD_ type", INTERFACE_TYPE, self.interface_type(), interface_type_name(self.interface_type()));
        let length = u16_at(self.bytes, ADDRESS_LENGTH);
        f.add("link-layer address length", ADDRESS_LENGTH, length, "number of valid bytes in the address field");
        f.add("link-layer address", ADDRESS, hex(self.address()), "of the sender");
        f.add("protocol type", PROTOCOL, self.ether_type(), name_or_unknown(self.ether_type().name()));
        f.into_vec()
    }
}

/// Direction of a packet, as seen from the capturing machine.
pub(crate) const fn packet_type_name(packet_type: u16) -> &'static str {
    match packet_type {
        0 => "to us",
        1 => "broadcast by somebody else",
        2 => "multicast by somebody else",
        3 => "from somebody else to somebody else",
        4 => "from us",
        _ => "unknown",
    }
}

pub(super) const fn interface_type_name(arphrd: u16) -> &'static str {
    match arphrd {
        1 => "ARPHRD_ETHER: Ethernet",
        772 => "ARPHRD_LOOPBACK: loopback",
        65534 => "ARPHRD_NONE: no link header, for example on a tunnel interface",
        _ => "unknown",
    }
}
