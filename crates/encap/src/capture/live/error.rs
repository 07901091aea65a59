//! Why frames cannot be taken from an interface.

use std::io;

/// Why frames cannot be taken from an interface, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The program may not see other programs' frames.
    #[error(
        "capturing needs the right CAP_NET_RAW: give it to the program (`sudo setcap cap_net_raw+ep \"$(command -v encap)\"`), \
         or run it in a network namespace of your own (`unshare --user --map-root-user --net`)"
    )]
    NoRight,
    /// There is no interface of this name.
    #[error("no interface is named {0:?}: `ip link` lists them")]
    NoInterface(String),
    /// The interface is down, or went down.
    #[error("interface {0} is down: `ip link set {0} up` starts it")]
    Down(String),
    /// The interface was taken away.
    #[error("interface {0} is gone")]
    Gone(String),
    /// The buffer is not of a size that the kernel can share.
    #[error("a buffer of {bytes} bytes: it takes at least {least}")]
    BufferTooSmall {
        /// The size that was asked for.
        bytes: u32,
        /// The least.
        least: u32,
    },
    /// The system refused something else.
    #[error("cannot {doing} on interface {interface}: {source}")]
    Io {
        /// What was to be done.
        doing: &'static str,
        /// On which interface.
        interface: String,
        /// What the system said.
        source: io::Error,
    },
}
