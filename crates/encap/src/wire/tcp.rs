//! TCP (RFC 9293 §3.1).
//!
//! ```text
//!  0       4       8              16                             32
//! +-------------------------------+------------------------------+
//! |          Source Port          |       Destination Port       |
//! +-------------------------------+------------------------------+
//! |                       Sequence Number                        |
//! +--------------------------------------------------------------+
//! |                    Acknowledgment Number                     |
//! +-------+-------+---------------+------------------------------+
//! |DOffset|  Rsrvd| Control Bits  |            Window            |
//! +-------+-------+---------------+------------------------------+
//! |           Checksum            |        Urgent Pointer        |
//! +-------------------------------+------------------------------+
//! |               Options, up to 40 bytes, padded                |
//! +--------------------------------------------------------------+
//! ```

mod flags;
mod options;
mod seq_number;

use std::ops::Range;

pub use flags::Flags;
use options::OptionsIter;
pub(crate) use options::TcpOption;
pub use options::{Options, Timestamps};
pub use seq_number::SeqNumber;

use super::bytes::{u16_at, u32_at, word_writer};
use super::checksum::{self, PseudoHeader};
use super::{Field, HeaderError, fields::Fields};

/// Length of a header without options, in bytes.
pub(crate) const HEADER_LEN: usize = 20;
/// Offset of the checksum, for [`checksum::verify`].
pub(crate) const CHECKSUM_AT: usize = CHECKSUM.start;

const SOURCE_PORT: Range<usize> = 0..2;
const DESTINATION_PORT: Range<usize> = 2..4;
const SEQUENCE_NUMBER: Range<usize> = 4..8;
const ACKNOWLEDGMENT_NUMBER: Range<usize> = 8..12;
const DATA_OFFSET: Range<usize> = 12..13;
const CONTROL_BITS: Range<usize> = 12..14;
const WINDOW: Range<usize> = 14..16;
const CHECKSUM: Range<usize> = 16..18;
const URGENT_POINTER: Range<usize> = 18..20;

/// A view of a TCP segment: a complete header, and the captured part of the payload.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    fixed: &'a [u8; HEADER_LEN],
    /// The header with its options, and the payload.
    bytes: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Checks that `bytes` begins with a complete TCP header. All bytes after the header are payload.
    #[inline]
    pub(crate) fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let fixed = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        let segment = Self { fixed, bytes };
        let header_len = segment.header_len();
        if header_len < HEADER_LEN {
            return Err(HeaderError::HeaderLength { found: 4 * u16::from(segment.data_offset()), least: 20 });
        }
        if header_len > bytes.len() {
            return Err(HeaderError::too_short(header_len, bytes));
        }
        Ok(segment)
    }

    /// Source port.
    #[must_use]
    #[inline]
    pub fn source_port(&self) -> u16 {
        u16_at(self.fixed, SOURCE_PORT)
    }

    /// Destination port.
    #[must_use]
    #[inline]
    pub fn destination_port(&self) -> u16 {
        u16_at(self.fixed, DESTINATION_PORT)
    }

    /// Sequence number of the first payload byte, or of the SYN.
    #[must_use]
    #[inline]
    pub fn seq(&self) -> SeqNumber {
        SeqNumber(u32_at(self.fixed, SEQUENCE_NUMBER))
    }

    /// Sequence number that the sender expects next. Not valid without the ACK flag.
    #[must_use]
    #[inline]
    pub fn ack(&self) -> SeqNumber {
        SeqNumber(u32_at(self.fixed, ACKNOWLEDGMENT_NUMBER))
    }

    #[inline]
    fn data_offset(&self) -> u8 {
        self.fixed[DATA_OFFSET.start] >> 4
    }

    /// Header length with options, in bytes: 20 to 60.
    #[inline]
    pub(crate) fn header_len(&self) -> usize {
        4 * usize::from(self.data_offset())
    }

    /// The control bits.
    #[must_use]
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags::from_bits(u16_at(self.fixed, CONTROL_BITS))
    }

    /// Receive window of the sender, before scaling.
    #[must_use]
    #[inline]
    pub fn window(&self) -> u16 {
        u16_at(self.fixed, WINDOW)
    }

    pub(crate) fn checksum(&self) -> u16 {
        u16_at(self.fixed, CHECKSUM)
    }

    /// Offset of the end of urgent data, valid with the URG flag.
    pub(crate) fn urgent_pointer(&self) -> u16 {
        u16_at(self.fixed, URGENT_POINTER)
    }

    /// Option bytes.
    #[must_use]
    pub fn option_bytes(&self) -> &'a [u8] {
        &self.bytes[HEADER_LEN..self.header_len()]
    }

    /// The decoded options, with their offsets in the header.
    pub(crate) fn options(&self) -> OptionsIter<'a> {
        OptionsIter::new(self.option_bytes())
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        let flags = self.flags();
        f.add("Source Port", SOURCE_PORT, self.source_port(), "");
        f.add("Destination Port", DESTINATION_PORT, self.destination_port(), "");
        let seq_meaning = if flags.contains(Flags::SYN) {
            "the initial number: the first data byte has the next one"
        } else if flags.contains(Flags::RST) {
            "must be a number that the receiver expects: otherwise the reset is ignored"
        } else {
            "the number of the first byte of data, if any"
        };
        f.add("Sequence Number", SEQUENCE_NUMBER, self.seq(), seq_meaning);
        let ack_meaning = match (flags.contains(Flags::ACK), self.ack()) {
            (true, _) => "the number expected next: all bytes before it have arrived",
            (false, SeqNumber(0)) => "0: valid only if ACK is set",
            (false, _) => "not valid, as ACK is not set; should be 0",
        };
        f.add("Acknowledgment Number", ACKNOWLEDGMENT_NUMBER, self.ack(), ack_meaning);
        let (offset, header_len) = (self.data_offset(), self.header_len());
        let offset_meaning =
            format!("{offset} × 4 = {header_len} bytes of header, {} of them options", header_len - HEADER_LEN);
        f.add_bits("Data Offset", DATA_OFFSET, 0..4, offset, offset_meaning);
        f.add_bits("Reserved", DATA_OFFSET, 4..8, self.fixed[DATA_OFFSET.start] & 0x0f, "must be zero");
        for (bit, &(flag, name, meaning)) in (0..).zip(&Flags::NAMED) {
            let is_set = flags.contains(flag);
            let meaning = if is_set { meaning } else { "not set" };
            f.add_bits(name, CONTROL_BITS.end - 1..CONTROL_BITS.end, bit..bit + 1, u8::from(is_set), meaning);
        }
        let window_meaning = if flags.contains(Flags::SYN) {
            "bytes that the sender can receive; never scaled in a SYN"
        } else {
            "bytes that the sender can receive, in units given by the window scale of its SYN"
        };
        f.add("Window", WINDOW, self.window(), window_meaning);
        let sum = format_args!("{:#06x}", self.checksum());
        f.add("Checksum", CHECKSUM, sum, "covers pseudo header, header and payload");
        let urgent_meaning =
            if flags.contains(Flags::URG) { "where urgent data ends" } else { "valid only if URG is set" };
        f.add("Urgent Pointer", URGENT_POINTER, self.urgent_pointer(), urgent_meaning);
        for option in self.options() {
            match option {
                Ok(option) => f.add(option.option.name(), option.bytes, option.option, option.option.meaning()),
                Err(malformed) => f.add("malformed option", malformed.at..header_len, "", malformed),
            }
        }
        f.into_vec()
    }
}

