//! The CSV row from which a frame was synthesised.

use std::ops::Range;

use serde::Serialize;
use switchboard_protocol::sanitize;

use super::{count, escape};
use crate::rows::Row;

/// Maximum bytes of a message shown as text. The others are counted.
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
pub(crate) struct RowView {
    /// The row's `msg_id`.
    pub(crate) msg_id: String,
    /// Line of the file on which the row starts.
    pub(crate) line: u64,
    pub(crate) protocol: String,
    pub(crate) source: String,
    pub(crate) destination: String,
    /// Time in ISO 8601.
    pub(crate) time: String,
    /// Start of the message as text.
    pub(crate) text: String,
    /// Message bytes not shown in `text`.
    pub(crate) text_left_out: usize,
    /// Message length in bytes.
    pub(crate) len: usize,
    /// Offsets of the carried bytes in the sent message.
    pub(crate) carried: Range<usize>,
}

impl RowView {
    pub(super) fn new(part: &RowPart) -> Self {
        let RowPart { row, bytes } = part;
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
    pub(crate) fn heading(&self) -> String {
        let Self { msg_id, line, protocol, source, destination, .. } = self;
        format!("Row {msg_id} (line {line}), {protocol}: {source} → {destination}, {}", count(self.len, "byte"))
    }

    /// The message text, with the number of omitted bytes.
    pub(crate) fn message(&self) -> String {
        match self.text_left_out {
            0 => self.text.clone(),
            n => format!("{} … and {} more", self.text, count(n, "byte")),
        }
    }

    /// A sentence on the carried bytes.
    pub(crate) fn carried_part(&self) -> String {
        let Range { start, end } = self.carried;
        match (start, end) {
            (0, end) if end == self.len => "this frame carries the whole message".into(),
            (0, end) if end > self.len => {
                format!(
                    "this frame carries the whole message and what its protocol requires, {} together",
                    count(end, "byte")
                )
            }
            (start, end) => format!("this frame carries bytes {start} to {} of the message", end.saturating_sub(1)),
        }
    }
}
