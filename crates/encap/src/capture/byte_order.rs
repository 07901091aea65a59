//! Byte order of a capture file or pcapng section.

/// Byte order of the integers in a file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// Decodes a two-byte field.
    #[inline]
    pub(super) fn u16(self, field: &[u8]) -> u16 {
        let bytes = field.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// Decodes a four-byte field.
    #[inline]
    pub(super) fn u32(self, field: &[u8]) -> u32 {
        let bytes = field.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Decodes an eight-byte field.
    #[inline]
    pub(super) fn u64(self, field: &[u8]) -> u64 {
        let bytes = field.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// Decodes a 64-bit number stored as two 32-bit words, the high word first in both byte orders.
    #[inline]
    pub(super) fn high_low(self, high: &[u8], low: &[u8]) -> u64 {
        u64::from(self.u32(high)) << 32 | u64::from(self.u32(low))
    }
}