/// A TCP header to encode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number of the first payload byte, or of the SYN.
    pub seq: SeqNumber,
    /// Sequence number expected next. Encoded as 0 without the ACK flag.
    pub ack: SeqNumber,
    /// The control bits.
    pub flags: Flags,
    /// Receive window, before scaling.
    pub window: u16,
    /// Offset of the end of urgent data. Encoded as 0 without the URG flag.
    pub urgent_pointer: u16,
    /// The options to encode.
    pub options: Options,
}

impl Repr {
    /// Decodes a header, with the options that [`Options`] supports.
    #[cfg(test)]
    pub(crate) fn parse(segment: &Segment<'_>) -> Self {
        let flags = segment.flags();
        Self {
            source_port: segment.source_port(),
            destination_port: segment.destination_port(),
            seq: segment.seq(),
            ack: if flags.contains(Flags::ACK) { segment.ack() } else { SeqNumber(0) },
            flags,
            window: segment.window(),
            urgent_pointer: if flags.contains(Flags::URG) { segment.urgent_pointer() } else { 0 },
            options: Options::parse(segment.option_bytes()),
        }
    }

    /// Encoded length in bytes.
    #[must_use]
    #[inline]
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN + self.options.buffer_len()
    }

    /// Encodes the header, with a checksum of 0, at the start of `buf`. Call [`fill_checksum`] after writing the
    /// payload.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`Repr::buffer_len`].
    pub fn emit(&self, buf: &mut [u8]) {
        let (fixed, options) = buf[..self.buffer_len()].split_at_mut(HEADER_LEN);
        let word = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
        #[expect(clippy::cast_possible_truncation, reason = "a header has at most 60 bytes")]
        let data_offset = (self.buffer_len() / 4) as u16;
        // Each 32-bit word is one line of the diagram at the top of this file.
        let mut put_word = word_writer(fixed);
        put_word(word(self.source_port, self.destination_port));
        put_word(self.seq.0);
        put_word(if self.flags.contains(Flags::ACK) { self.ack.0 } else { 0 });
        put_word(word(data_offset << 12 | self.flags.bits(), self.window));
        put_word(word(0, if self.flags.contains(Flags::URG) { self.urgent_pointer } else { 0 }));
        self.options.emit(options);
    }
}

/// Computes and writes the checksum of a complete segment.
///
/// # Panics
///
/// If `segment` is shorter than a header.
#[inline]
pub fn fill_checksum(segment: &mut [u8], pseudo: &PseudoHeader) {
    checksum::fill(Some(pseudo), segment, CHECKSUM_AT);
}
