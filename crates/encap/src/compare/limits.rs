//! The limits of a comparison, with their units and reasons.

/// Maximum frames of a recording. All frames and their differences are held in memory. A table that people read has far
/// fewer lines.
pub const FRAMES_MAX: usize = 20_000;

/// Maximum payload of a recording, in bytes. The whole payload is held in memory.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;
