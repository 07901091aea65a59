//! What is wrong with a file of rows, where, and how to mend it.

use std::fmt;

use serde::{Serialize, Serializer};
use switchboard_protocol::sanitize;

use super::app::{App, AppError};
use super::column::Column;
use crate::diagnostic::{Diagnostic, Kind, Severity};
use crate::time::{Lookalike, TimeError, Timestamp};

/// A fault of a file of rows.
pub type RowFault = Diagnostic<RowFaultKind>;

impl RowFault {
    /// The column, the problem and its remedy, without the line.
    #[must_use]
    pub fn message(&self) -> impl fmt::Display {
        fmt::from_fn(|f| match self.place.column {
            Some(column) => write!(f, "{column}: {}", self.text()),
            None => write!(f, "{}", self.text()),
        })
    }
}

/// A place in a file of rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct RowPlace {
    /// The line in the file, from 1.
    pub line: u64,
    /// The character in that line, from 1. `None` if the fault is the line's as a whole.
    pub character: Option<u64>,
    /// The column of the fault, if it is one field's.
    pub column: Option<Column>,
}

impl RowPlace {
    /// A line as a whole.
    pub(super) fn line(line: u64) -> Self {
        Self { line, character: None, column: None }
    }
}

/// `line 4, timestamp`
impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ", {column}"))
    }
}

/// A short piece of the file, safe to show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Excerpt(String);

impl Excerpt {
    /// The most characters that are shown.
    const MAX_CHARS: usize = 60;

    pub(super) fn new(text: &str) -> Self {
        match text.char_indices().nth(Self::MAX_CHARS) {
            None => Self(sanitize(text).into_owned()),
            Some((end, _)) => Self(format!("{}…", sanitize(&text[..end]))),
        }
    }

    pub(super) fn of_app(app: &App) -> Self {
        Self::new(&app.to_string())
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0)
    }
}

impl Serialize for Excerpt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// What can be wrong. Each says how to mend it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the values of the sentences above them")]
pub enum RowFaultKind {
    // The file.
    /// No row, no header.
    #[error("the file is empty: write a header (msg_id,app_protocol,src_app,dst_app,message,timestamp) and rows")]
    EmptyFile,
    /// A header, and nothing after it.
    #[error("there are no rows after the header: add some")]
    NoRows,
    /// Lines that end in CR alone.
    #[error("lines end in a bare carriage return: save the file with line ends of LF or CRLF")]
    BareReturns,
    /// UTF-16, by its byte order mark or its zeros.
    #[error("the file is UTF-16: save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")")]
    Utf16,
    /// A byte that is not UTF-8.
    #[error("byte 0x{byte:02x} is not UTF-8: save the file as UTF-8")]
    NotUtf8 { byte: u8 },

    // The header.
    /// Not one column is known.
    #[error("{found} is no header: start with msg_id,app_protocol,src_app,dst_app,message,timestamp")]
    NoHeader { found: Excerpt },
    /// A column that rows need.
    #[error("there is no column {missing}: add it (it may be called {})", missing.names().join(", "))]
    MissingColumn { missing: Column },
    /// Two columns of one meaning.
    #[error("this column is there already: remove one of the two")]
    ColumnTwice,
    /// What spreadsheets put before a header, for themselves.
    #[error("the line 'sep=…' is for a spreadsheet alone: delete it, the delimiter is found without")]
    DelimiterLine,
    /// A column that nothing reads.
    #[error("column {found} is not read: remove it, or give it a name that is known")]
    UnknownColumn { found: Excerpt },

