//! The row of a CSV that a frame was made for: what the nesting begins with.

use std::ops::Range;

use serde::Serialize;
use switchboard_protocol::sanitize;

use super::{count, escape};
use crate::rows::Row;

/// What is shown of a message, in bytes: more is told by its length.
const TEXT_MAX_BYTES: usize = 2048;

/// A row, and which bytes of what is sent for it a frame carries.
#[derive(Clone, Debug)]
pub struct RowPart {
    /// The row.
    pub row: Row,
    /// The first byte that the frame carries, and the one after its last.
    pub bytes: Range<usize>,
}

/// A row as it is shown. Every text in it is safe to show.
#[derive(Clone, Debug, Serialize)]
pub struct RowView {
    /// What the row is called.
    pub msg_id: String,
    /// The line of the file on which it starts.
    pub line: u64,
    /// What the two speak.
    pub protocol: String,
    /// Who sends.
    pub source: String,
    /// To whom.
    pub destination: String,
    /// When, as ISO 8601.
    pub time: String,
    /// Its message; the beginning of it, if it is long.
    pub text: String,
    /// Bytes of it that are not in `text`.
    pub text_left_out: usize,
    /// Bytes of its message.
    pub len: usize,
    /// Which bytes of what is sent for it the frame carries.
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

    /// What it is, in one line.
    #[must_use]
    pub fn heading(&self) -> String {
        let Self { msg_id, line, protocol, source, destination, .. } = self;
        format!("Row {msg_id} (line {line}), {protocol}: {source} → {destination}, {}", count(self.len, "byte"))
    }

    /// Its message, and how much of it is left out.
    #[must_use]
    pub fn message(&self) -> String {
        match self.text_left_out {
            0 => self.text.clone(),
            n => format!("{} … and {} more", self.text, count(n, "byte")),
        }
    }

    /// What of it the frame carries.
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
