//! Reads rows, which are the messages of a CSV file, and reports the faults of the file.
//!
//! ```text
//! bytes ─▶ record (RFC 4180) ─▶ columns by the header ─▶ Row ─▶ check against the rows before ─▶ caller
//!               │                       │                 │                  │
//!               └───────────────────────┴── RowFault ──────┴──────────────────┘
//! ```
//!
//! The reader refuses a row with an error, reports all errors of the row, and continues with the next row. It accepts a
//! row that has only warnings and notes; [`RowReader::take_remarks`] returns them.
//!
//! The crate has its own CSV parser, for three reasons: it bounds the length of a record, a fault has a character
//! position, and a wrongly closed quote is reported, not repaired. The tests compare it with the csv crate.

mod app;
mod app_protocol;
mod check;
mod column;
mod escape;
mod fault;
mod ids;
mod record;
mod row;
mod start_line;

use std::borrow::Cow;
use std::io::{self, Read};

pub use self::app::{App, AppError};
pub use self::app_protocol::{AppProtocol, Transport};
use self::check::{AppIndex, IndexedRow, RowChecker};
pub use self::column::Column;
use self::column::Columns;
pub use self::fault::{Excerpt, RowFault, RowFaultKind, RowPlace};
use self::ids::ID_MAX_BYTES;
pub use self::ids::MessageId;
use self::record::{CsvRecord, CsvRecords, NextRecord};
pub use self::row::{Row, RowRef};
pub(crate) use self::start_line::{StartLine, first_line};
use crate::diagnostic::Severity;
use crate::time::Timestamp;

/// Maximum length of a protocol name, in bytes.
pub(crate) const PROTOCOL_MAX_BYTES: usize = 32;

/// Settings for reading a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowOptions {
    /// Whether to decode `\r`, `\n`, `\t`, `\0`, `\\`, `\"` and `\xHH` in messages.
    pub escapes: bool,
}

/// Why a row could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// Reading the input failed. No rows follow.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The header or a row was refused. Without a header, no rows follow. At least one of the faults is an error.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Refused(Vec<RowFault>),
}

/// A streaming reader of rows.
///
/// ```
/// use switchboard_encap::rows::{RowOptions, RowReader};
///
/// let csv = "protocol,src,dst,message,time\nCHAT,Noy,Elias,hi,0.010\n";
/// for row in RowReader::new(csv.as_bytes(), RowOptions::default()) {
///     assert_eq!(row?.message, b"hi");
/// }
/// # Ok::<(), switchboard_encap::rows::RowError>(())
/// ```
#[derive(Debug)]
pub struct RowReader<R> {
    records: CsvRecords<R>,
    options: RowOptions,
    state: ReaderState,
    /// Number of records after the header, without blank ones.
    n_records: u64,
    checker: RowChecker,
    /// Warnings and notes that the caller has not taken yet.
    remarks: Vec<RowFault>,
    buffers: RowBuffers,
}

#[derive(Debug)]
enum ReaderState {
    Header,
    Rows(Columns),
    Ended,
}

impl<R: Read> RowReader<R> {
    /// A reader of `input`. The reader has a buffer, so `input` needs none.
    pub fn new(input: R, options: RowOptions) -> Self {
        Self {
            records: CsvRecords::new(input),
            options,
            state: ReaderState::Header,
            n_records: 0,
            checker: RowChecker::default(),
            remarks: Vec::new(),
            buffers: RowBuffers::default(),
        }
    }

    /// Takes the warnings and notes found since the last call. They concern the header or accepted rows.
    pub fn take_remarks(&mut self) -> Vec<RowFault> {
        std::mem::take(&mut self.remarks)
    }

    /// Number of distinct apps so far.
    pub fn n_apps(&self) -> usize {
        self.checker.n_apps()
    }

    /// Number of pairs of apps that exchanged messages so far.
    pub fn n_pairs(&self) -> usize {
        self.checker.n_pairs()
    }

