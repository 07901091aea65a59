//! What bounds a comparison: each limit with its unit and its reason.

/// The most frames of one recording: a table that somebody reads has far fewer, and each is held with what differs.
pub const FRAMES_MAX: usize = 20_000;

/// The most payload of one recording, in bytes: it is held to be compared.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;
