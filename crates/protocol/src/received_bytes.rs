//! Bytes that were read, and what is known of all of them.
//!
//! Most reads are printable ASCII throughout. To look at a whole read is cheaper than to look at each line of it, and
//! what holds of the whole holds of each: such a line is text already when it is taken off.

use ascii::AsciiStr;
use memchr::memchr;

/// What was read and not taken yet.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedBytes<'a>(RawLine<'a>);

/// A line without its LF, or what becomes lines.
#[derive(Clone, Copy, Debug)]
pub enum RawLine<'a> {
    /// Printable ASCII throughout, but for the ends of lines among what was not taken yet. Made here alone, because it is
    /// not checked again.
    #[non_exhaustive]
    Ascii(&'a str),
    /// Any bytes.
    Bytes(&'a [u8]),
}

impl<'a> ReceivedBytes<'a> {
    /// What was read, whatever it is: for whoever takes little of it at a time.
    #[must_use]
    pub fn new(read: &'a [u8]) -> Self {
        Self(RawLine::Bytes(read))
    }

    /// What was read, once all of it is looked at.
    #[must_use]
    pub fn with_ascii_scan(read: &'a [u8]) -> Self {
        Self(text_of(read, is_printable_or_lf).map_or(RawLine::Bytes(read), RawLine::Ascii))
    }

    /// The bytes that were not taken yet.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0.as_bytes()
    }

    /// Whether all is taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Takes what comes before the first LF of the next `len_max` bytes, and that LF.
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

    /// Takes the next `len` bytes, which have to be there.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        match self.0 {
            RawLine::Ascii(text) => {
                let (taken, left) = text.split_at(len);
                self.0 = RawLine::Ascii(left);
                taken.as_bytes()
            }
            RawLine::Bytes(bytes) => {
                let (taken, left) = bytes.split_at(len);
                self.0 = RawLine::Bytes(left);
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

/// The same as text, if it is printable ASCII throughout.
pub(crate) fn printable(line: &[u8]) -> Option<&str> {
    text_of(line, is_printable)
}

/// The same as text, if all bytes are such ASCII.
fn text_of(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> Option<&str> {
    if !are_all(bytes, is_such) {
        return None;
    }
    AsciiStr::from_ascii(bytes).ok().map(AsciiStr::as_str)
}

/// Looks at 32 bytes at a time, in vector registers; the last of them may be looked at twice.
#[inline]
fn are_all(bytes: &[u8], is_such: impl Fn(u8) -> bool) -> bool {
    // A byte for each lane, brought together once, at the end: what the compiler makes vectors of.
    let mut others = [0; 32];
    let (chunks, rest) = bytes.as_chunks::<32>();
    for chunk in chunks {
        for (other, &byte) in others.iter_mut().zip(chunk) {
            *other |= u8::from(!is_such(byte));
        }
    }
    others == [0; 32]
        && match bytes.last_chunk::<32>() {
            _ if rest.is_empty() => true,
            Some(last) => last.iter().fold(true, |all, &byte| all & is_such(byte)),
            None => rest.iter().copied().all(is_such),
        }
}

/// From the space to the tilde. What is above the tilde wraps to what is below the space.
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

    fn is_plain_throughout(bytes: &[u8]) -> bool {
        matches!(ReceivedBytes::with_ascii_scan(bytes).0, RawLine::Ascii(_))
    }

    #[test]
    fn each_byte_is_told_apart_at_each_place() {
        for byte in 0..=u8::MAX {
            let expected = byte == b'\n' || (b' '..=b'~').contains(&byte);
            for len in [1, 2, 31, 32, 33, 64, 65, 100] {
                for at in [0, len / 2, len - 1] {
                    let mut bytes = vec![b'x'; len];
                    bytes[at] = byte;
                    assert_eq!(is_plain_throughout(&bytes), expected, "{byte:#04x} at {at} of {len}");
                }
            }
        }
        assert!(is_plain_throughout(b""));
    }

    proptest! {
        #[test]
        fn what_is_known_of_it_changes_nothing(read in "[ -~\n]{0,200}", len_max in 1_usize..100) {
            let (mut plain, mut bytes) = (ReceivedBytes::with_ascii_scan(read.as_bytes()), ReceivedBytes::new(read.as_bytes()));
            while let Some(line) = plain.take_line(len_max) {
                let same = bytes.take_line(len_max).map(RawLine::as_bytes);
                prop_assert_eq!(Some(line.as_bytes()), same);
            }
            prop_assert!(bytes.take_line(len_max).is_none());
            let len = plain.as_bytes().len();
            prop_assert_eq!(plain.take(len), bytes.take(len));
            prop_assert!(plain.is_empty() && bytes.is_empty());
        }
    }
}
