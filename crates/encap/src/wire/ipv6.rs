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

/// Bytes of the header.
pub const HEADER_LEN: usize = 40;

const VERSION_CLASS_FLOW: Range<usize> = 0..4;
pub(crate) const PAYLOAD_LENGTH: Range<usize> = 4..6;
pub(crate) const NEXT_HEADER: Range<usize> = 6..7;
const HOP_LIMIT: Range<usize> = 7..8;
const SOURCE: Range<usize> = 8..24;
const DESTINATION: Range<usize> = 24..40;

/// A view of an IPv6 packet. Its header is all there; its payload may be cut short.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    fixed: &'a [u8; HEADER_LEN],
    /// The header, then what there is of the payload, and whatever came after it.
    bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The packet at the front of `bytes`, if its header is one and is all there.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
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

    /// Traffic class: differentiated services code point (RFC 2474), then ECN (RFC 3168).
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        self.fixed[0] << 4 | self.fixed[1] >> 4
    }

    /// Flow label, 20 bits (RFC 6437).
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        u32_at(self.fixed, VERSION_CLASS_FLOW) & 0x000f_ffff
    }

    /// Bytes after this header, as the packet says. 0 in a jumbogram (RFC 2675) and in what was captured before the
    /// network card cut it.
    #[must_use]
    #[inline]
    pub fn payload_len(&self) -> u16 {
        u16_at(self.fixed, PAYLOAD_LENGTH)
    }

    /// What comes after this header.
    #[must_use]
    #[inline]
    pub fn next_header(&self) -> IpProtocol {
        IpProtocol(self.fixed[NEXT_HEADER.start])
    }

    /// One less at each router; the one that makes it zero drops the packet.
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        self.fixed[HOP_LIMIT.start]
    }

    /// Who sent it.
    #[must_use]
    #[inline]
    pub fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from(array_at::<16>(self.fixed, SOURCE))
    }

    /// Who it is for.
    #[must_use]
    #[inline]
    pub fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from(array_at::<16>(self.fixed, DESTINATION))
    }

    /// What follows the header, extension headers included, as far as it is there. A payload length of 0 takes all.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        let rest = &self.bytes[HEADER_LEN..];
        match usize::from(self.payload_len()) {
            0 => rest,
            payload_len => &rest[..payload_len.min(rest.len())],
        }
    }

    /// The pseudo header for `length` bytes of `protocol`, after the extension headers.
    #[must_use]
    #[inline]
    pub fn pseudo_header(&self, protocol: IpProtocol, length: u32) -> PseudoHeader {
        PseudoHeader::V6 { source: self.source(), destination: self.destination(), protocol, length }
    }

    /// The fields, for a person to read.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        f.bits("Version", 0..1, 0..4, self.version(), "");
        let class = self.traffic_class();
        let dscp = if class >> 2 == 0 { "best effort" } else { "a class of service" };
        f.bits("Traffic Class: DSCP", 0..2, 4..10, class >> 2, dscp);
        f.bits("Traffic Class: ECN", 1..2, 2..4, class & 3, ecn_meaning(class));
        let flow = format_args!("{:#07x}", self.flow_label());
        f.bits("Flow Label", 1..4, 4..24, flow, "the same in all packets of one flow");
        let payload_len = match self.payload_len() {
            0 => "in a jumbogram the hop-by-hop option says it; otherwise it is left to the network card",
            _ => "bytes after this header, extension headers included",
        };
        f.whole("Payload Length", PAYLOAD_LENGTH, self.payload_len(), payload_len);
        f.whole("Next Header", NEXT_HEADER, self.next_header(), or_unknown(self.next_header().name()));
        f.whole(
            "Hop Limit",
            HOP_LIMIT,
            self.hop_limit(),
            "each router takes one off; the one that makes it 0 drops the packet",
        );
        f.whole("Source Address", SOURCE, self.source(), "");
        f.whole("Destination Address", DESTINATION, self.destination(), "");
        f.done()
    }
}

/// Which extension header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExtensionKind {
    /// Options for every router (RFC 8200 §4.3).
    HopByHop,
    /// A list of routers to visit (§4.4).
    Routing,
    /// A piece of a packet (§4.5).
    Fragment,
    /// Options for the destination (§4.6).
    DestinationOptions,
    /// Authentication (RFC 4302), after IPv4 too.
    Authentication,
}

