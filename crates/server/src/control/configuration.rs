//! `RELOAD` and `LOG-LEVEL`: changes of the configuration while the server runs.

use crate::reload::{Reload, Reloaded};

/// Reads the configuration again, and returns the answer.
pub(super) fn reload(reload: &Reload) -> String {
    match reload.reload() {
        Ok(Reloaded { applied, needs_restart }) => {
            format!("RELOAD_OK applied={} needs-restart={}\n", applied.join(","), needs_restart.join(","))
        }
        Err(error) => format!("ERROR INVALID_CONFIGURATION nothing has changed: {}\n", one_line(&error)),
    }
}

/// Changes the level of the log, and returns the answer.
pub(super) fn set_log_level(level: &str, reload: &Reload) -> String {
    reload.set_log_level(level);
    format!("LOG-LEVEL_OK {level}\n")
}

/// The lines of an error in one.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
