//! The output of a subcommand: a file, or standard output.
//!
//! A synthesised file appears when it is complete, by a rename, and replaces an existing file only once it is on disk.
//! Devices and pipes are written in place, and so are live captures, which can be read while they grow.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use switchboard_protocol::sanitize;
use tempfile::{NamedTempFile, TempPath};

use super::failure::Failure;
use super::input::Input;

/// The path that means standard output.
const STDOUT: &str = "-";

/// An open output.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    destination: Destination,
}

#[derive(Debug)]
enum Destination {
    Stdout(io::Stdout),
    InPlace(File),
    /// `temporary` replaces `target` at the end.
    Atomic {
        file: File,
        temporary: TempPath,
        target: PathBuf,
    },
}

/// Whether `path` means standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new(STDOUT)
}

/// Fails if `path` is the file of `input`.
pub(crate) fn guard_input(path: &Path, input: &Input) -> Result<(), Failure> {
    if !is_stdout(path) && input.is_at(path) {
        return Err(Failure::Overwrite { file: path.display().to_string() });
    }
    Ok(())
}

/// Writes a whole file, which replaces an existing one when it is complete.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = Output::atomic(path)?;
    file.write_all(text.as_bytes()).map_err(|error| unwritable(path, error))?;
    file.finish()
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    Failure::WriteFile { file: path.display().to_string(), error }
}

impl Output {
    /// A file that appears at `path` on [`finish`](Self::finish).
    pub(crate) fn atomic(path: &Path) -> Result<Self, Failure> {
        let is_replaceable = match path.metadata() {
            Ok(existing) => existing.is_file(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_stdout(path) || !is_replaceable {
            return Self::in_place(path);
        }
        // Replace the target of a symbolic link, not the link.
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match temporary_file(folder, &target) {
            Ok(file) => {
                let (file, temporary) = file.into_parts();
                Ok(Self { path: path.to_owned(), destination: Destination::Atomic { file, temporary, target } })
            }
            // The file may be writable in a folder that is not.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && target.exists() => Self::in_place(path),
            Err(error) => Err(unwritable(path, error)),
        }
    }

    /// A file that is at `path` from its first byte on.
    pub(crate) fn in_place(path: &Path) -> Result<Self, Failure> {
        let destination = if is_stdout(path) {
            Destination::Stdout(io::stdout())
        } else {
            Destination::InPlace(File::create(path).map_err(|error| unwritable(path, error))?)
        };
        Ok(Self { path: path.to_owned(), destination })
    }

    /// Completes the file, and renames it to its path.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let done = self.flush().and_then(|()| match self.destination {
            Destination::Stdout(_) | Destination::InPlace(_) => Ok(()),
            Destination::Atomic { file, temporary, target } => {
                // The new file must be on disk before the old one goes.
                if target.exists() {
                    file.sync_data()?;
                }
                drop(file);
                temporary.persist(target).map_err(|error| error.error)
            }
        });
        done.map_err(|error| unwritable(&self.path, error))
    }
}

/// A temporary file in `folder`, with the permissions of `target`, or else those of a new file.
fn temporary_file(folder: &Path, target: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".encap-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    folder.metadata()?;
    let file = builder.tempfile_in(folder)?;
    if let Ok(existing) = target.metadata() {
        // Only the owner may change permissions, and others may have the right to write.
        let _ = file.as_file().set_permissions(existing.permissions());
    }
    Ok(file)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.destination {
            Destination::Stdout(stdout) => stdout.write(bytes),
            Destination::InPlace(file) | Destination::Atomic { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.destination {
            Destination::Stdout(stdout) => stdout.flush(),
            Destination::InPlace(file) | Destination::Atomic { file, .. } => file.flush(),
        }
    }
}

/// The path for messages, safe to show.
pub(crate) fn display_name(path: &Path) -> String {
    if is_stdout(path) { "standard output".to_owned() } else { sanitize(&path.to_string_lossy()).into_owned() }
}
