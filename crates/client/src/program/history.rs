//! The history of typed lines, kept across sessions.
//!
//! The history contains chat messages, so only its owner can read the file. Errors of reading or writing the file are
//! ignored, because the chat works without a history.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use rustyline::Editor;
use rustyline::history::FileHistory;

use super::completion::EditorHelper;

/// Loads the history file into the editor.
pub(crate) fn load(editor: &mut Editor<EditorHelper, FileHistory>) {
    if let Some(path) = history_path() {
        let _ = editor.load_history(&path);
    }
}

/// Appends the editor's history to the history file. The editor creates the file with permissions for its owner only.
pub(crate) fn save(editor: &mut Editor<EditorHelper, FileHistory>) {
    if let Some(path) = history_path()
        && let Some(directory) = path.parent()
        && create_private_directory(directory).is_ok()
    {
        let _ = editor.append_history(&path);
    }
}

/// Returns the path `$XDG_STATE_HOME/switchboard/history`. The default of the variable is `~/.local/state`, and a
/// relative path in the variable is ignored (XDG Base Directory Specification). `None` if there is no home directory
/// either.
fn history_path() -> Option<PathBuf> {
    let configured = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state_home = configured.or_else(|| Some(env::home_dir()?.join(".local/state")))?;
    Some(state_home.join("switchboard/history"))
}

/// Creates `directory` and its parents, if they are missing. Only the owner can use a new directory.
fn create_private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}
