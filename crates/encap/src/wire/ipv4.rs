//! IPv4 (RFC 791 §3.1).
//!
//! ```text
//!  0       4       8              16    19                        32
//! +-------+-------+---------------+------------------------------+
//! |Version|  IHL  |Type of Service|         Total Length         |
//! +-------+-------+---------------+-----+------------------------+
//! |        Identification         |Flags|    Fragment Offset     |
//! +---------------+---------------+-----+------------------------+
//! | Time to Live  |   Protocol    |       Header Checksum        |
//! +---------------+---------------+------------------------------+
//! |                        Source Address                        |
//! +--------------------------------------------------------------+
//! |                     Destination Address                      |
//! +--------------------------------------------------------------+
//! |               Options, up to 40 bytes, padded                |
//! +--------------------------------------------------------------+
//! ```

use std::net::Ipv4Addr;
use std::ops::Range;

use super::bytes::{put, u16_at, u32_at};
use super::checksum::{self, Checksum, PseudoHeader};
use super::fields::{Fields, hex, name_or_unknown};
use super::{Field, HeaderError, IpProtocol};

/// Length of a header without options, in bytes.
pub(crate) const HEADER_LEN: usize = 20;

const VERSION_IHL: Range<usize> = 0..1;
const TYPE_OF_SERVICE: Range<usize> = 1..2;
const TOTAL_LENGTH: Range<usize> = 2..4;
const IDENTIFICATION: Range<usize> = 4..6;
const FLAGS_OFFSET: Range<usize> = 6..8;
const TIME_TO_LIVE: Range<usize> = 8..9;
pub(crate) const PROTOCOL: Range<usize> = 9..10;
pub(crate) const CHECKSUM: Range<usize> = 10..12;
const SOURCE: Range<usize> = 12..16;
const DESTINATION: Range<usize> = 16..20;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// A view of an IPv4 packet: a complete header, and the captured part of the payload.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    fixed: &'a [u8; HEADER_LEN],
    /// The header with its options, the payload, and any padding.
    bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks that `bytes` begins with a complete IPv4 header.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let fixed: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        let packet = Self { fixed, bytes };
        if packet.version() != 4 {
            return Err(HeaderError::Version { found: packet.version(), expected: 4 });
        }
        let header_len = packet.header_len();
        if header_len < HEADER_LEN {
            return Err(HeaderError::HeaderLength { found: 4 * u16::from(packet.ihl()), least: 20 });
        }
        if header_len > bytes.len() {
            return Err(HeaderError::too_short(header_len, bytes));
        }
        Ok(packet)
    }

    #[inline]
    fn version(&self) -> u8 {
        self.fixed[0] >> 4
    }

    #[inline]
    fn ihl(&self) -> u8 {
        self.fixed[0] & 0x0f
    }

    /// Header length with options, in bytes: 20 to 60.
    #[inline]
    pub(crate) fn header_len(&self) -> usize {
        4 * usize::from(self.ihl())
    }

    /// The header with its options.
    #[inline]
    pub(crate) fn header(&self) -> &'a [u8] {
        &self.bytes[..self.header_len()]
    }

    /// Type of service: the DSCP (RFC 2474) and ECN (RFC 3168) bits.
    pub(crate) fn type_of_service(&self) -> u8 {
        self.fixed[1]
    }

    /// Total Length field: header and payload, in bytes. 0 if the network card still has to segment the packet (TSO).
    #[inline]
    pub(crate) fn total_len(&self) -> u16 {
        u16_at(self.fixed, TOTAL_LENGTH)
    }

    /// Identification, equal in all fragments of one packet.
    pub(crate) fn identification(&self) -> u16 {
        u16_at(self.fixed, IDENTIFICATION)
    }

    /// DF flag: routers must not fragment the packet.
    pub(crate) fn dont_fragment(&self) -> bool {
        u16_at(self.fixed, FLAGS_OFFSET) & DONT_FRAGMENT != 0
    }

    /// MF flag: more fragments follow.
    #[inline]
    pub(crate) fn more_fragments(&self) -> bool {
        u16_at(self.fixed, FLAGS_OFFSET) & MORE_FRAGMENTS != 0
    }

    /// Offset of this fragment's payload in the original packet, in bytes.
    #[inline]
    pub(crate) fn fragment_offset(&self) -> u32 {
        8 * u32::from(u16_at(self.fixed, FLAGS_OFFSET) & OFFSET_MASK)
    }

    /// Time to Live. Each router decrements it and drops the packet at 0.
    pub(crate) fn time_to_live(&self) -> u8 {
        self.fixed[TIME_TO_LIVE.start]
    }

    #[inline]
    pub(crate) fn protocol(&self) -> IpProtocol {
        IpProtocol(self.fixed[PROTOCOL.start])
    }

    pub(crate) fn checksum(&self) -> u16 {
        u16_at(self.fixed, CHECKSUM)
    }

    #[inline]
    pub(crate) fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32_at(self.fixed, SOURCE))
    }

    #[inline]
    pub(crate) fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32_at(self.fixed, DESTINATION))
    }

    pub(crate) fn options(&self) -> &'a [u8] {
        &self.bytes[HEADER_LEN..self.header_len()]
    }

    /// The captured part of the payload. With a Total Length of 0, all bytes after the header.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        let end = match usize::from(self.total_len()) {
            0 => self.bytes.len(),
            total_len => total_len.clamp(self.header_len(), self.bytes.len().max(self.header_len())),
        };
        &self.bytes[self.header_len()..end]
    }

    /// Whether a source route has hops left. [`Packet::destination`] is then only the next hop (RFC 791 §3.1).
    pub(crate) fn is_source_routed(&self) -> bool {
        let mut rest = self.options();
        while let [kind, tail @ ..] = rest {
            match kind {
                // End of the option list.
                0 => return false,
                // No operation: an option of one byte.
                1 => rest = tail,
                _ => {
                    let Some(option) = tail.first().and_then(|len| rest.get(..usize::from(*len).max(2))) else {
                        return false;
                    };
                    // Loose (131) and strict (137) source route. The third byte is a pointer that counts from 1. If it
                    // points past the end of the option, the route is complete.
                    if matches!(kind, 131 | 137) && option.len() > 2 && usize::from(option[2]) <= option.len() {
                        return true;
                    }
                    rest = &rest[option.len()..];
                }
            }
        }
        false
    }

    #[inline]
    pub(crate) fn verify(&self) -> Checksum {
        match self.header_len() {
            // The constant length lets the compiler unroll the sum.
            HEADER_LEN => checksum::verify(None, self.fixed, CHECKSUM.start),
            _ => checksum::verify(None, self.header(), CHECKSUM.start),
        }
    }

    /// The pseudo header for `length` bytes of `protocol`. The length excludes an authentication header.
    #[inline]
    pub(crate) fn pseudo_header(&self, protocol: IpProtocol, length: u32) -> PseudoHeader {
        PseudoHeader::V4 { source: self.source(), destination: self.destination(), protocol, length }
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        f.add_bits("Version", VERSION_IHL, 0..4, self.version(), "");
        let (ihl, header_len) = (self.ihl(), self.header_len());
        let ihl_meaning =
            format!("{ihl} × 4 = {header_len} bytes of header, {} of them options", header_len - HEADER_LEN);
        f.add_bits("IHL", VERSION_IHL, 4..8, ihl, ihl_meaning);
        let tos = self.type_of_service();
        f.add_bits(
            "DSCP",
            TYPE_OF_SERVICE,
            0..6,
            tos >> 2,
            if tos >> 2 == 0 { "best effort" } else { "a class of service" },
        );
        f.add_bits("ECN", TYPE_OF_SERVICE, 6..8, tos & 3, ecn_meaning(tos));
        let total_len_meaning = match self.total_len() {
            0 => "0: the network card segments the packet and fills this in (segmentation offload)".into(),
            n => format!("{header_len} of header, {} of payload", i32::from(n) - 4 * i32::from(ihl)),
        };
        f.add("Total Length", TOTAL_LENGTH, self.total_len(), total_len_meaning);
        let id = format_args!("{:#06x}", self.identification());
        f.add("Identification", IDENTIFICATION, id, "the same in all fragments of one packet");
        f.add_bits("Reserved", FLAGS_OFFSET, 0..1, self.fixed[FLAGS_OFFSET.start] >> 7, "must be zero");
        let (df, mf) = (self.dont_fragment(), self.more_fragments());
        let df_meaning =
            if df { "don't fragment: a router drops the packet if it is too long" } else { "may be fragmented" };
        f.add_bits("DF", FLAGS_OFFSET, 1..2, u8::from(df), df_meaning);
        let offset = self.fragment_offset();
        f.add_bits("MF", FLAGS_OFFSET, 2..3, u8::from(mf), more_fragments_meaning(mf, offset));
        f.add_bits(
            "Fragment Offset",
            FLAGS_OFFSET,
            3..16,
            offset / 8,
            format_args!("× 8 = byte {offset} of the whole"),
        );
        f.add(
            "Time to Live",
            TIME_TO_LIVE,
            self.time_to_live(),
            "each router subtracts one, and drops the packet at 0",
        );
        f.add("Protocol", PROTOCOL, self.protocol(), name_or_unknown(self.protocol().name()));
        let sum = format_args!("{:#06x}", self.checksum());
        f.add("Header Checksum", CHECKSUM, sum, "covers only the header; each router recalculates it");
        f.add("Source Address", SOURCE, self.source(), "");
        f.add("Destination Address", DESTINATION, self.destination(), "");
        if !self.options().is_empty() {
            f.add("Options", HEADER_LEN..header_len, hex(self.options()), "");
        }
        f.into_vec()
    }
}

