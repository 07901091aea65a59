//! The web listener: the page, and WebSockets that carry the commands dialect, on one port with and without TLS.
//!
//! ```text
//! accept ─▶ first byte ─0x16─▶ TLS ─┬─▶ hyper: one request after the other ─┬─▶ a file of the page
//!                      └───────────┘                                       └─▶ /ws: WebSocket, a Socket of a Connection
//! ```
//!
//! Once a WebSocket is open, hyper gives its stream back, and the session goes the same way as one over TCP.

mod client;
mod handshake;
mod hosts;
mod http_connection;
mod keep_alive;
mod response;
mod service;
mod socket;
mod static_files;

use tokio::sync::watch;

use self::hosts::Hosts;
pub(crate) use self::http_connection::{reject, serve};
pub(crate) use self::keep_alive::probe_silent_peers;
use crate::settings::Settings;

/// What the connections of all web listeners share.
#[derive(Debug)]
pub(crate) struct Web {
    hosts: Hosts,
    /// Its sender is dropped when the server stops.
    stopping: watch::Receiver<()>,
}

impl Web {
    pub(crate) fn new(settings: &Settings, stopping: watch::Receiver<()>) -> Self {
        Self { hosts: Hosts::new(&settings.web_hosts), stopping }
    }
}
