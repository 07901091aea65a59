//! Bounds on the memory of an analysis, because a capture may come from an untrusted source.

/// Maximum number of open conversations. If there are more, the longest idle ones are closed.
pub const LIVE_MAX: usize = 65_536;

/// Maximum memory of all open conversations, in bytes: 1.5 times the need of [`LIVE_MAX`] conversations without losses
/// or flagged events. If they need more, the longest idle ones are closed.
pub const LIVE_MAX_BYTES: usize = 96 * 1024 * 1024;

/// Maximum number of ended conversations that stay open for late acknowledgments and resets.
pub const LINGERING_MAX: usize = 1_024;

/// Maximum number of flagged events kept for each conversation. Further events are only counted.
pub const FLAGS_MAX: usize = 16;

/// Maximum number of holes kept for a direction. Networks reorder and lose far fewer segments at the same time.
pub(super) const HOLES_MAX: usize = 64;

/// Maximum number of unacknowledged segments of a direction whose round trip is timed.
pub(super) const TIMED_MAX: usize = 64;

/// Maximum number of round-trip times kept for the median of a direction.
pub(super) const SAMPLES_MAX: usize = 128;

/// Maximum number of bytes of a stream that wait behind gaps. If more wait, the first gap counts as lost.
pub const OUT_OF_ORDER_MAX_BYTES: usize = 1024 * 1024;

/// Maximum memory of the waiting bytes of all streams, in bytes. If they need more, gaps of the streams with the most
/// waiting bytes count as lost.
pub const OUT_OF_ORDER_ALL_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Maximum number of waiting pieces of a stream. It bounds the overhead of tiny pieces.
pub const OUT_OF_ORDER_MAX_PIECES: usize = 1_024;

/// Maximum number of packets in reassembly. If there are more, the oldest is dropped.
pub const FRAGMENTED_MAX_PACKETS: usize = 256;

/// Maximum memory of all packets in reassembly, in bytes: room for dozens of packets of maximum length. If they need
/// more, the oldest is dropped.
pub const FRAGMENTED_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Maximum time from the first fragment of a packet to the last, in seconds (RFC 8200 §4.5).
pub const FRAGMENTS_MAX_SECS: u64 = 60;

const _: () = assert!(LINGERING_MAX < LIVE_MAX);
