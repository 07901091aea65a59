//! What a command reads: a file, or standard input.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};

use switchboard_protocol::show;

use super::failure::Failure;

/// What stands for standard input.
const STDIN: &str = "-";

/// A file that is open, or standard input.
#[derive(Debug)]
pub(crate) struct Opened {
    path: PathBuf,
    file: File,
    /// What was opened: what is read may be a copy of it.
    metadata: Option<Metadata>,
}

impl Opened {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let file = if path == Path::new(STDIN) { stdin() } else { File::open(path) };
        let opened = |file: File| Ok(Self { path: path.to_owned(), metadata: Some(file.metadata()?), file });
        file.and_then(opened).map_err(|error| Failure::Read { file: path.display().to_string(), error })
    }

    /// The same, so that it can be read more than once: what comes from a pipe is put into a file without a name first.
    pub(crate) fn rewindable(mut self) -> Result<Self, Failure> {
        if self.metadata.as_ref().is_none_or(Metadata::is_file) {
            return Ok(self);
        }
        let copied = tempfile::tempfile().and_then(|mut copy| io::copy(&mut self.file, &mut copy).map(|_| copy));
        self.file = copied.map_err(|error| self.failure(error))?;
        Ok(self)
    }

    /// Goes back to the beginning of what is [`rewindable`](Self::rewindable).
    pub(crate) fn rewind(&mut self) -> Result<(), Failure> {
        self.file.rewind().map_err(|error| self.failure(error))
    }

    /// What it is called, safe to show.
    pub(crate) fn name(&self) -> String {
        let name = if self.path == Path::new(STDIN) { "<stdin>".into() } else { self.path.to_string_lossy() };
        show::safe(&name).into_owned()
    }

    /// Why it could not be read.
    pub(crate) fn failure(&self, error: io::Error) -> Failure {
        Failure::Read { file: self.path.display().to_string(), error }
    }

    /// Whether `path` names the file that is read, by this name or another: it would be gone before it is read again.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let Some(opened) = self.metadata.as_ref().filter(|opened| opened.is_file()) else { return false };
        path.metadata().is_ok_and(|other| is_same(opened, &other, &self.path, path))
    }
}

impl Read for Opened {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.file.read(into)
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
