//! The columns of a file and their header names.

use std::fmt;

use serde::{Serialize, Serializer};

use super::fault::{Excerpt, RowFault, RowFaultKind, RowPlace};
use super::record::CsvRecord;

/// A column of the file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the variants are named like their headers")]
pub enum Column {
    MsgId,
    AppProtocol,
    SrcApp,
    DstApp,
    SrcPort,
    DstPort,
    Message,
    Timestamp,
}

impl Column {
    pub(super) const ALL: [Self; 8] = [
        Self::MsgId,
        Self::AppProtocol,
        Self::SrcApp,
        Self::DstApp,
        Self::SrcPort,
        Self::DstPort,
        Self::Message,
        Self::Timestamp,
    ];

    /// The primary header name, the first of [`Column::names`].
    pub(crate) fn name(self) -> &'static str {
        self.names()[0]
    }

    /// The accepted header names. Case is ignored, and spaces or hyphens may replace underscores.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::MsgId => &["msg_id", "id", "message_id", "msgid", "no"],
            Self::AppProtocol => &["app_protocol", "protocol", "proto"],
            Self::SrcApp => &["src_app", "src", "source", "source_app", "src_ip", "sender", "from"],
            Self::DstApp => &["dst_app", "dst", "destination", "destination_app", "dst_ip", "receiver", "to"],
            Self::SrcPort => &["src_port", "source_port", "sport"],
            Self::DstPort => &["dst_port", "destination_port", "dport"],
            Self::Message => &["message", "msg", "payload", "data"],
            Self::Timestamp => &["timestamp", "time"],
        }
    }

    /// The column with this header name.
    pub(super) fn of(header: &str) -> Option<Self> {
        let header: String =
            header.trim().chars().map(|c| if c == ' ' || c == '-' { '_' } else { c.to_ascii_lowercase() }).collect();
        Self::ALL.into_iter().find(|column| column.names().contains(&&*header))
    }

    /// Whether a file must have the column.
    fn is_required(self) -> bool {
        !matches!(self, Self::MsgId | Self::SrcPort | Self::DstPort)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Maps columns to field indices.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    indices: [Option<usize>; 8],
    /// Number of fields in the header.
    pub(super) len: usize,
    /// Fields without a name after the message column. Text in such a field is probably the rest of a message that
    /// contains a comma without quotes.
    nameless: Vec<usize>,
}

impl Columns {
    /// Parses a header. Appends its faults to `faults`.
    pub(super) fn read(header: &CsvRecord<'_>, faults: &mut Vec<RowFault>) -> Self {
        let mut columns = Self { len: header.len(), ..Self::default() };
        let n_known = (0..header.len()).filter(|&field| Column::of(&header.value(field)).is_some()).count();
        if n_known == 0 && header.raw.trim().trim_matches('"').to_ascii_lowercase().starts_with("sep=") {
            faults.push(header.fault(0, None, RowFaultKind::DelimiterLine));
            return columns;
        }
        if n_known == 0 {
            let found = Excerpt::new(header.raw.trim());
            faults.push(header.fault(0, None, RowFaultKind::NoHeader { found }));
            return columns;
        }
        for field in 0..header.len() {
            let name = header.value(field);
            let Some(column) = Column::of(&name) else {
                if name.trim().is_empty() {
                    columns.nameless.push(field);
                } else {
                    faults.push(header.fault(
                        field,
                        None,
                        RowFaultKind::UnknownColumn { found: Excerpt::new(name.trim()) },
                    ));
                }
                continue;
            };
            match &mut columns.indices[column as usize] {
                Some(_) => faults.push(header.fault(field, Some(column), RowFaultKind::ColumnTwice)),
                index => *index = Some(field),
            }
        }
        for column in Column::ALL {
            if column.is_required() && columns.index(column).is_none() {
                faults
                    .push(RowFault::new(RowPlace::line(header.line), RowFaultKind::MissingColumn { missing: column }));
            }
        }
        let message = columns.index(Column::Message);
        columns.nameless.retain(|field| message.is_some_and(|message| *field > message));
        columns
    }

    /// The index of the first field after the message column that has text, but no header name.
    pub(super) fn nameless_text(&self, record: &CsvRecord<'_>) -> Option<usize> {
        let beyond_header = self.len..record.len();
        let mut nameless = self.nameless.iter().copied().chain(beyond_header);
        nameless.find(|field| *field < record.len() && !record.value(*field).trim().is_empty())
    }

    /// The field index of a column; `None` if the file lacks the column.
    pub(super) fn index(&self, column: Column) -> Option<usize> {
        self.indices[column as usize]
    }
}

/// The delimiter of a header. Of comma, semicolon and tab, it is the one that yields the most known column names.
pub(super) fn detect_delimiter(header: &str) -> u8 {
    let n_known = |delimiter: u8| {
        let names = header.split(char::from(delimiter)).map(|name| name.trim().trim_matches('"'));
        names.filter(|name| Column::of(name).is_some()).count()
    };
    // `max_by_key` returns the last maximum, so the comma wins a tie.
    *b"\t;,".iter().max_by_key(|&&delimiter| n_known(delimiter)).unwrap_or(&b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_order_matches_the_discriminants() {
        for (index, column) in Column::ALL.into_iter().enumerate() {
            assert_eq!(column as usize, index);
            for name in column.names() {
                assert_eq!(Column::of(name), Some(column));
            }
        }
    }

    #[test]
    fn header_names_ignore_case_and_surrounding_space() {
        for (given, expected) in [
            ("msg_id", Some(Column::MsgId)),
            (" Msg-ID ", Some(Column::MsgId)),
            ("Source Port", Some(Column::SrcPort)),
            ("PROTOCOL", Some(Column::AppProtocol)),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(Column::of(given), expected, "given {given:?}");
        }
    }

    #[test]
    fn delimiter_with_the_most_known_columns_is_detected() {
        for (given, expected) in [
            ("msg_id,message,timestamp", b','),
            ("msg_id;message;timestamp", b';'),
            ("\"msg_id\"\t\"message\"", b'\t'),
            ("message", b','),
            ("a;b;c", b','),
            ("src,dst;note,time", b','),
            ("", b','),
        ] {
            assert_eq!(detect_delimiter(given), expected, "given {given:?}");
        }
    }
}