    /// Reads the next row without copying it; `None` after the last row. [`Iterator::next`] returns owned rows.
    ///
    /// # Errors
    ///
    /// If the input fails, or if the header or the row is refused. After a refused row, reading can continue.
    pub fn next_row(&mut self) -> Result<Option<RowRef<'_>>, RowError> {
        if let ReaderState::Header = self.state {
            // If reading the header fails, no rows can follow.
            self.state = ReaderState::Ended;
            self.state = ReaderState::Rows(self.read_header()?);
        }
        let ReaderState::Rows(columns) = &self.state else { return Ok(None) };
        loop {
            let next_record = match self.records.advance() {
                Ok(next_record) => next_record,
                Err(error) => {
                    self.state = ReaderState::Ended;
                    return Err(error.into());
                }
            };
            match next_record {
                NextRecord::End => {
                    self.state = ReaderState::Ended;
                    if self.n_records == 0 {
                        self.remarks.push(RowFault::new(RowPlace::line(self.records.line()), RowFaultKind::NoRows));
                    }
                    return Ok(None);
                }
                NextRecord::Whole if self.records.is_blank() => {}
                NextRecord::Whole => break,
                NextRecord::Broken(fault) => {
                    self.n_records += 1;
                    return Err(RowError::Refused(vec![fault]));
                }
            }
        }
        self.n_records += 1;
        let record = self.records.record().map_err(|fault| RowError::Refused(vec![fault]))?;
        let parser = RowParser { record, columns, options: self.options, faults: Vec::new() };
        let Self { n_records, checker, remarks, buffers, .. } = self;
        parser.parse(*n_records, buffers, checker, remarks).map(Some)
    }

    /// Reads the header, which is the first record that is not blank.
    fn read_header(&mut self) -> Result<Columns, RowError> {
        let refused = |fault| RowError::Refused(vec![fault]);
        self.records.open(column::detect_delimiter)?.map_err(refused)?;
        loop {
            match self.records.advance()? {
                NextRecord::End => return Err(refused(RowFault::new(RowPlace::line(1), RowFaultKind::EmptyFile))),
                NextRecord::Broken(fault) => return Err(refused(fault)),
                NextRecord::Whole => {}
            }
            if self.records.is_blank() {
                continue;
            }
            let header = self.records.record().map_err(refused)?;
            if header.raw.trim_end().contains('\r') {
                return Err(refused(RowFault::new(RowPlace::line(header.line), RowFaultKind::BareReturns)));
            }
            let mut faults = Vec::new();
            let columns = Columns::read(&header, &mut faults);
            if faults.iter().any(|fault| fault.severity() == Severity::Error) {
                return Err(RowError::Refused(faults));
            }
            self.remarks.append(&mut faults);
            return Ok(columns);
        }
    }
}

impl<R: Read> Iterator for RowReader<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_row().map(|row| row.map(RowRef::to_row)).transpose()
    }
}

/// The parts of a row that cannot borrow from its record. Each row reuses these buffers.
#[derive(Debug)]
struct RowBuffers {
    number: MessageId,
    protocol: AppProtocol,
    /// The message, if it differs from the field's text in the file.
    message: Vec<u8>,
}

impl Default for RowBuffers {
    fn default() -> Self {
        Self { number: MessageId::Number(0), protocol: AppProtocol::Chat, message: Vec::new() }
    }
}

/// Parses one record as a row.
struct RowParser<'a, 'c> {
    record: CsvRecord<'a>,
    columns: &'c Columns,
    options: RowOptions,
    faults: Vec<RowFault>,
}

