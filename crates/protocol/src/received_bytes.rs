//! The bytes of one read, before they are split into lines.
//!
//! Most reads are entirely printable ASCII. One scan of the whole read is cheaper than one scan per line, and its
//! result applies to every line: the lines of such a read need no further check.

use ascii::AsciiStr;
use memchr::memchr;

/// The bytes of one read that [`LineDecoder`](crate::LineDecoder) has not yet taken.
#[derive(Clone, Copy, Debug)]
// The bytes are stored as one `RawLine`. Only in this field may a `RawLine::Ascii` contain LFs.
pub struct ReceivedBytes<'a>(RawLine<'a>);

/// A line as received, without its LF.
#[derive(Clone, Copy, Debug)]
pub enum RawLine<'a> {
    /// Printable ASCII. Only this crate can construct this variant, because the parsers do not check its text again.
    #[non_exhaustive]
    Ascii(&'a str),
    /// Unchecked bytes.
    Bytes(&'a [u8]),
}

impl<'a> ReceivedBytes<'a> {
    /// Wraps `read` without a scan. This is cheaper when only a few lines of the read will be taken.
    #[must_use]
    pub fn new(read: &'a [u8]) -> Self {
        Self(RawLine::Bytes(read))
    }

    /// Scans `read` once. If it is entirely printable ASCII, its lines need no further check.
    #[must_use]
    pub fn with_ascii_scan(read: &'a [u8]) -> Self {
        Self(ascii_if_all(read, is_printable_or_lf).map_or(RawLine::Bytes(read), RawLine::Ascii))
    }

    /// The bytes not yet taken.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0.as_bytes()
    }

    /// Whether all bytes are taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Takes the next line and its LF, and returns the line without the LF. If none of the next `len_max` bytes is an
    /// LF, takes nothing and returns `None`.
    #[inline]
    pub(crate) fn take_line(&mut self, len_max: usize) -> Option<RawLine<'a>> {
        let bytes = self.as_bytes();
        let end = memchr(b'\n', &bytes[..bytes.len().min(len_max)])?;
        Some(match self.0 {
            RawLine::Ascii(text) => {
                self.0 = RawLine::Ascii(&text[end + 1..]);
                RawLine::Ascii(&text[..end])
            }
            RawLine::Bytes(bytes) => {
                self.0 = RawLine::Bytes(&bytes[end + 1..]);
                RawLine::Bytes(&bytes[..end])
            }
        })
    }

    /// Takes the next `len` bytes.
    ///
    /// # Panics
    ///
    /// If fewer than `len` bytes remain.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        match self.0 {
            RawLine::Ascii(text) => {
                let (taken, remaining) = text.split_at(len);
                self.0 = RawLine::Ascii(remaining);
                taken.as_bytes()
            }
            RawLine::Bytes(bytes) => {
                let (taken, remaining) = bytes.split_at(len);
                self.0 = RawLine::Bytes(remaining);
                taken
            }
        }
    }
}

impl<'a> RawLine<'a> {
    /// The line's bytes.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Ascii(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a [u8]> for RawLine<'a> {
    fn from(line: &'a [u8]) -> Self {
        Self::Bytes(line)
    }
}

impl<'a, const LEN: usize> From<&'a [u8; LEN]> for RawLine<'a> {
    fn from(line: &'a [u8; LEN]) -> Self {
        Self::Bytes(line)
    }
}

/// Returns `line` as text if all its bytes are printable ASCII.
pub(crate) fn as_printable_ascii(line: &[u8]) -> Option<&str> {
    ascii_if_all(line, is_printable)
}

/// Returns `bytes` as text if all of them are ASCII and satisfy `predicate`.
fn ascii_if_all(bytes: &[u8], predicate: impl Fn(u8) -> bool) -> Option<&str> {
    if !all_bytes(bytes, predicate) {
        return None;
    }
    AsciiStr::from_ascii(bytes).ok().map(AsciiStr::as_str)
}

/// Whether all `bytes` satisfy `predicate`. Tests 32 bytes at a time in vector registers. The last 32 bytes may overlap
/// the chunk before them.
#[inline]
fn all_bytes(bytes: &[u8], predicate: impl Fn(u8) -> bool) -> bool {
    // One flag per vector lane, combined once at the end. The compiler vectorizes a loop of this form.
    let mut failed = [0; 32];
    let (chunks, remainder) = bytes.as_chunks::<32>();
    for chunk in chunks {
        for (flag, &byte) in failed.iter_mut().zip(chunk) {
            *flag |= u8::from(!predicate(byte));
        }
    }
    failed == [0; 32]
        && match bytes.last_chunk::<32>() {
            _ if remainder.is_empty() => true,
            // `&` instead of `&&`: the compiler vectorizes a loop without branches.
            Some(last) => last.iter().fold(true, |all, &byte| all & predicate(byte)),
            None => remainder.iter().copied().all(predicate),
        }
}

/// Whether `byte` is between the space (0x20) and the tilde (0x7e). Adding 1 turns each higher byte into a signed value
/// of at most 0, so that one comparison is enough.
#[inline]
fn is_printable(byte: u8) -> bool {
    byte.wrapping_add(1).cast_signed() > 0x20
}

#[inline]
fn is_printable_or_lf(byte: u8) -> bool {
    is_printable(byte) || byte == b'\n'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan_accepts(bytes: &[u8]) -> bool {
        matches!(ReceivedBytes::with_ascii_scan(bytes).0, RawLine::Ascii(_))
    }

    #[test]
    fn scan_accepts_only_printable_ascii_and_lf() {
        for byte in 0..=u8::MAX {
            let expected = byte == b'\n' || (b' '..=b'~').contains(&byte);
            // Lengths around the chunks of 32 bytes.
            for len in [1, 2, 31, 32, 33, 64, 65, 100] {
                for position in [0, len / 2, len - 1] {
                    let mut bytes = vec![b'x'; len];
                    bytes[position] = byte;
                    assert_eq!(scan_accepts(&bytes), expected, "byte {byte:#04x} at position {position} of {len}");
                }
            }
        }
        assert!(scan_accepts(b""));
    }

    proptest! {
        #[test]
        fn lines_are_the_same_with_and_without_a_scan(read in "[ -~\n]{0,200}", len_max in 1_usize..100) {
            let mut scanned = ReceivedBytes::with_ascii_scan(read.as_bytes());
            let mut unscanned = ReceivedBytes::new(read.as_bytes());
            while let Some(line) = scanned.take_line(len_max) {
                let unscanned_line = unscanned.take_line(len_max).map(RawLine::as_bytes);
                prop_assert_eq!(Some(line.as_bytes()), unscanned_line);
            }
            prop_assert!(unscanned.take_line(len_max).is_none());
            let len = scanned.as_bytes().len();
            prop_assert_eq!(scanned.take(len), unscanned.take(len));
            prop_assert!(scanned.is_empty() && unscanned.is_empty());
        }
    }
}
