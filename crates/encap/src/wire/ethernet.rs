//! Ethernet II (IEEE 802.3 §3.2.6, RFC 894).
//!
//! ```text
//!  0                   6                   12            14
//! +-------------------+-------------------+-------------+
//! |    destination    |      source       |  EtherType  |
//! +-------------------+-------------------+-------------+
//! ```
//!
//! The header has no length field. Senders pad a short frame to 60 bytes. The packet inside has a length field, which
//! tells where the packet ends and the padding begins. Capture files omit the preamble and, usually, the frame check
//! sequence.

use std::fmt;
use std::ops::Range;

use super::bytes::{array_at, put, u16_at};
use super::fields::{Fields, name_or_unknown};
use super::{EtherType, Field, HeaderError};

pub(crate) const HEADER_LEN: usize = 14;
/// Minimum frame length in bytes, without the check sequence. Shorter frames are padded with zeros.
pub(crate) const MIN_FRAME_LEN: usize = 60;
/// Smallest `EtherType`. A smaller value in that field is the payload length of an IEEE 802.3 frame (RFC 9542 §3).
pub(crate) const MIN_ETHER_TYPE: u16 = 1536;

const DESTINATION: Range<usize> = 0..6;
const SOURCE: Range<usize> = 6..12;
const ETHER_TYPE: Range<usize> = 12..14;

/// A MAC address.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

impl Mac {
    /// Whether this is a multicast or broadcast address.
    pub(crate) const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether the address was chosen locally, not assigned by the manufacturer.
    pub(crate) const fn is_local(self) -> bool {
        self.0[0] & 2 == 2
    }

    fn meaning(self) -> &'static str {
        match (self.is_group(), self.is_local()) {
            _ if self.0 == [0; 6] => "no address: loopback has no hardware",
            _ if self.0 == [0xff; 6] => "broadcast: every station on this network",
            (true, _) => "a group (lowest bit of the first byte is set)",
            (false, true) => "one interface, address chosen locally",
            (false, false) => "one interface, address assigned by its maker",
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|byte| write!(f, ":{byte:02x}"))
    }
}

/// A view of an Ethernet header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    bytes: &'a [u8; HEADER_LEN],
}

/// The value of the field after the addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TypeOrLength {
    /// Ethernet II: the protocol of the payload.
    EtherType(EtherType),
    /// IEEE 802.3: payload length in bytes. The payload begins with an LLC header.
    Length(u16),
}

impl<'a> Header<'a> {
    /// Checks that `bytes` holds a whole header.
    #[inline]
    pub(crate) fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let bytes = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        Ok(Self { bytes })
    }

    pub(crate) fn destination(self) -> Mac {
        Mac(array_at(self.bytes, DESTINATION))
    }

    pub(crate) fn source(self) -> Mac {
        Mac(array_at(self.bytes, SOURCE))
    }

    /// Protocol or length of the payload.
    #[inline]
    pub(crate) fn type_or_length(self) -> TypeOrLength {
        match u16_at(self.bytes, ETHER_TYPE) {
            length if length < MIN_ETHER_TYPE => TypeOrLength::Length(length),
            number => TypeOrLength::EtherType(EtherType(number)),
        }
    }

    pub(crate) fn fields(self) -> Vec<Field> {
        let mut f = Fields::default();
        f.add("destination", DESTINATION, self.destination(), self.destination().meaning());
        f.add("source", SOURCE, self.source(), self.source().meaning());
        match self.type_or_length() {
            TypeOrLength::EtherType(number) => f.add("EtherType", ETHER_TYPE, number, name_or_unknown(number.name())),
            TypeOrLength::Length(length) => {
                f.add("length", ETHER_TYPE, length, "below 1536: an IEEE 802.3 length, not an EtherType");
            }
        }
        f.into_vec()
    }
}

/// An Ethernet II header to encode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Repr {
    pub(crate) destination: Mac,
    pub(crate) source: Mac,
    pub(crate) ether_type: EtherType,
}

impl Repr {
    /// Decodes a header; `None` for an IEEE 802.3 header.
    #[cfg(test)]
    pub(crate) fn parse(header: Header<'_>) -> Option<Self> {
        match header.type_or_length() {
            TypeOrLength::EtherType(ether_type) => {
                Some(Self { destination: header.destination(), source: header.source(), ether_type })
            }
            TypeOrLength::Length(_) => None,
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
        put(buf, DESTINATION, &self.destination.0);
        put(buf, SOURCE, &self.source.0);
        put(buf, ETHER_TYPE, &self.ether_type.0.to_be_bytes());
    }
}
