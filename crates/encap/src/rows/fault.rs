//! Faults of a file of rows, each with its place, the problem and a remedy.

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
    /// The character in the line, from 1; `None` if the fault concerns the whole line.
    pub character: Option<u64>,
    /// The column, if the fault concerns a field.
    pub column: Option<Column>,
}

impl RowPlace {
    /// A whole line.
    pub(super) fn line(line: u64) -> Self {
        Self { line, character: None, column: None }
    }
}

/// For example `line 4, timestamp`.
impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ", {column}"))
    }
}

/// The start of a text from the file, at most 60 characters, sanitized for display. `Display` adds single quotes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Excerpt(String);

impl Excerpt {
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

/// The problems of a file of rows. Each text ends with a remedy where there is one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the texts document the variants and their fields")]
pub enum RowFaultKind {
    // The file
    #[error("the file is empty: write a header (msg_id,app_protocol,src_app,dst_app,message,timestamp) and rows")]
    EmptyFile,
    #[error("there are no rows after the header: add some")]
    NoRows,
    #[error("lines end in a bare carriage return: save the file with line ends of LF or CRLF")]
    BareReturns,
    /// A byte order mark of UTF-16, or a zero byte at the start.
    #[error("the file is UTF-16: save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")")]
    Utf16,
    #[error("byte 0x{byte:02x} is not UTF-8: save the file as UTF-8")]
    NotUtf8 { byte: u8 },

    // The header
    /// No field of the first line is a known column name.
    #[error("{found} is not a header: start with msg_id,app_protocol,src_app,dst_app,message,timestamp")]
    NoHeader { found: Excerpt },
    #[error("there is no column {missing}: add it (it may be called {})", missing.names().join(", "))]
    MissingColumn { missing: Column },
    #[error("this column appears twice: remove one of the two")]
    ColumnTwice,
    #[error("the line 'sep=…' is for spreadsheets only: delete it, the delimiter is detected")]
    DelimiterLine,
    #[error("column {found} is ignored: remove it, or give it a known name")]
    UnknownColumn { found: Excerpt },

    // The record
    #[error("this quote is never closed: close it, and write a quote inside quotes twice (\"\")")]
    UnclosedQuote,
    #[error(
        "text follows the closing quote of this field: quote all of it, and write a quote inside quotes twice (\"\")"
    )]
    StrayQuote,
    #[error("this record is longer than {max_bytes} bytes: split its message, or close its quote")]
    RecordTooLong { max_bytes: usize },
    #[error("{found} fields where the header has {expected}: {}", if found > expected {
        "quote a message that contains the delimiter"
    } else {
        "write every field, even an empty one"
    })]
    FieldCount { found: usize, expected: usize },

    #[error("this column has text but no name: quote a message that contains commas, or name the column")]
    NamelessText,

    // A field
    #[error("is empty: fill it in")]
    Empty,
    #[error("is longer than {max_bytes} bytes: shorten it")]
    TooLong { max_bytes: usize },
    #[error("{found} {error}")]
    Time { found: Excerpt, error: TimeError },
    #[error("{found} is not a port: write a number from 1 to 65535, or leave it empty")]
    Port { found: Excerpt },
    #[error("port 0 is reserved: write a number from 1 to 65535, or leave it empty")]
    PortZero,
    #[error("{found} {error}")]
    App { found: Excerpt, error: AppError },
    #[error("{found} is a multicast or broadcast address: a sender needs a unicast address")]
    SenderIsGroup { found: Excerpt },
    #[error("{found} is not an escape: write \\r \\n \\t \\0 \\\" \\xHH, and a backslash itself as \\\\")]
    Escape { found: Excerpt },
    #[error("white space before the quote makes it part of the text: remove the white space")]
    SpacedQuote,
    /// A number that is probably not in seconds.
    #[error("{found} is read as seconds, but looks like {}", looks)]
    LooksLike { found: Excerpt, looks: Lookalike },
    #[error("is empty: TCP sends nothing for it, UDP an empty datagram; remove the row, or give it a message")]
    EmptyMessage,
    /// More than 1 MiB.
    #[error("has {bytes} bytes: it takes thousands of segments")]
    LargeMessage { bytes: usize },

    // Several rows
    #[error("{app} sends to itself, which needs no packet: name another app")]
    SelfTalk { app: Excerpt },
    #[error(
        "{app} is on IPv{version} and {peer} on IPv{}: a packet has one version; use the same for both",
        10 - version
    )]
    MixedVersions { app: Excerpt, version: u8, peer: Excerpt },
    #[error("there are more than {max} apps: split the file")]
    TooManyApps { max: usize },
    #[error("there are more than {max} pairs of apps: split the file")]
    TooManyPairs { max: usize },
    #[error("is earlier than the row before it ({previous} on line {previous_line}): sort the rows by time")]
    TimeBackwards {
        #[serde(rename = "previous_nanos")]
        previous: Timestamp,
        previous_line: u64,
    },
    #[error("is a response, but {from} got no request before: put the request first")]
    EarlyResponse { from: Excerpt },
    #[error("{id} was used before: give each row its own id")]
    DuplicateId { id: Excerpt },
    #[error(
        "more than {max} ids do not follow the id before them, too many to remember: from here on, \
         duplicate ids are not detected"
    )]
    IdsForgotten { max: usize },
    #[error("ports {source_port} and {destination_port} are reversed compared with line {first_line}: swap them")]
    PortsReversed { source_port: u16, destination_port: u16, first_line: u64 },
    #[error(
        "line {first_line} gives this pair other ports than {source_port} and {destination_port}: \
         use the same server port as on that line, or check both"
    )]
    PortsContradict { source_port: u16, destination_port: u16, first_line: u64 },
    #[error("this pair has several connections (line {first_line} and after): give the ports of this row")]
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
