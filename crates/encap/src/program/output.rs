//! The output of a subcommand: a file, or standard output.
//!
//! A built capture or a page is first written to a temporary file. When it is complete, a rename moves it to its path,
//! so nobody reads an incomplete file. Before it replaces an existing file, it is on disk. Devices and pipes are
//! written in place. Live captures, too, so that they can be read while they grow.

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
    /// When `file` is complete, its path `temporary` is renamed to `target`.
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

/// Fails if `path` is the file of `input`: writing to it would destroy the input.
pub(crate) fn refuse_input_path(path: &Path, input: &Input) -> Result<(), Failure> {
    if !is_stdout(path) && input.is_at(path) {
        return Err(Failure::Overwrite { file: path.display().to_string() });
    }
    Ok(())
}

/// Writes `text` to `path`. An existing file is replaced when the new one is complete.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = Output::atomic(path)?;
    file.write_all(text.as_bytes()).map_err(|error| unwritable(path, error))?;
    file.finish()
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    Failure::WriteFile { file: path.display().to_string(), error }
}

impl Output {
    /// Opens a file that appears at `path` when [`finish`](Self::finish) is called. Devices and pipes are written in
    /// place.
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
            // The user may have the right to write the file, but not the folder.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && target.exists() => Self::in_place(path),
            Err(error) => Err(unwritable(path, error)),
        }
    }

    /// Opens the file at `path` and writes to it directly. An existing file is emptied at once.
    pub(crate) fn in_place(path: &Path) -> Result<Self, Failure> {
        let destination = if is_stdout(path) {
            Destination::Stdout(io::stdout())
        } else {
            Destination::InPlace(File::create(path).map_err(|error| unwritable(path, error))?)
        };
        Ok(Self { path: path.to_owned(), destination })
    }

    /// Completes the output. A temporary file is renamed to its path.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let result = self.flush().and_then(|()| match self.destination {
            Destination::Stdout(_) | Destination::InPlace(_) => Ok(()),
            Destination::Atomic { file, temporary, target } => {
                // The new file must be on disk before it replaces the old one.
                if target.exists() {
                    file.sync_data()?;
                }
                drop(file);
                temporary.persist(target).map_err(|error| error.error)
            }
        });
        result.map_err(|error| unwritable(&self.path, error))
    }
}

/// Creates a temporary file in `folder`. Its permissions are those of `target` if that exists, or else those of a new
/// file.
fn temporary_file(folder: &Path, target: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".encap-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The system removes the bits of the umask, as for any new file.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    // The error for a missing folder. That of `tempfile` would name the temporary file.
    folder.metadata()?;
    let file = builder.tempfile_in(folder)?;
    if let Ok(existing) = target.metadata() {
        // Some file systems have no permissions. The file is written all the same.
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

/// The name of an output in messages: its path, or `standard output`. It is safe to show.
pub(crate) fn display_name(path: &Path) -> String {
    if is_stdout(path) { "standard output".to_owned() } else { sanitize(&path.to_string_lossy()).into_owned() }
}
