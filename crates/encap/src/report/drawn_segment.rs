//! A segment or datagram of the conversation that is drawn.

use crate::analyze::{Side, TrackedSegment};

/// A segment or datagram, as drawings take it.
#[derive(Clone, Copy, Debug)]
pub struct DrawnSegment<'a> {
    /// Its frame.
    pub frame: u64,
    /// When it was captured, in nanoseconds after the conversation's first frame.
    pub nanos: u64,
    /// The side that sent it.
    pub from: Side,
    /// Bytes of payload on the wire.
    pub len: u32,
    /// The captured part of the payload.
    pub payload: &'a [u8],
    /// Its place in the connection; `None` for a datagram.
    pub tcp: Option<TrackedSegment>,
}
