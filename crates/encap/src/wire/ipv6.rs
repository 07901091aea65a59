//! IPv6 (RFC 8200 §3) and its extension headers (§4).
//!
//! ```text
//!  0       4              12                                     32
//! +-------+---------------+---------------------------------------+
//! |Version| Traffic Class |              Flow Label               |
//! +-------+---------------+-------+---------------+---------------+
//! |        Payload Length         |  Next Header  |   Hop Limit   |
//! +-------------------------------+---------------+---------------+
//! |                   Source Address, 16 bytes                    |
//! +---------------------------------------------------------------+
//! |                Destination Address, 16 bytes                  |
//! +---------------------------------------------------------------+
//! ```

use std::net::Ipv6Addr;
use std::ops::Range;

use super::bytes::{array_at, put, u16_at, u32_at};
use super::checksum::PseudoHeader;
use super::fields::{Fields, hex, or_unknown};
use super::ipv4::{ecn_meaning, more_fragments_meaning};
use super::{Field, HeaderError, IpProtocol};

pub(crate) const HEADER_LEN: usize = 40;

const VERSION_CLASS_FLOW: Range<usize> = 0..4;
pub(crate) const PAYLOAD_LENGTH: Range<usize> = 4..6;
pub(crate) const NEXT_HEADER: Range<usize> = 6..7;
const HOP_LIMIT: Range<usize> = 7..8;
const SOURCE: Range<usize> = 8..24;
const DESTINATION: Range<usize> = 24..40;

