//! A buffered writer that lends its buffer and writes whole blocks.
//!
//! A caller encodes a record directly in the buffer, so no byte is copied before the system call. Writes to the file
//! start at multiples of the page size.

use std::io::{self, Write};

/// Size of one write, in bytes.
const BLOCK_BYTES: usize = 128 * 1024;

/// A buffer in front of `W`. Dropping it writes the buffered bytes and ignores errors.
#[derive(Debug)]
pub(super) struct BlockWriter<W: Write> {
    /// `None` after `into_inner`.
    to: Option<W>,
    buffer: Vec<u8>,
    /// Buffered bytes.
    len: usize,
}

impl<W: Write> BlockWriter<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to: Some(to), buffer: Vec::new(), len: 0 }
    }

    /// Extends the buffer by `len` bytes and lends them. The caller must overwrite all of them, since they hold old
    /// data.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "a call would pass the slice through memory, which stalls the caller's first write"
    )]
    pub(super) fn room(&mut self, len: usize) -> io::Result<&mut [u8]> {
        if self.len >= BLOCK_BYTES {
            self.write_out(self.len - self.len % BLOCK_BYTES)?;
        }
        let (start, end) = (self.len, self.len + len);
        if end > self.buffer.len() {
            self.buffer.resize(end.max(2 * BLOCK_BYTES), 0);
        }
        self.len = end;
        Ok(&mut self.buffer[start..end])
    }

    /// Writes the first `len` buffered bytes. After an error, the whole buffer is lost.
    fn write_out(&mut self, len: usize) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.len);
        if let Some(to) = &mut self.to {
            to.write_all(&self.buffer[..len])?;
        }
        self.buffer.copy_within(len..waiting, 0);
        self.len = waiting - len;
        Ok(())
    }

    /// Writes all buffered bytes and returns the inner writer.
    pub(super) fn into_inner(mut self) -> io::Result<W> {
        self.write_out(self.len)?;
        Ok(self.to.take().unwrap_or_else(|| unreachable!("`to` is taken only here, and `self` is consumed")))
    }
}

impl<W: Write> Write for BlockWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room(bytes.len())?.copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out(self.len)?;
        self.to.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl<W: Write> Drop for BlockWriter<W> {
    fn drop(&mut self) {
        // To see the error, callers use `flush` or `into_inner`.
        let _ = self.write_out(self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records the bytes and the length of each write.
    #[derive(Default)]
    struct RecordedWrites {
        bytes: Vec<u8>,
        lens: Vec<usize>,
    }

    impl Write for &mut RecordedWrites {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.bytes.extend_from_slice(bytes);
            self.lens.push(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whole_blocks_are_written_first_and_the_rest_on_drop() {
        let mut writes = RecordedWrites::default();
        let mut expected = Vec::new();
        let mut blocks = BlockWriter::new(&mut writes);
        for (index, len) in [7, 100_000, BLOCK_BYTES, 3 * BLOCK_BYTES + 1, 0, 5].into_iter().enumerate() {
            let bytes = vec![u8::try_from(index).unwrap(); len];
            blocks.room(len).unwrap().copy_from_slice(&bytes);
            expected.extend(bytes);
        }
        drop(blocks);
        assert!(writes.bytes == expected);
        let (last, whole) = writes.lens.split_last().unwrap();
        assert!(whole.iter().all(|len| len % BLOCK_BYTES == 0) && *last < BLOCK_BYTES, "{:?}", writes.lens);
    }

    #[test]
    fn write_error_is_reported_once() {
        let mut full = [0_u8; 3];
        let mut blocks = BlockWriter::new(&mut full[..]);
        blocks.room(5).unwrap().fill(1);
        assert_eq!(blocks.flush().unwrap_err().kind(), io::ErrorKind::WriteZero);
        assert!(blocks.into_inner().is_ok());
    }
}
