//! The outbox file: messages that the server has not answered yet.
//!
//! A message is in the file, and the file on the disk, before the message is sent. After a restart the session sends
//! the unanswered messages again, with the same numbers. The file is text, one entry a line:
//!
//! ```text
//! switchboard outbox 1
//! SAY 1795904037123456 #lab hello
//! DONE 1795904037123456
//! ```
//!
//! `MOVE 41 57` gives message 41 the number 57. `DONE` is not synced: a message that is sent twice with the same number
//! is stored once. If no message is unanswered, the file is truncated to its first line. A line without its LF was not
//! complete when the process or the machine stopped, so its message was never sent.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// The first line. The number is the version of the format.
const HEADER: &str = "switchboard outbox 1\n";

/// The size above which the file is written anew without its answered messages, if most of it is answered.
const REWRITE_ABOVE_BYTES: u64 = 4 * 1024 * 1024;

/// The largest file that is read: more than the bounds of the session let it grow.
const FILE_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// A message in the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoredMessage {
    /// The word for the conversation, as the program wrote it.
    pub(crate) target: String,
    pub(crate) text: String,
}

/// The file, locked against other processes.
#[derive(Debug)]
pub(crate) struct OutboxFile {
    path: PathBuf,
    file: File,
    len: u64,
    /// The unanswered messages by their number.
    unanswered: BTreeMap<u64, StoredMessage>,
    unanswered_bytes: u64,
    /// Answered messages whose `DONE` could not be written.
    unwritten_done: Vec<u64>,
}

impl OutboxFile {
    /// Opens or creates the file. Fails if another process has it open, or if it is no outbox.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = open_private(path, false)?;
        lock(&file, path)?;
        if !is_at(&file, path)? {
            // Its owner put a new file in its place meanwhile, and has that one open.
            return Err(in_use(path));
        }
        let mut bytes = Vec::new();
        (&mut file).take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_MAX_BYTES {
            return Err(invalid(path));
        }
        let complete = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let unanswered = match std::str::from_utf8(&bytes[..complete]).ok() {
            // Only the start of the header was written.
            Some("") if HEADER.as_bytes().starts_with(&bytes) => BTreeMap::new(),
            Some(text) => parse(text).ok_or_else(|| invalid(path))?,
            None => return Err(invalid(path)),
        };
        let mut outbox =
            Self { path: path.to_owned(), file, len: 0, unanswered, unanswered_bytes: 0, unwritten_done: Vec::new() };
        outbox.unanswered_bytes = outbox.unanswered.iter().map(|(n, message)| say_line(*n, message).len() as u64).sum();
        if complete == 0 {
            outbox.reset()?;
            sync_directory(path)?;
        } else {
            outbox.truncate(complete as u64)?;
        }
        Ok(outbox)
    }

    /// The unanswered messages in the order of their numbers.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = (u64, &StoredMessage)> {
        self.unanswered.iter().map(|(n, message)| (*n, message))
    }

    /// Adds messages, and returns once they are on the disk. If it fails, none of them is in the file.
    pub(crate) fn append(&mut self, messages: Vec<(u64, StoredMessage)>) -> io::Result<()> {
        if self.len > REWRITE_ABOVE_BYTES && self.unanswered_bytes < self.len / 2 {
            self.rewrite()?;
        }
        let lines: String = messages.iter().map(|(n, message)| say_line(*n, message)).collect();
        self.write_synced(&lines)?;
        self.unanswered_bytes += lines.len() as u64;
        self.unanswered.extend(messages);
        Ok(())
    }

    /// Gives a message a new number, and returns once that is on the disk.
    pub(crate) fn renumber(&mut self, n: u64, new_n: u64) -> io::Result<()> {
        self.write_synced(&format!("MOVE {n} {new_n}\n"))?;
        if let Some(message) = self.unanswered.remove(&n) {
            self.unanswered.insert(new_n, message);
        }
        Ok(())
    }

    fn write_synced(&mut self, lines: &str) -> io::Result<()> {
        let done = self.unwritten_done.iter().fold(String::new(), |done, n| done + &done_line(*n));
        let len_before = self.len;
        if let Err(error) = self.write(&(done + lines)).and_then(|()| self.file.sync_data()) {
            // The next write must not begin inside a line.
            self.truncate(len_before)?;
            return Err(error);
        }
        self.unwritten_done.clear();
        Ok(())
    }

    /// Removes an answered message. If the disk is full, the next [`OutboxFile::append`] removes it from the file.
    pub(crate) fn remove(&mut self, n: u64) {
        let Some(message) = self.unanswered.remove(&n) else { return };
        self.unanswered_bytes -= say_line(n, &message).len() as u64;
        let len_before = self.len;
        if self.unanswered.is_empty() && self.reset().is_ok() {
            self.unwritten_done.clear();
        } else if self.write(&done_line(n)).is_err() {
            self.unwritten_done.push(n);
            // If this fails, the next append fails, too, and reports it.
            let _ = self.truncate(len_before);
        }
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        self.file.write_all(lines.as_bytes())?;
        self.len += lines.len() as u64;
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.seek(SeekFrom::Start(len))?;
        self.len = len;
        Ok(())
    }

    /// Makes the file empty except for its header.
    fn reset(&mut self) -> io::Result<()> {
        if self.len > HEADER.len() as u64 {
            return self.truncate(HEADER.len() as u64);
        }
        self.truncate(0)?;
        self.write(HEADER)
    }

    /// Writes a new file with the unanswered messages, and puts it in the place of the old one.
    fn rewrite(&mut self) -> io::Result<()> {
        let mut new_path = self.path.clone().into_os_string();
        new_path.push(".new");
        let new_path = PathBuf::from(new_path);
        let mut file = open_private(&new_path, true)?;
        lock(&file, &new_path)?;
        let lines: String = self.unanswered.iter().map(|(n, message)| say_line(*n, message)).collect();
        file.write_all(HEADER.as_bytes())?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()?;
        self.unwritten_done.clear();
        std::fs::rename(&new_path, &self.path)?;
        sync_directory(&self.path)?;
        self.file = file;
        self.len = (HEADER.len() + lines.len()) as u64;
        Ok(())
    }
}

