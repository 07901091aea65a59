//! The directory of a store: created private, and locked against a second server.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::SQLITE_FILE;
use crate::error::StoreError;

/// Permissions: only the owner may enter the directory, or read a file in it.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Room that must be there before a full store is written again, in bytes. Without it, a store on a nearly full disk
/// would go on and fail in turn.
const ROOM_MIN: usize = 1024 * 1024;

/// A locked directory. The lock ends with this value, and when the process ends in any way.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    lock: File,
}

impl Directory {
    /// Creates the directory if it does not exist, and locks it.
    pub(crate) fn lock(path: PathBuf) -> Result<Self, StoreError> {
        prepare_directory(&path)?;
        let name = path.join("lock");
        let lock = open(&name).map_err(|error| StoreError::from_io(&name, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { place: path }),
            Err(TryLockError::Error(error)) => Err(StoreError::from_io(&name, &error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the file if it does not exist, and makes its name durable. SQLite gives its other files the same
    /// permissions.
    pub(crate) fn create_file(&self, file: &Path) -> Result<(), StoreError> {
        if file.exists() {
            return Ok(());
        }
        open(file).map_err(|error| StoreError::from_io(file, &error))?;
        self.sync()
    }

    /// Makes the names of the files durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| StoreError::from_io(&self.path, &error))
    }

    /// Checks that the disk has some room, by writing a file.
    pub(crate) fn check_room(&self) -> Result<(), StoreError> {
        let name = self.path.join("room");
        let written = write(&name, ROOM_MIN);
        let removed = std::fs::remove_file(&name);
        written.and(removed).map_err(|error| StoreError::from_io(&self.path, &error))
    }
}

impl Drop for Directory {
    /// Unlocks the directory. Closing the file is not enough if another thread is starting a process, which has a copy of
    /// the file until it runs its program.
    fn drop(&mut self) {
        // The lock ends with the file at the latest.
        let _ = self.lock.unlock();
    }
}

/// Creates the directory if it does not exist. If it is empty, its permissions are corrected. A directory with files that
/// others can enter is refused, and not changed: it may be one of the system, named by mistake.
///
/// # Errors
///
/// If the directory cannot be used for a store.
pub fn prepare_directory(path: &Path) -> Result<(), StoreError> {
    let exposed_mode = || {
        create(path)?;
        let mode = path.metadata()?.permissions().mode() & 0o777;
        if mode & !DIRECTORY_MODE == 0 {
            return Ok(None);
        }
        if path.read_dir()?.next().is_some() {
            return Ok(Some(mode));
        }
        std::fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE)).map(|()| None)
    };
    if path.is_file() {
        let reason = "this is a file, and the store needs a directory".to_owned();
        return Err(StoreError::Unavailable { place: path.to_owned(), reason });
    }
    match exposed_mode().map_err(|error| StoreError::from_io(path, &error))? {
        // Advice on permissions would be wrong for a directory of the system.
        Some(_) if !path.join(SQLITE_FILE).exists() => Err(StoreError::NoStore { place: path.to_owned() }),
        Some(mode) => Err(StoreError::Exposed { place: path.to_owned(), mode }),
        None => Ok(()),
    }
}

/// Creates a directory and its missing parents, and makes their names durable.
fn create(path: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)?;
    for directory in missing {
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A directory that may not be read cannot be synced.
        if let Ok(parent) = File::open(parent) {
            parent.sync_all()?;
        }
    }
    Ok(())
}

/// The device and the number of a file. They change if the file is replaced.
pub(crate) type FileId = (u64, u64);

/// The id of the file at this path, if there is one.
pub(crate) fn file_id(path: &Path) -> Option<FileId> {
    path.metadata().ok().map(|file| (file.dev(), file.ino()))
}

/// Whether a file in the directory of `file` cannot grow.
pub(crate) fn is_full(file: &Path) -> bool {
    let name = file.with_file_name("room-check");
    let written = write(&name, 64 * 1024);
    // A file that could not be created cannot be removed.
    let _ = std::fs::remove_file(&name);
    written.is_err_and(|error| matches!(StoreError::from_io(file, &error), StoreError::Full { .. }))
}

fn open(file: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE).open(file)
}

fn write(file: &Path, bytes: usize) -> io::Result<()> {
    let mut open = open(file)?;
    open.write_all(&vec![0; bytes])?;
    open.sync_all()
}
