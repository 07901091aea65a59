//! What bounds the wire: each limit with its unit and its reason.
//!
//! The limits of the server as a program (sessions, outboxes, times) are its settings; these are the ones that two
//! programs have to agree on to understand each other.

/// The longest name, in characters (Unicode scalar values): what a list of users still shows on one screen line.
pub const USERNAME_MAX_CHARS: usize = 32;

/// The longest name, in bytes of UTF-8: every character at its widest, four bytes (RFC 3629 §3).
pub const USERNAME_MAX_BYTES: usize = 4 * USERNAME_MAX_CHARS;

/// The longest line a client may send, in bytes with its LF: one page, so that half a line costs one page at most.
pub const LINE_MAX_BYTES: usize = 4096;

/// The longest line that a server may be set to take, in bytes with its LF, and so the longest `FROM` that a client must
/// be ready for: as much as a server reads at once.
pub const LINE_CEILING_BYTES: usize = 65_536;

/// The longest message text, in bytes of UTF-8. The rest of a line is for the verb or the author's name, and for what a
/// later version puts before the verb.
pub const TEXT_MAX_BYTES: usize = 3840;

/// The longest line a server may send, in bytes with its LF: the answer to `WHO` of [`USERS_MAX`] users, all with the
/// longest name. A client that reads less than this may miss it.
pub const REPLY_MAX_BYTES: usize = users_line_max_bytes(USERS_MAX);

/// The most users that one `USERS` line names, and so the most sessions that a server may be set to hold.
pub const USERS_MAX: usize = 65_536;

/// The longest `USERS` line that `users` registered users can make, in bytes with its LF.
#[must_use]
pub const fn users_line_max_bytes(users: usize) -> usize {
    "USERS \n".len() + users * (USERNAME_MAX_BYTES + ",".len())
}

/// What a message's line holds beside name and text, in the dialect that adds most.
pub const FROM_OVERHEAD_BYTES: usize = "FROM : \n".len();

// A message that is accepted must still fit in one line once its author is named, and once its target is.
const _: () = assert!(FROM_OVERHEAD_BYTES + USERNAME_MAX_BYTES + TEXT_MAX_BYTES <= LINE_MAX_BYTES);
const _: () = assert!("MSG \r\n".len() + TEXT_MAX_BYTES <= LINE_MAX_BYTES);
const _: () = assert!(LINE_MAX_BYTES <= LINE_CEILING_BYTES);
const _: () = assert!("REGISTER \r\n".len() + USERNAME_MAX_BYTES <= LINE_MAX_BYTES);