/// A view of an IPv6 packet: a complete header, and the captured part of the payload.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    fixed: &'a [u8; HEADER_LEN],
    /// The header, the payload, and any padding.
    bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks that `bytes` begins with a complete IPv6 header.
    #[inline]
    pub(crate) fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let fixed = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        let packet = Self { fixed, bytes };
        if packet.version() == 6 {
            Ok(packet)
        } else {
            Err(HeaderError::Version { found: packet.version(), expected: 6 })
        }
    }

    #[inline]
    fn version(&self) -> u8 {
        self.fixed[0] >> 4
    }

    /// Traffic class: the DSCP (RFC 2474) and ECN (RFC 3168) bits.
    pub(crate) fn traffic_class(&self) -> u8 {
        self.fixed[0] << 4 | self.fixed[1] >> 4
    }

    /// Flow label, 20 bits (RFC 6437).
    pub(crate) fn flow_label(&self) -> u32 {
        u32_at(self.fixed, VERSION_CLASS_FLOW) & 0x000f_ffff
    }

    /// Payload Length field: all bytes after this header. 0 in a jumbogram (RFC 2675), and before the network card
    /// segments the packet.
    #[inline]
    pub(crate) fn payload_len(&self) -> u16 {
        u16_at(self.fixed, PAYLOAD_LENGTH)
    }

    /// Protocol of the payload, or type of the first extension header.
    #[inline]
    pub(crate) fn next_header(&self) -> IpProtocol {
        IpProtocol(self.fixed[NEXT_HEADER.start])
    }

    /// Hop Limit. Each router decrements it and drops the packet at 0.
    pub(crate) fn hop_limit(&self) -> u8 {
        self.fixed[HOP_LIMIT.start]
    }

    #[inline]
    pub(crate) fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from(array_at::<16>(self.fixed, SOURCE))
    }

    #[inline]
    pub(crate) fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from(array_at::<16>(self.fixed, DESTINATION))
    }

    /// The captured part of the payload, extension headers included. With a Payload Length of 0, all bytes after the
    /// header.
    #[inline]
    pub(crate) fn payload(&self) -> &'a [u8] {
        let rest = &self.bytes[HEADER_LEN..];
        match usize::from(self.payload_len()) {
            0 => rest,
            payload_len => &rest[..payload_len.min(rest.len())],
        }
    }

    /// The pseudo header for `length` bytes of `protocol`, without the extension headers.
    #[inline]
    pub(crate) fn pseudo_header(&self, protocol: IpProtocol, length: u32) -> PseudoHeader {
        PseudoHeader::V6 { source: self.source(), destination: self.destination(), protocol, length }
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        f.bits("Version", 0..1, 0..4, self.version(), "");
        let class = self.traffic_class();
        let dscp = if class >> 2 == 0 { "best effort" } else { "a class of service" };
        f.bits("Traffic Class: DSCP", 0..2, 4..10, class >> 2, dscp);
        f.bits("Traffic Class: ECN", 1..2, 2..4, class & 3, ecn_meaning(class));
        let flow = format_args!("{:#07x}", self.flow_label());
        f.bits("Flow Label", 1..4, 4..24, flow, "the same in all packets of one flow");
        let payload_len = match self.payload_len() {
            0 => "0: in a jumbogram, the hop-by-hop option has the length; otherwise the network card fills this in",
            _ => "bytes after this header, extension headers included",
        };
        f.whole("Payload Length", PAYLOAD_LENGTH, self.payload_len(), payload_len);
        f.whole("Next Header", NEXT_HEADER, self.next_header(), or_unknown(self.next_header().name()));
        f.whole("Hop Limit", HOP_LIMIT, self.hop_limit(), "each router subtracts one, and drops the packet at 0");
        f.whole("Source Address", SOURCE, self.source(), "");
        f.whole("Destination Address", DESTINATION, self.destination(), "");
        f.done()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ExtensionKind {
    /// Options for every router (RFC 8200 §4.3).
    HopByHop,
    /// Routers to visit (§4.4).
    Routing,
    /// One fragment of a packet (§4.5).
    Fragment,
    /// Options for the destination (§4.6).
    DestinationOptions,
    /// Authentication (RFC 4302), also used with IPv4.
    Authentication,
}

impl ExtensionKind {
    /// The extension header with this number; `None` for other protocols.
    #[inline]
    pub(crate) const fn of(protocol: IpProtocol) -> Option<Self> {
        Some(match protocol {
            IpProtocol::HOP_BY_HOP => Self::HopByHop,
            IpProtocol::ROUTING => Self::Routing,
            IpProtocol::FRAGMENT => Self::Fragment,
            IpProtocol::DESTINATION_OPTIONS => Self::DestinationOptions,
            IpProtocol::AUTHENTICATION => Self::Authentication,
            _ => return None,
        })
    }
}

/// A view of a complete extension header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension<'a> {
    kind: ExtensionKind,
    /// At least 8 bytes.
    bytes: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Checks that `bytes` begins with a complete extension header.
    pub(crate) fn new_checked(kind: ExtensionKind, bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let Some(&[_, length, ..]) = bytes.first_chunk::<8>() else {
            return Err(HeaderError::too_short(8, bytes));
        };
        let length = usize::from(length);
        let len = match kind {
            ExtensionKind::Fragment => 8,
            ExtensionKind::Authentication => 4 * (length + 2),
            _ => 8 * (length + 1),
        };
        if len < 8 + 4 * usize::from(kind == ExtensionKind::Authentication) {
            return Err(HeaderError::HeaderLength { found: 8, least: 12 });
        }
        let bytes = bytes.get(..len).ok_or_else(|| HeaderError::too_short(len, bytes))?;
        Ok(Self { kind, bytes })
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Type of the following header.
    pub(crate) fn next_header(&self) -> IpProtocol {
        IpProtocol(self.bytes[0])
    }

    /// For a fragment header: the payload's offset in the original packet, in bytes, and whether more fragments follow.
    pub(crate) fn fragment(&self) -> Option<(u32, bool)> {
        let field = u16_at(self.bytes, 2..4);
        (self.kind == ExtensionKind::Fragment).then_some((u32::from(field & !7), field & 1 == 1))
    }

    /// For a fragment header: the identification, equal in all fragments of one packet.
    pub(crate) fn identification(&self) -> Option<u32> {
        (self.kind == ExtensionKind::Fragment).then(|| u32_at(self.bytes, 4..8))
    }

    /// For a routing header: number of routers still to visit.
    pub(crate) fn segments_left(&self) -> Option<u8> {
        (self.kind == ExtensionKind::Routing).then(|| self.bytes[3])
    }

    /// For a routing header with routers left: the final destination. This is the last address of the list (type 0, RFC
    /// 5095; type 2, RFC 6275 §6.4). A segment routing header lists the addresses in reverse, so there it is the first
    /// (RFC 8754 §2).
    pub(crate) fn final_destination(&self) -> Option<Ipv6Addr> {
        const ADDRESSES: usize = 8;
        self.segments_left().filter(|left| *left > 0)?;
        let at = match self.bytes[2] {
            0 | 2 => self.bytes.len().checked_sub(16).filter(|at| *at >= ADDRESSES)?,
            4 => ADDRESSES,
            _ => return None,
        };
        let address: [u8; 16] = self.bytes.get(at..at + 16)?.try_into().ok()?;
        Some(address.into())
    }

    /// For a hop-by-hop header: the payload length of a jumbogram, in bytes (RFC 2675 §2).
    pub(crate) fn jumbo_payload_len(&self) -> Option<u32> {
        if self.kind != ExtensionKind::HopByHop {
            return None;
        }
        let mut rest = &self.bytes[2..];
        while let [kind, tail @ ..] = rest {
            let length = usize::from(*tail.first()?);
            match *kind {
                // Pad1 has no length field.
                0 => rest = tail,
                0xc2 if length == 4 => return tail.get(1..5).map(|field| u32_at(field, 0..4)),
                _ => rest = tail.get(1 + length..)?,
            }
        }
        None
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        let (mut f, len) = (Fields::default(), self.bytes.len());
        f.whole("Next Header", 0..1, self.next_header(), or_unknown(self.next_header().name()));
        if let (Some((offset, more)), Some(id)) = (self.fragment(), self.identification()) {
            f.whole("Reserved", 1..2, self.bytes[1], "");
            f.bits("Fragment Offset", 2..4, 0..13, offset / 8, format_args!("× 8 = byte {offset} of the whole"));
            f.bits("M", 2..4, 15..16, u8::from(more), more_fragments_meaning(more, offset));
            f.whole("Identification", 4..8, format_args!("{id:#010x}"), "the same in all fragments of one packet");
            return f.done();
        }
        if self.kind == ExtensionKind::Authentication {
            let words = self.bytes[1];
            f.whole("Payload Len", 1..2, words, format_args!("({words} + 2) × 4 = {len} bytes"));
            f.whole("Reserved", 2..4, u16_at(self.bytes, 2..4), "");
            f.whole(
                "SPI",
                4..8,
                format_args!("{:#010x}", u32_at(self.bytes, 4..8)),
                "identifies the security association",
            );
            f.whole("Sequence Number", 8..12, u32_at(self.bytes, 8..12), "");
            f.whole("ICV", 12..len, hex(&self.bytes[12..]), "authenticates the sender and the contents");
            return f.done();
        }
        let units = self.bytes[1];
        f.whole("Hdr Ext Len", 1..2, units, format_args!("({units} + 1) × 8 = {len} bytes"));
        if let Some(left) = self.segments_left() {
            f.whole("Routing Type", 2..3, self.bytes[2], "");
            f.whole("Segments Left", 3..4, left, "routers still to be visited");
            f.whole("type-specific data", 4..len, hex(&self.bytes[4..]), "");
        } else {
            let jumbo = self.jumbo_payload_len().map(|len| format!("jumbo payload length: {len} bytes"));
            f.whole("Options", 2..len, hex(&self.bytes[2..]), jumbo.unwrap_or_default());
        }
        f.done()
    }
}

/// The Payload Length field; 0 if the length exceeds 16 bits.
#[inline]
fn payload_len(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(0)
}

/// An IPv6 header to encode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// Traffic class: the DSCP and ECN bits.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Payload length in bytes. More than 65,535 is encoded as 0, as kernels do for segmentation offload.
    pub payload_len: usize,
    /// Protocol of the payload, or type of the first extension header.
    pub next_header: IpProtocol,
    /// Hop Limit.
    pub hop_limit: u8,
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
}

