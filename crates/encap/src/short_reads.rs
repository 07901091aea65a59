//! A reader for tests that returns only a few bytes per read.

use std::io::{self, Read};

/// Reads from the slice. Each read returns at most the given number of bytes.
pub(crate) struct ShortReads<'a>(pub(crate) &'a [u8], pub(crate) usize);

impl Read for ShortReads<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.1.min(buffer.len());
        self.0.read(&mut buffer[..len])
    }
}
