//! pcap: a file header, then records (draft-ietf-opsawg-pcap).
//!
//! The magic number selects the byte order and the time unit. The variant of Alexey Kuznetzov's libpcap patch has
//! record headers with eight more bytes.

use super::{ByteOrder, Format, Interface, ReadError, Resolution};
use crate::wire::LinkType;

/// Magic number of files with times in microseconds.
const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
/// Magic number of files with times in nanoseconds, which the writer produces.
pub(super) const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
/// Magic number of files with times in microseconds and longer record headers.
const MAGIC_KUZNETZOV: u32 = 0xa1b2_cd34;

/// Major and minor version.
pub(super) const VERSION: (u16, u16) = (2, 4);

/// File header fields (§4). The two unused fields between version and snapshot length are omitted.
pub(super) mod header {
    use std::ops::Range;

    pub(in crate::capture) const MAGIC: Range<usize> = 0..4;
    pub(in crate::capture) const MAJOR: Range<usize> = 4..6;
    pub(in crate::capture) const MINOR: Range<usize> = 6..8;
    pub(in crate::capture) const SNAP_LEN: Range<usize> = 16..20;
    pub(in crate::capture) const LINK_TYPE: Range<usize> = 20..24;
    pub(in crate::capture) const BYTES: usize = 24;
}

/// Record header fields (§5).
pub(super) mod record {
    use std::ops::Range;

    pub(in crate::capture) const SECS: Range<usize> = 0..4;
    pub(in crate::capture) const FRACTION: Range<usize> = 4..8;
    pub(in crate::capture) const CAPTURED_LEN: Range<usize> = 8..12;
    pub(in crate::capture) const ORIGINAL_LEN: Range<usize> = 12..16;
    pub(in crate::capture) const HEADER_BYTES: usize = 16;
    /// Extra bytes of a Kuznetzov header: interface index, protocol, packet type, padding.
    pub(in crate::capture) const KUZNETZOV_BYTES: usize = 8;
}

/// The record format of a file.
#[derive(Debug)]
pub(super) struct RecordFormat {
    pub(super) order: ByteOrder,
    pub(super) header_len: usize,
    /// Units of the fraction field in a second.
    units_per_sec: u64,
}

impl RecordFormat {
    /// Detects the record format and the time resolution from a magic number. Returns `None` for other numbers.
    pub(super) fn recognise(magic: [u8; 4]) -> Option<(Self, Resolution)> {
        let (order, number) = [ByteOrder::Little, ByteOrder::Big]
            .map(|order| (order, order.u32(&magic)))
            .into_iter()
            .find(|(_, number)| matches!(*number, MAGIC_MICROS | MAGIC_NANOS | MAGIC_KUZNETZOV))?;
        let (units_per_sec, resolution) = match number {
            MAGIC_NANOS => (1_000_000_000, Resolution::NANOS),
            _ => (1_000_000, Resolution::MICROS),
        };
        let extra_len = if number == MAGIC_KUZNETZOV { record::KUZNETZOV_BYTES } else { 0 };
        Some((Self { order, header_len: record::HEADER_BYTES + extra_len, units_per_sec }, resolution))
    }

    /// Decodes the interface from the file header.
    pub(super) fn interface(&self, bytes: &[u8], resolution: Resolution) -> Result<Interface, ReadError> {
        let (major, minor) = (self.order.u16(&bytes[header::MAJOR]), self.order.u16(&bytes[header::MINOR]));
        if major != VERSION.0 {
            return Err(ReadError::Version { format: Format::Pcap, major, minor, offset: 0 });
        }
        // The lower half is the link type. The upper half describes the frame check sequence.
        let link_type = self.order.u32(&bytes[header::LINK_TYPE]) & 0xffff;
        let mut interface = Interface::new(LinkType(u16::try_from(link_type).unwrap_or_default()));
        interface.snap_len = self.order.u32(&bytes[header::SNAP_LEN]);
        interface.resolution = resolution;
        Ok(interface)
    }

    /// Time of a record since 1970, in units of the fraction field.
    #[inline]
    pub(super) fn time_units(&self, bytes: &[u8]) -> u64 {
        let secs = u64::from(self.order.u32(&bytes[record::SECS]));
        secs * self.units_per_sec + u64::from(self.order.u32(&bytes[record::FRACTION]))
    }
}
