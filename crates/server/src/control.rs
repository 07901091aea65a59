//! The control socket: an operator's commands for a running server.
//!
//! ```text
//! switchboard-server account … ──line──▶ DIR/control ─▶ service ─▶ Hub (same lock) ─▶ Switchboard
//!                              ◀─lines──────────────────────┘
//! ```
//!
//! A line is a command, here too, and each connection carries one: `printf 'ACCOUNT LIST\n' | nc -NU DIR/control`. The
//! permissions of the data directory decide who may send it.

pub(crate) mod service;
pub(crate) mod socket;
