//! Files that a command line names.

use std::path::Path;

/// Whether both name one file: if it is written, it is gone before it is read again.
pub(super) fn is_same(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}
