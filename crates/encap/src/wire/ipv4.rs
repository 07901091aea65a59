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
use super::checksum::{self, Checksum, PseudoHeader, Sum};
use super::fields::{Fields, hex, or_unknown};
use super::{Field, HeaderError, IpProtocol};

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;

const VERSION_IHL: Range<usize> = 0..1;
const TYPE_OF_SERVICE: Range<usize> = 1..2;
const TOTAL_LENGTH: Range<usize> = 2..4;
const IDENTIFICATION: Range<usize> = 4..6;
const FLAGS_OFFSET: Range<usize> = 6..8;
const TIME_TO_LIVE: Range<usize> = 8..9;
pub(crate) const PROTOCOL: Range<usize> = 9..10;
const CHECKSUM: Range<usize> = 10..12;
const SOURCE: Range<usize> = 12..16;
const DESTINATION: Range<usize> = 16..20;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// A view of an IPv4 packet. Its header is all there; its payload may be cut short.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    fixed: &'a [u8; HEADER_LEN],
    /// The header with its options, then what there is of the payload, and whatever came after it.
    bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The packet at the front of `bytes`, if its header is one and is all there.
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

    /// Bytes of the header with its options, 20 to 60.
    #[must_use]
    #[inline]
    pub fn header_len(&self) -> usize {
        4 * usize::from(self.ihl())
    }

    /// The header, as it stands.
    #[must_use]
    #[inline]
    pub fn header(&self) -> &'a [u8] {
        &self.bytes[..self.header_len()]
    }

    /// Type of service: differentiated services code point (RFC 2474), then ECN (RFC 3168).
    #[must_use]
    pub fn type_of_service(&self) -> u8 {
        self.fixed[1]
    }

    /// Bytes of header and payload, as the packet says. 0 in what was captured before the network card cut it (TSO).
    #[must_use]
    #[inline]
    pub fn total_len(&self) -> u16 {
        u16_at(self.fixed, TOTAL_LENGTH)
    }

    /// What the fragments of one packet have in common.
    #[must_use]
    pub fn identification(&self) -> u16 {
        u16_at(self.fixed, IDENTIFICATION)
    }

    /// Routers may not cut the packet.
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        u16_at(self.fixed, FLAGS_OFFSET) & DONT_FRAGMENT != 0
    }

    /// This fragment is not the last.
    #[must_use]
    #[inline]
    pub fn more_fragments(&self) -> bool {
        u16_at(self.fixed, FLAGS_OFFSET) & MORE_FRAGMENTS != 0
    }

    /// Where this fragment's payload belongs in the whole, in bytes.
    #[must_use]
    #[inline]
    pub fn fragment_offset(&self) -> u32 {
        8 * u32::from(u16_at(self.fixed, FLAGS_OFFSET) & OFFSET_MASK)
    }

    /// One less at each router; the one that makes it zero drops the packet.
    #[must_use]
    pub fn time_to_live(&self) -> u8 {
        self.fixed[TIME_TO_LIVE.start]
    }

    /// What the payload is.
    #[must_use]
    #[inline]
    pub fn protocol(&self) -> IpProtocol {
        IpProtocol(self.fixed[PROTOCOL.start])
    }

    /// The header checksum, as it stands.
    #[must_use]
    pub fn checksum(&self) -> u16 {
        u16_at(self.fixed, CHECKSUM)
    }

    /// Who sent it.
    #[must_use]
    #[inline]
    pub fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32_at(self.fixed, SOURCE))
    }

    /// Who it is for.
    #[must_use]
    #[inline]
    pub fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32_at(self.fixed, DESTINATION))
    }

    /// The options, as they stand.
    #[must_use]
    pub fn options(&self) -> &'a [u8] {
        &self.bytes[HEADER_LEN..self.header_len()]
    }

    /// The payload, as far as it is there. A total length of 0 takes all that is there.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        let end = match usize::from(self.total_len()) {
            0 => self.bytes.len(),
            total_len => total_len.clamp(self.header_len(), self.bytes.len().max(self.header_len())),
        };
        &self.bytes[self.header_len()..end]
    }

    /// Whether a source route has hops left, so that [`Packet::destination`] is not where it ends (RFC 791 §3.1).
    #[must_use]
    pub fn is_source_routed(&self) -> bool {
        let mut rest = self.options();
        while let [kind, tail @ ..] = rest {
            match kind {
                0 => return false,
                1 => rest = tail,
                _ => {
                    let Some(option) = tail.first().and_then(|len| rest.get(..usize::from(*len).max(2))) else {
                        return false;
                    };
                    // Loose and strict: the pointer counts from 1, and has passed the end when the route is done.
                    if matches!(kind, 131 | 137) && option.len() > 2 && usize::from(option[2]) <= option.len() {
                        return true;
                    }
                    rest = &rest[option.len()..];
                }
            }
        }
        false
    }

    /// Verifies the header checksum.
    #[must_use]
    #[inline]
    pub fn verify(&self) -> Checksum {
        match self.header_len() {
            // Of a length that is known, the compiler leaves no loop.
            HEADER_LEN => checksum::verify(None, self.fixed, CHECKSUM.start),
            _ => checksum::verify(None, self.header(), CHECKSUM.start),
        }
    }

    /// The pseudo header for `length` bytes of its payload.
    #[must_use]
    #[inline]
    pub fn pseudo_header(&self, length: u32) -> PseudoHeader {
        PseudoHeader::V4 { source: self.source(), destination: self.destination(), protocol: self.protocol(), length }
    }

    /// The fields, for a person to read.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        f.bits("Version", VERSION_IHL, 0..4, self.version(), "");
        let (words, bytes) = (self.ihl(), self.header_len());
        let ihl = format!("{words} × 4 = {bytes} bytes of header, {} of them options", bytes - HEADER_LEN);
        f.bits("IHL", VERSION_IHL, 4..8, words, ihl);
        let tos = self.type_of_service();
        f.bits(
            "DSCP",
            TYPE_OF_SERVICE,
            0..6,
            tos >> 2,
            if tos >> 2 == 0 { "best effort" } else { "a class of service" },
        );
        f.bits("ECN", TYPE_OF_SERVICE, 6..8, tos & 3, ecn_meaning(tos));
        let total_len = match self.total_len() {
            0 => "left to the network card, which cuts it (segmentation offload)".into(),
            n => format!("{bytes} of header, {} of payload", i32::from(n) - 4 * i32::from(words)),
        };
        f.whole("Total Length", TOTAL_LENGTH, self.total_len(), total_len);
        let id = format_args!("{:#06x}", self.identification());
        f.whole("Identification", IDENTIFICATION, id, "the same in all fragments of one packet");
        f.bits("Reserved", FLAGS_OFFSET, 0..1, self.fixed[FLAGS_OFFSET.start] >> 7, "must be zero");
        let (df, mf) = (self.dont_fragment(), self.more_fragments());
        let df_meaning = if df { "don't fragment: routers drop it rather than cut it" } else { "may be fragmented" };
        f.bits("DF", FLAGS_OFFSET, 1..2, u8::from(df), df_meaning);
        let offset = self.fragment_offset();
        f.bits("MF", FLAGS_OFFSET, 2..3, u8::from(mf), more_fragments_meaning(mf, offset));
        f.bits("Fragment Offset", FLAGS_OFFSET, 3..16, offset / 8, format_args!("× 8 = byte {offset} of the whole"));
        f.whole(
            "Time to Live",
            TIME_TO_LIVE,
            self.time_to_live(),
            "each router takes one off; the one that makes it 0 drops the packet",
        );
        f.whole("Protocol", PROTOCOL, self.protocol(), or_unknown(self.protocol().name()));
        let sum = format_args!("{:#06x}", self.checksum());
        f.whole("Header Checksum", CHECKSUM, sum, "over the header alone; every router works it anew");
        f.whole("Source Address", SOURCE, self.source(), "");
        f.whole("Destination Address", DESTINATION, self.destination(), "");
        if !self.options().is_empty() {
            f.whole("Options", HEADER_LEN..bytes, hex(self.options()), "");
        }
        f.done()
    }
}

