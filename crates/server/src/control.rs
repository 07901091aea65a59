//! The control socket: an operator's commands for a running server.
//!
//! ```text
//! switchboard-server ctl VERB … ──line──▶ DIR/control ─▶ service ─▶ Hub (same lock) ─▶ Switchboard
//!                               ◀─lines──────────────────────┘
//! ```
//!
//! A line is a command, here too, and each connection carries one: `printf 'STATUS\n' | nc -NU DIR/control`. The
//! permissions of the data directory decide who may send it. `request.rs` has the table of verbs, and each group of them has
//! a file that carries them out.

mod accounts;
mod bans;
mod configuration;
mod drain;
mod people;
mod request;
mod running;
pub(crate) mod service;
mod sessions;
pub(crate) mod socket;
mod status;

use std::sync::Arc;

pub(crate) use self::running::RunningServer;
use crate::hub::Hub;

/// The server that the commands are for.
#[derive(Clone, Debug)]
pub(crate) struct ControlledServer {
    pub(crate) hub: Arc<Hub>,
    /// `None` if the server is stopped, and its state was loaded for one command.
    pub(crate) running: Option<Arc<RunningServer>>,
}

#[cfg(test)]
mod tests;
