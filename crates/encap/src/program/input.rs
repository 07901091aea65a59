//! What a command is given to read: a capture, or a CSV of messages. Its content tells which, not its name.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

use switchboard_encap::capture::Format;

use super::failure::Failure;

/// The most of a CSV that is held in memory because it comes from where it cannot be read twice, in bytes.
const HELD_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A capture, or a CSV of messages.
pub(crate) enum Input {
    /// Whatever is no text is taken for a capture: what is wrong with it is the reader's to say.
    Capture(Box<dyn Read>),
    Rows(Source),
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(file: &str) -> Result<Self, Failure> {
        let unreadable = |error| Failure::Read { file: file.to_owned(), error };
        if file == "-" {
            return Self::passing(file, io::stdin().lock());
        }
        let mut input = File::open(file).map_err(unreadable)?;
        if !input.metadata().map_err(unreadable)?.is_file() {
            return Self::passing(file, input);
        }
        let start = start(&mut input).map_err(unreadable)?;
        input.rewind().map_err(unreadable)?;
        Ok(if is_text(&start) { Self::Rows(Source::file_of(file, input)) } else { Self::Capture(Box::new(input)) })
    }

    /// What can be read only once: a CSV is held.
    fn passing(file: &str, mut input: impl Read + 'static) -> Result<Self, Failure> {
        let unreadable = |error| Failure::Read { file: file.to_owned(), error };
        let start = start(&mut input).map_err(unreadable)?;
        let is_text = is_text(&start);
        let mut all = Cursor::new(start).chain(input);
        if !is_text {
            return Ok(Self::Capture(Box::new(all)));
        }
        let mut held = Vec::new();
        all.by_ref().take(HELD_MAX_BYTES + 1).read_to_end(&mut held).map_err(unreadable)?;
        if held.len() as u64 > HELD_MAX_BYTES {
            let error = format!("rows are read twice, and more than {HELD_MAX_BYTES} bytes are not held: write a file");
            return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, error)));
        }
        Ok(Self::Rows(Source { file: file.to_owned(), input: Twice::Held(Cursor::new(held)) }))
    }
}

/// The first bytes: enough to tell a capture by.
fn start(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    input.take(4).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether a CSV may begin so: a capture's magic number, and most of what is no text, has a control character.
fn is_text(start: &[u8]) -> bool {
    let is_capture = start.first_chunk().is_some_and(|first| Format::recognise(*first).is_some());
    !is_capture && start.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

/// Rows that can be read twice.
#[derive(Debug)]
pub(crate) struct Source {
    file: String,
    input: Twice,
}

#[derive(Debug)]
enum Twice {
    File(File),
    Held(Cursor<Vec<u8>>),
}

impl Source {
    /// Those of a file.
    pub(crate) fn file_of(name: &str, input: File) -> Self {
        Self { file: name.to_owned(), input: Twice::File(input) }
    }

    /// What it was called.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.input {
            Twice::File(file) => file.read(buffer),
            Twice::Held(held) => held.read(buffer),
        }
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.input {
            Twice::File(file) => file.seek(to),
            Twice::Held(held) => held.seek(to),
        }
    }
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
}
