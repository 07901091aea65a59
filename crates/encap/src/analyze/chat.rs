//! A chat in either dialect, read from the streams of a capture: its transcript, and the lines that the protocol does
//! not allow.
//!
//! Messages tell the dialect of a conversation, or else the server's port. Lines end in LF (`protocol.md` §2), but the
//! clients and servers of some courses send a message without LF and take the bytes of one read for a message
//! (`protocol.md` §8.2). So a direction is framed by segments if unfinished bytes are answered.

mod dialect;
mod message_framer;
mod session;
mod transcript;
mod violation;

pub use dialect::{Spelling, dialect_of_port, parse_line_reply, recognise};
pub use message_framer::{FramedMessage, Framing, MessageFramer};
pub use session::{ChatLine, ChatSession};
pub use transcript::{Transcript, TranscriptEntry, Verdict};
pub use violation::{ViolationKind, ViolationPlace};
