//! The limit of open files: each session needs an open file for its socket.

use crate::error::Error;

/// Open files besides the sockets: standard streams, the poll, libraries.
const OTHER_FILES: u64 = 32;

/// Raises the soft limit of this process, so that `sessions` sockets fit. Fails if the hard limit is too low.
pub(crate) fn raise_limit(sessions: usize) -> Result<(), Error> {
    let needed = sessions as u64 + OTHER_FILES;
    let allowed = rlimit::increase_nofile_limit(needed)?;
    if allowed < needed { Err(Error::Files { sessions, needed, allowed }) } else { Ok(()) }
}
