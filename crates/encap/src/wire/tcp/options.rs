//! TCP options (RFC 9293 §3.2, RFC 7323, RFC 2018).

use std::fmt;
use std::ops::Range;

use super::{HEADER_LEN, SeqNumber};
use crate::wire::bytes::{u16_at, u32_at, word_writer};
use crate::wire::fields::hex;

const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// A decoded option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TcpOption<'a> {
    /// End of the option list; only padding follows.
    EndOfList,
    /// Padding between options.
    NoOperation,
    /// Maximum segment size: the largest payload that the sender accepts in one segment. In a SYN only.
    MaximumSegmentSize(u16),
    /// Shift count for the sender's later windows, in bits. In a SYN only.
    WindowScale(u8),
    /// The sender supports selective acknowledgments. In a SYN only.
    SackPermitted,
    /// Blocks of bytes that the sender received beyond a gap.
    Sack(SackBlocks<'a>),
    /// The sender's clock, and the timestamp of the peer that the sender echoes.
    Timestamps(Timestamps),
    /// An option that is not decoded.
    Unknown {
        /// Option kind.
        kind: u8,
        /// Option bytes after kind and length.
        data: &'a [u8],
    },
}

/// The timestamps option (RFC 7323 §3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timestamps {
    /// `TSval`: the sender's clock.
    pub(crate) value: u32,
    /// `TSecr`: the `TSval` that this segment echoes; 0 in the first SYN.
    pub(crate) echo_reply: u32,
}

impl Timestamps {
    /// Encoded length in bytes: ten for the option, and two before it for alignment.
    pub(crate) const BUFFER_LEN: usize = 12;
}

/// The blocks of a selective acknowledgment (RFC 2018 §3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SackBlocks<'a>(&'a [u8]);

impl SackBlocks<'_> {
    /// Each block: its first sequence number, and the number after its last one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SeqNumber, SeqNumber)> + '_ {
        let (blocks, _) = self.0.as_chunks::<8>();
        blocks.iter().map(|block| (SeqNumber(u32_at(block, 0..4)), SeqNumber(u32_at(block, 4..8))))
    }
}

impl TcpOption<'_> {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::EndOfList => "End of Option List",
            Self::NoOperation => "No-Operation",
            Self::MaximumSegmentSize(_) => "Maximum Segment Size",
            Self::WindowScale(_) => "Window Scale",
            Self::SackPermitted => "SACK Permitted",
            Self::Sack(_) => "SACK",
            Self::Timestamps(_) => "Timestamps",
            Self::Unknown { .. } => "unknown option",
        }
    }

    /// The option in words.
    pub(crate) fn meaning(&self) -> String {
        match self {
            Self::EndOfList => "only padding follows".into(),
            Self::NoOperation => "padding, to align the next option".into(),
            Self::MaximumSegmentSize(_) => {
                "the most bytes that the sender accepts in one segment, without headers".into()
            }
            Self::WindowScale(shift) => {
                // RFC 7323 §2.3: a larger shift is treated as 14.
                format!("the sender's later windows are multiplied by {}", 1_u32 << (*shift).min(14))
            }
            Self::SackPermitted => "the sender supports selective acknowledgments".into(),
            Self::Sack(_) => "bytes that arrived beyond a gap".into(),
            Self::Timestamps(Timestamps { echo_reply: 0, .. }) => "the sender's clock; echoes nothing yet".into(),
            Self::Timestamps(_) => "the sender's clock, and the timestamp that it echoes".into(),
            Self::Unknown { kind, .. } => format!("option {kind} is unknown"),
        }
    }
}

impl fmt::Display for TcpOption<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndOfList | Self::NoOperation | Self::SackPermitted => Ok(()),
            Self::MaximumSegmentSize(mss) => write!(f, "{mss}"),
            Self::WindowScale(shift) => write!(f, "{shift}"),
            Self::Sack(blocks) => {
                for (i, (left, right)) in blocks.iter().enumerate() {
                    write!(f, "{}{left}-{right}", if i == 0 { "" } else { " " })?;
                }
                Ok(())
            }
            Self::Timestamps(Timestamps { value, echo_reply }) => write!(f, "TSval {value} TSecr {echo_reply}"),
            Self::Unknown { data, .. } => f.write_str(&hex(data)),
        }
    }
}

/// An option with its position.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PlacedOption<'a> {
    /// Byte offsets within the TCP header.
    pub(crate) bytes: Range<usize>,
    pub(crate) option: TcpOption<'a>,
}

