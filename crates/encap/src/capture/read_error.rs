//! Errors of reading a capture file.

use std::{fmt, io};

use super::{BLOCK_MAX_BYTES, Format};

/// Why a file cannot be read, or cannot be read further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Reading from the file failed.
    #[error("reading failed at byte {offset}: {source}")]
    Io {
        /// File offset in bytes.
        offset: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The file is shorter than a magic number.
    #[error("the file has {found} bytes: a capture has at least a header")]
    TooShort {
        /// File length in bytes.
        found: usize,
    },
    /// The file has no known magic number.
    #[error("not a capture: it begins with {} where pcap and pcapng have a magic number", Hex(start))]
    NotACapture {
        /// First bytes of the file.
        start: [u8; 4],
    },
    /// The file ends inside its header.
    #[error("the file ends after {found} bytes: the header of {format} has {needed}")]
    HeaderCut {
        /// Format of the file.
        format: Format,
        /// Header length in bytes.
        needed: usize,
        /// File length in bytes.
        found: usize,
    },
    /// An unknown format version.
    #[error(
        "at byte {offset}: {format} version {major}.{minor} is not supported: only {} is",
        supported_versions(*format)
    )]
    Version {
        /// Format of the file.
        format: Format,
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
        /// Offset of the header in bytes.
        offset: u64,
    },
    /// A section without a valid byte-order magic.
    #[error(
        "at byte {offset}: a section has the byte-order magic {}: it should be 1a 2b 3c 4d or the reverse",
        Hex(found)
    )]
    SectionByteOrder {
        /// Offset of the section in bytes.
        offset: u64,
        /// Value of the magic field.
        found: [u8; 4],
    },
    /// A block shorter than its mandatory fields. Without its length, the next block cannot be located.
    #[error(
        "at byte {offset}: a block has {len} bytes, fewer than the minimum of {needed}: the file is damaged from here"
    )]
    BlockTooShort {
        /// Offset of the block in bytes.
        offset: u64,
        /// Total length field of the block.
        len: u32,
        /// Minimum length in bytes.
        needed: u32,
    },
    /// A block or record longer than the limit.
    #[error("at byte {offset}: {len} bytes in one block, more than {BLOCK_MAX_BYTES}: the file is damaged from here")]
    BlockTooLong {
        /// Offset of the block in bytes.
        offset: u64,
        /// Length field of the block.
        len: u32,
    },
}

/// Displays bytes in hexadecimal, separated by spaces.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if i > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

const fn supported_versions(format: Format) -> &'static str {
    match format {
        Format::Pcap => "2.x",
        Format::Pcapng => "1.x",
    }
}
