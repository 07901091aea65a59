//! The link of a build. It carries one frame at a time, which decides when each frame is sent.

use super::packet::Packet;
use super::{BuiltFrame, FramePurpose, FrameSink, Link};
use crate::time::Timestamp;

/// The time that a byte takes, in nanoseconds: 1 Gbit/s.
const NANOS_PER_BYTE: i64 = 8;

/// Bytes around a frame that captures do not show: preamble, frame check sequence, gap (IEEE 802.3 §4.2).
const UNSEEN_BYTES: i64 = 8 + 4 + 12;

/// Encodes packets as frames, and hands each to the sink with its time.
#[derive(Debug)]
pub(super) struct Transmitter<S> {
    sink: S,
    link: Link,
    frame: Vec<u8>,
    busy_until: i64,
    n_frames: u64,
    n_bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// The frames that were sent.
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

    /// The first time from `wanted` on at which the link is free.
    pub(super) fn free_at(&self, wanted: i64) -> i64 {
        wanted.max(self.busy_until)
    }

    /// Sends a packet as soon as the link is free, and returns the time.
    pub(super) fn send(
        &mut self,
        wanted: i64,
        packet: &Packet<'_>,
        purpose: FramePurpose<'_>,
    ) -> Result<i64, S::Error> {
        let at = self.free_at(wanted);
        let time = Timestamp::from_nanos(at);
        packet.emit(self.link, &mut self.frame);
        self.sink.frame(&BuiltFrame { time, bytes: &self.frame, purpose })?;
        let len = self.frame.len() as u64;
        self.busy_until = at.saturating_add(NANOS_PER_BYTE * (len.cast_signed() + UNSEEN_BYTES));
        self.first.get_or_insert(time);
        self.last = Some(time);
        self.n_frames += 1;
        self.n_bytes += len;
        Ok(at)
    }

    pub(super) fn finish(self) -> Sent<S> {
        let Self { sink, n_frames, n_bytes, first, last, .. } = self;
        Sent { sink, n_frames, n_bytes, first, last }
    }
}
