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

pub(crate) const HEADER_LEN: usize = 8;
/// Offset of the checksum, for [`checksum::verify`].
pub(crate) const CHECKSUM_AT: usize = CHECKSUM.start;

const SOURCE_PORT: Range<usize> = 0..2;
const DESTINATION_PORT: Range<usize> = 2..4;
const LENGTH: Range<usize> = 4..6;
const CHECKSUM: Range<usize> = 6..8;

/// A view of the header of a UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    fixed: &'a [u8; HEADER_LEN],
}

impl<'a> Datagram<'a> {
    /// Checks that `bytes` holds a whole header.
    #[inline]
    pub(crate) fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let fixed = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        Ok(Self { fixed })
    }

    /// Source port; 0 if the sender expects no reply.
    #[inline]
    pub(crate) fn source_port(self) -> u16 {
        u16_at(self.fixed, SOURCE_PORT)
    }

    /// Destination port.
    #[must_use]
    #[inline]
    pub fn destination_port(&self) -> u16 {
        u16_at(self.fixed, DESTINATION_PORT)
    }

    /// Length field: header and payload, in bytes. 0 in a jumbogram (RFC 2675 §4).
    #[inline]
    pub(crate) fn len_field(self) -> u16 {
        u16_at(self.fixed, LENGTH)
    }

    pub(crate) fn checksum(self) -> u16 {
        u16_at(self.fixed, CHECKSUM)
    }

    pub(crate) fn fields(self) -> Vec<Field> {
        let mut f = Fields::default();
        f.add("Source Port", SOURCE_PORT, self.source_port(), "");
        f.add("Destination Port", DESTINATION_PORT, self.destination_port(), "");
        let length = match self.len_field() {
            0 => "0: in a jumbogram, IP has the length; otherwise an error, less than its own header".into(),
            n if usize::from(n) < HEADER_LEN => format!("less than the {HEADER_LEN} of its own header"),
            n => format!("8 of header, {} of payload", i32::from(n) - 8),
        };
        f.add("Length", LENGTH, self.len_field(), length);
        let sum = match self.checksum() {
            0 => "zero: the sender sent no checksum",
            0xffff => "all ones: the checksum is zero, but a field of zero would mean no checksum",
            _ => "covers pseudo header, header and payload",
        };
        f.add("Checksum", CHECKSUM, format_args!("{:#06x}", self.checksum()), sum);
        f.into_vec()
    }
}

/// A UDP header to encode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Payload length in bytes. If the datagram exceeds 65,535 bytes, the Length is encoded as 0 (RFC 2675 §4).
    pub payload_len: usize,
}

impl Repr {
    #[cfg(test)]
    pub(crate) fn parse(datagram: Datagram<'_>) -> Self {
        Self {
            source_port: datagram.source_port(),
            destination_port: datagram.destination_port(),
            payload_len: usize::from(datagram.len_field()).saturating_sub(HEADER_LEN),
        }
    }

    /// Encodes the header, with a checksum of 0, at the start of `buf`. Call [`fill_checksum`] after writing the
    /// payload.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`HEADER_LEN`].
    #[inline]
    pub(crate) fn emit(&self, buf: &mut [u8]) {
        let buf = &mut buf[..HEADER_LEN];
        put(buf, SOURCE_PORT, &self.source_port.to_be_bytes());
        put(buf, DESTINATION_PORT, &self.destination_port.to_be_bytes());
        put(buf, LENGTH, &u16::try_from(HEADER_LEN + self.payload_len).unwrap_or(0).to_be_bytes());
        put(buf, CHECKSUM, &[0, 0]);
    }
}

/// Computes and writes the checksum of a complete datagram.
///
/// # Panics
///
/// If `datagram` is shorter than [`HEADER_LEN`].
#[inline]
pub(crate) fn fill_checksum(datagram: &mut [u8], pseudo: &PseudoHeader) {
    checksum::fill(Some(pseudo), datagram, CHECKSUM_AT);
}
