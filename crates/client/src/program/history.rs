//! The history of typed lines, kept across sessions.
//!
//! The history contains chat messages, so only its owner can read the file. Errors of reading or writing the file are
//! ignored, because the chat works without a history.

use std::path::PathBuf;

use rustyline::Editor;
use rustyline::history::FileHistory;

use super::completion::EditorHelper;
use super::state_directory;

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
        && state_directory::create_private(directory).is_ok()
    {
        let _ = editor.append_history(&path);
    }
}

/// Returns the path of the history file. `None` if there is no home directory.
fn history_path() -> Option<PathBuf> {
    Some(state_directory::path()?.join("history"))
}
