//! pcapng: blocks in sections, each block with its length at both ends (draft-ietf-opsawg-pcapng).
//!
//! ```text
//!  0                   1                   2                   3
//! +---------------------------------------------------------------+
//! |                          block type                           |
//! +---------------------------------------------------------------+
//! |                      block total length                       |
//! +---------------------------------------------------------------+
//! |          block body, padded to a multiple of 4 bytes          |
//! +---------------------------------------------------------------+
//! |                      block total length                       |
//! +---------------------------------------------------------------+
//! ```

mod block_type;
pub(super) mod option;
mod section;

pub use block_type::BlockType;
pub(super) use option::OptionIter;
pub(super) use section::SectionReader;
pub use section::{SYNTHESISED_PREFIX, Section};

/// Fields of every block (§3.1).
pub(super) mod block {
    use std::ops::Range;

    pub(in crate::capture) const TYPE: Range<usize> = 0..4;
    pub(in crate::capture) const LEN: Range<usize> = 4..8;
    /// Offset of the body.
    pub(in crate::capture) const BODY: usize = 8;
    /// Length of the second total length field, in bytes.
    pub(in crate::capture) const TRAILER_LEN: usize = 4;
    /// Total length of a block without a body, in bytes.
    pub(in crate::capture) const MIN_LEN: u32 = 12;
}

/// Body fields of a section header (§4.1).
pub(super) mod section_header {
    use std::ops::Range;

    /// The block type of a section header: the same bytes in both byte orders.
    pub(in crate::capture) const TYPE_BYTES: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
    /// Value of the byte-order field.
    pub(in crate::capture) const MAGIC: u32 = 0x1a2b_3c4d;
    pub(in crate::capture) const BYTE_ORDER: Range<usize> = 0..4;
    pub(in crate::capture) const MAJOR: Range<usize> = 4..6;
    pub(in crate::capture) const MINOR: Range<usize> = 6..8;
    /// Offset of the options, after the section length. The reader ignores that length.
    pub(in crate::capture) const OPTIONS: usize = 16;
    /// Total length of a section header block without options, in bytes.
    pub(in crate::capture) const MIN_BLOCK_LEN: u32 = 28;
}

/// Body fields of an interface description (§4.2).
pub(super) mod interface_description {
    use std::ops::Range;

    pub(in crate::capture) const LINK_TYPE: Range<usize> = 0..2;
    pub(in crate::capture) const SNAP_LEN: Range<usize> = 4..8;
    pub(in crate::capture) const OPTIONS: usize = 8;
}

/// Body fields of an enhanced packet (§4.3).
pub(super) mod enhanced_packet {
    use std::ops::Range;

    pub(in crate::capture) const INTERFACE: Range<usize> = 0..4;
    pub(in crate::capture) const TIME_HIGH: Range<usize> = 4..8;
    pub(in crate::capture) const TIME_LOW: Range<usize> = 8..12;
    pub(in crate::capture) const CAPTURED_LEN: Range<usize> = 12..16;
    pub(in crate::capture) const ORIGINAL_LEN: Range<usize> = 16..20;
    pub(in crate::capture) const DATA: usize = 20;
}

/// Body fields of a simple packet (§4.4).
pub(super) mod simple_packet {
    use std::ops::Range;

    pub(in crate::capture) const ORIGINAL_LEN: Range<usize> = 0..4;
    pub(in crate::capture) const DATA: usize = 4;
}

/// The one field in which the obsolete packet block differs from an enhanced packet (appendix A): a two-byte interface,
/// then a two-byte drop count.
pub(super) mod obsolete_packet {
    use std::ops::Range;

    pub(in crate::capture) const INTERFACE: Range<usize> = 0..2;
}

/// Body fields of interface statistics (§4.6).
pub(super) mod interface_statistics {
    use std::ops::Range;

    pub(in crate::capture) const INTERFACE: Range<usize> = 0..4;
    pub(in crate::capture) const OPTIONS: usize = 12;
}
