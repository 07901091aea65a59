//! The errors of header decoding.

/// Why a header cannot be decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderError {
    /// The input ends inside the header.
    #[error("header needs {need} bytes, but only {have} are available")]
    TooShort {
        /// Header length in bytes.
        need: u16,
        /// Available bytes.
        have: u16,
    },
    /// The version field does not match the protocol.
    #[error("version is {found}, expected {expected}")]
    Version {
        /// Value of the field.
        found: u8,
        /// Version that the protocol requires.
        expected: u8,
    },
    /// The header's length field is less than the fixed header.
    #[error("header length field says {found} bytes, but the minimum is {least}")]
    HeaderLength {
        /// Length from the field, in bytes.
        found: u16,
        /// Length of the fixed header, in bytes.
        least: u16,
    },
}

impl HeaderError {
    /// The error for `input` that is shorter than a header of `need` bytes.
    #[inline]
    pub(super) fn too_short(need: usize, input: &[u8]) -> Self {
        let saturated = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
        Self::TooShort { need: saturated(need), have: saturated(input.len()) }
    }
}
