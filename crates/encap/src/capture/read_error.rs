//! Why a capture file cannot be read, or not further.

use std::{fmt, io};

use super::{BLOCK_MAX_BYTES, Format};

/// Why a file cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system did not give the file's next bytes.
    #[error("cannot read on at byte {offset}: {source}")]
    Io {
        /// Where.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The file is empty, or nearly.
    #[error("the file has {found} bytes: a capture has at least a header")]
    TooShort {
        /// How many.
        found: usize,
    },
    /// The first bytes are no magic number.
    #[error("not a capture: it begins with {} where pcap and pcapng have a magic number", Hex(start))]
    NotACapture {
        /// The first bytes.
        start: [u8; 4],
    },
    /// The file ends before its header does.
    #[error("the file ends after {found} bytes: the header of {format} has {needed}")]
    HeaderCut {
        /// Which kind of file.
        format: Format,
        /// How long its header is, in bytes.
        needed: usize,
        /// What the file has.
        found: usize,
    },
    /// A version that nobody has described.
    #[error("at byte {offset}: {format} of version {major}.{minor}: only {} can be read", readable(*format))]
    Version {
        /// Which kind of file.
        format: Format,
        /// The first part of its version.
        major: u16,
        /// The second.
        minor: u16,
        /// Where the header begins.
        offset: u64,
    },
    /// A section that does not say its byte order.
    #[error(
        "at byte {offset}: a section's byte order is not to be known from {}: it should be 1a 2b 3c 4d or reversed",
        Hex(found)
    )]
    SectionByteOrder {
        /// Where the section begins.
        offset: u64,
        /// What it has for a magic number.
        found: [u8; 4],
    },
    /// A block shorter than its own frame: where the next begins is not to be known.
    #[error(
        "at byte {offset}: a block of {len} bytes is shorter than the {needed} that every one has: the file is damaged from here"
    )]
    BlockTooShort {
        /// Where it begins.
        offset: u64,
        /// Its length, as it says.
        len: u32,
        /// The least it can have.
        needed: u32,
    },
    /// A block or record longer than any that is taken.
    #[error("at byte {offset}: {len} bytes in one block, more than {BLOCK_MAX_BYTES}: the file is damaged from here")]
    BlockTooLong {
        /// Where it begins.
        offset: u64,
        /// Its length, as it says.
        len: u32,
    },
}

/// Bytes as people write them.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if i > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

const fn readable(format: Format) -> &'static str {
    match format {
        Format::Pcap => "2.x",
        Format::Pcapng => "1.x",
    }
}
