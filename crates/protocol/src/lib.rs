//! The Switchboard protocol: its commands, replies, names and limits.
//!
//! A client sends [`Command`]s and a server sends [`Reply`]s. Two dialects encode them: [`commands`] (`REGISTER`,
//! `CONNECT`, `MSG`, …) and [`mod@line`] (`User2: hello`). [`version2`] extends the commands dialect by accounts and
//! conversations that last, for sessions that ask for it. `docs/protocol.md` is the specification; the module docs
//! name the section that they implement.
//!
//! ```text
//! ReceivedBytes ─▶ LineDecoder ─▶ RawLine ─▶ commands::parse ─▶ Command      Reply ─▶ commands::encode ─▶ bytes
//!                                            line::parse                              line::encode
//! ```
//!
//! This crate performs no I/O, needs no async runtime and reads no clock.

mod command;
mod dialect;
mod error_code;
mod foreign_protocol;
mod host_port;
mod ip_prefix;
mod join_link;
pub mod limits;
mod line_decoder;
mod parse_error;
mod received_bytes;
mod reply;
mod sanitize;
mod text;
mod username;
pub mod version2;
pub mod websocket;

pub use command::Command;
pub use dialect::{AfterReply, Dialect, commands, line};
pub use error_code::{ErrorCode, UnknownErrorCode};
pub use foreign_protocol::ForeignProtocol;
pub use host_port::{HostPort, HostPortError};
pub use ip_prefix::{IpPrefix, IpPrefixError};
pub use join_link::{JoinLink, JoinLinkError, KeyHash};
pub use line_decoder::{LineDecoder, LineTooLong};
pub use parse_error::ParseError;
pub use received_bytes::{RawLine, ReceivedBytes};
pub use reply::{Reply, Users};
pub use sanitize::{is_display_control, sanitize, sanitize_start, sanitize_with};
pub use text::{Text, TextError};
pub use username::{Username, UsernameError};
