//! Splits input into CSV records (RFC 4180).
//!
//! A record ends at a line end outside quotes. The buffer holds a whole record before it is parsed. So fields can be
//! borrowed from the buffer, and faults have a character position. An incomplete record is scanned again after each
//! read. Each read at least doubles the buffered bytes, so the total cost stays linear.
//!
//! After an unclosed quote, the rest of the file would be one field. So a malformed record consumes only its first
//! line, and parsing continues with the next line.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2, memchr3_iter};

use super::column::Column;
use super::fault::{RowFault, RowFaultKind, RowPlace};

/// Maximum length of a record, in bytes: many times a message of 1 MiB, and far below available memory.
pub(crate) const RECORD_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Minimum size of one read, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A parser of CSV records.
#[derive(Debug)]
pub(super) struct CsvRecords<R> {
    input: R,
    buffer: Vec<u8>,
    /// Start of the current record in the buffer.
    start: usize,
    /// Whether the input is at its end.
    has_ended: bool,
    delimiter: u8,
    /// First line of the current record.
    line: u64,
    /// Length of the current record with its line end, in bytes.
    len: usize,
    /// Number of line ends in the current record.
    n_line_ends: u64,
    fields: Vec<FieldSpan>,
}

/// Position of a field in its record.
#[derive(Clone, Debug)]
struct FieldSpan {
    /// Its text, without enclosing quotes.
    text: Range<usize>,
    is_quoted: bool,
    /// Whether it contains `""`, which stands for one quote.
    has_doubled_quotes: bool,
}

impl FieldSpan {
    /// An unquoted field with `text` at the offset `start` of its record.
    #[inline]
    fn plain(start: usize, text: &[u8]) -> Self {
        Self { text: start..start + text.len(), is_quoted: false, has_doubled_quotes: false }
    }
}

/// Result of [`CsvRecords::advance`].
#[derive(Debug)]
pub(super) enum NextRecord {
    Whole,
    Broken(RowFault),
    End,
}

