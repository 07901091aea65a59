//! What bounds the analysis of a capture, whoever made it: each limit with its unit and its reason.

/// Conversations that are followed at once. The ones that were quiet longest are closed to make room.
pub const LIVE_MAX: usize = 65_536;

/// What they may take together, in bytes: half as much again as that many take if nothing happens to them. If losses, flags
/// and times make it more, those that were quiet longest are closed, too.
pub const LIVE_MAX_BYTES: usize = 96 * 1024 * 1024;

/// Conversations that have ended and are still listened to, for acknowledgments and resets that come late.
pub const LINGERING_MAX: usize = 1_024;

/// Flags that are kept with their reason, for each conversation. The rest is counted.
pub const FLAGS_MAX: usize = 16;

/// Holes in what was seen of a direction that are remembered. Networks reorder and lose far fewer at once.
pub(super) const HOLES_MAX: usize = 64;

/// Segments of a direction whose acknowledgment is awaited at once, to take the round-trip time.
pub(super) const TIMED_MAX: usize = 64;

/// Round-trip times of a direction that the median is taken from.
pub(super) const SAMPLES_MAX: usize = 128;

/// Bytes of a stream that wait for what comes before them. More than that, and the gap is taken for a loss.
pub const OUT_OF_ORDER_MAX_BYTES: usize = 1024 * 1024;

/// What waits in all streams together, in bytes of memory. More than that, and the gaps of those in which most waits are
/// taken for losses.
pub const OUT_OF_ORDER_ALL_MAX_BYTES: usize = 8 * 1024 * 1024;

/// Pieces that they may be in, so that a thousand tiny ones cost no more than their bytes.
pub const OUT_OF_ORDER_MAX_PIECES: usize = 1_024;

/// Packets that are put together from fragments at once. The oldest is given up to make room.
pub const FRAGMENTED_MAX_PACKETS: usize = 256;

/// What they may take together, in bytes: room for dozens of the longest.
pub const FRAGMENTED_MAX_BYTES: usize = 4 * 1024 * 1024;

/// How long the fragments of a packet may take to come, in seconds (RFC 8200 §4.5).
pub const FRAGMENTS_MAX_SECS: u64 = 60;

const _: () = assert!(LINGERING_MAX < LIVE_MAX);
