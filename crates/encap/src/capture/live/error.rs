//! Errors of live captures.

use std::io;

/// Why a capture cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The process lacks the capability for packet sockets.
    #[error(
        "capturing needs the capability CAP_NET_RAW: grant it to the program \
         (`sudo setcap cap_net_raw+ep \"$(command -v encap)\"`), \
         or run it in a new network namespace (`unshare --user --map-root-user --net`)"
    )]
    NoCapability,
    /// No interface has this name.
    #[error("no interface is named {0:?}: `ip link` lists them")]
    NoInterface(String),
    /// The interface is down.
    #[error("interface {0} is down: `ip link set {0} up` starts it")]
    Down(String),
    /// The interface was deleted.
    #[error("interface {0} is gone")]
    Gone(String),
    /// The buffer is too small for the ring.
    #[error("a buffer of {bytes} bytes is too small: use at least {least}")]
    BufferTooSmall {
        /// Requested size in bytes.
        bytes: u32,
        /// Minimum size in bytes.
        least: u32,
    },
    /// Another error of the system.
    #[error("cannot {doing} on interface {interface}: {source}")]
    Io {
        /// The failed operation, as a phrase after "cannot".
        doing: &'static str,
        /// Interface name.
        interface: String,
        /// The system's error.
        source: io::Error,
    },
}
