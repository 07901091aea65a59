//! Ethernet II (IEEE 802.3 §3.2.6, RFC 894).
//!
//! ```text
//!  0                   6                   12            14
//! +-------------------+-------------------+-------------+
//! |    destination    |      source       |  EtherType  |
//! +-------------------+-------------------+-------------+
//! ```
//!
//! The header does not say how long the payload is: a frame below 60 bytes is padded, and only the packet inside knows
//! where it ends. Capture files hold neither preamble nor, as a rule, the frame check sequence.

use std::fmt;
use std::ops::Range;

use super::bytes::{array_at, put, u16_at};
use super::fields::{Fields, or_unknown};
use super::{EtherType, Field, HeaderError};

/// Bytes of the header.
pub const HEADER_LEN: usize = 14;
/// Bytes of the shortest frame, without its check sequence: what is shorter is padded with zeros.
pub const MIN_FRAME_LEN: usize = 60;
/// Below this, the field after the addresses is the length of an IEEE 802.3 frame, not an `EtherType` (RFC 9542 §3).
pub const MIN_ETHER_TYPE: u16 = 1536;

const DESTINATION: Range<usize> = 0..6;
const SOURCE: Range<usize> = 6..12;
const ETHER_TYPE: Range<usize> = 12..14;

/// An address of a network interface.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether it names a group rather than one interface.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether it was chosen by an administrator or a program rather than by the maker of the card.
    #[must_use]
    pub const fn is_local(self) -> bool {
        self.0[0] & 2 == 2
    }

    fn meaning(self) -> &'static str {
        match (self.is_group(), self.is_local()) {
            _ if self.0 == [0; 6] => "no address: loopback has no hardware",
            _ if self.0 == [0xff; 6] => "broadcast: everyone on this network",
            (true, _) => "a group (lowest bit of the first byte is set)",
            (false, true) => "one interface, address chosen locally",
            (false, false) => "one interface, address given by its maker",
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
pub struct Header<'a> {
    bytes: &'a [u8; HEADER_LEN],
}

/// What the field after the addresses says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TypeOrLength {
    /// Ethernet II: the protocol of the payload.
    EtherType(EtherType),
    /// IEEE 802.3: the bytes of the payload, which begins with an LLC header.
    Length(u16),
}

impl<'a> Header<'a> {
    /// The header at the front of `bytes`.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let bytes = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        Ok(Self { bytes })
    }

    /// Who it is for.
    #[must_use]
    pub fn destination(&self) -> Mac {
        Mac(array_at(self.bytes, DESTINATION))
    }

    /// Who sent it.
    #[must_use]
    pub fn source(&self) -> Mac {
        Mac(array_at(self.bytes, SOURCE))
    }

    /// What follows.
    #[must_use]
    #[inline]
    pub fn type_or_length(&self) -> TypeOrLength {
        match u16_at(self.bytes, ETHER_TYPE) {
            length if length < MIN_ETHER_TYPE => TypeOrLength::Length(length),
            number => TypeOrLength::EtherType(EtherType(number)),
        }
    }

    /// The fields, for a person to read.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        f.whole("destination", DESTINATION, self.destination(), self.destination().meaning());
        f.whole("source", SOURCE, self.source(), self.source().meaning());
        match self.type_or_length() {
            TypeOrLength::EtherType(number) => f.whole("EtherType", ETHER_TYPE, number, or_unknown(number.name())),
            TypeOrLength::Length(length) => {
                f.whole("length", ETHER_TYPE, length, "below 1536: an IEEE 802.3 length, not an EtherType");
            }
        }
        f.done()
    }
}

/// An Ethernet II header to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// Who it is for.
    pub destination: Mac,
    /// Who sends it.
    pub source: Mac,
    /// What follows.
    pub ether_type: EtherType,
}

impl Repr {
    /// The value of a header, unless it is an IEEE 802.3 one.
    #[must_use]
    pub fn parse(header: &Header<'_>) -> Option<Self> {
        match header.type_or_length() {
            TypeOrLength::EtherType(ether_type) => {
                Some(Self { destination: header.destination(), source: header.source(), ether_type })
            }
            TypeOrLength::Length(_) => None,
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
        put(buf, DESTINATION, &self.destination.0);
        put(buf, SOURCE, &self.source.0);
        put(buf, ETHER_TYPE, &self.ether_type.0.to_be_bytes());
    }
}
