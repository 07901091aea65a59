//! What one session says: its bytes as lines, and its lines as commands.

use switchboard_core::SessionId;
use switchboard_protocol::{Command, Dialect, ForeignProtocol, LineDecoder, ParseError, ReceivedBytes};

/// Turns the bytes of one session into what it asks for.
#[derive(Debug)]
pub(crate) struct Speaker {
    pub(crate) id: SessionId,
    pub(crate) dialect: Dialect,
    decoder: LineDecoder,
}

/// One line, understood or not.
#[derive(Debug)]
pub(crate) enum ParsedLine<'a> {
    Command(Command<'a>),
    /// A blank line.
    Blank,
    Error(ParseError),
    /// The beginning of another protocol.
    Foreign(ForeignProtocol),
}

/// How many ordinary lines of work a name is that has to be folded by the tables of Unicode: some microseconds.
const FOLDED_NAME_WORK: usize = 64;

/// How many a list of everybody is.
const USER_LIST_WORK: usize = 64;

impl ParsedLine<'_> {
    /// How much work this is, in ordinary lines.
    pub(crate) fn work(&self) -> usize {
        let folded = match self {
            Self::Command(Command::Register { name }) => name.as_str(),
            Self::Command(Command::Connect { to } | Command::Tell { to, .. }) => to,
            Self::Error(ParseError::Name(_)) => return FOLDED_NAME_WORK,
            Self::Command(Command::Who) => return USER_LIST_WORK,
            Self::Command(_) | Self::Blank | Self::Error(_) | Self::Foreign(_) => return 1,
        };
        if folded.is_ascii() { 1 } else { FOLDED_NAME_WORK }
    }
}

impl Speaker {
    pub(crate) fn new(id: SessionId, dialect: Dialect, line_max_bytes: usize) -> Self {
        Self { id, dialect, decoder: LineDecoder::new(line_max_bytes) }
    }

    /// Takes the next line off `unread`, or `None` where it holds no whole one.
    pub(crate) fn next<'a, 'read: 'a>(
        &'a mut self,
        unread: &mut ReceivedBytes<'read>,
        registered: bool,
        text_max_bytes: usize,
    ) -> Option<ParsedLine<'a>> {
        if !registered
            && !self.decoder.is_mid_line()
            && let Some(foreign) = unread.as_bytes().first().and_then(|&byte| ForeignProtocol::from_first_byte(byte))
        {
            return Some(ParsedLine::Foreign(foreign));
        }
        let line = match self.decoder.next_line(unread)? {
            Ok(line) => line,
            Err(error) => return Some(ParsedLine::Error(error.into())),
        };
        if !registered && let Some(foreign) = ForeignProtocol::from_line(line.as_bytes(), self.dialect) {
            return Some(ParsedLine::Foreign(foreign));
        }
        Some(match self.dialect.parse(line, registered, text_max_bytes) {
            Ok(Some(command)) => ParsedLine::Command(command),
            Ok(None) => ParsedLine::Blank,
            Err(error) => ParsedLine::Error(error),
        })
    }
}
