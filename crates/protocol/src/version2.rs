//! Version 2 of the commands dialect: tags, accounts, and conversations that last. (`protocol.md` §13)
//!
//! A session that begins with `HELLO 2` speaks it. Each line of a client is a [`Request`]: an optional number `n`, and
//! a [`Command`]. The commands of version 1 are part of it ([`Command::Version1`]).
//!
//! ```text
//! RawLine ─▶ hello ─▶ Hello        RawLine ─▶ parse ─▶ Request        TaggedReply ─▶ encode ─▶ bytes
//!
//! RecordLine ─▶ encode ─▶ one line for all readers ─▶ push_with_n ─▶ the same line for the device that sent it
//! ```

mod device_name;
mod number;
mod period;
mod record;
mod reply;
mod request;
mod room_name;
mod secret;
mod tags;
mod timestamp;
mod verbs;

pub use device_name::DeviceName;
pub use number::NUMBER_MAX;
pub use period::Period;
pub use record::{RecordLine, RecordVerb};
pub use reply::{DoneVerb, GapReason, Reply, Standing, TaggedReply, Words, parse_reply, push_with_n};
pub use request::{
    Command, Credential, Hello, InvalidRequest, Position, Proof, REASON_MAX_BYTES, Redaction, Request, RequestError,
    Target, hello, parse,
};
pub use room_name::{RoomName, RoomNameError};
pub use secret::{SECRET_MAX_BYTES, Secret};
pub use tags::{InvalidTag, fits_tag};
pub use timestamp::{parse_timestamp, timestamp};
pub use verbs::{Argument, VERBS, Verb};

/// The version of the protocol that this module implements.
pub const VERSION: u64 = 2;