/// An option that cannot be decoded. Decoding ends at this option, because the position of the next one is unknown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("option {kind} at byte {at} of the header: {error}")]
pub(crate) struct MalformedOption {
    /// Byte offset of the option within the TCP header.
    pub(crate) at: usize,
    pub(crate) kind: u8,
    pub(crate) error: OptionError,
}

/// Why an option cannot be decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum OptionError {
    /// The header ends after the option kind.
    #[error("the header ends before its length")]
    NoLength,
    /// The length includes the kind and length bytes, so the minimum is 2.
    #[error("its length is {0}, the minimum is 2")]
    LengthTooSmall(u8),
    /// The option extends past the end of the header.
    #[error("its length is {length}, but {left} bytes are left in the header")]
    PastEnd {
        /// Length byte of the option.
        length: u8,
        /// Bytes from the option kind to the end of the header.
        left: u8,
    },
    /// The length does not match the option kind.
    #[error("its length is {0}, which no option of this kind has")]
    WrongLength(u8),
}

/// Iterator over the options of a header. Ends at the end of the list or after the first malformed option.
#[derive(Clone, Debug)]
pub(crate) struct OptionsIter<'a> {
    bytes: &'a [u8],
    /// Offset of the next option in `bytes`.
    next_at: usize,
}

impl<'a> OptionsIter<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next_at: 0 }
    }

    /// Decodes the option at the start of `rest`. Returns the option and its length in bytes.
    fn decode(rest: &'a [u8]) -> Result<(TcpOption<'a>, usize), OptionError> {
        let (kind, length) = match *rest {
            // The padding belongs to the end of the list.
            [END_OF_LIST, ..] | [] => return Ok((TcpOption::EndOfList, rest.len())),
            [NO_OPERATION, ..] => return Ok((TcpOption::NoOperation, 1)),
            [_] => return Err(OptionError::NoLength),
            [kind, length, ..] => (kind, length),
        };
        if length < 2 {
            return Err(OptionError::LengthTooSmall(length));
        }
        let Some(data) = rest.get(2..usize::from(length)) else {
            return Err(OptionError::PastEnd { length, left: u8::try_from(rest.len()).unwrap_or(u8::MAX) });
        };
        let option = match (kind, data.len()) {
            (MAXIMUM_SEGMENT_SIZE, 2) => TcpOption::MaximumSegmentSize(u16_at(data, 0..2)),
            (WINDOW_SCALE, 1) => TcpOption::WindowScale(data[0]),
            (SACK_PERMITTED, 0) => TcpOption::SackPermitted,
            (SACK, 8 | 16 | 24 | 32) => TcpOption::Sack(SackBlocks(data)),
            (TIMESTAMPS, 8) => {
                TcpOption::Timestamps(Timestamps { value: u32_at(data, 0..4), echo_reply: u32_at(data, 4..8) })
            }
            (MAXIMUM_SEGMENT_SIZE | WINDOW_SCALE | SACK_PERMITTED | SACK | TIMESTAMPS, _) => {
                return Err(OptionError::WrongLength(length));
            }
            _ => TcpOption::Unknown { kind, data },
        };
        Ok((option, usize::from(length)))
    }
}

impl<'a> Iterator for OptionsIter<'a> {
    type Item = Result<PlacedOption<'a>, MalformedOption>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.next_at..];
        let &kind = rest.first()?;
        // The offset within the header: the fixed fields precede the options.
        let at = HEADER_LEN + self.next_at;
        Some(match Self::decode(rest) {
            Ok((option, length)) => {
                self.next_at += length;
                Ok(PlacedOption { bytes: at..at + length, option })
            }
            Err(error) => {
                self.next_at = self.bytes.len();
                Err(MalformedOption { at, kind, error })
            }
        })
    }
}

/// The options of a connection, encoded in the order and with the padding of Linux (`tcp_options_write`): MSS, SACK
/// permitted, timestamps, window scale.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// Maximum segment size. In a SYN only.
    pub maximum_segment_size: Option<u16>,
    /// SACK permitted. In a SYN only.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// Window scale. In a SYN only.
    pub window_scale: Option<u8>,
}

