//! UDP (RFC 768).
//!
//! ```text
//!  0              16              32
//! +---------------+---------------+
//! |  Source Port  |  Dest. Port   |
//! +---------------+---------------+
//! |    Length     |   Checksum    |
//! +---------------+---------------+
//! ```

use std::ops::Range;

use super::bytes::{put, u16_at};
use super::checksum::{self, PseudoHeader};
use super::{Field, HeaderError, fields::Fields};

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;
/// Where the checksum stands, for [`checksum::verify`].
pub const CHECKSUM_AT: usize = CHECKSUM.start;

const SOURCE_PORT: Range<usize> = 0..2;
const DESTINATION_PORT: Range<usize> = 2..4;
const LENGTH: Range<usize> = 4..6;
const CHECKSUM: Range<usize> = 6..8;

/// A view of a UDP datagram. Its header is all there; its payload may be cut short.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    fixed: &'a [u8; HEADER_LEN],
    bytes: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// The datagram at the front of `bytes`, if its header is all there.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let fixed = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        Ok(Self { fixed, bytes })
    }

    /// The port that it comes from; 0 if no answer is wanted.
    #[must_use]
    #[inline]
    pub fn source_port(&self) -> u16 {
        u16_at(self.fixed, SOURCE_PORT)
    }

    /// The port that it goes to.
    #[must_use]
    #[inline]
    pub fn destination_port(&self) -> u16 {
        u16_at(self.fixed, DESTINATION_PORT)
    }

    /// Bytes of header and payload, as the datagram says. 0 in a jumbogram (RFC 2675 §4).
    #[must_use]
    #[inline]
    pub fn len_field(&self) -> u16 {
        u16_at(self.fixed, LENGTH)
    }

    /// The checksum, as it stands.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16_at(self.fixed, CHECKSUM)
    }

    /// The payload, as far as it is there. A length of 0 takes all that is there.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        let rest = &self.bytes[HEADER_LEN..];
        match usize::from(self.len_field()) {
            0 => rest,
            length => &rest[..length.saturating_sub(HEADER_LEN).min(rest.len())],
        }
    }

    /// The fields, for a person to read.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        f.whole("Source Port", SOURCE_PORT, self.source_port(), "");
        f.whole("Destination Port", DESTINATION_PORT, self.destination_port(), "");
        let length = match self.len_field() {
            0 => "in a jumbogram, the packet around it says the length; in any other, less than its own header".into(),
            n if usize::from(n) < HEADER_LEN => format!("less than the {HEADER_LEN} of its own header"),
            n => format!("8 of header, {} of payload", i32::from(n) - 8),
        };
        f.whole("Length", LENGTH, self.len_field(), length);
        let sum = match self.checksum() {
            0 => "zero: the sender sent no checksum",
            0xffff => "all ones: it came to zero, which would say that there is none",
            _ => "over pseudo header, header and payload",
        };
        f.whole("Checksum", CHECKSUM, format_args!("{:#06x}", self.checksum()), sum);
        f.done()
    }
}

/// A UDP header to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// The port that it comes from.
    pub source_port: u16,
    /// The port that it goes to.
    pub destination_port: u16,
    /// Bytes of payload. If header and payload pass 65,535 bytes, the length is written as 0 (RFC 2675 §4).
    pub payload_len: usize,
}

impl Repr {
    /// The value of a datagram's header.
    #[must_use]
    pub fn parse(datagram: &Datagram<'_>) -> Self {
        Self {
            source_port: datagram.source_port(),
            destination_port: datagram.destination_port(),
            payload_len: match datagram.len_field() {
                0 => datagram.payload().len(),
                length => usize::from(length).saturating_sub(HEADER_LEN),
            },
        }
    }

    /// Bytes that [`Repr::emit`] writes.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the header to the front of `buf`, with a checksum of zero: call [`fill_checksum`] once the payload is there.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`Repr::buffer_len`].
    #[inline]
    pub fn emit(&self, buf: &mut [u8]) {
        let buf = &mut buf[..HEADER_LEN];
        put(buf, SOURCE_PORT, &self.source_port.to_be_bytes());
        put(buf, DESTINATION_PORT, &self.destination_port.to_be_bytes());
        put(buf, LENGTH, &u16::try_from(HEADER_LEN + self.payload_len).unwrap_or(0).to_be_bytes());
        put(buf, CHECKSUM, &[0, 0]);
    }
}

/// Writes the checksum of a whole datagram.
///
/// # Panics
///
/// If `datagram` is shorter than a header.
#[inline]
pub fn fill_checksum(datagram: &mut [u8], pseudo: &PseudoHeader) {
    checksum::fill(Some(pseudo), datagram, CHECKSUM_AT);
}