impl<R: Read> CsvRecords<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            has_ended: false,
            delimiter: b',',
            line: 1,
            len: 0,
            n_line_ends: 0,
            fields: Vec::new(),
        }
    }

    /// Skips the byte order mark, and passes the first non-blank line to `detect_delimiter`. Returns a fault if the
    /// file is UTF-16.
    pub(super) fn open(&mut self, detect_delimiter: impl Fn(&str) -> u8) -> io::Result<Result<(), RowFault>> {
        while self.buffer.len() < 3 && !self.has_ended {
            self.fill()?;
        }
        if self.buffer.starts_with(b"\xff\xfe") || self.buffer.starts_with(b"\xfe\xff") {
            return Ok(Err(RowFault::new(RowPlace::line(1), RowFaultKind::Utf16)));
        }
        if self.buffer.starts_with("\u{feff}".as_bytes()) {
            self.start = 3;
        }
        // UTF-16 without a byte order mark: every second byte of ASCII text is zero.
        if self.buffer.iter().take(2).any(|byte| *byte == 0) {
            return Ok(Err(RowFault::new(RowPlace::line(1), RowFaultKind::Utf16)));
        }
        loop {
            let unparsed = self.buffer.get(self.start..).unwrap_or_default();
            let n_blank = unparsed.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let line = &unparsed[n_blank..];
            let end = memchr(b'\n', line);
            if end.is_some() || self.has_ended || unparsed.len() >= RECORD_MAX_BYTES {
                self.delimiter = detect_delimiter(&String::from_utf8_lossy(&line[..end.unwrap_or(line.len())]));
                return Ok(Ok(()));
            }
            self.fill()?;
        }
    }

    /// First line of the current record. At the end of the input, the line after the last record.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Advances to the next record.
    pub(super) fn advance(&mut self) -> io::Result<NextRecord> {
        self.line += self.n_line_ends;
        self.start += self.len;
        (self.len, self.n_line_ends) = (0, 0);
        loop {
            let unparsed = &self.buffer[self.start..];
            if unparsed.is_empty() && self.has_ended {
                return Ok(NextRecord::End);
            }
            let fault = match scan(unparsed, self.has_ended, self.delimiter, &mut self.fields) {
                Scanned::Whole { len, n_line_ends } if len <= RECORD_MAX_BYTES => {
                    (self.len, self.n_line_ends) = (len, n_line_ends);
                    return Ok(NextRecord::Whole);
                }
                Scanned::Malformed { at, kind } => self.fault_at(at, kind),
                Scanned::Incomplete if unparsed.len() < RECORD_MAX_BYTES => {
                    self.fill()?;
                    continue;
                }
                Scanned::Whole { .. } | Scanned::Incomplete => {
                    self.fault_at(0, RowFaultKind::RecordTooLong { max_bytes: RECORD_MAX_BYTES })
                }
            };
            self.skip_line()?;
            return Ok(NextRecord::Broken(fault));
        }
    }

    /// Whether the record is empty: a blank line, or only delimiters, as spreadsheets write them.
    pub(super) fn is_blank(&self) -> bool {
        let raw = &self.buffer[self.start..];
        self.fields.iter().all(|field| match &raw[field.text.clone()] {
            // Fast path: most records begin with a printable character.
            [b'!'..=b'~', ..] => false,
            text => !field.is_quoted && str::from_utf8(text).is_ok_and(|text| text.trim().is_empty()),
        })
    }

    /// The current record, or a fault at its first byte that is not UTF-8.
    pub(super) fn record(&self) -> Result<CsvRecord<'_>, RowFault> {
        let raw = &self.buffer[self.start..self.start + self.len];
        match std::str::from_utf8(raw) {
            Ok(raw) => Ok(CsvRecord { line: self.line, raw, fields: &self.fields }),
            Err(error) => {
                let at = error.valid_up_to();
                Err(self.fault_at(at, RowFaultKind::NotUtf8 { byte: raw[at] }))
            }
        }
    }

    /// A fault at byte `at` of the current record.
    fn fault_at(&self, at: usize, kind: RowFaultKind) -> RowFault {
        let (line, character) = position(self.line, &self.buffer[self.start..][..at]);
        RowFault::new(RowPlace { line, character: Some(character), column: None }, kind)
    }

    /// Skips the rest of the line, of any length.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(end) = memchr(b'\n', &self.buffer[self.start..]) {
                self.start += end + 1;
                self.line += 1;
                return Ok(());
            }
            self.start = self.buffer.len();
            if self.has_ended {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Drops the bytes before the current record, then reads as many bytes as are buffered, or [`CHUNK_BYTES`] if that
    /// is more.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let more = self.buffer.len().max(CHUNK_BYTES);
        let read = self.input.by_ref().take(more as u64).read_to_end(&mut self.buffer)?;
        self.has_ended = read < more;
        Ok(())
    }
}

/// Line and character after the bytes `before`, both from 1, in a record that starts on `line`.
fn position(line: u64, before: &[u8]) -> (u64, u64) {
    let lines = memchr_iter(b'\n', before).count() as u64;
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    (line + lines, String::from_utf8_lossy(&before[line_start..]).chars().count() as u64 + 1)
}

/// One parsed record.
#[derive(Debug)]
pub(super) struct CsvRecord<'a> {
    /// First line of the record.
    pub(super) line: u64,
    /// The record's text, with quotes, delimiters and line end.
    pub(super) raw: &'a str,
    fields: &'a [FieldSpan],
}

impl<'a> CsvRecord<'a> {
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The text of a field, with doubled quotes decoded.
    pub(super) fn value(&self, field: usize) -> Cow<'a, str> {
        let FieldSpan { text, has_doubled_quotes, .. } = &self.fields[field];
        let text = &self.raw[text.clone()];
        if *has_doubled_quotes { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) }
    }

    pub(super) fn is_quoted(&self, field: usize) -> bool {
        self.fields[field].is_quoted
    }

    /// A fault at the start of a field; at the start of the record if it has no such field.
    pub(super) fn fault(&self, field: usize, column: Option<Column>, kind: RowFaultKind) -> RowFault {
        let at = self.fields.get(field).map_or(0, |field| field.text.start - usize::from(field.is_quoted));
        let (line, character) = position(self.line, &self.raw.as_bytes()[..at]);
        RowFault::new(RowPlace { line, character: Some(character), column }, kind)
    }
}

enum Scanned {
    /// A record of `len` bytes with `n_line_ends` line ends, its own included.
    Whole { len: usize, n_line_ends: u64 },
    /// The input so far ends inside the record.
    Incomplete,
    /// A malformed record, with the byte offset of the fault.
    Malformed { at: usize, kind: RowFaultKind },
}

