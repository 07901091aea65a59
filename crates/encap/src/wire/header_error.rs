//! The errors of header decoding.

/// Why a header cannot be decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderError {
    /// The input ends inside the header.
    #[error("header needs {need} bytes, {have} are there")]
    TooShort {
        /// Header length in bytes.
        need: u16,
        /// Available bytes.
        have: u16,
    },
    /// The version field belongs to another protocol.
    #[error("version is {found}, expected {expected}")]
    Version {
        /// Value of the field.
        found: u8,
        /// Version of the protocol that was decoded.
        expected: u8,
    },
    /// The header's length field is less than the fixed header.
    #[error("header length field says {found} bytes, the least is {least}")]
    HeaderLength {
        /// Length from the field, in bytes.
        found: u16,
        /// Length of the fixed header, in bytes.
        least: u16,
    },
}

impl HeaderError {
    #[inline]
    pub(super) fn too_short(need: usize, have: &[u8]) -> Self {
        let shown = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Self::TooShort { need: shown(need), have: shown(have.len()) }
    }
}
