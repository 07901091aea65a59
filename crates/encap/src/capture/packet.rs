//! A packet as a capture file has it.

use std::borrow::Cow;

use super::pcapng::{OptionIter, option};
use crate::time::Timestamp;
use crate::wire::LinkType;

/// A packet, borrowed from the reader's buffer until the next one is asked for.
#[derive(Clone, Debug)]
pub struct CapturedPacket<'a> {
    /// Its number in the file, from 1, as Wireshark counts.
    pub number: u64,
    /// When it was captured, if the file says so.
    pub time: Option<Timestamp>,
    /// Its interface's index in [`Reader::interfaces`](super::Reader::interfaces).
    pub interface: usize,
    /// What its bytes begin with: its interface's link type.
    pub link_type: LinkType,
    /// What the file has of it.
    pub captured: &'a [u8],
    /// The length that it had on the wire, in bytes: never less than what was captured.
    pub original_len: u32,
    /// What the sections that were reached remark on themselves, each remark once: whether they were made up, say.
    pub remarks: &'a [String],
    pub(super) options: OptionIter<'a>,
}

impl<'a> CapturedPacket<'a> {
    /// What was remarked on it, in the file's order. What is not UTF-8 is replaced.
    #[must_use]
    pub fn comments(&self) -> Comments<'a> {
        Comments { options: self.options.clone() }
    }
}

/// The comments of one packet.
#[derive(Clone, Debug)]
pub struct Comments<'a> {
    options: OptionIter<'a>,
}

impl<'a> Iterator for Comments<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // The reader noted an option that overruns; the comments before it stand.
            let (code, value) = self.options.next()?.ok()?;
            if code == option::COMMENT {
                return Some(String::from_utf8_lossy(value));
            }
        }
    }
}