impl<'a> RowParser<'a, '_> {
    /// Parses the record, and checks the row against earlier rows. `position` is the number of the record, from 1.
    fn parse(
        mut self,
        position: u64,
        buffers: &'a mut RowBuffers,
        checker: &'a mut RowChecker,
        remarks: &mut Vec<RowFault>,
    ) -> Result<RowRef<'a>, RowError> {
        let (found, expected) = (self.record.len(), self.columns.len);
        if let Some(field) = self.columns.nameless_text(&self.record) {
            let kind = if field < expected {
                RowFaultKind::NamelessText
            } else {
                RowFaultKind::FieldCount { found, expected }
            };
            return Err(RowError::Refused(vec![self.record.fault(field.min(expected), None, kind)]));
        }
        // Extra empty fields are harmless. But if a field is missing, the reader cannot know which field.
        if found < expected {
            return Err(RowError::Refused(vec![self.record.fault(
                0,
                None,
                RowFaultKind::FieldCount { found, expected },
            )]));
        }
        buffers.number = self.parse_id(position, checker);
        self.parse_protocol(&mut buffers.protocol);
        let source = self.parse_app(Column::SrcApp, checker);
        let destination = self.parse_app(Column::DstApp, checker);
        let source_port = self.parse_port(Column::SrcPort);
        let destination_port = self.parse_port(Column::DstPort);
        let message = self.parse_message(&mut buffers.message);
        let time = self.parse_time();
        let (true, Some(source), Some(destination), Some(message), Some(time)) =
            (self.faults.is_empty(), source, destination, message, time)
        else {
            return Err(RowError::Refused(self.faults));
        };
        let row = IndexedRow {
            number: &buffers.number,
            line: self.record.line,
            protocol: &buffers.protocol,
            source,
            destination,
            source_port,
            destination_port,
            message,
            time,
        };
        if memchr::memchr(b'"', self.record.raw.as_bytes()).is_some() {
            for column in Column::ALL {
                if self.is_spaced_quote(column) {
                    self.push_fault(column, RowFaultKind::SpacedQuote);
                }
            }
        }
        let text = self.value(Column::Timestamp);
        // Check only the first row: all rows use one format, and a count of seconds may reach 2026 in a later row.
        if checker.is_before_first_row()
            && let Some(looks) = crate::time::lookalike(&text)
        {
            self.push_fault(Column::Timestamp, RowFaultKind::LooksLike { found: Excerpt::new(text.trim()), looks });
        }
        checker.check(&row, &mut |column, kind| self.push_fault(column, kind));
        if self.faults.iter().any(|fault| fault.severity() == Severity::Error) {
            return Err(RowError::Refused(self.faults));
        }
        remarks.append(&mut self.faults);
        Ok(row.into_row_ref(checker))
    }

    /// The text of a column; empty if the file lacks the column.
    fn value(&self, column: Column) -> Cow<'a, str> {
        self.columns.index(column).map_or_else(Default::default, |field| self.record.value(field))
    }

    /// Adds a fault at the field of a column.
    fn push_fault(&mut self, column: Column, kind: RowFaultKind) {
        let field = self.columns.index(column).unwrap_or(0);
        self.faults.push(self.record.fault(field, Some(column), kind));
    }

    /// The id of the row. Without an id in the file, the first unused number from `position` on.
    fn parse_id(&mut self, position: u64, checker: &RowChecker) -> MessageId {
        let text = self.value(Column::MsgId);
        let text = trim(&text);
        let is_too_long = text.len() > ID_MAX_BYTES;
        if is_too_long {
            self.push_fault(Column::MsgId, RowFaultKind::TooLong { max_bytes: ID_MAX_BYTES });
        }
        if text.is_empty() || is_too_long {
            MessageId::Number(checker.unused_id(position))
        } else {
            MessageId::from(text)
        }
    }

    /// Parses the protocol into `protocol`, which holds the protocol of the previous row. Fast path: both are the same.
    fn parse_protocol(&mut self, protocol: &mut AppProtocol) {
        let text = self.value(Column::AppProtocol);
        let fault = match trim(&text) {
            "" => RowFaultKind::Empty,
            text if text.len() > PROTOCOL_MAX_BYTES => RowFaultKind::TooLong { max_bytes: PROTOCOL_MAX_BYTES },
            text => {
                if text != protocol.name() {
                    *protocol = AppProtocol::from(text);
                }
                return;
            }
        };
        self.push_fault(Column::AppProtocol, fault);
    }

    fn parse_app(&mut self, column: Column, checker: &mut RowChecker) -> Option<AppIndex> {
        let text = self.value(column);
        let app = match trim(&text) {
            "" => Err(RowFaultKind::Empty),
            text => checker.intern_app(text),
        };
        app.map_err(|fault| self.push_fault(column, fault)).ok()
    }

    fn parse_port(&mut self, column: Column) -> Option<u16> {
        let text = self.record.value(self.columns.index(column)?);
        let text = trim(&text);
        if text.is_empty() {
            return None;
        }
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let fault = match text.parse() {
            Ok(0) => RowFaultKind::PortZero,
            Ok(port) if is_number => return Some(port),
            _ => RowFaultKind::Port { found: Excerpt::new(text) },
        };
        self.push_fault(column, fault);
        None
    }

    /// The message. `buffer` holds its bytes if they differ from the text in the file.
    fn parse_message(&mut self, buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let text = match self.value(Column::Message) {
            Cow::Borrowed(text) if !self.options.escapes => return Some(text.as_bytes()),
            text => text,
        };
        *buffer = match escape::unescape(&text) {
            _ if !self.options.escapes => text.into_owned().into_bytes(),
            Ok(bytes) => bytes,
            Err(at) => {
                let found = Excerpt::new(&text[at..].chars().take(2).collect::<String>());
                self.push_fault(Column::Message, RowFaultKind::Escape { found });
                return None;
            }
        };
        Some(buffer)
    }

    fn parse_time(&mut self) -> Option<Timestamp> {
        let text = self.value(Column::Timestamp);
        let fault = match text.parse() {
            Ok(time) => return Some(time),
            Err(_) if text.trim().is_empty() => RowFaultKind::Empty,
            Err(error) => RowFaultKind::Time { found: Excerpt::new(text.trim()), error },
        };
        self.push_fault(Column::Timestamp, fault);
        None
    }

    /// Whether a field begins with white space before a quote. The author probably meant to quote the field.
    fn is_spaced_quote(&self, column: Column) -> bool {
        self.columns.index(column).is_some_and(|field| {
            let text = self.record.value(field);
            // Fast path: most messages begin with a printable character.
            let is_plain = matches!(text.as_bytes(), [b'!'..=b'~', ..]);
            !is_plain && !self.record.is_quoted(field) && text.trim_start().starts_with('"')
        })
    }
}

/// `text` without surrounding white space. Fast path: most texts begin and end with a printable character.
fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests;
