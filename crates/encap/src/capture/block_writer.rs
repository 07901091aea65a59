//! Bytes laid out where they are written from, and handed on in blocks.
//!
//! What is written is made in place, so that no byte is copied on its way to the system; and the system is asked for whole
//! blocks, which lie on the borders of its pages.

use std::io::{self, Write};

/// What is handed on at once, in bytes.
const BLOCK_BYTES: usize = 128 * 1024;

/// Bytes on their way to `W`. What is left when it is dropped is handed on, as far as that goes.
#[derive(Debug)]
pub(super) struct BlockWriter<W: Write> {
    /// `None` once it was given back.
    to: Option<W>,
    buffer: Vec<u8>,
    /// How much of the buffer waits.
    len: usize,
}

impl<W: Write> BlockWriter<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to: Some(to), buffer: Vec::new(), len: 0 }
    }

    /// The next `len` bytes, for the caller to write: all of them, as they hold what was there before.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "what is handed over in memory is read from there too soon")]
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

    /// Hands on the first `len` bytes. What could not be handed on is gone.
    fn write_out(&mut self, len: usize) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.len);
        if let Some(to) = &mut self.to {
            to.write_all(&self.buffer[..len])?;
        }
        self.buffer.copy_within(len..waiting, 0);
        self.len = waiting - len;
        Ok(())
    }

    /// Hands on all there is, and gives back what it went to.
    pub(super) fn into_inner(mut self) -> io::Result<W> {
        self.write_out(self.len)?;
        Ok(self.to.take().unwrap_or_else(|| unreachable!("it is given back once")))
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
        // Where that matters, it was flushed or finished before.
        let _ = self.write_out(self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes how much is handed on at a time.
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
    fn whole_blocks_are_handed_on_and_the_rest_at_the_end() {
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
    fn what_cannot_be_handed_on_is_told_once() {
        let mut full = [0_u8; 3];
        let mut blocks = BlockWriter::new(&mut full[..]);
        blocks.room(5).unwrap().fill(1);
        assert_eq!(blocks.flush().unwrap_err().kind(), io::ErrorKind::WriteZero);
        assert!(blocks.into_inner().is_ok());
    }
}
