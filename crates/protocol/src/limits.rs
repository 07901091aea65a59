//! The limits of the protocol, each with its unit and reason.
//!
//! Client and server must agree on these. Limits of the server alone (sessions, outboxes, times) are its settings.

/// The longest name in characters (Unicode scalar values). A list of users can show it on one screen line.
pub const USERNAME_MAX_CHARS: usize = 32;

/// The longest name in bytes: four bytes for each character, the most that UTF-8 uses (RFC 3629 §3).
pub const USERNAME_MAX_BYTES: usize = 4 * USERNAME_MAX_CHARS;

/// The longest line a client may send, in bytes with its LF. It is one memory page, so an incomplete line costs at most
/// one page.
pub const LINE_MAX_BYTES: usize = 4096;

/// The highest line limit that a server can be configured with, in bytes with its LF. It equals the server's largest
/// read. Clients must accept a `FROM` line of this length.
pub const LINE_CEILING_BYTES: usize = 65_536;

/// The longest message text in bytes. The rest of a line is for the verb or the author's name, and for a prefix that
/// later versions may add before the verb.
pub const TEXT_MAX_BYTES: usize = 3840;

/// The longest line a server may send, in bytes with its LF: the `USERS` line for [`USERS_MAX`] users with names of
/// maximum length. A client with a lower limit can fail on it.
pub const REPLY_MAX_BYTES: usize = users_line_max_bytes(USERS_MAX);

/// The most users in one `USERS` line, and the highest session limit that a server can be configured with.
pub const USERS_MAX: usize = 65_536;

/// The longest `USERS` line for `users` registered users, in bytes with its LF.
#[must_use]
pub const fn users_line_max_bytes(users: usize) -> usize {
    "USERS \n".len() + users * (USERNAME_MAX_BYTES + ",".len())
}

/// The bytes of a message line other than name and text, in the dialect that adds more.
pub const FROM_OVERHEAD_BYTES: usize = "FROM : \n".len();

// An accepted message must fit in one line together with its author's name, and with its verb.
const _: () = assert!(FROM_OVERHEAD_BYTES + USERNAME_MAX_BYTES + TEXT_MAX_BYTES <= LINE_MAX_BYTES);
const _: () = assert!("MSG \r\n".len() + TEXT_MAX_BYTES <= LINE_MAX_BYTES);
const _: () = assert!(LINE_MAX_BYTES <= LINE_CEILING_BYTES);
const _: () = assert!("REGISTER \r\n".len() + USERNAME_MAX_BYTES <= LINE_MAX_BYTES);
