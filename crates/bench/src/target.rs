//! Which server, and how it is watched.

use std::net::SocketAddr;
use std::time::Duration;

/// A server under load.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its process, where it runs on this machine and is to be weighed.
    pub pid: Option<u32>,
    /// How long to wait where nothing comes at all.
    pub timeout: Duration,
}
