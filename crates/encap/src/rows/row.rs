//! One message: who said what to whom, and when.

use serde::Serialize;

use super::{App, AppProtocol, MessageId};
use crate::time::Timestamp;

/// One message, of its own.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Row {
    /// What the row is called; its place among the rows, from 1, where nothing is written, or the next number that no row
    /// before it has.
    pub number: MessageId,
    /// The line of the file on which it starts, from 1.
    pub line: u64,
    /// What the two speak.
    pub protocol: AppProtocol,
    /// Who sends.
    pub source: App,
    /// To whom.
    pub destination: App,
    /// From which port, if the file says.
    pub source_port: Option<u16>,
    /// To which port, if the file says.
    pub destination_port: Option<u16>,
    /// What is sent, to the byte.
    pub message: Vec<u8>,
    /// When.
    pub time: Timestamp,
}

/// A [`Row`] where it was read to, until the next one is.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "as in a row")]
pub struct RowRef<'a> {
    pub number: &'a MessageId,
    pub line: u64,
    pub protocol: &'a AppProtocol,
    pub source: &'a App,
    pub destination: &'a App,
    pub source_port: Option<u16>,
    pub destination_port: Option<u16>,
    pub message: &'a [u8],
    pub time: Timestamp,
}

impl RowRef<'_> {
    /// The row, to keep.
    #[must_use]
    pub fn to_row(self) -> Row {
        Row {
            number: self.number.clone(),
            line: self.line,
            protocol: self.protocol.clone(),
            source: self.source.clone(),
            destination: self.destination.clone(),
            source_port: self.source_port,
            destination_port: self.destination_port,
            message: self.message.to_vec(),
            time: self.time,
        }
    }
}

impl<'a> From<&'a Row> for RowRef<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            number: &row.number,
            line: row.line,
            protocol: &row.protocol,
            source: &row.source,
            destination: &row.destination,
            source_port: row.source_port,
            destination_port: row.destination_port,
            message: &row.message,
            time: row.time,
        }
    }
}
