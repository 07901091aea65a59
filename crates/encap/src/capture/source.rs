//! The read buffer of a capture file.

use std::io::{self, Read};

use super::limits::READ_BUFFER_BYTES;

/// A file with a read buffer. The buffer holds the unread bytes, and grows to the largest requested length.
#[derive(Debug)]
pub(super) struct Source<R> {
    file: R,
    buffer: Vec<u8>,
    /// Start and end offset of the unread bytes in the buffer.
    start: usize,
    end: usize,
    /// File offset of `start`, in bytes.
    offset: u64,
}

impl<R: Read> Source<R> {
    pub(super) fn new(file: R) -> Self {
        Self { file, buffer: vec![0; READ_BUFFER_BYTES], start: 0, end: 0, offset: 0 }
    }

    /// Reads from the file until at least `len` unread bytes are buffered. Returns `false` if the file ends first.
    #[inline]
    pub(super) fn fill(&mut self, len: usize) -> io::Result<bool> {
        // Fast path: the bytes are already buffered.
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
                // At most doubles the buffer, so that a large length field alone costs no memory.
                self.buffer.resize(len.min(2 * self.buffer.len()), 0);
            }
            match self.file.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(n) => self.end += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The buffered bytes that are not consumed yet.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Consumes the first `len` unread bytes.
    #[inline]
    pub(super) fn consume(&mut self, len: usize) {
        debug_assert!(len <= self.end - self.start, "consumed more than was read");
        self.start += len;
        self.offset += len as u64;
    }

    /// File offset of the first unread byte.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    #[cfg(test)]
    pub(super) fn buffer_len(&self) -> usize {
        self.buffer.len()
    }
}
