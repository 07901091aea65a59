//! Captures: files of packets, and interfaces to take them from.
//!
//! ```text
//! file ──────▶ Reader ─▶ CapturedPacket ─▶ wire: layers
//! interface ─▶ LiveCapture ─▶ LiveFrame ─▶ Writer ─▶ file
//! ```
//!
//! Both kinds of file are read and written as they go by, in memory that a block bounds and the length of the file does
//! not. What a reader goes past without giving it is in its [`Notes`]: a block of a kind that holds no packets, or one
//! that is damaged while its length is not.

mod block_writer;
mod byte_order;
mod growing;
mod interface;
mod limits;
#[cfg(target_os = "linux")]
pub mod live;
mod log;
mod note;
mod packet;
mod pcap;
mod pcapng;
mod read_error;
mod reader;
mod resolution;
mod source;
mod writer;

pub use byte_order::ByteOrder;
pub use growing::Growing;
pub use interface::Interface;
pub use limits::{BLOCK_MAX_BYTES, INTERFACES_MAX, NOTES_MAX, TEXT_MAX_BYTES};
pub use note::{Note, NoteKind, Notes};
pub use packet::{CapturedPacket, Comments};
pub use pcapng::{BlockType, SYNTHESISED, Section};
pub use read_error::ReadError;
pub use reader::Reader;
pub use resolution::Resolution;
pub use writer::{About, Head, Record, Statistics, WriteError, Writer};

/// The two kinds of capture file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// A header and packets: one link type, no names, no comments (draft-ietf-opsawg-pcap).
    Pcap,
    /// Blocks in sections: many interfaces, names, comments, counts (draft-ietf-opsawg-pcapng).
    Pcapng,
}

impl Format {
    /// Which kind a file is by its first bytes; `None` if it is no capture.
    #[must_use]
    pub fn recognise(first: [u8; 4]) -> Option<Self> {
        if first == pcapng::section_header::TYPE_BYTES {
            Some(Self::Pcapng)
        } else {
            pcap::RecordFormat::recognise(first).map(|_| Self::Pcap)
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        })
    }
}

#[cfg(test)]
mod tests;
