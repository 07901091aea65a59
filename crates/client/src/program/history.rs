//! The history of typed lines, kept across sessions.
//!
//! It contains chat messages, so only its owner can read the file. Errors of reading or writing it are ignored, because
//! the chat works without a history.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use rustyline::Editor;
use rustyline::history::FileHistory;

use super::completion::EditorHelper;

/// Loads the file into the editor's history.
pub(crate) fn load(editor: &mut Editor<EditorHelper, FileHistory>) {
    if let Some(file) = file() {
        let _ = editor.load_history(&file);
    }
}

/// Appends the editor's history to the file. The editor creates the file with permissions for its owner only.
pub(crate) fn save(editor: &mut Editor<EditorHelper, FileHistory>) {
    if let Some(file) = file()
        && let Some(directory) = file.parent()
        && make_private(directory).is_ok()
    {
        let _ = editor.append_history(&file);
    }
}

/// The path `$XDG_STATE_HOME/switchboard/history`. The default state folder is `~/.local/state` (XDG Base Directory
/// Specification).
fn file() -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(env::home_dir()?.join(".local/state")))?;
    Some(state.join("switchboard/history"))
}

fn make_private(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}
