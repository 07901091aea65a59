//! Why bytes are not a header.

/// Why bytes cannot be read as the header that was expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes end before the header does.
    #[error("header needs {need} bytes, {have} are there")]
    TooShort {
        /// Bytes that the header needs.
        need: u16,
        /// Bytes that are there.
        have: u16,
    },
    /// The version field names another protocol.
    #[error("version is {found}, expected {expected}")]
    Version {
        /// What the field holds.
        found: u8,
        /// What it has to hold.
        expected: u8,
    },
    /// The header's own length field is below the least that such a header can have.
    #[error("header length field says {found} bytes, the least is {least}")]
    HeaderLength {
        /// Bytes that the field says.
        found: u16,
        /// Bytes of the fixed part.
        least: u16,
    },
}

impl HeaderError {
    /// `need` bytes were needed, and `have` was there.
    #[inline]
    pub(super) fn too_short(need: usize, have: &[u8]) -> Self {
        let shown = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Self::TooShort { need: shown(need), have: shown(have.len()) }
    }
}
