//! The server under load.

use std::net::SocketAddr;
use std::time::Duration;

/// The server under load, and the limit of a wait for it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Address of the server's listener.
    pub addr: SocketAddr,
    /// The server's process id, if it runs on this machine. Its processor time and memory are then measured.
    pub pid: Option<u32>,
    /// Longest wait without any progress.
    pub timeout: Duration,
}
