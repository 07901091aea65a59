//! The limits of the protocol, each with its unit and reason.
//!
//! Client and server must agree on these. Limits of the server alone (sessions, outboxes, times) are its settings.

/// The longest name in characters (Unicode scalar values). Such a name still fits on one line of a list of users.
pub const USERNAME_MAX_CHARS: usize = 32;

/// The longest name in bytes: four bytes for each character, the most that UTF-8 uses (RFC 3629 §3).
pub const USERNAME_MAX_BYTES: usize = 4 * USERNAME_MAX_CHARS;

/// The longest line that a client may send, in bytes with its LF: one memory page. So an incomplete line costs at most
/// one page.
pub const LINE_MAX_BYTES: usize = 4096;

/// The highest line limit that an operator can set, in bytes with the LF: the size of the server's read buffer. A
/// client must accept a `FROM` line of this length.
pub const LINE_CEILING_BYTES: usize = 65_536;

/// The longest message text in bytes. The other bytes of a line hold the verb or the author's name, and a prefix that
/// later versions may add before the verb.
pub const TEXT_MAX_BYTES: usize = 3840;

/// The longest line that a server may send, in bytes with its LF: the `USERS` line for [`USERS_MAX`] users with names
/// of maximum length. A client must accept lines of this length.
pub const REPLY_MAX_BYTES: usize = users_line_max_bytes(USERS_MAX);

/// The most users in one `USERS` line, and the highest session limit that an operator can set.
pub const USERS_MAX: usize = 65_536;

/// An upper bound for the `USERS` line of `users` registered users, in bytes with its LF.
#[must_use]
pub const fn users_line_max_bytes(users: usize) -> usize {
    "USERS \n".len() + users * (USERNAME_MAX_BYTES + ",".len())
}

/// The bytes that the commands dialect adds to name and text in a message line. The line dialect adds fewer.
pub const FROM_OVERHEAD_BYTES: usize = "FROM : \n".len();

/// The most bytes that version 2 adds to conversation, author and text in the line of a record, with the number of its
/// sender.
pub const RECORD_OVERHEAD_BYTES: usize = "@n=".len()
    + ";in=;seq=;at=2026-11-28T22:10:37.123Z;by=;past=1;redacted= UNBANNED : \n".len()
    + 4 * NUMBER_MAX_DIGITS;

/// The most digits of a number in a line of version 2.
pub const NUMBER_MAX_DIGITS: usize = 19;

// A text of maximum length must fit in one line both with the author's name (`FROM`) and with the verb (`MSG`).
const _: () = assert!(FROM_OVERHEAD_BYTES + USERNAME_MAX_BYTES + TEXT_MAX_BYTES <= LINE_MAX_BYTES);
const _: () = assert!("MSG \r\n".len() + TEXT_MAX_BYTES <= LINE_MAX_BYTES);
const _: () = assert!(LINE_MAX_BYTES <= LINE_CEILING_BYTES);
const _: () =
    assert!("@n= SAY  \r\n".len() + NUMBER_MAX_DIGITS + USERNAME_MAX_BYTES + TEXT_MAX_BYTES <= LINE_MAX_BYTES);
const _: () = assert!(RECORD_OVERHEAD_BYTES + 2 * USERNAME_MAX_BYTES + TEXT_MAX_BYTES <= LINE_CEILING_BYTES);
const _: () = assert!("REGISTER \r\n".len() + USERNAME_MAX_BYTES <= LINE_MAX_BYTES);
