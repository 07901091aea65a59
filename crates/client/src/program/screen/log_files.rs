//! The logs that the user asks for with `--log DIR`: one file for each conversation.
//!
//! ```text
//! DIR/SERVER/#lab.log            2026-11-30T10:22:33Z Elias: hi
//!           /noy.log             a direct conversation
//!           /noy.chat.log        a chat of version 1
//! ```
//!
//! Only their owner can read the files. An error of the disk never disturbs the chat: it is reported once.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use switchboard_protocol::sanitize;

use super::conversation_id::ConversationId;
use crate::program::{address, state_directory};

/// The most files that are open at a time: more conversations than people follow at once, and few of the files that a
/// process may open.
const OPEN_FILES_MAX: usize = 16;

/// The logs of the conversations of one server.
#[derive(Debug)]
pub(crate) struct LogFiles {
    directory: PathBuf,
    /// The last used files, the newest last.
    open: Vec<(ConversationId, File)>,
    has_failed: bool,
}

impl LogFiles {
    /// The logs in the folder `log` for the server `addr`. Creates nothing until a line is appended.
    pub(crate) fn new(log: &Path, addr: &str) -> Self {
        let directory = log.join(state_directory::file_name(&address::host_port(addr)));
        Self { directory, open: Vec::new(), has_failed: false }
    }

    /// Appends a line. Returns a notice for the user after the first error. Later lines try again.
    pub(crate) fn append(&mut self, conversation: &ConversationId, line: &str) -> Option<String> {
        // An LF in the text must not begin another line.
        let line = format!("{}\n", sanitize(line));
        let written = self.file(conversation).and_then(|mut file| file.write_all(line.as_bytes()));
        let error = written.err()?;
        self.open.retain(|(open, _)| open != conversation);
        if std::mem::replace(&mut self.has_failed, true) {
            return None;
        }
        let path = self.path(conversation);
        Some(format!("Messages are not logged: {}: {error}", sanitize(&path.to_string_lossy())))
    }

    fn file(&mut self, conversation: &ConversationId) -> io::Result<&File> {
        let file = match self.open.iter().position(|(open, _)| open == conversation) {
            Some(at) => self.open.remove(at).1,
            None => self.create(conversation)?,
        };
        if self.open.len() == OPEN_FILES_MAX {
            self.open.remove(0);
        }
        self.open.push((conversation.clone(), file));
        self.open.last().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, conversation: &ConversationId) -> io::Result<File> {
        state_directory::create_private(&self.directory)?;
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(self.path(conversation))
    }

    fn path(&self, conversation: &ConversationId) -> PathBuf {
        // `file_name` writes no full stop, so the endings keep the kinds of conversations apart.
        let name = match conversation {
            ConversationId::Server => "server.notices.log".to_owned(),
            ConversationId::Room(name) | ConversationId::Direct(name) => {
                format!("{}.log", state_directory::file_name(name))
            }
            ConversationId::Chat(name) => format!("{}.chat.log", state_directory::file_name(name)),
        };
        self.directory.join(name)
    }
}

/// The line of a message: `2026-11-30T10:22:33Z Elias: hi`.
pub(crate) fn line(time: Timestamp, author: &str, text: &str) -> String {
    format!("{time:.0} {author}: {text}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn timestamp() -> Timestamp {
        "2026-11-30T10:22:33.987Z".parse().expect("a time")
    }

    #[test]
    fn each_conversation_has_a_file_of_its_own() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("logs");
        let mut files = LogFiles::new(&log, "switchboard://h:1/#lab");
        let conversations = [
            (ConversationId::of_target("#Lab"), "#lab.log"),
            (ConversationId::of_target("Noy"), "noy.log"),
            (ConversationId::of_target("noy.chat"), "noy%2echat.log"),
            (ConversationId::of_chat("Noy"), "noy.chat.log"),
            (ConversationId::of_target("server"), "server.log"),
            (ConversationId::Server, "server.notices.log"),
        ];
        for round in ["one", "two"] {
            for (conversation, _) in &conversations {
                assert_eq!(files.append(conversation, &line(timestamp(), "Elias", round)), None);
            }
        }
        let expected = "2026-11-30T10:22:33Z Elias: one\n2026-11-30T10:22:33Z Elias: two\n";
        for (_, name) in conversations {
            let path = log.join("h%3a1").join(name);
            assert_eq!(fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}")), expected);
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt as _;
                let mode = |path: &Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
                assert_eq!((mode(&path), mode(&log)), (0o600, 0o700));
            }
        }
        assert_eq!(fs::read_dir(log.join("h%3a1")).expect("a directory").count(), 6);
    }

    #[test]
    fn hostile_text_is_one_line_without_controls() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut files = LogFiles::new(directory.path(), "h:1");
        let hostile = "x\n2026-11-30T10:22:33Z Noy: I resign\r\u{1b}[2J\u{202e}";
        assert_eq!(files.append(&ConversationId::of_target("../../noy"), &line(timestamp(), "Elias", hostile)), None);
        let path = directory.path().join("h%3a1").join("%2e%2e%2f%2e%2e%2fnoy.log");
        let text = fs::read_to_string(path).expect("the file stays in its directory");
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains(r"x\u{a}2026") && !text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    }

    #[test]
    fn many_conversations_share_the_open_files() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut files = LogFiles::new(directory.path(), "h:1");
        for round in 0..2 {
            for n in 0..3 * OPEN_FILES_MAX {
                assert_eq!(files.append(&ConversationId::of_target(&format!("#r{n}")), &round.to_string()), None);
                assert!(files.open.len() <= OPEN_FILES_MAX);
            }
        }
        let text = fs::read_to_string(directory.path().join("h%3a1").join("#r0.log")).expect("a file");
        assert_eq!(text, "0\n1\n");
    }

    #[test]
    fn an_error_is_reported_once_and_later_lines_are_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let obstacle = directory.path().join("h%3a1");
        fs::write(&obstacle, "").expect("a file in the place of the directory");
        let mut files = LogFiles::new(directory.path(), "h:1");
        let room = ConversationId::of_target("#lab");
        let notice = files.append(&room, "one").expect("an error");
        assert!(notice.starts_with("Messages are not logged: "), "{notice}");
        assert_eq!(files.append(&room, "two"), None);
        fs::remove_file(&obstacle).expect("the obstacle");
        assert_eq!(files.append(&room, "three"), None);
        assert_eq!(fs::read_to_string(obstacle.join("#lab.log")).expect("a file"), "three\n");
    }
}
