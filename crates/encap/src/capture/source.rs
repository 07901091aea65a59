//! Bytes of a file, as many at a time as its next block needs.

use std::io::{self, Read};

use super::limits::READ_BYTES;

/// A buffer over a file: it holds what is read and not yet consumed, and grows no further than what is asked for.
#[derive(Debug)]
pub(super) struct Source<R> {
    read: R,
    buffer: Vec<u8>,
    /// What of the buffer is read and not consumed.
    start: usize,
    end: usize,
    /// Where `start` is in the file, in bytes.
    offset: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(read: R) -> Self {
        Self { read, buffer: vec![0; READ_BYTES], start: 0, end: 0, offset: 0 }
    }

    /// Reads until at least `len` bytes are unread. `false` if the file ends before.
    #[inline]
    pub(super) fn fill(&mut self, len: usize) -> io::Result<bool> {
        // Nearly always they are there.
        if self.end - self.start >= len { Ok(true) } else { self.read_more(len) }
    }

    #[cold]
    fn read_more(&mut self, len: usize) -> io::Result<bool> {
        while self.end - self.start < len {
            if self.buffer.len() - self.start < len {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.end == self.buffer.len() {
                // By what was really read, so that a length that promises too much costs no memory.
                self.buffer.resize(len.min(2 * self.buffer.len()), 0);
            }
            match self.read.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(n) => self.end += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// What is read and not consumed.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Forgets the first `len` unread bytes.
    #[inline]
    pub(super) fn consume(&mut self, len: usize) {
        debug_assert!(len <= self.end - self.start, "only what was read is consumed");
        self.start += len;
        self.offset += len as u64;
    }

    /// Where the unread bytes begin in the file.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    #[cfg(test)]
    pub(super) fn buffer_len(&self) -> usize {
        self.buffer.len()
    }
}