impl Repr {
    #[cfg(test)]
    pub(crate) fn parse(packet: &Packet<'_>) -> Self {
        Self {
            traffic_class: packet.traffic_class(),
            flow_label: packet.flow_label(),
            payload_len: match packet.payload_len() {
                0 => packet.payload().len(),
                payload_len => usize::from(payload_len),
            },
            next_header: packet.next_header(),
            hop_limit: packet.hop_limit(),
            source: packet.source(),
            destination: packet.destination(),
        }
    }

    /// Encoded length in bytes.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// The pseudo header for the payload, if it begins without extension headers.
    #[inline]
    pub(crate) fn pseudo_header(&self) -> PseudoHeader {
        PseudoHeader::V6 {
            source: self.source,
            destination: self.destination,
            protocol: self.next_header,
            length: u32::try_from(self.payload_len).unwrap_or(u32::MAX),
        }
    }

    /// Encodes the header at the start of `buf`. Excess bits of a field are discarded.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`Repr::buffer_len`].
    #[inline]
    pub fn emit(&self, buf: &mut [u8]) {
        let buf = &mut buf[..HEADER_LEN];
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0x000f_ffff;
        put(buf, VERSION_CLASS_FLOW, &first.to_be_bytes());
        put(buf, PAYLOAD_LENGTH, &payload_len(self.payload_len).to_be_bytes());
        buf[NEXT_HEADER.start] = self.next_header.0;
        buf[HOP_LIMIT.start] = self.hop_limit;
        put(buf, SOURCE, &self.source.octets());
        put(buf, DESTINATION, &self.destination.octets());
    }
}
