//! Options of pcapng blocks (draft-ietf-opsawg-pcapng §3.5).

use std::ops::Range;

use crate::capture::ByteOrder;

const CODE: Range<usize> = 0..2;
const LEN: Range<usize> = 2..4;
/// Offset of the value.
const VALUE_AT: usize = 4;

/// End of the option list.
pub(in crate::capture) const END: u16 = 0;
/// Comment, in any block.
pub(in crate::capture) const COMMENT: u16 = 1;

/// Section header: hardware of the machine.
pub(in crate::capture) const SECTION_HARDWARE: u16 = 2;
/// Section header: operating system.
pub(in crate::capture) const SECTION_OS: u16 = 3;
/// Section header: the program that wrote the file.
pub(in crate::capture) const SECTION_APPLICATION: u16 = 4;

/// Interface description: name.
pub(in crate::capture) const INTERFACE_NAME: u16 = 2;
/// Interface description: free-form description.
pub(in crate::capture) const INTERFACE_DESCRIPTION: u16 = 3;
/// Interface description: resolution of the timestamps, one byte.
pub(in crate::capture) const INTERFACE_RESOLUTION: u16 = 9;
/// Interface description: a byte for the language of the capture filter, then the filter.
pub(in crate::capture) const INTERFACE_FILTER: u16 = 11;
/// Interface description: operating system.
pub(in crate::capture) const INTERFACE_OS: u16 = 12;
/// Interface description: offset of the timestamps, in seconds.
pub(in crate::capture) const INTERFACE_TIME_OFFSET: u16 = 14;

/// Interface statistics: packets received.
pub(in crate::capture) const STATISTICS_RECEIVED: u16 = 4;
/// Interface statistics: packets dropped.
pub(in crate::capture) const STATISTICS_DROPPED: u16 = 5;

/// Iterator over the options of a block, as code and value.
#[derive(Clone, Debug)]
pub(in crate::capture) struct OptionIter<'a> {
    rest: &'a [u8],
    order: ByteOrder,
}

/// Error: the length of an option exceeds the rest of its block.
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
        if bytes.len() < VALUE_AT {
            return Some(Err(Overrun));
        }
        let code = self.order.u16(&bytes[CODE]);
        if code == END {
            return None;
        }
        let len = usize::from(self.order.u16(&bytes[LEN]));
        let Some(value) = bytes[VALUE_AT..].get(..len) else { return Some(Err(Overrun)) };
        // If a block is not padded to a multiple of 4 bytes, its last option has no padding.
        self.rest = bytes.get(VALUE_AT + len.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((code, value)))
    }
}
