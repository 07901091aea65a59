//! A packet of a capture file.

use std::borrow::Cow;

use super::pcapng::{OptionIter, option};
use crate::time::Timestamp;
use crate::wire::LinkType;

/// A packet. It borrows the reader's buffer until the next packet is read.
#[derive(Clone, Debug)]
pub struct CapturedPacket<'a> {
    /// Number in the file, from 1, as in Wireshark.
    pub number: u64,
    /// Capture time, if recorded.
    pub time: Option<Timestamp>,
    /// Index in [`Reader::interfaces`](super::Reader::interfaces).
    pub interface: usize,
    /// Link type of its interface.
    pub link_type: LinkType,
    /// The captured bytes.
    pub captured: &'a [u8],
    /// Length on the wire, in bytes; at least the captured length.
    pub original_len: u32,
    /// Distinct comments of the sections read so far, such as the mark of a synthesised capture.
    pub section_comments: &'a [String],
    pub(super) options: OptionIter<'a>,
}

impl<'a> CapturedPacket<'a> {
    /// The packet's comments, in file order. Invalid UTF-8 is replaced.
    #[must_use]
    pub fn comments(&self) -> Comments<'a> {
        Comments { options: self.options.clone() }
    }
}

/// Iterator over the comments of a packet.
#[derive(Clone, Debug)]
pub struct Comments<'a> {
    options: OptionIter<'a>,
}

impl<'a> Iterator for Comments<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // A malformed option ends the iteration. The reader has already noted it.
            let (code, value) = self.options.next()?.ok()?;
            if code == option::COMMENT {
                return Some(String::from_utf8_lossy(value));
            }
        }
    }
}