/// Finds the first record of `bytes` and its fields. `has_ended` means that no input follows `bytes`.
fn scan(bytes: &[u8], has_ended: bool, delimiter: u8, fields: &mut Vec<FieldSpan>) -> Scanned {
    fields.clear();
    let mut start = 0;
    for end in memchr3_iter(delimiter, b'\n', b'"', bytes) {
        match bytes[end] {
            b'"' => {
                fields.clear();
                return scan_quoted(bytes, has_ended, delimiter, fields);
            }
            b'\n' => {
                fields.push(FieldSpan::plain(start, strip_carriage_return(&bytes[start..end])));
                return Scanned::Whole { len: end + 1, n_line_ends: 1 };
            }
            _ => fields.push(FieldSpan::plain(start, &bytes[start..end])),
        }
        start = end + 1;
    }
    if !has_ended {
        return Scanned::Incomplete;
    }
    fields.push(FieldSpan::plain(start, strip_carriage_return(&bytes[start..])));
    Scanned::Whole { len: bytes.len(), n_line_ends: 0 }
}

/// [`scan`] for a record with quotes.
fn scan_quoted(bytes: &[u8], has_ended: bool, delimiter: u8, fields: &mut Vec<FieldSpan>) -> Scanned {
    let mut at = 0;
    loop {
        let start = at;
        let is_quoted = bytes.get(start) == Some(&b'"');
        if is_quoted {
            let mut has_doubled_quotes = false;
            at += 1;
            loop {
                match memchr(b'"', &bytes[at..]) {
                    None if has_ended => return Scanned::Malformed { at: start, kind: RowFaultKind::UnclosedQuote },
                    None => return Scanned::Incomplete,
                    Some(quote) => at += quote + 1,
                }
                match bytes.get(at) {
                    Some(b'"') => (has_doubled_quotes, at) = (true, at + 1),
                    None if !has_ended => return Scanned::Incomplete,
                    _ => break,
                }
            }
            fields.push(FieldSpan { text: start + 1..at - 1, is_quoted, has_doubled_quotes });
        } else {
            at = match memchr2(delimiter, b'\n', &bytes[start..]) {
                Some(end) => start + end,
                None if has_ended => bytes.len(),
                None => return Scanned::Incomplete,
            };
            let text = &bytes[start..at];
            let is_last = bytes.get(at) != Some(&delimiter);
            fields.push(FieldSpan::plain(start, if is_last { strip_carriage_return(text) } else { text }));
        }
        let len = match &bytes[at..] {
            [] if has_ended => at,
            [b'\r'] if has_ended => at + 1,
            [] | [b'\r'] => return Scanned::Incomplete,
            [b'\n', ..] => at + 1,
            [b'\r', b'\n', ..] => at + 2,
            [byte, ..] if *byte == delimiter => {
                at += 1;
                continue;
            }
            _ => return Scanned::Malformed { at: start, kind: RowFaultKind::StrayQuote },
        };
        return Scanned::Whole { len, n_line_ends: memchr_iter(b'\n', &bytes[..len]).count() as u64 };
    }
}

