//! A row: one message of the file.

use serde::Serialize;

use super::{App, AppProtocol, MessageId};
use crate::time::Timestamp;

/// An owned row.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Row {
    /// The `msg_id`. A row without an id gets its position among the rows, from 1, as its number. If an earlier row has
    /// that number, the row gets the next unused number.
    pub number: MessageId,
    /// Line of the file on which the row starts, from 1.
    pub line: u64,
    /// Application protocol.
    pub protocol: AppProtocol,
    /// Sending app.
    pub source: App,
    /// Receiving app.
    pub destination: App,
    /// Sender's port, if given.
    pub source_port: Option<u16>,
    /// Receiver's port, if given.
    pub destination_port: Option<u16>,
    /// The exact bytes to send.
    pub message: Vec<u8>,
    /// Time of sending.
    pub time: Timestamp,
}

/// A [`Row`] borrowed from the reader until the next row is read.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of `Row`")]
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
    /// Copies the borrowed parts.
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
