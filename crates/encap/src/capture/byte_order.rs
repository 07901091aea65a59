//! The byte order of the machine that wrote a file, or a section of one.

/// How a file's numbers lie in it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ByteOrder {
    /// The least significant byte first.
    Little,
    /// The most significant byte first.
    Big,
}

impl ByteOrder {
    /// The number in a field of two bytes.
    #[inline]
    pub(super) fn u16(self, field: &[u8]) -> u16 {
        let bytes = field.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The number in a field of four bytes.
    #[inline]
    pub(super) fn u32(self, field: &[u8]) -> u32 {
        let bytes = field.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// The number in a field of eight bytes.
    #[inline]
    pub(super) fn u64(self, field: &[u8]) -> u64 {
        let bytes = field.first_chunk().copied().unwrap_or_default();
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// A number that lies as two of four bytes each, the high one first whatever the byte order.
    #[inline]
    pub(super) fn high_low(self, high: &[u8], low: &[u8]) -> u64 {
        u64::from(self.u32(high)) << 32 | u64::from(self.u32(low))
    }
}