fn strip_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::short_reads::ShortReads;

    /// Each record as its line and its fields, or as the place of its fault: `line:character`.
    fn records(input: impl Read) -> Vec<Result<(u64, Vec<String>), String>> {
        let mut records = CsvRecords::new(input);
        let mut out = Vec::new();
        if let Err(fault) = records.open(|_| b',').unwrap() {
            return vec![Err(fault.to_string())];
        }
        loop {
            match records.advance().unwrap() {
                NextRecord::End => return out,
                NextRecord::Broken(fault) => {
                    out.push(Err(format!("{}:{}", fault.place.line, fault.place.character.unwrap())));
                }
                NextRecord::Whole => out.push(match records.record() {
                    Err(fault) => Err(format!("{}:{}", fault.place.line, fault.place.character.unwrap())),
                    Ok(record) => {
                        Ok((record.line, (0..record.len()).map(|field| record.value(field).into_owned()).collect()))
                    }
                }),
            }
        }
    }

    #[test]
    fn records_are_split_as_rfc_4180_requires() {
        type Expected = Vec<Result<(u64, &'static [&'static str]), &'static str>>;
        let cases: Vec<(&str, Expected)> = vec![
            ("", vec![]),
            ("\u{feff}", vec![]),
            ("a,b", vec![Ok((1, &["a", "b"]))]),
            ("a,b\n", vec![Ok((1, &["a", "b"]))]),
            ("a,b\r\nc\r\n", vec![Ok((1, &["a", "b"])), Ok((2, &["c"]))]),
            ("a\r", vec![Ok((1, &["a"]))]),
            ("a,\r\n", vec![Ok((1, &["a", ""]))]),
            ("\n\n", vec![Ok((1, &[""])), Ok((2, &[""]))]),
            ("\u{feff}a,b\n", vec![Ok((1, &["a", "b"]))]),
            ("\"a\",b\n", vec![Ok((1, &["a", "b"]))]),
            ("a,\"b\"\r\n", vec![Ok((1, &["a", "b"]))]),
            ("a,\"b\"\r", vec![Ok((1, &["a", "b"]))]),
            ("\"x,y\",\"\"\n", vec![Ok((1, &["x,y", ""]))]),
            ("\"say \"\"hi\"\"\",z", vec![Ok((1, &["say \"hi\"", "z"]))]),
            ("say \"hi\",z\r\n", vec![Ok((1, &["say \"hi\"", "z"]))]),
            ("\"a\nb\r\nc\",d\ne\n", vec![Ok((1, &["a\nb\r\nc", "d"])), Ok((4, &["e"]))]),
            ("a,\"b\nc\nd", vec![Err("1:3"), Ok((2, &["c"])), Ok((3, &["d"]))]),
            ("é,\"b\"c\nd", vec![Err("1:3"), Ok((2, &["d"]))]),
            ("\"a\n\",\"b\"c\nd", vec![Err("2:3"), Err("2:1"), Ok((3, &["d"]))]),
        ];
        for (given, expected) in cases {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|item| {
                    item.map(|(line, fields)| (line, fields.iter().map(ToString::to_string).collect()))
                        .map_err(ToString::to_string)
                })
                .collect();
            assert_eq!(records(given.as_bytes()), expected, "given {given:?}");
        }
    }

    #[test]
    fn invalid_utf8_refuses_only_its_record() {
        let found = records(&b"a,b\n\xc3\xa9,\xe9\nc\n"[..]);
        assert_eq!(found, [Ok((1, vec!["a".into(), "b".into()])), Err("2:3".into()), Ok((3, vec!["c".into()]))]);
    }

    #[test]
    fn buffer_is_bounded_for_an_endless_record() {
        let endless = io::repeat(b'x').take(5 * RECORD_MAX_BYTES as u64).chain(&b"\nafter\n"[..]);
        assert_eq!(records(endless), [Err("1:1".into()), Ok((2, vec!["after".into()]))]);

        let mut quoted =
            CsvRecords::new((&b"first,\"\n"[..]).chain(io::repeat(b'y').take(4 * RECORD_MAX_BYTES as u64)));
        quoted.open(|_| b',').unwrap().unwrap();
        while !matches!(quoted.advance().unwrap(), NextRecord::End) {}
        assert!(quoted.buffer.capacity() <= 4 * RECORD_MAX_BYTES, "{} bytes", quoted.buffer.capacity());
    }

    /// Text with many characters that have a meaning in CSV.
    fn text() -> impl Strategy<Value = String> {
        "[a,;\"\r\n \u{feff}é]{0,60}"
    }

    proptest! {
        #[test]
        fn records_do_not_depend_on_the_size_of_reads(text in text(), step in 1usize..9) {
            prop_assert_eq!(records(ShortReads(text.as_bytes(), step)), records(text.as_bytes()));
        }

        #[test]
        fn records_of_the_csv_crate_are_read_back(
            rows in prop::collection::vec(prop::collection::vec(text(), 2..5), 1..8),
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let written = writer.into_inner().unwrap();
            prop_assume!(!written.starts_with("\u{feff}".as_bytes()));
            let read: Vec<_> = records(&*written).into_iter().map(|record| record.map(|(_, fields)| fields)).collect();
            prop_assert_eq!(read, rows.into_iter().map(Ok).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            records(&*bytes);
        }
    }
}
