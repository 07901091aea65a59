//! The link of a build. It carries one frame at a time, so a frame may have to wait for the previous frame.

use super::packet::Packet;
use super::{BuiltFrame, FramePurpose, FrameSink, Link};
use crate::time::Timestamp;

/// The time that a byte takes on a link of 1 Gbit/s, in nanoseconds.
const NANOS_PER_BYTE: i64 = 8;

/// Bytes around a frame that a capture does not contain: preamble, frame check sequence and gap (IEEE 802.3 §4.2).
const UNSEEN_BYTES: i64 = 8 + 4 + 12;

/// Encodes packets as frames, and hands each to the sink with its time.
#[derive(Debug)]
pub(super) struct Transmitter<S> {
    sink: S,
    link: Link,
    frame: Vec<u8>,
    /// The end of the latest frame, in nanoseconds since 1970.
    busy_until: i64,
    n_frames: u64,
    n_bytes: u64,
    /// Time of the first frame.
    first: Option<Timestamp>,
    /// Time of the last frame.
    last: Option<Timestamp>,
}

/// The sink of a finished transmitter, and totals of the frames that were sent.
pub(super) struct Sent<S> {
    pub(super) sink: S,
    pub(super) n_frames: u64,
    pub(super) n_bytes: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

impl<S: FrameSink> Transmitter<S> {
    pub(super) fn new(link: Link, sink: S) -> Self {
        Self { sink, link, frame: Vec::new(), busy_until: 0, n_frames: 0, n_bytes: 0, first: None, last: None }
    }

    /// The earliest time at which a frame that is due at `due` can be sent.
    pub(super) fn free_at(&self, due: i64) -> i64 {
        due.max(self.busy_until)
    }

    /// Sends a packet that is due at `due`, as soon as the link is free. Returns the time of sending.
    pub(super) fn send(&mut self, due: i64, packet: &Packet<'_>, purpose: FramePurpose<'_>) -> Result<i64, S::Error> {
        let sent_at = self.free_at(due);
        let time = Timestamp::from_nanos(sent_at);
        packet.emit(self.link, &mut self.frame);
        self.sink.frame(&BuiltFrame { time, bytes: &self.frame, purpose })?;
        let len = self.frame.len() as u64;
        self.busy_until = sent_at.saturating_add(NANOS_PER_BYTE * (len.cast_signed() + UNSEEN_BYTES));
        self.first.get_or_insert(time);
        self.last = Some(time);
        self.n_frames += 1;
        self.n_bytes += len;
        Ok(sent_at)
    }

    pub(super) fn finish(self) -> Sent<S> {
        let Self { sink, n_frames, n_bytes, first, last, .. } = self;
        Sent { sink, n_frames, n_bytes, first, last }
    }
}
