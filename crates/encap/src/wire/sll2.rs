//! Linux "cooked" capture, version 2: with the interface, and the protocol first (`LINUX_SLL2`).
//!
//! ```text
//!  0          2          4                    8          10     11     12                  20
//! +----------+----------+--------------------+----------+------+------+-------------------+
//! | protocol | reserved |  interface index   | ARPHRD_  | type | alen | link-layer address|
//! +----------+----------+--------------------+----------+------+------+-------------------+
//! ```

use std::ops::Range;

use super::bytes::{array_at, put, u16_at, u32_at};
use super::fields::{Fields, hex, or_unknown};
use super::sll::{interface_type_name, packet_type_name};
use super::{EtherType, Field, HeaderError};

/// Bytes of the header.
pub const HEADER_LEN: usize = 20;

/// The kind of an Ethernet interface.
pub const ARPHRD_ETHER: u16 = 1;
/// The kind of the loopback interface.
pub const ARPHRD_LOOPBACK: u16 = 772;

const PROTOCOL: Range<usize> = 0..2;
const RESERVED: Range<usize> = 2..4;
const INTERFACE: Range<usize> = 4..8;
const ARPHRD: Range<usize> = 8..10;
const PACKET_TYPE: usize = 10;
const ADDRESS_LENGTH: usize = 11;
const ADDRESS: Range<usize> = 12..20;

/// A view of a cooked header, version 2.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    bytes: &'a [u8; HEADER_LEN],
}

impl<'a> Header<'a> {
    /// The header at the front of `bytes`.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let bytes = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        Ok(Self { bytes })
    }

    /// What follows.
    #[must_use]
    #[inline]
    pub fn ether_type(&self) -> EtherType {
        EtherType(u16_at(self.bytes, PROTOCOL))
    }

    /// The number of the interface, on the machine that captured.
    #[must_use]
    pub fn interface_index(&self) -> u32 {
        u32_at(self.bytes, INTERFACE)
    }

    /// The kind of interface (`ARPHRD_` number).
    #[must_use]
    pub fn interface_type(&self) -> u16 {
        u16_at(self.bytes, ARPHRD)
    }

    /// Which way the packet went, as [`packet_type_name`] names it.
    #[must_use]
    pub fn packet_type(&self) -> u8 {
        self.bytes[PACKET_TYPE]
    }

    /// The sender's link-layer address; its first eight bytes if it has more.
    #[must_use]
    pub fn address(&self) -> &'a [u8] {
        &self.bytes[ADDRESS][..usize::from(self.bytes[ADDRESS_LENGTH]).min(ADDRESS.len())]
    }

    /// The fields, for a person to read.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        f.whole("protocol type", PROTOCOL, self.ether_type(), or_unknown(self.ether_type().name()));
        f.whole("reserved", RESERVED, u16_at(self.bytes, RESERVED), "must be zero");
        f.whole("interface index", INTERFACE, self.interface_index(), "its number on the machine that captured");
        f.whole("ARPHRD_ type", ARPHRD, self.interface_type(), interface_type_name(self.interface_type()));
        let packet_type = packet_type_name(u16::from(self.packet_type()));
        f.whole("packet type", PACKET_TYPE..PACKET_TYPE + 1, self.packet_type(), packet_type);
        let length = self.bytes[ADDRESS_LENGTH];
        f.whole("link-layer address length", 11..12, length, "bytes of the address below that count");
        f.whole("link-layer address", ADDRESS, hex(self.address()), "of the sender");
        f.done()
    }
}

/// A cooked header to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// What follows.
    pub ether_type: EtherType,
    /// The number of the interface.
    pub interface_index: u32,
    /// The kind of interface: [`ARPHRD_ETHER`], [`ARPHRD_LOOPBACK`].
    pub interface_type: u16,
    /// Which way the packet went: 0 to us, 4 from us.
    pub packet_type: u8,
    /// Bytes of `address` that count.
    pub address_length: u8,
    /// The sender's link-layer address, followed by zeros.
    pub address: [u8; 8],
}

impl Repr {
    /// The value of a header.
    #[must_use]
    pub fn parse(header: &Header<'_>) -> Self {
        Self {
            ether_type: header.ether_type(),
            interface_index: header.interface_index(),
            interface_type: header.interface_type(),
            packet_type: header.packet_type(),
            address_length: header.bytes[ADDRESS_LENGTH],
            address: array_at(header.bytes, ADDRESS),
        }
    }

    /// Bytes that [`Repr::emit`] writes.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the header to the front of `buf`.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`Repr::buffer_len`].
    #[inline]
    pub fn emit(&self, buf: &mut [u8]) {
        let buf = &mut buf[..HEADER_LEN];
        put(buf, PROTOCOL, &self.ether_type.0.to_be_bytes());
        put(buf, RESERVED, &[0, 0]);
        put(buf, INTERFACE, &self.interface_index.to_be_bytes());
        put(buf, ARPHRD, &self.interface_type.to_be_bytes());
        buf[PACKET_TYPE] = self.packet_type;
        buf[ADDRESS_LENGTH] = self.address_length;
        put(buf, ADDRESS, &self.address);
    }
}
