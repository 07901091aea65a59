//! A header as a table of fields: offset, value and meaning.

use std::fmt::Display;
use std::ops::Range;

/// One field of a decoded header, as text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Field {
    /// Name in the field's RFC.
    pub name: &'static str,
    /// Byte offsets within the header.
    pub bytes: Range<usize>,
    /// For a field that is not whole bytes: its bits, counted from the start of `bytes`. Bit 0 is the most significant
    /// bit of the first byte, as in RFC diagrams.
    pub bits: Option<Range<u8>>,
    /// The decoded value.
    pub value: String,
    /// Explanation of the value; empty if the name and the value suffice.
    pub meaning: String,
}

/// The fields of one header, in wire order.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<Field>);

impl Fields {
    /// Adds a field of whole bytes.
    pub(super) fn add(&mut self, name: &'static str, bytes: Range<usize>, value: impl Display, meaning: impl Display) {
        self.0.push(Field { name, bytes, bits: None, value: value.to_string(), meaning: meaning.to_string() });
    }

    /// Adds a field that is not whole bytes.
    pub(super) fn add_bits(
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

    pub(super) fn into_vec(self) -> Vec<Field> {
        self.0
    }
}

/// Lowercase hexadecimal without separators.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn name_or_unknown(name: Option<&'static str>) -> &'static str {
    name.unwrap_or("unknown")
}