    // The record.
    /// A quote without its end.
    #[error("this quote is never closed: close it, and write a quote inside quotes twice (\"\")")]
    UnclosedQuote,
    /// Text between a closing quote and the next delimiter.
    #[error(
        "text follows the closing quote of this field: quote all of it, and write a quote inside quotes twice (\"\")"
    )]
    StrayQuote,
    /// More than is read at once.
    #[error("this record is longer than {max_bytes} bytes: split its message, or close its quote")]
    RecordTooLong { max_bytes: usize },
    /// Not as many fields as the header has.
    #[error("{found} fields where the header has {expected}: {}", if found > expected {
        "put a message that holds the delimiter in quotes"
    } else {
        "write every field, empty ones too"
    })]
    FieldCount { found: usize, expected: usize },

    /// Text in a field that the header has no name for.
    #[error("text stands in a column without a name: quote a message that holds commas, or name the column")]
    NamelessText,

    // A field.
    /// Nothing where something must be.
    #[error("is empty: fill it in")]
    Empty,
    /// Longer than such a field may be.
    #[error("is longer than {max_bytes} bytes: shorten it")]
    TooLong { max_bytes: usize },
    /// A time that is none.
    #[error("{found} {error}")]
    Time { found: Excerpt, error: TimeError },
    /// A port that is none.
    #[error("{found} is no port: write a number from 1 to 65535, or leave it empty")]
    Port { found: Excerpt },
    /// Port 0.
    #[error("port 0 is reserved and carries nothing: write a number from 1 to 65535, or leave it empty")]
    PortZero,
    /// An app that is none.
    #[error("{found} {error}")]
    App { found: Excerpt, error: AppError },
    /// A sender that only listens.
    #[error("{found} is the address of a group or of all: a sender needs one of its own")]
    SenderIsGroup { found: Excerpt },
    /// A backslash and what no escape is.
    #[error("{found} is no escape: write \\r \\n \\t \\0 \\\" \\xHH, and a backslash itself as \\\\")]
    Escape { found: Excerpt },
    /// White space before a quote.
    #[error("white space before the quote makes it part of the text: remove the white space")]
    SpacedQuote,
    /// A number that is most likely another kind of time.
    #[error("{found} is read as seconds, and looks like {}", looks)]
    LooksLike { found: Excerpt, looks: Lookalike },
    /// A message without text.
    #[error("is empty: TCP sends nothing for it, UDP an empty datagram; remove the row, or give it a message")]
    EmptyMessage,
    /// A message over 1 MiB.
    #[error("has {bytes} bytes: it takes thousands of segments")]
    LargeMessage { bytes: usize },

    // Rows together.
    /// An app and itself.
    #[error("{app} sends to itself: no packet leaves a host for that; name another app")]
    SelfTalk { app: Excerpt },
    /// IPv4 at one end, IPv6 at the other.
    #[error("{app} is on IPv{version} and {peer} on IPv{}: one packet has one version; write both in the same", 10 - version)]
    MixedVersions { app: Excerpt, version: u8, peer: Excerpt },
    /// More apps than are told apart.
    #[error("there are more than {max} apps: split the file")]
    TooManyApps { max: usize },
    /// More pairs than are told apart.
    #[error("there are more than {max} pairs of apps: split the file")]
    TooManyPairs { max: usize },
    /// Earlier than the row before.
    #[error("is earlier than the row before it ({previous} on line {previous_line}): sort the rows by time")]
    TimeBackwards {
        #[serde(rename = "previous_nanos")]
        previous: Timestamp,
        previous_line: u64,
    },
    /// A response without a request.
    #[error("is a response, and {from} was not asked before: put the request first")]
    EarlyResponse { from: Excerpt },
    /// An id again.
    #[error("{id} was used before: give each row its own")]
    DuplicateId { id: Excerpt },
    /// Ids are no longer remembered.
    #[error("more than {max} ids are not in a row: from here on, an id used twice is not noticed")]
    IdsForgotten { max: usize },
    /// The same ports, the wrong way round.
    #[error("ports {source_port} and {destination_port} are the wrong way round against line {first_line}: swap them")]
    PortsReversed { source_port: u16, destination_port: u16, first_line: u64 },
    /// Other ports at both ends.
    #[error(
        "neither {source_port} nor {destination_port} is a port of this pair on line {first_line}: \
         keep the server's port, or check both"
    )]
    PortsContradict { source_port: u16, destination_port: u16, first_line: u64 },
    /// No ports, and several connections to choose from.
    #[error("this pair has several connections (line {first_line} and after) and the row no ports: write them")]
    PortsMissing { first_line: u64 },
}

impl Kind for RowFaultKind {
    type Place = RowPlace;

    fn severity(&self) -> Severity {
        match self {
            Self::EmptyFile
            | Self::BareReturns
            | Self::Utf16
            | Self::NotUtf8 { .. }
            | Self::NoHeader { .. }
            | Self::MissingColumn { .. }
            | Self::DelimiterLine
            | Self::ColumnTwice
            | Self::UnclosedQuote
            | Self::StrayQuote
            | Self::RecordTooLong { .. }
            | Self::FieldCount { .. }
            | Self::NamelessText
            | Self::Empty
            | Self::TooLong { .. }
            | Self::Time { .. }
            | Self::Port { .. }
            | Self::PortZero
            | Self::App { .. }
            | Self::SenderIsGroup { .. }
            | Self::Escape { .. }
            | Self::SelfTalk { .. }
            | Self::MixedVersions { .. }
            | Self::TooManyApps { .. }
            | Self::TooManyPairs { .. } => Severity::Error,
            Self::NoRows
            | Self::UnknownColumn { .. }
            | Self::SpacedQuote
            | Self::LooksLike { .. }
            | Self::EmptyMessage
            | Self::TimeBackwards { .. }
            | Self::EarlyResponse { .. }
            | Self::DuplicateId { .. }
            | Self::PortsReversed { .. }
            | Self::PortsContradict { .. }
            | Self::PortsMissing { .. } => Severity::Warning,
            Self::LargeMessage { .. } | Self::IdsForgotten { .. } => Severity::Note,
        }
    }
}
