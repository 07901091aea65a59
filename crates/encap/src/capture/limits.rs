//! Limits on reading a capture file.

/// Initial size of the read buffer, in bytes: large enough that a system call is a small part of the cost of reading.
pub(super) const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Maximum length of a block or record, in bytes. Wireshark has the same limit; frames are far smaller.
pub(crate) const BLOCK_MAX_BYTES: u32 = 16 * 1024 * 1024;

/// Maximum number of interfaces in a file, over all sections.
pub(crate) const INTERFACES_MAX: usize = 16_384;

/// Maximum memory for the texts of a file's sections and interfaces, in bytes.
pub(crate) const TEXT_MAX_BYTES: usize = 1024 * 1024;

/// Maximum number of distinct notes per file. Equal notes share one entry with a count.
pub const NOTES_MAX: usize = 64;
