//! What bounds the reading of a capture file, whoever wrote it: each limit with its unit and its reason.

/// What is read from a file at once, in bytes: enough that a system call costs nothing next to what it brings.
pub(super) const READ_BYTES: usize = 256 * 1024;

/// The longest block or record, in bytes: what Wireshark takes too, and far more than any frame.
pub const BLOCK_MAX_BYTES: u32 = 16 * 1024 * 1024;

/// The most interfaces of one file, all its sections together.
pub const INTERFACES_MAX: usize = 16_384;

/// What the texts about one file's sections and interfaces may take together, in bytes of memory.
pub const TEXT_MAX_BYTES: usize = 1024 * 1024;

/// The most different notes about one file. Equal ones are one note with a count.
pub const NOTES_MAX: usize = 64;
