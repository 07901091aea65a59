//! The lines that were typed in earlier sessions.
//!
//! They hold what people said to each other, so the file is for its owner alone. A history that cannot be read or
//! written is no reason to bother anybody.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

use rustyline::Editor;
use rustyline::history::FileHistory;

use super::completion::EditorHelper;

/// Fills the editor's history from the file.
pub(crate) fn load(editor: &mut Editor<EditorHelper, FileHistory>) {
    if let Some(file) = file() {
        let _ = editor.load_history(&file);
    }
}

/// Writes the editor's history to the file; the editor makes it readable by its owner alone.
pub(crate) fn save(editor: &mut Editor<EditorHelper, FileHistory>) {
    if let Some(file) = file()
        && let Some(directory) = file.parent()
        && make_private(directory).is_ok()
    {
        let _ = editor.append_history(&file);
    }
}

/// `$XDG_STATE_HOME/switchboard/history`, by default in `~/.local/state` (XDG Base Directory Specification).
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
