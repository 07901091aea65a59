//! The errors of a store.

use std::path::{Path, PathBuf};

/// Why a store could not do something. The text goes to the operator.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StoreError {
    /// The disk or a quota is full.
    #[error("{}: no room is left: delete other files, or enlarge the disk or quota",
        .place.display())]
    Full {
        /// The file or directory.
        place: PathBuf,
    },
    /// The operating system, or SQLite, refuses to read or write.
    #[error("{}: cannot be used: {reason}", .place.display())]
    Unavailable {
        /// The file or directory.
        place: PathBuf,
        /// The reason, as the system gave it.
        reason: String,
    },
    /// The file contains something that no server has written.
    #[error("{}: the file is damaged ({reason}): stop the server, then restore a backup, or save the readable part with \
        `sqlite3 FILE .recover`", .place.display())]
    Damaged {
        /// The file.
        place: PathBuf,
        /// The damage.
        reason: String,
    },
    /// Another server uses the directory.
    #[error("{}: another server uses this directory: stop it, or choose another directory", .place.display())]
    Locked {
        /// The directory.
        place: PathBuf,
    },
    /// Other users of the machine may enter the directory.
    #[error("{}: other users can enter this directory of messages (mode {mode:04o}): run `chmod 700` on it, or choose \
        another directory", .place.display())]
    Exposed {
        /// The directory.
        place: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The directory has files, and none of them is a store.
    #[error("{}: this directory has other files: choose a new or empty one", .place.display())]
    NoStore {
        /// The directory.
        place: PathBuf,
    },
    /// A backup would be restored into a directory that has files.
    #[error("{}: the directory is not empty: name a new or empty one", .place.display())]
    NotEmpty {
        /// The directory.
        place: PathBuf,
    },
    /// A newer server has written the file.
    #[error("{}: the file has version {found}, and this server knows versions up to {known}: use the newer server",
        .place.display())]
    WrongVersion {
        /// The file.
        place: PathBuf,
        /// The version of the file.
        found: i64,
        /// The newest version that this server knows.
        known: i64,
    },
    /// The file is not a store.
    #[error("{}: the file is not a store of Switchboard: choose another directory", .place.display())]
    Foreign {
        /// The file.
        place: PathBuf,
    },
    /// A change does not fit the stored state.
    #[error("a change does not fit the stored state ({change}): this is a fault of the server, please report it")]
    Unfit {
        /// The change, and the reason.
        change: String,
    },
    /// The thread that writes has panicked.
    #[error(
        "the thread that writes has panicked (its message is on standard error): this is a fault of the server, \
        please report it"
    )]
    Panicked,
    /// The server was started without search.
    #[error("search is switched off: start the server with search")]
    SearchOff,
}

impl StoreError {
    /// An error of the operating system at this place.
    pub(crate) fn from_io(place: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let place = place.to_owned();
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full { place },
            _ => Self::Unavailable { place, reason: error.to_string() },
        }
    }
}
