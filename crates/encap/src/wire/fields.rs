//! A header as a table: each field with its place, its value and why it has that value.

use std::fmt::Display;
use std::ops::Range;

/// One field of a header, for a person to read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Field {
    /// The name that the field's RFC gives it.
    pub name: &'static str,
    /// Its bytes within the header.
    pub bytes: Range<usize>,
    /// Its bits within those bytes, where it is not whole bytes: 0 is the first bit of the first byte, as RFCs draw.
    pub bits: Option<Range<u8>>,
    /// The value.
    pub value: String,
    /// What the value means, or why it is what it is. Empty where the name says it all.
    pub meaning: String,
}

/// The fields of one header, in order.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<Field>);

impl Fields {
    pub(super) fn whole(
        &mut self,
        name: &'static str,
        bytes: Range<usize>,
        value: impl Display,
        meaning: impl Display,
    ) {
        self.0.push(Field { name, bytes, bits: None, value: value.to_string(), meaning: meaning.to_string() });
    }

    pub(super) fn bits(
        &mut self,
        name: &'static str,
        bytes: Range<usize>,
        bits: Range<u8>,
        value: impl Display,
        meaning: impl Display,
    ) {
        let (value, meaning) = (value.to_string(), meaning.to_string());
        self.0.push(Field { name, bytes, bits: Some(bits), value, meaning });
    }

    pub(super) fn done(self) -> Vec<Field> {
        self.0
    }
}

/// Bytes in hexadecimal, as they stand.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A name or, where there is none, that there is none here.
pub(super) fn or_unknown(name: Option<&'static str>) -> &'static str {
    name.unwrap_or("not known here")
}
