//! VLAN tags (IEEE 802.1Q; stacked tags: IEEE 802.1ad).
//!
//! ```text
//!  0     3   4                16                      32
//! +-----+---+----------------+-----------------------+
//! | PCP |DEI|      VID       |       EtherType       |
//! +-----+---+----------------+-----------------------+
//! ```
//!
//! The `EtherType` before a tag announces the tag. The `EtherType` inside the tag announces the payload, or one more
//! tag.

use std::ops::Range;

use super::bytes::{put, u16_at};
use super::fields::{Fields, name_or_unknown};
use super::{EtherType, Field, HeaderError};

pub(crate) const HEADER_LEN: usize = 4;

const CONTROL: Range<usize> = 0..2;
const ETHER_TYPE: Range<usize> = 2..4;

/// A view of a VLAN tag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag<'a> {
    bytes: &'a [u8; HEADER_LEN],
}

impl<'a> Tag<'a> {
    /// Checks that `bytes` holds a whole tag.
    #[inline]
    pub(crate) fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let bytes = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        Ok(Self { bytes })
    }

    /// Priority code point, 0 to 7.
    pub(crate) fn priority(self) -> u8 {
        self.bytes[0] >> 5
    }

    /// Drop eligible indicator: a congested switch may drop this frame before others.
    pub(crate) fn drop_eligible(self) -> bool {
        self.bytes[0] & 0x10 != 0
    }

    pub(crate) fn vlan_id(self) -> u16 {
        u16_at(self.bytes, CONTROL) & 0x0fff
    }

    #[inline]
    pub(crate) fn ether_type(self) -> EtherType {
        EtherType(u16_at(self.bytes, ETHER_TYPE))
    }

    pub(crate) fn fields(self) -> Vec<Field> {
        let mut f = Fields::default();
        f.add_bits("PCP", 0..1, 0..3, self.priority(), "priority, 0 to 7");
        let drop_meaning = if self.drop_eligible() { "may be dropped first" } else { "not marked to be dropped first" };
        f.add_bits("DEI", 0..1, 3..4, u8::from(self.drop_eligible()), drop_meaning);
        let vlan = match self.vlan_id() {
            0 => "0: priority only, no VLAN",
            0xfff => "reserved",
            _ => "the virtual network that the frame belongs to",
        };
        f.add_bits("VID", CONTROL, 4..16, self.vlan_id(), vlan);
        f.add("EtherType", ETHER_TYPE, self.ether_type(), name_or_unknown(self.ether_type().name()));
        f.into_vec()
    }
}

/// A tag to encode. The header before it carries [`EtherType::VLAN`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Repr {
    /// Priority code point, 0 to 7.
    pub(crate) priority: u8,
    pub(crate) drop_eligible: bool,
    pub(crate) vlan_id: u16,
    pub(crate) ether_type: EtherType,
}

impl Repr {
    #[cfg(test)]
    pub(crate) fn parse(tag: Tag<'_>) -> Self {
        Self {
            priority: tag.priority(),
            drop_eligible: tag.drop_eligible(),
            vlan_id: tag.vlan_id(),
            ether_type: tag.ether_type(),
        }
    }

    /// Encodes the tag at the start of `buf`. Excess bits of a field are discarded.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`HEADER_LEN`].
    #[inline]
    pub(crate) fn emit(self, buf: &mut [u8]) {
        let buf = &mut buf[..HEADER_LEN];
        let control = u16::from(self.priority) << 13 | u16::from(self.drop_eligible) << 12 | self.vlan_id & 0x0fff;
        put(buf, CONTROL, &control.to_be_bytes());
        put(buf, ETHER_TYPE, &self.ether_type.0.to_be_bytes());
    }
}
