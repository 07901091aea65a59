//! A frame, explained: what wraps what, each byte with its field, each field with its reason, each checksum worked.
//!
//! ```text
//! frame, number, time, comments ─▶ FrameRecord ─▶ FrameView ─▶ text (terminal), html (one page), JSON (serde)
//! ```
//!
//! A [`FrameRecord`] is a frame with what is known about it, wherever it comes from: read from a capture, or just built. A
//! [`FrameView`] is all that is said of it, as data, made safe to show; each way of showing only lays it out. So the three
//! never say different things.
//!
//! ```
//! use switchboard_encap::show::{FrameRecord, FrameView};
//! use switchboard_encap::wire::{Frame, LinkType};
//!
//! # let bytes = [
//! #     2, 0, 0, 0, 0x45, 0, 0, 0x1f, 0, 0, 0x40, 0, 0x40, 0x11, 0x3c, 0xcc, 127, 0, 0, 1, 127, 0, 0, 1,
//! #     0x23, 0x28, 0x1f, 0x90, 0, 11, 0, 0, b'h', b'i', b'\n',
//! # ];
//! let view = FrameView::new(&FrameRecord::new(1, Frame::parse(LinkType::NULL, &bytes, 35)));
//! assert_eq!(view.wrapping(), "payload 3 → UDP datagram 3 + 8 = 11 → IPv4 packet 11 + 20 = 31 → NULL loopback frame 31 + 4 = 35");
//! ```

mod bits;
mod checksum;
pub(crate) mod escape;
mod frame;
pub mod html;
mod layer;
mod row;
mod summary;
pub mod text;

pub use checksum::{ChecksumSteps, ChecksumView, HexWord, OmittedWords, SumPart, SumWords};
pub use frame::{FrameView, IssueView};
pub use layer::{FieldView, LayerView, Stage};
pub use row::{RowPart, RowView};
pub use summary::FrameSummary;

use std::time::Duration;

use crate::capture::CapturedPacket;
use crate::time::Timestamp;
use crate::wire::Frame;

/// A frame, and what is known about it beside its bytes.
#[derive(Clone, Debug)]
pub struct FrameRecord<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// When it was captured, or is said to have been sent.
    pub time: Option<Timestamp>,
    /// When the first frame beside it was: times are shown relative to that.
    pub first: Option<Timestamp>,
    /// What was remarked on it.
    pub comments: Vec<String>,
    /// The row that it was made for, if it was made and carries one.
    pub row: Option<RowPart>,
    /// The frame, taken apart.
    pub frame: Frame<'a>,
}

impl<'a> FrameRecord<'a> {
    /// A frame of which nothing more is known.
    #[must_use]
    pub fn new(number: u64, frame: Frame<'a>) -> Self {
        Self { number, time: None, first: None, comments: Vec::new(), row: None, frame }
    }

    /// A packet as a capture has it. `first` is the time of the capture's first.
    #[must_use]
    pub fn captured(packet: &CapturedPacket<'a>, first: Option<Timestamp>) -> Self {
        Self {
            number: packet.number,
            time: packet.time,
            first,
            comments: packet.comments().map(std::borrow::Cow::into_owned).collect(),
            row: None,
            frame: Frame::parse(packet.link_type, packet.captured, packet.original_len),
        }
    }

    /// Nanoseconds after the first, or before it.
    fn relative_nanos(&self) -> Option<i128> {
        Some(i128::from(self.time?.as_nanos()) - i128::from(self.first?.as_nanos()))
    }
}

/// A number of nanoseconds as seconds with all nine decimals.
pub(crate) fn seconds(nanos: i128) -> String {
    const NANOS_A_SECOND: u128 = 1_000_000_000;
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    format!("{sign}{}.{:09}", nanos / NANOS_A_SECOND, nanos % NANOS_A_SECOND)
}

/// A duration in seconds, exactly: `1.5`, `2`.
#[must_use]
pub fn in_seconds(duration: Duration) -> String {
    let text = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A count with its noun: `1 byte`, `2 bytes`.
#[must_use]
pub fn count(n: impl TryInto<u64>, noun: &str) -> String {
    // No count has more than 64 bits.
    let n = n.try_into().unwrap_or(u64::MAX);
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
