//! The CSV row from which a frame was synthesised.

use std::ops::Range;

use serde::Serialize;
use switchboard_protocol::sanitize;

use super::{count, escape};
use crate::rows::Row;

/// Bytes of a message shown as text. The length of the rest is shown as a number.
const TEXT_MAX_BYTES: usize = 2048;

/// A row, and the bytes of its message that a frame carries.
#[derive(Clone, Debug)]
pub struct RowPart {
    /// The row.
    pub row: Row,
    /// Offsets of the carried bytes in the sent message.
    pub bytes: Range<usize>,
}

/// A row to display. All texts are safe to display.
#[derive(Clone, Debug, Serialize)]
pub struct RowView {
    /// The row's `msg_id`.
    pub msg_id: String,
    /// Line of the file on which the row starts.
    pub line: u64,
    /// Application protocol.
    pub protocol: String,
    /// Sending app.
    pub source: String,
    /// Receiving app.
    pub destination: String,
    /// Time in ISO 8601.
    pub time: String,
    /// Start of the message as text.
    pub text: String,
    /// Message bytes not shown in `text`.
    pub text_left_out: usize,
    /// Message length in bytes.
    pub len: usize,
    /// Offsets of the carried bytes in the sent message.
    pub carried: Range<usize>,
}

impl RowView {
    pub(super) fn new(carried: &RowPart) -> Self {
        let RowPart { row, bytes } = carried;
        let safe = |text: &str| sanitize(text).into_owned();
        let (text, text_left_out) = escape::text(&row.message, TEXT_MAX_BYTES);
        Self {
            msg_id: safe(&row.number.to_string()),
            line: row.line,
            protocol: safe(row.protocol.name()),
            source: safe(&row.source.to_string()),
            destination: safe(&row.destination.to_string()),
            time: row.time.iso().to_string(),
            text,
            text_left_out,
            len: row.message.len(),
            carried: bytes.clone(),
        }
    }

    /// The row in one line.
    #[must_use]
    pub fn heading(&self) -> String {
        let Self { msg_id, line, protocol, source, destination, .. } = self;
        format!("Row {msg_id} (line {line}), {protocol}: {source} → {destination}, {}", count(self.len, "byte"))
    }

    /// The message text, with the length of the omitted rest.
    #[must_use]
    pub fn message(&self) -> String {
        match self.text_left_out {
            0 => self.text.clone(),
            n => format!("{} … and {} more", self.text, count(n, "byte")),
        }
    }

    /// A sentence on the carried bytes.
    #[must_use]
    pub fn part(&self) -> String {
        let Range { start, end } = self.carried;
        match (start, end) {
            (0, end) if end == self.len => "this frame carries all of it".into(),
            (0, end) if end > self.len => {
                format!("this frame carries all of it, completed to {}", count(end, "byte"))
            }
            (start, end) => format!("this frame carries bytes {start} to {} of it", end.saturating_sub(1)),
        }
    }
}