pub(super) const fn more_fragments_meaning(has_more: bool, offset: u32) -> &'static str {
    match (has_more, offset) {
        (true, _) => "more fragments follow",
        (false, 0) => "no more fragments, and the offset is 0: the packet is whole",
        (false, _) => "the last fragment",
    }
}

pub(super) const fn ecn_meaning(traffic_class: u8) -> &'static str {
    match traffic_class & 3 {
        0 => "the sender does not take part in congestion notification",
        3 => "congestion experienced: a router's queue was filling up",
        _ => "the sender takes part in congestion notification",
    }
}

/// Turns a fragment's header into the header of the whole packet, which has the length `total_len`. Does not update the
/// checksum.
pub(crate) fn unfragment(header: &mut [u8], total_len: u16) {
    put(header, TOTAL_LENGTH, &total_len.to_be_bytes());
    let flags = u16_at(header, FLAGS_OFFSET) & DONT_FRAGMENT;
    put(header, FLAGS_OFFSET, &flags.to_be_bytes());
}

/// The Total Length field; 0 if the length exceeds 16 bits.
#[inline]
fn total_len_field(payload_len: usize) -> u16 {
    u16::try_from(HEADER_LEN + payload_len).unwrap_or(0)
}

/// An IPv4 header without options, to encode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// Type of service.
    pub type_of_service: u8,
    /// Identification, equal in all fragments of one packet.
    pub identification: u16,
    /// DF flag: routers must not fragment the packet.
    pub dont_fragment: bool,
    /// MF flag: more fragments follow.
    pub more_fragments: bool,
    /// Offset of this fragment's payload in the original packet, in bytes: a multiple of 8.
    pub fragment_offset: u32,
    /// Time to Live.
    pub time_to_live: u8,
    /// Protocol of the payload.
    pub protocol: IpProtocol,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Payload length in bytes. If the packet exceeds 65,535 bytes, the Total Length is encoded as 0. Kernels do the
    /// same for segmentation offload.
    pub payload_len: usize,
}

