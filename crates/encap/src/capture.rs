//! Captures: reading and writing capture files, and capturing from interfaces.
//!
//! ```text
//! file ──────▶ Reader ─▶ CapturedPacket ─▶ wire::Frame
//! interface ─▶ LiveCapture ─▶ LiveFrame ─▶ Writer ─▶ file
//! ```
//!
//! The reader streams a file: the largest block bounds its memory, not the length of the file. It records each skipped
//! or repaired block in [`CaptureNotes`]. Decision 12 compares this code with the existing capture libraries.

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

pub use interface::Interface;
pub use limits::NOTES_MAX;
pub(crate) use limits::{BLOCK_MAX_BYTES, INTERFACES_MAX, TEXT_MAX_BYTES};
pub use note::{CaptureNoteKind, CaptureNotes, FileOffset};
pub use packet::{CapturedPacket, Comments};
pub use pcapng::{BlockType, SYNTHESISED_PREFIX, Section};
pub use read_error::ReadError;
pub use reader::Reader;
pub use resolution::Resolution;
pub use writer::{FileMetadata, Record, Statistics, WriteError, Writer};

use crate::wire::ByteOrder;

/// A capture file format.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// pcap: one link type; no names or comments (draft-ietf-opsawg-pcap).
    Pcap,
    /// pcapng: sections of blocks, with any number of interfaces, names, comments and counters
    /// (draft-ietf-opsawg-pcapng).
    Pcapng,
}

impl Format {
    /// Detects the format from the first bytes of a file. Returns `None` if they are no magic number of a capture.
    #[must_use]
    pub fn recognise(magic: [u8; 4]) -> Option<Self> {
        if magic == pcapng::section_header::TYPE_BYTES {
            Some(Self::Pcapng)
        } else {
            pcap::RecordFormat::recognise(magic).map(|_| Self::Pcap)
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
