//! A reader for tests that returns few bytes per read.

use std::io::{self, Read};

/// Reads from a slice, at most the given number of bytes at a time.
pub(crate) struct ShortReads<'a>(pub(crate) &'a [u8], pub(crate) usize);

impl Read for ShortReads<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.1.min(buffer.len());
        self.0.read(&mut buffer[..len])
    }
}
