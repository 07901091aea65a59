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
use super::fields::{Fields, hex, name_or_unknown};
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

    /// Payload Length field: all bytes after this header. 0 in a jumbogram (RFC 2675), or if the network card still has
    /// to segment the packet.
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

    /// The pseudo header for `length` bytes of `protocol`. The length excludes the extension headers.
    #[inline]
    pub(crate) fn pseudo_header(&self, protocol: IpProtocol, length: u32) -> PseudoHeader {
        PseudoHeader::V6 { source: self.source(), destination: self.destination(), protocol, length }
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        f.add_bits("Version", 0..1, 0..4, self.version(), "");
        let class = self.traffic_class();
        let dscp = if class >> 2 == 0 { "best effort" } else { "a class of service" };
        f.add_bits("Traffic Class: DSCP", 0..2, 4..10, class >> 2, dscp);
        f.add_bits("Traffic Class: ECN", 1..2, 2..4, class & 3, ecn_meaning(class));
        let flow_label = format_args!("{:#07x}", self.flow_label());
        f.add_bits("Flow Label", 1..4, 4..24, flow_label, "the same in all packets of one flow");
        let payload_len_meaning = match self.payload_len() {
            0 => "0: in a jumbogram, the hop-by-hop option has the length; otherwise the network card fills this in",
            _ => "bytes after this header, extension headers included",
        };
        f.add("Payload Length", PAYLOAD_LENGTH, self.payload_len(), payload_len_meaning);
        f.add("Next Header", NEXT_HEADER, self.next_header(), name_or_unknown(self.next_header().name()));
        f.add("Hop Limit", HOP_LIMIT, self.hop_limit(), "each router subtracts one, and drops the packet at 0");
        f.add("Source Address", SOURCE, self.source(), "");
        f.add("Destination Address", DESTINATION, self.destination(), "");
        f.into_vec()
    }
}

/// The kind of an extension header.
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
    /// The kind of the extension header with this protocol number; `None` for other protocols.
    #[inline]
    pub(crate) const fn from_protocol(protocol: IpProtocol) -> Option<Self> {
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
        let Some(&[_, len_field, ..]) = bytes.first_chunk::<8>() else {
            return Err(HeaderError::too_short(8, bytes));
        };
        let len_field = usize::from(len_field);
        let len = match kind {
            ExtensionKind::Fragment => 8,
            ExtensionKind::Authentication => 4 * (len_field + 2),
            _ => 8 * (len_field + 1),
        };
        // The fixed fields take 12 bytes. A shorter header has a length field of 0, so it has 8 bytes.
        if kind == ExtensionKind::Authentication && len < 12 {
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
        // The upper 13 bits hold the offset in units of 8 bytes, so the masked field is the offset in bytes.
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

    /// For a routing header with routers left: the final destination; `None` for unknown types. In types 0 (RFC 5095)
    /// and 2 (RFC 6275 §6.4), it is the last address of the list. In type 4, segment routing, it is the first address,
    /// because the list is in reverse order (RFC 8754 §2).
    pub(crate) fn final_destination(&self) -> Option<Ipv6Addr> {
        /// Offset of the address list.
        const ADDRESSES_AT: usize = 8;
        self.segments_left().filter(|left| *left > 0)?;
        let start = match self.bytes[2] {
            0 | 2 => self.bytes.len().checked_sub(16).filter(|start| *start >= ADDRESSES_AT)?,
            4 => ADDRESSES_AT,
            _ => return None,
        };
        let address: [u8; 16] = self.bytes.get(start..start + 16)?.try_into().ok()?;
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
                // Jumbo Payload.
                0xc2 if length == 4 => return tail.get(1..5).map(|field| u32_at(field, 0..4)),
                _ => rest = tail.get(1 + length..)?,
            }
        }
        None
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        let (mut f, len) = (Fields::default(), self.bytes.len());
        f.add("Next Header", 0..1, self.next_header(), name_or_unknown(self.next_header().name()));
        if let (Some((offset, has_more)), Some(id)) = (self.fragment(), self.identification()) {
            f.add("Reserved", 1..2, self.bytes[1], "");
            f.add_bits("Fragment Offset", 2..4, 0..13, offset / 8, format_args!("× 8 = byte {offset} of the whole"));
            f.add_bits("M", 2..4, 15..16, u8::from(has_more), more_fragments_meaning(has_more, offset));
            f.add("Identification", 4..8, format_args!("{id:#010x}"), "the same in all fragments of one packet");
            return f.into_vec();
        }
        if self.kind == ExtensionKind::Authentication {
            let len_field = self.bytes[1];
            f.add("Payload Len", 1..2, len_field, format_args!("({len_field} + 2) × 4 = {len} bytes"));
            f.add("Reserved", 2..4, u16_at(self.bytes, 2..4), "");
            f.add(
                "SPI",
                4..8,
                format_args!("{:#010x}", u32_at(self.bytes, 4..8)),
                "identifies the security association",
            );
            f.add("Sequence Number", 8..12, u32_at(self.bytes, 8..12), "");
            f.add("ICV", 12..len, hex(&self.bytes[12..]), "authenticates the sender and the contents");
            return f.into_vec();
        }
        let len_field = self.bytes[1];
        f.add("Hdr Ext Len", 1..2, len_field, format_args!("({len_field} + 1) × 8 = {len} bytes"));
        if let Some(left) = self.segments_left() {
            f.add("Routing Type", 2..3, self.bytes[2], "");
            f.add("Segments Left", 3..4, left, "routers still to be visited");
            f.add("type-specific data", 4..len, hex(&self.bytes[4..]), "");
        } else {
            let jumbo_meaning = self.jumbo_payload_len().map(|len| format!("jumbo payload length: {len} bytes"));
            f.add("Options", 2..len, hex(&self.bytes[2..]), jumbo_meaning.unwrap_or_default());
        }
        f.into_vec()
    }
}

/// The Payload Length field; 0 if the length exceeds 16 bits.
#[inline]
fn payload_len_field(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(0)
}

/// An IPv6 header to encode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// Traffic class: the DSCP and ECN bits.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Payload length in bytes. A length above 65,535 is encoded as 0. Kernels do the same for segmentation offload.
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

    /// The pseudo header for a payload without extension headers.
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
        let version_class_flow = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0x000f_ffff;
        put(buf, VERSION_CLASS_FLOW, &version_class_flow.to_be_bytes());
        put(buf, PAYLOAD_LENGTH, &payload_len_field(self.payload_len).to_be_bytes());
        buf[NEXT_HEADER.start] = self.next_header.0;
        buf[HOP_LIMIT.start] = self.hop_limit;
        put(buf, SOURCE, &self.source.octets());
        put(buf, DESTINATION, &self.destination.octets());
    }
}
