//! The input side of a session: decodes bytes to lines, and lines to commands.

use switchboard_core::SessionId;
use switchboard_protocol::{Command, Dialect, ForeignProtocol, LineDecoder, ParseError, ReceivedBytes};

/// Decodes and parses the lines of one session.
#[derive(Debug)]
pub(crate) struct Speaker {
    pub(crate) id: SessionId,
    pub(crate) dialect: Dialect,
    decoder: LineDecoder,
}

/// The result of parsing one line.
#[derive(Debug)]
pub(crate) enum ParsedLine<'a> {
    Command(Command<'a>),
    Blank,
    Error(ParseError),
    /// The first bytes of another protocol.
    Foreign(ForeignProtocol),
}

/// Work of a line with a non-ASCII name, in units of an ordinary line. Folding such a name with Unicode tables takes
/// some microseconds.
const FOLDED_NAME_WORK: usize = 64;

/// Work of a `WHO`, in units of an ordinary line. The reply may list many names.
const USER_LIST_WORK: usize = 64;

impl ParsedLine<'_> {
    /// The estimated work of the line, in units of an ordinary line.
    pub(crate) fn work(&self) -> usize {
        let name_to_fold = match self {
            Self::Command(Command::Register { name }) => name.as_str(),
            Self::Command(Command::Connect { to } | Command::Tell { to, .. }) => to,
            Self::Error(ParseError::Name(_)) => return FOLDED_NAME_WORK,
            Self::Command(Command::Who) => return USER_LIST_WORK,
            Self::Command(_) | Self::Blank | Self::Error(_) | Self::Foreign(_) => return 1,
        };
        if name_to_fold.is_ascii() { 1 } else { FOLDED_NAME_WORK }
    }
}

impl Speaker {
    pub(crate) fn new(id: SessionId, dialect: Dialect, line_max_bytes: usize) -> Self {
        Self { id, dialect, decoder: LineDecoder::new(line_max_bytes) }
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
            Err(error) => return Some(ParsedLine::Error(error.into())),
        };
        if !is_registered && let Some(foreign) = ForeignProtocol::from_line(line.as_bytes(), self.dialect) {
            return Some(ParsedLine::Foreign(foreign));
        }
        Some(match self.dialect.parse(line, is_registered, text_max_bytes) {
            Ok(Some(command)) => ParsedLine::Command(command),
            Ok(None) => ParsedLine::Blank,
            Err(error) => ParsedLine::Error(error),
        })
    }
}
