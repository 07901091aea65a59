//! Open files: one for each session, and what this process allows.

use crate::error::Error;

/// Files that are open beside the sessions': standard streams, the poll, libraries.
const OTHER_FILES: u64 = 32;

/// Raises what this process may have open so that `sessions` fit, if its hard limit allows that.
pub(crate) fn raise_limit(sessions: usize) -> Result<(), Error> {
    let needed = sessions as u64 + OTHER_FILES;
    let allowed = rlimit::increase_nofile_limit(needed)?;
    if allowed < needed { Err(Error::Files { sessions, needed, allowed }) } else { Ok(()) }
}
