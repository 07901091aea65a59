//! The input side of a session: decodes bytes to lines, and lines to commands.

use switchboard_core::SessionId;
use switchboard_protocol::limits::USERNAME_MAX_CHARS;
use switchboard_protocol::version2::{self, Request, RequestError};
use switchboard_protocol::{Command, Dialect, ForeignProtocol, LineDecoder, ParseError, ReceivedBytes, sanitize};

/// Decodes and parses the lines of one session.
#[derive(Debug)]
pub(crate) struct Speaker {
    pub(crate) id: SessionId,
    pub(crate) dialect: Dialect,
    version: Version,
    decoder: LineDecoder,
}

/// The version of the protocol that a session speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    /// No line has come yet. `HELLO 2` would open version 2.
    Undecided,
    One,
    Two,
}

/// The result of parsing one line.
#[derive(Debug)]
pub(crate) enum ParsedLine<'a> {
    Command(Command<'a>),
    Blank,
    /// The line that opens version 2.
    Hello,
    /// A request of version 2.
    Request(Request<'a>),
    /// A line of version 2 that is not a request.
    RequestError(RequestError<'a>),
    /// A line that is not a command, and its bytes. They are empty if the line was too long.
    Error(ParseError, &'a [u8]),
    /// The first bytes of another protocol.
    Foreign(ForeignProtocol),
}

/// Work of a line with a non-ASCII or a new name, in units of an ordinary line. Folding such a name with Unicode tables
/// takes some microseconds.
const FOLDED_NAME_WORK: usize = 64;

/// Work of a `WHO`, in units of an ordinary line. The reply may list many names.
const USER_LIST_WORK: usize = 64;

/// The estimated work of a request of version 2, in units of an ordinary line.
fn request_work(command: &version2::Command<'_>) -> usize {
    match command {
        version2::Command::Say { .. } | version2::Command::Version1(Command::Msg { .. } | Command::Ping) => 1,
        // The others look up names, or make lists.
        _ => USER_LIST_WORK,
    }
}

impl ParsedLine<'_> {
    /// The estimated work of the line, in units of an ordinary line.
    pub(crate) fn work(&self) -> usize {
        let name_to_fold = match self {
            // An ASCII name, too, may need its look-alikes.
            Self::Command(Command::Register { .. }) | Self::Error(ParseError::Name(_), _) => return FOLDED_NAME_WORK,
            Self::Command(Command::Connect { to } | Command::Tell { to, .. }) => to,
            Self::Command(Command::Who) => return USER_LIST_WORK,
            Self::Request(request) => return request_work(&request.command),
            Self::Hello
            | Self::RequestError(_)
            | Self::Command(_)
            | Self::Blank
            | Self::Error(..)
            | Self::Foreign(_) => return 1,
        };
        if name_to_fold.is_ascii() { 1 } else { FOLDED_NAME_WORK }
    }

    /// The name that the line asks for, or the beginning of a line that is no command. It is safe for a terminal, but
    /// not valid. A line with a colon may be a message, so its text after the colon is replaced by an ellipsis. A line of
    /// version 2 on the wrong port may hold a password, so only its verb is left.
    pub(crate) fn requested_name(&self) -> String {
        let line = match self {
            Self::Command(Command::Register { name }) => name.as_str().into(),
            Self::Error(_, line) => String::from_utf8_lossy(line),
            Self::Command(_)
            | Self::Blank
            | Self::Foreign(_)
            | Self::Hello
            | Self::Request(_)
            | Self::RequestError(_) => return String::new(),
        };
        // White space around a line is no part of it, nor is the CR before its LF.
        let line = line.trim();
        let before_colon = line.find(':').map_or(line, |colon| &line[..=colon]);
        // Tags may come before the verb.
        let verb = before_colon.split_whitespace().find(|word| !word.starts_with('@')).unwrap_or(before_colon);
        let may_hold_secret =
            ["CLAIM", "LOGIN", "PASSWD", "JOIN", "UNLINK"].iter().any(|secret| verb.eq_ignore_ascii_case(secret));
        let shown = if may_hold_secret { verb } else { before_colon };
        let name: String = shown.chars().take(USERNAME_MAX_CHARS).collect();
        let ellipsis = if name.len() < line.len() { "…" } else { "" };
        format!("{}{ellipsis}", sanitize(&name))
    }
}

impl Speaker {
    pub(crate) fn new(id: SessionId, dialect: Dialect, line_max_bytes: usize) -> Self {
        // Only the commands dialect has a second version.
        let version = if dialect == Dialect::Commands { Version::Undecided } else { Version::One };
        Self { id, dialect, version, decoder: LineDecoder::new(line_max_bytes) }
    }

    /// Whether the session speaks version 2.
    pub(crate) fn is_version2(&self) -> bool {
        self.version == Version::Two
    }

    /// Takes and parses the next line of `received`. `None` if no complete line is left.
    pub(crate) fn next<'a, 'read: 'a>(
        &'a mut self,
        received: &mut ReceivedBytes<'read>,
        is_registered: bool,
        text_max_bytes: usize,
    ) -> Option<ParsedLine<'a>> {
        if !is_registered
            && !self.decoder.is_mid_line()
            && let Some(foreign) = received.as_bytes().first().and_then(|&byte| ForeignProtocol::from_first_byte(byte))
        {
            return Some(ParsedLine::Foreign(foreign));
        }
        let line = match self.decoder.next_line(received)? {
            Ok(line) => line,
            Err(error) => {
                if self.version == Version::Undecided {
                    self.version = Version::One;
                }
                return Some(ParsedLine::Error(error.into(), &[]));
            }
        };
        if !is_registered && let Some(foreign) = ForeignProtocol::from_line(line.as_bytes(), self.dialect) {
            return Some(ParsedLine::Foreign(foreign));
        }
        match self.version {
            Version::One => {}
            Version::Two => {
                return Some(match version2::parse(line, text_max_bytes) {
                    Ok(Some(request)) => ParsedLine::Request(request),
                    Ok(None) => ParsedLine::Blank,
                    Err(error) => ParsedLine::RequestError(error),
                });
            }
            Version::Undecided if version2::hello(line).is_some() => {
                self.version = Version::Two;
                return Some(ParsedLine::Hello);
            }
            Version::Undecided => self.version = Version::One,
        }
        let bytes = line.as_bytes();
        Some(match self.dialect.parse(line, is_registered, text_max_bytes) {
            Ok(Some(command)) => ParsedLine::Command(command),
            Ok(None) => ParsedLine::Blank,
            Err(error) => ParsedLine::Error(error, bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_that_folds_a_name_counts_as_much_work() {
        let mut ids = slotmap::SlotMap::with_key();
        let id: SessionId = ids.insert(());
        for (line, work) in [
            ("REGISTER Noy\n", FOLDED_NAME_WORK),
            ("REGISTER a%b\n", FOLDED_NAME_WORK),
            ("CONNECT Elias\n", 1),
            ("CONNECT Élias\n", FOLDED_NAME_WORK),
            ("WHO\n", USER_LIST_WORK),
            ("PING\n", 1),
        ] {
            let mut speaker = Speaker::new(id, Dialect::Commands, 4096);
            let mut received = ReceivedBytes::new(line.as_bytes());
            let parsed = speaker.next(&mut received, true, 3840).expect("a whole line");
            assert_eq!(parsed.work(), work, "{line}");
        }
    }

    #[test]
    fn the_requested_name_has_no_end_of_line_no_text_of_a_message_and_no_secret() {
        let mut ids = slotmap::SlotMap::with_key();
        let id: SessionId = ids.insert(());
        for (line, expected) in [
            ("Noy\r\n", "Noy"),
            ("two words\r\n", "two words"),
            (" \u{1b}[2J \n", r"\u{1b}[2J"),
            ("User1: hi\r\n", "User1:…"),
            ("User1:\r\n", "User1:"),
            ("LOGIN Noy desk password x\r\n", "LOGIN…"),
            ("claim password x\r\n", "claim…"),
            ("Login\r\n", "Login"),
            ("JOIN #lab w0rd\r\n", "JOIN…"),
            ("@n=1 PASSWD password x\r\n", "PASSWD…"),
        ] {
            let mut speaker = Speaker::new(id, Dialect::Line, 4096);
            let mut received = ReceivedBytes::new(line.as_bytes());
            let parsed = speaker.next(&mut received, false, 3840).expect("a whole line");
            assert_eq!(parsed.requested_name(), expected, "{line:?}");
        }
    }
}
