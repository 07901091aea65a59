//! Reads chats in both dialects from the streams of a capture: their transcript, and the lines that the protocol does
//! not allow.
//!
//! The dialect of a conversation is recognised by its messages. If no message decides, the server's port does.
//!
//! Lines end in LF (`protocol.md` §2). But some course programs send a message without LF, and take the bytes of one
//! read for a message (`protocol.md` §8.2). So if bytes without LF get an answer, each segment counts as a message.

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