impl ExtensionKind {
    /// The extension header that a number names, if it is one.
    #[must_use]
    #[inline]
    pub const fn of(protocol: IpProtocol) -> Option<Self> {
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

/// A view of an extension header, all of it.
#[derive(Clone, Copy, Debug)]
pub struct Extension<'a> {
    kind: ExtensionKind,
    /// At least 8 bytes.
    bytes: &'a [u8],
}

impl<'a> Extension<'a> {
    /// The extension header at the front of `bytes`.
    pub fn new_checked(kind: ExtensionKind, bytes: &'a [u8]) -> Result<Self, HeaderError> {
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

    /// Which it is.
    #[must_use]
    pub fn kind(&self) -> ExtensionKind {
        self.kind
    }

    /// The header, as it stands.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What comes after it.
    #[must_use]
    pub fn next_header(&self) -> IpProtocol {
        IpProtocol(self.bytes[0])
    }

    /// Of a fragment header: where the piece belongs in the whole, in bytes, and whether more follow.
    #[must_use]
    pub fn fragment(&self) -> Option<(u32, bool)> {
        let field = u16_at(self.bytes, 2..4);
        (self.kind == ExtensionKind::Fragment).then_some((u32::from(field & !7), field & 1 == 1))
    }

    /// Of a fragment header: what the fragments of one packet have in common.
    #[must_use]
    pub fn identification(&self) -> Option<u32> {
        (self.kind == ExtensionKind::Fragment).then(|| u32_at(self.bytes, 4..8))
    }

    /// Of a routing header: routers still to be visited, before the packet is where it ends.
    #[must_use]
    pub fn segments_left(&self) -> Option<u8> {
        (self.kind == ExtensionKind::Routing).then(|| self.bytes[3])
    }

    /// Of a routing header with routers still to be visited: where the packet ends. That is the last of the list (RFC 5095;
    /// of the one address in RFC 6275 §6.4), and the first in a segment routing header, which lists them backwards (RFC 8754
    /// §2).
    #[must_use]
    pub fn final_destination(&self) -> Option<Ipv6Addr> {
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

    /// Of a hop-by-hop header: the payload length of a jumbogram (RFC 2675 §2).
    #[must_use]
    pub fn jumbo_payload_len(&self) -> Option<u32> {
        if self.kind != ExtensionKind::HopByHop {
            return None;
        }
        let mut rest = &self.bytes[2..];
        while let [kind, tail @ ..] = rest {
            let length = usize::from(*tail.first()?);
            match *kind {
                // Pad1 has no length.
                0 => rest = tail,
                0xc2 if length == 4 => return tail.get(1..5).map(|field| u32_at(field, 0..4)),
                _ => rest = tail.get(1 + length..)?,
            }
        }
        None
    }

    /// The fields, for a person to read.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
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
            f.whole("SPI", 4..8, format_args!("{:#010x}", u32_at(self.bytes, 4..8)), "which agreement it follows");
            f.whole("Sequence Number", 8..12, u32_at(self.bytes, 8..12), "");
            f.whole("ICV", 12..len, hex(&self.bytes[12..]), "proves who sent it, and that nobody changed it");
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

/// Makes a header that of another packet of the same flow.
#[inline]
pub(crate) fn patch(header: &mut [u8], len: usize) {
    put(header, PAYLOAD_LENGTH, &payload_len(len).to_be_bytes());
}

/// What the field holds: 0 if it does not fit.
#[inline]
fn payload_len(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(0)
}

/// An IPv6 header to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// Traffic class.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Bytes after the header. Above 65,535 they are written as 0, as kernels do for what the network card is to cut.
    pub payload_len: usize,
    /// What comes after the header.
    pub next_header: IpProtocol,
    /// Routers that the packet may pass.
    pub hop_limit: u8,
    /// Who sends it.
    pub source: Ipv6Addr,
    /// Who it is for.
    pub destination: Ipv6Addr,
}

impl Repr {
    /// The value of a packet's header.
    #[must_use]
    pub fn parse(packet: &Packet<'_>) -> Self {
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

    /// Bytes that [`Repr::emit`] writes.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// The pseudo header for the payload, if no extension headers come before it.
    #[must_use]
    #[inline]
    pub fn pseudo_header(&self) -> PseudoHeader {
        PseudoHeader::V6 {
            source: self.source,
            destination: self.destination,
            protocol: self.next_header,
            length: u32::try_from(self.payload_len).unwrap_or(u32::MAX),
        }
    }

    /// Writes the header to the front of `buf`. Bits that do not fit their field are left out.
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
