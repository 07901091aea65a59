//! Options: what a block says beyond its fields (draft-ietf-opsawg-pcapng §3.5).

use std::ops::Range;

use crate::capture::ByteOrder;

const CODE: Range<usize> = 0..2;
const LEN: Range<usize> = 2..4;
const VALUE: usize = 4;

/// Ends a list of options.
pub(in crate::capture) const END: u16 = 0;
/// Remarks on any block.
pub(in crate::capture) const COMMENT: u16 = 1;

/// Of a section header: the machine's hardware.
pub(in crate::capture) const SECTION_HARDWARE: u16 = 2;
/// Of a section header: the machine's operating system.
pub(in crate::capture) const SECTION_OS: u16 = 3;
/// Of a section header: the program that wrote it.
pub(in crate::capture) const SECTION_APPLICATION: u16 = 4;

/// Of an interface description.
pub(in crate::capture) const INTERFACE_NAME: u16 = 2;
/// Of an interface description.
pub(in crate::capture) const INTERFACE_DESCRIPTION: u16 = 3;
/// Of an interface description: the unit of its times, one byte.
pub(in crate::capture) const INTERFACE_RESOLUTION: u16 = 9;
/// Of an interface description: one byte that says which language, and the filter.
pub(in crate::capture) const INTERFACE_FILTER: u16 = 11;
/// Of an interface description.
pub(in crate::capture) const INTERFACE_OS: u16 = 12;
/// Of an interface description: seconds to add to its times.
pub(in crate::capture) const INTERFACE_TIME_OFFSET: u16 = 14;

/// Of interface statistics: how many packets it received.
pub(in crate::capture) const STATISTICS_RECEIVED: u16 = 4;
/// Of interface statistics: how many packets it dropped.
pub(in crate::capture) const STATISTICS_DROPPED: u16 = 5;

/// The options of one block: codes and values.
#[derive(Clone, Debug)]
pub(in crate::capture) struct OptionIter<'a> {
    rest: &'a [u8],
    order: ByteOrder,
}

/// An option says that it is longer than what is left of its block.
#[derive(Clone, Copy, Debug)]
pub(in crate::capture) struct Overrun;

impl<'a> OptionIter<'a> {
    pub(in crate::capture) const fn new(bytes: &'a [u8], order: ByteOrder) -> Self {
        Self { rest: bytes, order }
    }
}

impl<'a> Iterator for OptionIter<'a> {
    type Item = Result<(u16, &'a [u8]), Overrun>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.rest);
        if bytes.is_empty() {
            return None;
        }
        if bytes.len() < VALUE {
            return Some(Err(Overrun));
        }
        let code = self.order.u16(&bytes[CODE]);
        if code == END {
            return None;
        }
        let len = usize::from(self.order.u16(&bytes[LEN]));
        let Some(value) = bytes[VALUE..].get(..len) else { return Some(Err(Overrun)) };
        // The last option's padding may be missing where the block's own was.
        self.rest = bytes.get(VALUE + len.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((code, value)))
    }
}