fn open_private(path: &Path, truncate: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(truncate);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn lock(file: &File, path: &Path) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(in_use(path)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn in_use(path: &Path) -> io::Error {
    let reason = format!("another program uses {}: give each program a device of its own", path.display());
    io::Error::new(io::ErrorKind::ResourceBusy, reason)
}

/// Whether `path` still names this file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (opened, named) = (file.metadata()?, std::fs::metadata(path)?);
        Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        Ok(true)
    }
}

/// Makes a new name in the directory of `path` durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(directory) = path.parent() {
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn invalid(path: &Path) -> io::Error {
    let reason = format!("{} is not an outbox: move it away to begin a new one", path.display());
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn done_line(n: u64) -> String {
    format!("DONE {n}\n")
}

fn say_line(n: u64, StoredMessage { target, text }: &StoredMessage) -> String {
    format!("SAY {n} {target} {text}\n")
}

/// Returns the unanswered messages of a file, or `None` if it is no outbox.
fn parse(text: &str) -> Option<BTreeMap<u64, StoredMessage>> {
    let mut unanswered = BTreeMap::new();
    for line in text.strip_prefix(HEADER)?.split_terminator('\n') {
        let (verb, rest) = line.split_once(' ')?;
        match verb {
            "SAY" => {
                let mut parts = rest.splitn(3, ' ');
                let (n, target, text) = (parts.next()?, parts.next()?, parts.next()?);
                if [target, text].iter().any(|part| part.is_empty() || part.contains(char::is_control)) {
                    return None;
                }
                let message = StoredMessage { target: target.to_owned(), text: text.to_owned() };
                unanswered.insert(n.parse().ok()?, message);
            }
            "DONE" => {
                unanswered.remove(&rest.parse().ok()?);
            }
            "MOVE" => {
                let (n, new_n) = rest.split_once(' ')?;
                let message = unanswered.remove(&n.parse().ok()?)?;
                unanswered.insert(new_n.parse().ok()?, message);
            }
            _ => return None,
        }
    }
    Some(unanswered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> StoredMessage {
        StoredMessage { target: "#lab".to_owned(), text: text.to_owned() }
    }

    fn numbers(outbox: &OutboxFile) -> Vec<u64> {
        outbox.unanswered().map(|(n, _)| n).collect()
    }

    #[test]
    fn unanswered_messages_survive_and_answered_ones_do_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("outbox");
        let mut outbox = OutboxFile::open(&path).expect("a new file");
        outbox.append(vec![(1, message("one")), (2, message("two  words"))]).expect("room on the disk");
        outbox.remove(1);
        drop(outbox);
        let mut outbox = OutboxFile::open(&path).expect("the file exists");
        assert_eq!(outbox.unanswered().collect::<Vec<_>>(), [(2, &message("two  words"))]);
        outbox.remove(2);
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), HEADER);
        drop(outbox);
        assert!(numbers(&OutboxFile::open(&path).expect("the file exists")).is_empty());
    }

    #[test]
    fn a_message_can_get_a_new_number() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("outbox");
        let mut outbox = OutboxFile::open(&path).expect("a new file");
        outbox.append(vec![(1, message("one")), (2, message("two"))]).expect("room on the disk");
        outbox.renumber(1, 7).expect("room on the disk");
        assert_eq!(numbers(&outbox), [2, 7]);
        drop(outbox);
        let outbox = OutboxFile::open(&path).expect("the file exists");
        assert_eq!(outbox.unanswered().collect::<Vec<_>>(), [(2, &message("two")), (7, &message("one"))]);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("outbox");
        let _outbox = OutboxFile::open(&path).expect("a new file");
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_cut_at_any_byte_holds_each_complete_message() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("outbox");
        let text = format!("{HEADER}SAY 1 #lab one\nSAY 2 Elias two\nDONE 1\n");
        for cut in 0..=text.len() {
            std::fs::write(&path, &text[..cut]).expect("room on the disk");
            let mut outbox = OutboxFile::open(&path).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            let expected: &[u64] = match text[..cut].matches('\n').count() {
                0 | 1 => &[],
                2 => &[1],
                3 => &[1, 2],
                _ => &[2],
            };
            assert_eq!(numbers(&outbox), expected, "cut at {cut}");
            // The next message does not join the rest of a cut line.
            outbox.append(vec![(9, message("nine"))]).expect("room on the disk");
            drop(outbox);
            let outbox = OutboxFile::open(&path).expect("the file is complete");
            assert_eq!(numbers(&outbox), [expected, &[9]].concat(), "cut at {cut}");
        }
    }

    #[test]
    fn another_file_is_not_overwritten() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("outbox");
        for text in
            ["letter to Elias\n", "switchboard outbox 2\n", "letter", "switchboard outbox 1\nSAY 1 #lab a\u{7}b\n"]
        {
            std::fs::write(&path, text).expect("room on the disk");
            OutboxFile::open(&path).expect_err(text);
            assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
        }
    }

    #[test]
    fn one_process_uses_a_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("outbox");
        let first = OutboxFile::open(&path).expect("a new file");
        assert_eq!(OutboxFile::open(&path).expect_err("it is locked").kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        OutboxFile::open(&path).expect("it is free");
    }

    #[test]
    fn a_file_that_never_becomes_empty_stays_small() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("outbox");
        let mut outbox = OutboxFile::open(&path).expect("a new file");
        let text = "x".repeat(3_000_000);
        for n in 1..=8 {
            outbox.append(vec![(n, message(&text))]).expect("room on the disk");
            if n > 1 {
                outbox.remove(n - 1);
            }
        }
        assert!(outbox.len < 13_000_000, "{}", outbox.len);
        drop(outbox);
        assert_eq!(numbers(&OutboxFile::open(&path).expect("the file exists")), [8]);
    }
}
