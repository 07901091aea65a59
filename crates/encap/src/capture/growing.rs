//! A file that grows by much: room for what comes is asked for before it comes.
//!
//! Else a file system finds a place for each block once it has to: ext4 does that, and begins to write them all to the disk,
//! when a file is closed or renamed that replaces another. Where there is room before, a file is in fewer pieces, and it does
//! not: so whoever replaces a file has to [`sync`](Growing::sync) the new one before.

use std::fs::File;
use std::io::{self, Write};

/// A shorter file asks for nothing.
const ROOM_MIN: u64 = 1 << 20;

/// The most that is asked for at once, in bytes.
const ROOM_MAX: u64 = 16 << 20;

/// A file that is written from its first byte on. It is as long as what was written to it at any time, and what it has asked
/// for and does not need is given back when it is dropped. That it gets nothing is no error.
#[derive(Debug)]
pub struct Growing {
    file: File,
    len: u64,
    /// Up to where there is room; `None` if there is no asking.
    room: Option<u64>,
}

impl Growing {
    /// Of a file that is open at its beginning. Only one that is empty asks for room: a device has its own, and what somebody
    /// else has written is not to be cut.
    #[must_use]
    pub fn new(file: File) -> Self {
        let is_empty = file.metadata().is_ok_and(|there| there.is_file() && there.len() == 0);
        Self { file, len: 0, room: is_empty.then_some(0) }
    }

    /// Waits until all that was written is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Asks for as much as there is already, if `more` bytes would need it. The first time, that is for what there is, too.
    fn make_room(&mut self, more: usize) {
        let end = self.len.saturating_add(more as u64);
        if let Some(room) = self.room.filter(|room| self.len >= ROOM_MIN && *room < end) {
            let asked = end.saturating_add(self.len.min(ROOM_MAX));
            self.room = reserve(&self.file, room, asked - room).is_ok().then_some(asked);
            if self.room.is_none() {
                // On a full disk, it may have got a part.
                self.give_back();
            }
        }
    }

    /// Cuts off what is behind the end, unless somebody else has moved that.
    fn give_back(&self) {
        if self.file.metadata().is_ok_and(|there| there.len() == self.len) {
            let _ = self.file.set_len(self.len);
        }
    }
}

/// Asks for room, which leaves the length of a file as it is.
#[cfg(target_os = "linux")]
fn reserve(file: &File, start: u64, len: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};

    Ok(fallocate(file, FallocateFlags::KEEP_SIZE, start, len)?)
}

#[cfg(not(target_os = "linux"))]
fn reserve(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.make_room(bytes.len());
        let n = self.file.write(bytes)?;
        self.len += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if self.room.is_some_and(|room| room > self.len) {
            self.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_long_as_what_was_written_and_keeps_no_room() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut growing = Growing::new(file.reopen().unwrap());
        let mut written = 0;
        for part in 0..60_u8 {
            let bytes = vec![part; 100_000];
            growing.write_all(&bytes).unwrap();
            written += bytes.len() as u64;
            assert_eq!(file.as_file().metadata().unwrap().len(), written);
        }
        assert!(growing.room.is_none_or(|room| room >= written), "{growing:?}");
        drop(growing);
        let metadata = file.as_file().metadata().unwrap();
        assert_eq!(metadata.len(), written);
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            // Of as many bytes, each: whatever the blocks of the file system are.
            assert!(metadata.blocks() * 512 < written + ROOM_MIN, "{} blocks for {written} bytes", metadata.blocks());
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        assert!(bytes.chunks(100_000).zip(0..).all(|(part, number)| part.iter().all(|byte| *byte == number)));
    }

    #[test]
    fn what_somebody_else_has_written_stays() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![1; 5 << 20]).unwrap();
        let mut growing = Growing::new(file.reopen().unwrap());
        growing.write_all(&vec![2; 2 << 20]).unwrap();
        drop(growing);
        assert_eq!(file.as_file().metadata().unwrap().len(), 5 << 20);

        let file = tempfile::NamedTempFile::new().unwrap();
        let mut growing = Growing::new(file.reopen().unwrap());
        growing.write_all(&vec![1; 2 << 20]).unwrap();
        growing.write_all(&[1]).unwrap();
        assert!(growing.room.is_none_or(|room| room > 2 << 20), "{growing:?}");
        file.as_file().set_len(9 << 20).unwrap();
        drop(growing);
        assert_eq!(file.as_file().metadata().unwrap().len(), 9 << 20);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_not_asked() {
        let mut growing = Growing::new(File::options().write(true).open("/dev/null").unwrap());
        assert_eq!(growing.room, None);
        growing.write_all(&vec![0; 3 << 20]).unwrap();
    }
}
