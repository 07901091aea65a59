//! The Switchboard wire, as values.
//!
//! A chat line is a [`Command`] on its way to the server and a [`Reply`] on its way back. Two dialects write the same
//! values in two ways: [`commands`] (`REGISTER`, `CONNECT`, `MSG`, …) and [`mod@line`] (`User2: hello`). `docs/protocol.md`
//! is the specification; the section named beside each item is the one it implements.
//!
//! ```text
//! ReceivedBytes ─▶ LineDecoder ─▶ RawLine ─▶ commands::parse ─▶ Command      Reply ─▶ commands::encode ─▶ bytes
//!                                            line::parse                              line::encode
//! ```
//!
//! Nothing here does I/O, knows a runtime, or reads a clock.

mod command;
mod dialect;
mod error_code;
mod foreign_protocol;
pub mod limits;
mod line_decoder;
mod parse_error;
mod received_bytes;
mod reply;
mod sanitize;
mod text;
mod username;

pub use command::Command;
pub use dialect::{AfterReply, Dialect, commands, line};
pub use error_code::{ErrorCode, UnknownErrorCode};
pub use foreign_protocol::ForeignProtocol;
pub use line_decoder::{LineDecoder, LineTooLong};
pub use parse_error::ParseError;
pub use received_bytes::{RawLine, ReceivedBytes};
pub use reply::{Reply, Users};
pub use sanitize::{is_display_control, sanitize, sanitize_with};
pub use text::{Text, TextError};
pub use username::{Username, UsernameError};
