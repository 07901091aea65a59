//! Linux "cooked" capture, version 2 (`LINUX_SLL2`): adds the interface index.
//!
//! ```text
//!  0          2          4                    8          10     11     12                  20
//! +----------+----------+--------------------+----------+------+------+-------------------+
//! | protocol | reserved |  interface index   | ARPHRD_  | type | alen | link-layer address|
//! +----------+----------+--------------------+----------+------+------+-------------------+
//! ```

use std::ops::Range;

use super::bytes::{put, u16_at, u32_at};
use super::fields::{Fields, hex, name_or_unknown};
use super::sll::{interface_type_name, packet_type_name};
use super::{EtherType, Field, HeaderError};

pub(crate) const HEADER_LEN: usize = 20;

/// `ARPHRD_` number of Ethernet.
pub(crate) const ARPHRD_ETHER: u16 = 1;

const PROTOCOL: Range<usize> = 0..2;
const RESERVED: Range<usize> = 2..4;
const INTERFACE_INDEX: Range<usize> = 4..8;
const INTERFACE_TYPE: Range<usize> = 8..10;
const PACKET_TYPE: usize = 10;
const ADDRESS_LENGTH: usize = 11;
const ADDRESS: Range<usize> = 12..20;

/// A view of a cooked header, version 2.
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

    #[inline]
    pub(crate) fn ether_type(self) -> EtherType {
        EtherType(u16_at(self.bytes, PROTOCOL))
    }

    /// Interface index on the capturing machine.
    pub(crate) fn interface_index(self) -> u32 {
        u32_at(self.bytes, INTERFACE_INDEX)
    }

    /// `ARPHRD_` number of the interface type.
    pub(crate) fn interface_type(self) -> u16 {
        u16_at(self.bytes, INTERFACE_TYPE)
    }

    /// Direction of the packet; see [`packet_type_name`].
    pub(crate) fn packet_type(self) -> u8 {
        self.bytes[PACKET_TYPE]
    }

    /// Link-layer address of the sender, at most its first eight bytes.
    pub(crate) fn address(self) -> &'a [u8] {
        &self.bytes[ADDRESS][..usize::from(self.bytes[ADDRESS_LENGTH]).min(ADDRESS.len())]
    }

    pub(crate) fn fields(self) -> Vec<Field> {
        let mut f = Fields::default();
        f.add("protocol type", PROTOCOL, self.ether_type(), name_or_unknown(self.ether_type().name()));
        f.add("reserved", RESERVED, u16_at(self.bytes, RESERVED), "must be zero");
        f.add("interface index", INTERFACE_INDEX, self.interface_index(), "its number on the capturing machine");
        f.add("ARPHRD_ type", INTERFACE_TYPE, self.interface_type(), interface_type_name(self.interface_type()));
        let packet_type = packet_type_name(u16::from(self.packet_type()));
        f.add("packet type", PACKET_TYPE..PACKET_TYPE + 1, self.packet_type(), packet_type);
        let length = self.bytes[ADDRESS_LENGTH];
        f.add(
            "link-layer address length",
            ADDRESS_LENGTH..ADDRESS_LENGTH + 1,
            length,
            "number of valid bytes in the address field",
        );
        f.add("link-layer address", ADDRESS, hex(self.address()), "of the sender");
        f.into_vec()
    }
}

/// A version 2 cooked header to encode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Repr {
    pub(crate) ether_type: EtherType,
    /// Interface index on the capturing machine.
    pub(crate) interface_index: u32,
    /// `ARPHRD_` number of the interface type, such as [`ARPHRD_ETHER`].
    pub(crate) interface_type: u16,
    /// Direction of the packet: 0 is incoming, 4 outgoing.
    pub(crate) packet_type: u8,
    /// Length of the link-layer address, in bytes.
    pub(crate) address_length: u8,
    /// Link-layer address of the sender, padded with zeros.
    pub(crate) address: [u8; 8],
}

impl Repr {
    #[cfg(test)]
    pub(crate) fn parse(header: Header<'_>) -> Self {
        Self {
            ether_type: header.ether_type(),
            interface_index: header.interface_index(),
            interface_type: header.interface_type(),
            packet_type: header.packet_type(),
            address_length: header.bytes[ADDRESS_LENGTH],
            address: super::bytes::array_at(header.bytes, ADDRESS),
        }
    }

    /// Encodes the header at the start of `buf`.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`HEADER_LEN`].
    #[inline]
    pub(crate) fn emit(&self, buf: &mut [u8]) {
        let buf = &mut buf[..HEADER_LEN];
        put(buf, PROTOCOL, &self.ether_type.0.to_be_bytes());
        put(buf, RESERVED, &[0, 0]);
        put(buf, INTERFACE_INDEX, &self.interface_index.to_be_bytes());
        put(buf, INTERFACE_TYPE, &self.interface_type.to_be_bytes());
        buf[PACKET_TYPE] = self.packet_type;
        buf[ADDRESS_LENGTH] = self.address_length;
        put(buf, ADDRESS, &self.address);
    }
}
