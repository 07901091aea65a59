//! What a command is given to read: a file, or standard input.
//!
//! Where a command takes both a capture and a CSV of messages, the content tells which it is, not the name. What is read
//! more than once and comes from a pipe is put into a file without a name first.

use std::fs::{File, Metadata};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use switchboard_encap::capture::Format;
use switchboard_protocol::sanitize;

use super::failure::Failure;

/// What stands for standard input.
const STDIN: &str = "-";

/// The most that is copied of what comes from a pipe, in bytes: temporary files are memory on some systems.
const COPIED_MAX_BYTES: u64 = 1 << 30;

/// A file that is open, or standard input.
#[derive(Debug)]
pub(crate) struct Input {
    path: PathBuf,
    file: File,
    /// What was opened: what is read may be a copy of it.
    metadata: Metadata,
    /// The first bytes of what cannot be sought in, where they were looked at: they are read again.
    start: Cursor<Vec<u8>>,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self, Failure> {
        let path = path.as_ref().to_owned();
        let file = if path == Path::new(STDIN) { stdin() } else { File::open(&path) };
        let opened = file.and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| unreadable(&path, error))?;
        Ok(Self { path, file, metadata, start: Cursor::default() })
    }

    /// Whether it is a CSV of messages. Whatever is no text is taken for a capture: what is wrong with it is for the reader
    /// to say.
    pub(crate) fn has_rows(&mut self) -> Result<bool, Failure> {
        let start = self.peek().map_err(|error| self.failure(error))?;
        Ok(is_text(&start))
    }

    /// The first bytes: enough to tell a capture by.
    fn peek(&mut self) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        self.by_ref().take(4).read_to_end(&mut start)?;
        if self.metadata.is_file() {
            // Standard input may be a file that somebody has read some of.
            self.file.seek_relative(-i64::try_from(start.len()).unwrap_or_default())?;
        } else {
            self.start = Cursor::new(start.clone());
        }
        Ok(start)
    }

    /// The same, so that it can be read more than once.
    pub(crate) fn rewindable(mut self) -> Result<Self, Failure> {
        if self.metadata.is_file() {
            return Ok(self);
        }
        self.file = copy(&mut self, COPIED_MAX_BYTES).map_err(|error| self.failure(error))?;
        Ok(self)
    }

    /// What it is called, safe to show.
    pub(crate) fn name(&self) -> String {
        let name = if self.path == Path::new(STDIN) { "<stdin>".into() } else { self.path.to_string_lossy() };
        sanitize(&name).into_owned()
    }

    /// The same without folders.
    pub(crate) fn file_name(&self) -> String {
        let name = self.name();
        Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Why it could not be read.
    pub(crate) fn failure(&self, error: io::Error) -> Failure {
        unreadable(&self.path, error)
    }

    /// Whether `path` names the file that is read, by this name or another: it would be gone before it is read again.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let is_same = |other: &Metadata| is_same(&self.metadata, other, &self.path, path);
        self.metadata.is_file() && path.metadata().is_ok_and(|other| is_same(&other))
    }
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    Failure::Read { file: path.display().to_string(), error }
}

/// A file without a name that has what `input` has, from its beginning.
fn copy(input: &mut impl Read, max_bytes: u64) -> io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    if io::copy(&mut input.take(max_bytes + 1), &mut copy)? > max_bytes {
        let error = format!("it is read twice, and no more than {max_bytes} bytes are kept of a pipe: write a file");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, error));
    }
    copy.rewind()?;
    Ok(copy)
}

/// Whether a CSV may begin so: a capture's magic number, and most of what is no text, has a control character.
fn is_text(start: &[u8]) -> bool {
    let is_capture = start.first_chunk().is_some_and(|first| Format::recognise(*first).is_some());
    !is_capture && start.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.start.read(into)? {
            0 => self.file.read(into),
            n => Ok(n),
        }
    }
}

/// For what is [`rewindable`](Input::rewindable).
impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(unix)]
fn stdin() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn stdin() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    Ok(io::stdin().as_handle().try_clone_to_owned()?.into())
}

/// One file has one number on its device, whatever its names are.
#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata, _: &Path, _: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata, a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_tells_a_capture_from_rows() {
        let captures: [&[u8]; 7] = [
            &[0x0a, 0x0d, 0x0d, 0x0a],
            &[0xd4, 0xc3, 0xb2, 0xa1],
            &[0xa1, 0xb2, 0xc3, 0xd4],
            &[0x4d, 0x3c, 0xb2, 0xa1],
            &[0x1f, 0x8b, 8, 0],
            b"PK\x03\x04",
            b"\x7fELF",
        ];
        for start in captures {
            assert!(!is_text(start), "given {start:x?}");
        }
        for start in ["msg_", "\u{feff}m", "\"", "\n\nm", "", "a\tb\r"] {
            assert!(is_text(start.as_bytes()), "given {start:?}");
        }
    }

    #[test]
    fn a_copy_is_whole_or_refused() {
        let mut text = String::new();
        copy(&mut &b"four"[..], 4).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "four");
        assert_eq!(copy(&mut &b"five!"[..], 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        // What never ends is not waited for.
        assert!(copy(&mut io::repeat(0), 100_000).is_err());
    }
}
