//! The size of the store, and the room on its disk.

use std::path::Path;

use switchboard_store::SQLITE_FILE;

/// The disk of a directory, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Disk {
    /// Room that the server may use.
    pub(super) free: u64,
    pub(super) size: u64,
}

impl Disk {
    pub(super) fn of(directory: &Path) -> Option<Self> {
        let disk = rustix::fs::statvfs(directory).ok()?;
        Some(Self { free: disk.f_bavail * disk.f_frsize, size: disk.f_blocks * disk.f_frsize })
    }
}

/// The size of the database and its log, in bytes.
pub(super) fn store_bytes(directory: &Path) -> u64 {
    let files = ["", "-wal", "-shm"].map(|end| directory.join(format!("{SQLITE_FILE}{end}")));
    files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