pub(super) const fn more_fragments_meaning(more: bool, offset: u32) -> &'static str {
    match (more, offset) {
        (true, _) => "more fragments follow",
        (false, 0) => "no more fragments, and the offset is 0: the packet is whole",
        (false, _) => "the last fragment",
    }
}

pub(super) const fn ecn_meaning(traffic_class: u8) -> &'static str {
    match traffic_class & 3 {
        0 => "the sender does not take part in congestion notification",
        3 => "congestion experienced: a router was filling up",
        _ => "the sender takes part in congestion notification",
    }
}

/// Makes a fragment's header that of the whole packet, but for its checksum.
pub(crate) fn unfragment(header: &mut [u8], total_len: u16) {
    put(header, TOTAL_LENGTH, &total_len.to_be_bytes());
    let flags = u16_at(header, FLAGS_OFFSET) & DONT_FRAGMENT;
    put(header, FLAGS_OFFSET, &flags.to_be_bytes());
}

/// Makes a header that [`Repr::emit`] has written, which has no options, that of another packet of the same flow.
/// `unchanged_sum` is what [`unchanged_sum`] says of it.
#[inline(always)]
#[expect(clippy::inline_always, reason = "each row has a frame")]
pub(crate) fn patch(header: &mut [u8], unchanged_sum: u16, identification: u16, payload_len: usize) {
    let header = &mut header[..HEADER_LEN];
    let mut sum = Sum::default();
    sum.add_u16(unchanged_sum);
    for (field, new) in [(TOTAL_LENGTH, total_len(payload_len)), (IDENTIFICATION, identification)] {
        sum.add_u16(new);
        put(header, field, &new.to_be_bytes());
    }
    put(header, CHECKSUM, &sum.checksum().to_be_bytes());
}

