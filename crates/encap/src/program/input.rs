//! The input of a subcommand: a file, or standard input.
//!
//! A subcommand that takes a capture or a CSV of messages detects the type by content, not by name. A pipe can be read
//! only once. If a subcommand reads its input twice, it first copies a pipe to a temporary file.

use std::fs::{File, Metadata};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use switchboard_encap::capture::Format;
use switchboard_protocol::sanitize;

use super::failure::Failure;

/// The path that means standard input.
const STDIN: &str = "-";

/// Maximum bytes copied from a pipe: on some systems, temporary files are in memory.
const COPIED_MAX_BYTES: u64 = 1 << 30;

/// An open file, or standard input.
#[derive(Debug)]
pub(crate) struct Input {
    path: PathBuf,
    file: File,
    /// Metadata of the opened file, even if `file` is now a copy of it.
    metadata: Metadata,
    /// Peeked bytes of a pipe. They are read again, before the rest of `file`.
    peeked: Cursor<Vec<u8>>,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: impl AsRef<Path>) -> Result<Self, Failure> {
        let path = path.as_ref().to_owned();
        let file = if path == Path::new(STDIN) { stdin() } else { File::open(&path) };
        let opened = file.and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| unreadable(&path, error))?;
        Ok(Self { path, file, metadata, peeked: Cursor::default() })
    }

    /// Whether the content is a CSV of messages. All binary content counts as a capture: if it is not one, the reader
    /// of captures says so.
    pub(crate) fn is_csv(&mut self) -> Result<bool, Failure> {
        let start = self.peek().map_err(|error| self.read_failure(error))?;
        Ok(is_text(&start))
    }

    /// The first four bytes, or all if there are fewer. They identify a capture, and are read again later.
    fn peek(&mut self) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        self.by_ref().take(4).read_to_end(&mut start)?;
        if self.metadata.is_file() {
            // Standard input may be a file that was read in part, so seek relatively.
            self.file.seek_relative(-i64::try_from(start.len()).unwrap_or_default())?;
        } else {
            self.peeked = Cursor::new(start.clone());
        }
        Ok(start)
    }

    /// Makes the input readable more than once: copies a pipe to a temporary file.
    pub(crate) fn rewindable(mut self) -> Result<Self, Failure> {
        if self.metadata.is_file() {
            return Ok(self);
        }
        self.file = copy(&mut self, COPIED_MAX_BYTES).map_err(|error| self.read_failure(error))?;
        Ok(self)
    }

    /// The name in messages: the path, or `<stdin>`. It is safe to show.
    pub(crate) fn name(&self) -> String {
        let name = if self.path == Path::new(STDIN) { "<stdin>".into() } else { self.path.to_string_lossy() };
        sanitize(&name).into_owned()
    }

    /// The [`name`](Self::name) without folders.
    pub(crate) fn file_name(&self) -> String {
        let name = self.name();
        Path::new(&name).file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Converts a read error of this input.
    pub(crate) fn read_failure(&self, error: io::Error) -> Failure {
        unreadable(&self.path, error)
    }

    /// Whether `path` leads to the input file, even by another name, such as that of a link.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        self.metadata.is_file()
            && path.metadata().is_ok_and(|other| is_same_file(&self.metadata, &other, &self.path, path))
    }
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    Failure::Read { file: path.display().to_string(), error }
}

/// Copies `input` to a temporary file. Fails if it has more than `max_bytes` bytes.
fn copy(input: &mut impl Read, max_bytes: u64) -> io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    if io::copy(&mut input.take(max_bytes + 1), &mut copy)? > max_bytes {
        let error =
            format!("the pipe must be stored to be read twice, but has more than {max_bytes} bytes: use a file");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, error));
    }
    copy.rewind()?;
    Ok(copy)
}

/// Whether a CSV can begin with these bytes. They must not be the magic number of a capture. Nor may they contain
/// control characters, which the magic numbers of most other binary formats have.
fn is_text(start: &[u8]) -> bool {
    let is_capture = start.first_chunk().is_some_and(|first| Format::recognise(*first).is_some());
    !is_capture && start.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.peeked.read(into)? {
            0 => self.file.read(into),
            n => Ok(n),
        }
    }
}

/// Use it only on the result of [`rewindable`](Input::rewindable): a pipe has no positions.
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

/// A device and inode number identify a file, even if it has several names.
#[cfg(unix)]
fn is_same_file(a: &Metadata, b: &Metadata, _: &Path, _: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same_file(_: &Metadata, _: &Metadata, a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_distinguishes_captures_from_rows() {
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
    fn input_longer_than_the_limit_is_not_copied() {
        let mut text = String::new();
        copy(&mut &b"four"[..], 4).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "four");
        assert_eq!(copy(&mut &b"five!"[..], 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        // The limit also ends the copy of endless input.
        assert!(copy(&mut io::repeat(0), 100_000).is_err());
    }
}
