//! Byte order of capture files and loopback headers. Network headers are always big-endian.

/// The order of the bytes of an integer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// Decodes a two-byte field. Returns 0 if `field` is shorter.
    #[inline]
    pub(crate) fn u16(self, field: &[u8]) -> u16 {
        let bytes = field.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// Decodes a four-byte field. Returns 0 if `field` is shorter.
    #[inline]
    pub(crate) fn u32(self, field: &[u8]) -> u32 {
        let bytes = field.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Decodes an eight-byte field. Returns 0 if `field` is shorter.
    #[inline]
    pub(crate) fn u64(self, field: &[u8]) -> u64 {
        let bytes = field.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// Decodes a 64-bit number stored as two 32-bit words, the high word first in both byte orders.
    #[inline]
    pub(crate) fn u64_from_words(self, high: &[u8], low: &[u8]) -> u64 {
        u64::from(self.u32(high)) << 32 | u64::from(self.u32(low))
    }
}