/// The sum of the fields of a header without options that [`patch`] leaves as they are.
pub(crate) fn unchanged_sum(header: &[u8]) -> u16 {
    let mut sum = Sum::default();
    sum.add_bytes(&header[..HEADER_LEN]);
    for field in [TOTAL_LENGTH, IDENTIFICATION, CHECKSUM] {
        // Taking a word away is adding its complement (RFC 1624 §3).
        sum.add_u16(!u16_at(header, field));
    }
    sum.folded()
}

/// What the field holds: 0 if it does not fit.
#[inline]
fn total_len(payload_len: usize) -> u16 {
    u16::try_from(HEADER_LEN + payload_len).unwrap_or(0)
}

/// An IPv4 header without options, to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// Type of service.
    pub type_of_service: u8,
    /// What the fragments of one packet have in common.
    pub identification: u16,
    /// Routers may not cut the packet.
    pub dont_fragment: bool,
    /// This fragment is not the last.
    pub more_fragments: bool,
    /// Where this fragment's payload belongs in the whole, in bytes: a multiple of 8.
    pub fragment_offset: u32,
    /// Routers that the packet may pass.
    pub time_to_live: u8,
    /// What the payload is.
    pub protocol: IpProtocol,
    /// Who sends it.
    pub source: Ipv4Addr,
    /// Who it is for.
    pub destination: Ipv4Addr,
    /// Bytes of payload. If header and payload pass 65,535 bytes, the total length is written as 0, as kernels do for
    /// what the network card is to cut.
    pub payload_len: usize,
}

impl Repr {
    /// The value of a packet's header, but for its options.
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

    /// Bytes that [`Repr::emit`] writes.
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

    /// Writes the header to the front of `buf`, with its checksum.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`Repr::buffer_len`].
    #[inline]
    pub fn emit(&self, buf: &mut [u8]) {
        let buf = &mut buf[..HEADER_LEN];
        buf[VERSION_IHL.start] = 0x45;
        buf[TYPE_OF_SERVICE.start] = self.type_of_service;
        put(buf, TOTAL_LENGTH, &total_len(self.payload_len).to_be_bytes());
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
