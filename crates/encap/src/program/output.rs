//! What a command writes: a file, or standard output.
//!
//! What is made at once takes its place when it is whole, and on the disk if there was something before it: until then, and
//! if it never is, what was there stays. A device or a pipe has no place to take, and what is captured has to be readable as
//! it grows.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use switchboard_protocol::sanitize;
use tempfile::{NamedTempFile, TempPath};

use super::failure::Failure;
use super::input::Input;

/// What stands for standard output.
const STDOUT: &str = "-";

/// Where something is written to.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    Stdout(io::Stdout),
    /// As it grows.
    File(File),
    /// What is beside its place, where that is, and the place.
    Whole(File, TempPath, PathBuf),
}

/// Whether `path` stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new(STDOUT)
}

/// Refuses to write to what is read.
pub(crate) fn guard(path: &Path, input: &Input) -> Result<(), Failure> {
    if !is_stdout(path) && input.is_at(path) {
        return Err(Failure::Overwrite { file: path.display().to_string() });
    }
    Ok(())
}

/// Writes all of a file, so that it takes its place when it is whole.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = Output::whole(path)?;
    file.write_all(text.as_bytes()).map_err(|error| unwritable(path, error))?;
    file.finish()
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    Failure::WriteFile { file: path.display().to_string(), error }
}

impl Output {
    /// What takes its place at `path` once it is [`finish`](Self::finish)ed.
    pub(crate) fn whole(path: &Path) -> Result<Self, Failure> {
        let has_place = match path.metadata() {
            Ok(there) => there.is_file(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_stdout(path) || !has_place {
            return Self::growing(path);
        }
        // Where a link leads, and not the link.
        let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match beside(folder, &place) {
            Ok(file) => {
                let (file, beside) = file.into_parts();
                Ok(Self { path: path.to_owned(), to: To::Whole(file, beside, place) })
            }
            // The file may be ours to write where its folder is not.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && place.exists() => Self::growing(path),
            Err(error) => Err(unwritable(path, error)),
        }
    }

    /// What is at `path` from the first byte on.
    pub(crate) fn growing(path: &Path) -> Result<Self, Failure> {
        let to = if is_stdout(path) {
            To::Stdout(io::stdout())
        } else {
            To::File(File::create(path).map_err(|error| unwritable(path, error))?)
        };
        Ok(Self { path: path.to_owned(), to })
    }

    /// Lets it take its place.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let done = self.flush().and_then(|()| match self.to {
            To::Stdout(_) | To::File(_) => Ok(()),
            To::Whole(file, beside, place) => {
                // What was there goes once the other is on the disk, and not only on its way.
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

/// A file beside `place`, with the rights that one there has or would get.
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
        // Whoever may write here may not, all the same, be the owner.
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

/// What a path is called, safe to show.
pub(crate) fn shown(path: &Path) -> String {
    if is_stdout(path) { "standard output".to_owned() } else { sanitize(&path.to_string_lossy()).into_owned() }
}