impl Repr {
    /// Decodes a header, without its options.
    #[must_use]
    pub fn parse(packet: &Packet<'_>) -> Self {
        Self {
            type_of_service: packet.type_of_service(),
            identification: packet.identification(),
            dont_fragment: packet.dont_fragment(),
            more_fragments: packet.more_fragments(),
            fragment_offset: packet.fragment_offset(),
            time_to_live: packet.time_to_live(),
            protocol: packet.protocol(),
            source: packet.source(),
            destination: packet.destination(),
            payload_len: match packet.total_len() {
                0 => packet.payload().len(),
                total_len => usize::from(total_len).saturating_sub(packet.header_len()),
            },
        }
    }

    /// Encoded length in bytes.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// The pseudo header for the payload.
    #[must_use]
    #[inline]
    pub fn pseudo_header(&self) -> PseudoHeader {
        PseudoHeader::V4 {
            source: self.source,
            destination: self.destination,
            protocol: self.protocol,
            length: u32::try_from(self.payload_len).unwrap_or(u32::MAX),
        }
    }

    /// Encodes the header, checksum included, at the start of `buf`.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`Repr::buffer_len`].
    #[inline]
    pub fn emit(&self, buf: &mut [u8]) {
        let buf = &mut buf[..HEADER_LEN];
        // Version 4, header length of five 32-bit words.
        buf[VERSION_IHL.start] = 0x45;
        buf[TYPE_OF_SERVICE.start] = self.type_of_service;
        put(buf, TOTAL_LENGTH, &total_len_field(self.payload_len).to_be_bytes());
        put(buf, IDENTIFICATION, &self.identification.to_be_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "13 bits")]
        let mut flags_offset = (self.fragment_offset / 8) as u16 & OFFSET_MASK;
        flags_offset |= if self.dont_fragment { DONT_FRAGMENT } else { 0 };
        flags_offset |= if self.more_fragments { MORE_FRAGMENTS } else { 0 };
        put(buf, FLAGS_OFFSET, &flags_offset.to_be_bytes());
        buf[TIME_TO_LIVE.start] = self.time_to_live;
        buf[PROTOCOL.start] = self.protocol.0;
        put(buf, SOURCE, &self.source.octets());
        put(buf, DESTINATION, &self.destination.octets());
        checksum::fill(None, buf, CHECKSUM.start);
    }
}
