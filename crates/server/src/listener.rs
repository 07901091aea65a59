//! Binds listening addresses.

use std::io;
use std::net::SocketAddr;

use switchboard_protocol::Dialect;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Maximum number of connections that wait to be accepted. It is large enough for several school classes that connect
/// at the same time.
const BACKLOG: u32 = 4096;

/// A listening socket, and the dialect of its sessions.
#[derive(Debug)]
pub struct Listener {
    pub(crate) dialect: Dialect,
    pub(crate) socket: TcpListener,
}

/// Why a listener cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text is not an address, or the name does not resolve.
    #[error("cannot listen on {address}: {error}. Give HOST:PORT with {flag}, such as {flag} 0.0.0.0:12345")]
    Unresolved {
        /// The address as the user gave it.
        address: String,
        /// The flag that sets the address.
        flag: &'static str,
        /// The error of the resolver.
        error: io::Error,
    },
    /// Another socket listens on the address.
    #[error(
        "cannot listen on {address}: the port is in use, perhaps by another server{}. \
         Choose another address with {flag} HOST:PORT, or turn this listener off with {flag} none",
        if .address.starts_with("[::]") { ", or by this one ([::] takes IPv4 too)" } else { "" }
    )]
    InUse {
        /// The address as the user gave it.
        address: String,
        /// The flag that sets the address.
        flag: &'static str,
    },
    /// The system refuses to bind the address.
    #[error("cannot listen on {address}: {error}. Choose another address with {flag} HOST:PORT")]
    Refused {
        /// The address as the user gave it.
        address: String,
        /// The flag that sets the address.
        flag: &'static str,
        /// The error of the system.
        error: io::Error,
    },
}

impl Listener {
    /// Uses a socket that already listens.
    #[must_use]
    pub fn new(dialect: Dialect, socket: TcpListener) -> Self {
        Self { dialect, socket }
    }

    /// Binds `address`, which has the form `HOST:PORT`. For port 0, the system chooses a free port. If the host has
    /// several addresses, binds the first one that is possible.
    pub async fn bind(dialect: Dialect, address: &str) -> Result<Self, BindError> {
        let flag = match dialect {
            Dialect::Commands => "--listen",
            Dialect::Line => "--listen-line",
        };
        let unresolved = |error| BindError::Unresolved { address: address.to_owned(), flag, error };
        let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for candidate in lookup_host(address).await.map_err(unresolved)? {
            match listen(candidate) {
                Ok(socket) => return Ok(Self { dialect, socket }),
                Err(error) => last_error = error,
            }
        }
        let address = address.to_owned();
        Err(match last_error.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address, flag },
            _ => BindError::Refused { address, flag, error: last_error },
        })
    }

    /// The bound address, with the port that the system chose.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The dialect of this listener's sessions.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted server can bind although connections of the previous server are in TIME-WAIT.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
