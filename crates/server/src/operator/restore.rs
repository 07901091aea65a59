//! `switchboard-server restore FILE --data DIR`.

use std::path::Path;

use switchboard_store::{BackupContents, Restore};

use super::CommandError;
use crate::identity::server_id;

/// Restores the backup `file` into the directory `data`.
pub(super) fn run(file: &Path, data: &Path) -> Result<(), CommandError> {
    let restore = Restore::copy(file, data)?;
    // Before the copy has its name: a server must not start with another id.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let has_id = server_id::copy(folder, data)
        .map_err(|error| CommandError::Io { place: "server-id".to_owned(), error: error.to_string() })?;
    let BackupContents { accounts, conversations, records } = restore.finish()?;
    println!("{}: restored {accounts} accounts, {conversations} conversations and {records} records", data.display());
    println!("each conversation has a new epoch: clients are told that newer records are lost");
    if !has_id {
        println!(
            "there is no server-id in {}: clients with SSH keys will see a new server; copy the file into the new \
             directory before its first start if you have it",
            folder.display()
        );
    }
    Ok(())
}
