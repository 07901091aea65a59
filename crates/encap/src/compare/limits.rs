//! The limits of a comparison, with their units and reasons.

/// Maximum frames of a recording. Memory holds each frame and its differences, and a readable table has far fewer
/// lines.
pub const FRAMES_MAX: usize = 20_000;

/// Maximum payload of a recording, in bytes. Memory holds the whole payload.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;
