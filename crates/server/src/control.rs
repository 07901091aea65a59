//! The control socket: an operator's commands for a running server.
//!
//! ```text
//! switchboard-server account … ──line──▶ DIR/control ─▶ service ─▶ Hub (same lock) ─▶ Switchboard
//!                              ◀─lines──────────────────────┘
//! ```
//!
//! A line is a command, here too, and each connection carries one: `printf 'ACCOUNT LIST\n' | nc -NU DIR/control`. The
//! permissions of the data directory decide who may send it. `request.rs` has the table of verbs, and each group of them has
//! a file that carries them out.

mod accounts;
mod request;
pub(crate) mod service;
pub(crate) mod socket;
