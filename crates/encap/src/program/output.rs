//! The output of a subcommand: a file, or standard output.
//!
//! A synthesised file replaces an existing one only when it is complete and on disk, by a rename. Devices and pipes are
//! written directly, and so are live captures, which can be read while they grow.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use switchboard_protocol::sanitize;
use tempfile::{NamedTempFile, TempPath};

use super::failure::Failure;
use super::input::Input;

/// The path that means standard output.
const STDOUT: &str = "-";

/// A destination.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    Stdout(io::Stdout),
    /// Written in place.
    File(File),
    /// A temporary file, its path, and the path that it replaces.
    Whole(File, TempPath, PathBuf),
}

/// Whether `path` means standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new(STDOUT)
}

/// Fails if `path` is the file of `input`.
pub(crate) fn guard(path: &Path, input: &Input) -> Result<(), Failure> {
    if !is_stdout(path) && input.is_at(path) {
        return Err(Failure::Overwrite { file: path.display().to_string() });
    }
    Ok(())
}

/// Writes a whole file, which replaces an existing one when it is complete.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = Output::whole(path)?;
    file.write_all(text.as_bytes()).map_err(|error| unwritable(path, error))?;
    file.finish()
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    Failure::WriteFile { file: path.display().to_string(), error }
}

impl Output {
    /// A file that appears at `path` on [`finish`](Self::finish).
    pub(crate) fn whole(path: &Path) -> Result<Self, Failure> {
        let has_place = match path.metadata() {
            Ok(there) => there.is_file(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_stdout(path) || !has_place {
            return Self::growing(path);
        }
        // Replace the target of a symbolic link, not the link.
        let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match beside(folder, &place) {
            Ok(file) => {
                let (file, beside) = file.into_parts();
                Ok(Self { path: path.to_owned(), to: To::Whole(file, beside, place) })
            }
            // The file may be writable in a folder that is not.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && place.exists() => Self::growing(path),
            Err(error) => Err(unwritable(path, error)),
        }
    }

    /// A file that is at `path` from its first byte on.
    pub(crate) fn growing(path: &Path) -> Result<Self, Failure> {
        let to = if is_stdout(path) {
            To::Stdout(io::stdout())
        } else {
            To::File(File::create(path).map_err(|error| unwritable(path, error))?)
        };
        Ok(Self { path: path.to_owned(), to })
    }

    /// Completes the file, and renames it to its path.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let done = self.flush().and_then(|()| match self.to {
            To::Stdout(_) | To::File(_) => Ok(()),
            To::Whole(file, beside, place) => {
                // The new file must be on disk before the old one goes.
                if place.exists() {
                    file.sync_data()?;
                }
                drop(file);
                beside.persist(place).map_err(|error| error.error)
            }
        });
        done.map_err(|error| unwritable(&self.path, error))
    }
}

/// A temporary file beside `place`, with the permissions of an existing or a new file there.
fn beside(folder: &Path, place: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".encap-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    folder.metadata()?;
    let file = builder.tempfile_in(folder)?;
    if let Ok(there) = place.metadata() {
        // Only the owner may change permissions, and others may have the right to write.
        let _ = file.as_file().set_permissions(there.permissions());
    }
    Ok(file)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            To::Stdout(stdout) => stdout.write(bytes),
            To::File(file) | To::Whole(file, ..) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::Stdout(stdout) => stdout.flush(),
            To::File(file) | To::Whole(file, ..) => file.flush(),
        }
    }
}

/// The path for messages, safe to show.
pub(crate) fn shown(path: &Path) -> String {
    if is_stdout(path) { "standard output".to_owned() } else { sanitize(&path.to_string_lossy()).into_owned() }
}