impl Options {
    /// Decodes the supported options, up to the first malformed one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut options = Self::default();
        for PlacedOption { option, .. } in OptionsIter::new(bytes).map_while(Result::ok) {
            match option {
                TcpOption::MaximumSegmentSize(mss) => options.maximum_segment_size = Some(mss),
                TcpOption::WindowScale(shift) => options.window_scale = Some(shift),
                TcpOption::SackPermitted => options.sack_permitted = true,
                TcpOption::Timestamps(timestamps) => options.timestamps = Some(timestamps),
                TcpOption::EndOfList | TcpOption::NoOperation | TcpOption::Sack(_) | TcpOption::Unknown { .. } => {}
            }
        }
        options
    }

    /// Encoded length in bytes: a multiple of 4.
    #[inline]
    pub(crate) const fn buffer_len(&self) -> usize {
        let timestamps_or_sack = match (self.timestamps.is_some(), self.sack_permitted) {
            (true, _) => Timestamps::BUFFER_LEN,
            (false, true) => 4,
            (false, false) => 0,
        };
        4 * self.maximum_segment_size.is_some() as usize + timestamps_or_sack + 4 * self.window_scale.is_some() as usize
    }

    /// Encodes the options at the start of `buf`.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`Options::buffer_len`].
    pub(crate) fn emit(&self, buf: &mut [u8]) {
        let mut put_word = word_writer(&mut buf[..self.buffer_len()]);
        let word = |a, b, c, d| u32::from_be_bytes([a, b, c, d]);
        if let Some(size) = self.maximum_segment_size {
            let [high, low] = size.to_be_bytes();
            put_word(word(MAXIMUM_SEGMENT_SIZE, 4, high, low));
        }
        if let Some(Timestamps { value, echo_reply }) = self.timestamps {
            // Two bytes before the option align the timestamps: SACK permitted, or two times No-Operation.
            let [a, b] = if self.sack_permitted { [SACK_PERMITTED, 2] } else { [NO_OPERATION, NO_OPERATION] };
            put_word(word(a, b, TIMESTAMPS, 10));
            put_word(value);
            put_word(echo_reply);
        } else if self.sack_permitted {
            put_word(word(NO_OPERATION, NO_OPERATION, SACK_PERMITTED, 2));
        }
        if let Some(shift) = self.window_scale {
            put_word(word(NO_OPERATION, WINDOW_SCALE, 3, shift));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_encoded_as_linux_encodes_them() {
        let timestamps = Some(Timestamps { value: 1, echo_reply: 2 });
        let syn = Options { maximum_segment_size: Some(1460), sack_permitted: true, timestamps, window_scale: Some(7) };
        let table: [(Options, &[u8]); 4] = [
            (syn, &[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7]),
            (Options { timestamps: None, ..syn }, &[2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]),
            (Options { timestamps, ..Options::default() }, &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
            (Options::default(), &[]),
        ];
        for (options, bytes) in table {
            let mut buf = vec![0; options.buffer_len()];
            options.emit(&mut buf);
            assert_eq!(buf, bytes, "{options:?}");
            assert_eq!(Options::parse(bytes), options, "{options:?}");
        }
    }

    #[test]
    fn malformed_options_report_kind_and_offset() {
        let table: [(&[u8], usize, &str); 5] = [
            (
                &[1, 1, 8, 10, 0, 0, 0, 0],
                22,
                "option 8 at byte 22 of the header: its length is 10, but 6 bytes are left in the header",
            ),
            (&[1, 1, 1, 2], 23, "option 2 at byte 23 of the header: the header ends before its length"),
            (&[3, 1, 0, 0], 20, "option 3 at byte 20 of the header: its length is 1, the minimum is 2"),
            (&[254, 0, 0, 0], 20, "option 254 at byte 20 of the header: its length is 0, the minimum is 2"),
            (&[2, 3, 5, 0], 20, "option 2 at byte 20 of the header: its length is 3, which no option of this kind has"),
        ];
        for (bytes, at, text) in table {
            let malformed = OptionsIter::new(bytes).find_map(Result::err).expect(text);
            assert_eq!((malformed.at, malformed.to_string().as_str()), (at, text));
            assert!(
                OptionsIter::new(bytes).last().is_some_and(|last| last.is_err()),
                "{text}: decoding stops after it"
            );
        }
    }

    #[test]
    fn sack_blocks_and_unknown_options_are_decoded() {
        let bytes = [1, 1, 5, 10, 0, 0, 0, 5, 0, 0, 0, 9, 254, 4, 0xf9, 0x89, 0, 7, 7, 7];
        let options: Vec<_> = OptionsIter::new(&bytes).map(|option| option.expect("well formed")).collect();
        let TcpOption::Sack(blocks) = options[2].option else { panic!("{options:?}") };
        assert_eq!(blocks.iter().collect::<Vec<_>>(), [(SeqNumber(5), SeqNumber(9))]);
        assert_eq!(options[2].option.to_string(), "5-9");
        assert_eq!(options[3].option, TcpOption::Unknown { kind: 254, data: &[0xf9, 0x89] });
        // Bytes after the end of the list are padding, even if they are not zero.
        assert_eq!(options[4], PlacedOption { bytes: 36..40, option: TcpOption::EndOfList });
        assert_eq!(options.len(), 5);
    }
}
