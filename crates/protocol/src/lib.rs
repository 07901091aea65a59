//! The Switchboard wire, as values.
//!
//! A chat line is a [`Command`] on its way to the server and a [`Reply`] on its way back. Two dialects write the same
//! values in two ways: [`commands`] (`REGISTER`, `CONNECT`, `MSG`, …) and [`mod@line`] (`User2: hello`). `docs/protocol.md`
//! is the specification; the section named beside each item is the one it implements.
//!
//! ```text
//! Unread ─▶ LineDecoder ─▶ one Line ─▶ commands::parse ─▶ Command        Reply ─▶ commands::encode ─▶ bytes
//!                                     line::parse                               line::encode
//! ```
//!
//! Nothing here does I/O, knows a runtime, or reads a clock.

mod command;
pub mod commands;
mod decoder;
mod dialect;
mod error_code;
mod foreign;
pub mod limits;
pub mod line;
mod parse_error;
mod reply;
mod sanitize;
mod text;
mod unread;
mod username;

pub use command::Command;
pub use decoder::{LineDecoder, LineTooLong};
pub use dialect::{Dialect, Then};
pub use error_code::{ErrorCode, UnknownErrorCode};
pub use foreign::Foreign;
pub use parse_error::ParseError;
pub use reply::{Reply, Users};
pub use sanitize::{is_display_control, sanitize, sanitize_with};
pub use text::{Text, TextError};
pub use unread::{Line, Unread};
pub use username::{Username, UsernameError};
