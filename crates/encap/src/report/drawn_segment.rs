//! The segments that the drawings receive.

use crate::analyze::{Side, TrackedSegment};

/// A segment or datagram of the drawn conversation.
#[derive(Clone, Copy, Debug)]
pub struct DrawnSegment<'a> {
    /// Frame number in the capture.
    pub frame: u64,
    /// Capture time, in nanoseconds after the conversation's first frame.
    pub nanos: u64,
    /// The side that sent it.
    pub from: Side,
    /// Bytes of payload on the wire.
    pub len: u32,
    /// The captured part of the payload.
    pub payload: &'a [u8],
    /// Its sequence numbers and events; `None` for a datagram.
    pub tcp: Option<TrackedSegment>,
}
