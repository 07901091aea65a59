//! The server under load.

use std::net::SocketAddr;
use std::time::Duration;

use crate::transport::Transport;

/// The server under load, and the limit of a wait for it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Address of the server's listener.
    pub addr: SocketAddr,
    /// The layers that the listener expects.
    pub transport: Transport,
    /// The server's process id, if it runs on this machine. Its processor time and memory are then measured.
    pub pid: Option<u32>,
    /// Longest wait without any progress.
    pub timeout: Duration,
}
