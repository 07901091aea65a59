//! Explains a frame: its layers, each byte with its field, each value with its meaning, each checksum step by step.
//!
//! ```text
//! frame, number, time, comments ─▶ FrameRecord ─▶ FrameView ─▶ text (terminal), html (one page), JSON (serde)
//! ```
//!
//! A [`FrameRecord`] is a parsed frame with its metadata, from a capture or newly built. A [`FrameView`] holds
//! everything to display about it, with all text made safe for terminals and HTML. The three outputs only lay out a
//! view, so they always agree.
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
//! let wrapping = view.wrapping();
//! let steps: Vec<&str> = wrapping.split(" → ").collect();
//! assert_eq!(steps[..2], ["payload 3", "UDP datagram 3 + 8 = 11"]);
//! assert_eq!(steps[2..], ["IPv4 packet 11 + 20 = 31", "NULL loopback frame 31 + 4 = 35"]);
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

pub use frame::FrameView;
pub use row::RowPart;
pub use summary::FrameSummary;

use checksum::{ChecksumSteps, ChecksumView, SumWords};
use layer::{FieldView, LayerView, Stage};
use row::RowView;

use std::time::Duration;

use crate::capture::CapturedPacket;
use crate::time::Timestamp;
use crate::wire::Frame;

/// A frame with its metadata.
#[derive(Clone, Debug)]
pub struct FrameRecord<'a> {
    /// Frame number, from 1.
    pub number: u64,
    /// Time of capture, or of sending for a synthesised frame.
    pub time: Option<Timestamp>,
    /// Time of the capture's first frame, the origin of relative times.
    pub first: Option<Timestamp>,
    /// Comments on the frame.
    pub comments: Vec<String>,
    /// The part of a row that the frame carries, if it was synthesised from one.
    pub row: Option<RowPart>,
    /// The parsed frame.
    pub frame: Frame<'a>,
}

impl<'a> FrameRecord<'a> {
    /// A frame without metadata.
    #[must_use]
    pub fn new(number: u64, frame: Frame<'a>) -> Self {
        Self { number, time: None, first: None, comments: Vec::new(), row: None, frame }
    }

    /// A packet of a capture. `first` is the time of the capture's first packet.
    #[must_use]
    pub fn from_packet(packet: &CapturedPacket<'a>, first: Option<Timestamp>) -> Self {
        Self {
            number: packet.number,
            time: packet.time,
            first,
            comments: packet.comments().map(std::borrow::Cow::into_owned).collect(),
            row: None,
            frame: Frame::parse(packet.link_type, packet.captured, packet.original_len),
        }
    }

    /// Time since the first frame in nanoseconds; may be negative.
    fn relative_nanos(&self) -> Option<i128> {
        Some(i128::from(self.time?.as_nanos()) - i128::from(self.first?.as_nanos()))
    }
}

/// Nanoseconds as seconds with nine decimals.
pub(crate) fn seconds(nanos: i128) -> String {
    const NANOS_A_SECOND: u128 = 1_000_000_000;
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    format!("{sign}{}.{:09}", nanos / NANOS_A_SECOND, nanos % NANOS_A_SECOND)
}

/// A duration in seconds without trailing zeros: `1.5`, `2`.
#[must_use]
pub fn in_seconds(duration: Duration) -> String {
    let text = format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A count with its noun, in the singular or plural: `1 byte`, `2 bytes`.
#[must_use]
pub fn count(n: impl TryInto<u64>, noun: &str) -> String {
    // Counts fit 64 bits.
    let n = n.try_into().unwrap_or(u64::MAX);
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
