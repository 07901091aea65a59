//! The history of typed commands, kept across runs: `$XDG_STATE_HOME/switchboard/commands`.
//!
//! The file has no message and no secret. It has only commands that [`is_rememberable`] admits, so a mistyped `/lgoin`
//! with its password stays out, too. Errors of the disk are ignored, because the chat works without a history.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use switchboard_protocol::is_display_control;

use super::slash_command::is_rememberable;
use crate::program::state_directory;

/// The most commands that are kept: more than people step back through.
const COMMANDS_MAX: usize = 1000;

/// The longest command in bytes: a verb and the longest name, with room to spare.
const COMMAND_MAX_BYTES: usize = 256;

/// The longest file that is read, in bytes. Programs that run at the same time append to it, and the next start shortens
/// it.
const FILE_MAX_BYTES: u64 = 4 * (COMMANDS_MAX * COMMAND_MAX_BYTES) as u64;

/// The typed commands, and the file that keeps them.
#[derive(Debug)]
pub(crate) struct CommandHistory {
    /// Oldest first, without duplicates.
    commands: Vec<String>,
    /// `None` if there is no directory for it.
    file: Option<PathBuf>,
}

impl CommandHistory {
    /// Loads the history of the user, and removes the history of earlier versions, which has messages.
    pub(crate) fn load() -> Self {
        let Some(state) = state_directory::path() else {
            return Self { commands: Vec::new(), file: None };
        };
        Self::load_from(&state)
    }

    fn load_from(state: &Path) -> Self {
        let _ = fs::remove_file(state.join("history"));
        let file = state.join("commands");
        let text = read(&file).unwrap_or_default();
        let mut history = Self { commands: Vec::new(), file: None };
        for line in text.lines() {
            history.add(line);
        }
        let kept: String = history.commands.iter().flat_map(|command| [command, "\n"]).collect();
        if kept != text {
            let _ = state_directory::replace_private(&file, &kept);
        }
        history.file = Some(file);
        history
    }

    /// The commands, oldest first.
    pub(crate) fn commands(&self) -> &[String] {
        &self.commands
    }

    /// Keeps a typed line, if it is a command without a text and without a secret.
    pub(crate) fn remember(&mut self, line: &str) {
        if let Some(command) = self.add(line)
            && let Some(file) = &self.file
        {
            let _ = append(file, &command);
        }
    }

    /// Returns the command that was added.
    fn add(&mut self, line: &str) -> Option<String> {
        let command = line.trim();
        if !is_kept(command) {
            return None;
        }
        self.commands.retain(|known| known != command);
        if self.commands.len() == COMMANDS_MAX {
            self.commands.remove(0);
        }
        self.commands.push(command.to_owned());
        Some(command.to_owned())
    }
}

fn is_kept(command: &str) -> bool {
    is_rememberable(command) && command.len() <= COMMAND_MAX_BYTES && !command.contains(is_display_control)
}

fn read(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(file)?.take(FILE_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Appends a line, so that programs that run at the same time lose none.
fn append(file: &Path, command: &str) -> io::Result<()> {
    file.parent().map_or(Ok(()), state_directory::create_private)?;
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(format!("{command}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_without_text_and_secrets_are_kept() {
        let cases = [
            ("/join #lab", true),
            ("  /JOIN #lab ", true),
            ("/topic", true),
            ("/search red blue green", true),
            ("/quit", true),
            ("/topic our plan", false),
            ("/query Noy hi there", false),
            ("/quit I am fed up", false),
            ("/msg Noy hi", false),
            ("/me waves", false),
            ("/login Noy hunter2", false),
            ("/claim hunter2", false),
            ("/lgoin Noy hunter2", false),
            ("/join #lab\u{1b}[2J", false),
            ("hello", false),
            ("join #lab", false),
            ("/", false),
            ("", false),
        ];
        for (line, is_expected) in cases {
            assert_eq!(is_kept(line.trim()), is_expected, "{line}");
        }
        assert!(!is_kept(&format!("/join #{}", "x".repeat(COMMAND_MAX_BYTES))));
    }

    #[test]
    fn commands_outlive_the_program() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("switchboard");
        let mut history = CommandHistory::load_from(&state);
        for line in ["/join #lab", "hello", "/who", "/login Noy hunter2", "/join #lab"] {
            history.remember(line);
        }
        assert_eq!(history.commands(), ["/who", "/join #lab"]);
        let file = state.join("commands");
        let text = fs::read_to_string(&file).expect("a file");
        assert!(!text.contains("hunter2") && !text.contains("hello"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(CommandHistory::load_from(&state).commands(), ["/who", "/join #lab"]);
        // The start has removed the duplicate.
        assert_eq!(fs::read_to_string(&file).expect("a file"), "/who\n/join #lab\n");
    }

    #[test]
    fn the_history_of_earlier_versions_is_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let old = directory.path().join("history");
        fs::write(&old, "#V2\nMSG I have a secret\n").expect("a file");
        assert!(CommandHistory::load_from(directory.path()).commands().is_empty());
        assert!(!old.exists());
    }

    #[test]
    fn the_number_of_commands_is_bounded() {
        let directory = tempfile::tempdir().expect("a directory");
        let many: Vec<_> = (0..COMMANDS_MAX + 10).map(|n| format!("/join #r{n}")).collect();
        fs::write(directory.path().join("commands"), many.join("\n")).expect("a file");
        let mut history = CommandHistory::load_from(directory.path());
        assert_eq!((history.commands().len(), &*history.commands()[0]), (COMMANDS_MAX, "/join #r10"));
        history.remember("/who");
        assert_eq!((history.commands().len(), &*history.commands()[0]), (COMMANDS_MAX, "/join #r11"));
    }

    #[test]
    fn a_damaged_file_loses_only_its_damaged_lines() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("commands");
        fs::write(&file, b"/join #lab\n/who \xff\x1b\nMSG hi\n/quit").expect("a file");
        assert_eq!(CommandHistory::load_from(directory.path()).commands(), ["/join #lab", "/quit"]);
        assert_eq!(fs::read_to_string(&file).expect("a file"), "/join #lab\n/quit\n");
    }
}
