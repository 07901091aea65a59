//! Where people come in.

use std::io;
use std::net::SocketAddr;

use switchboard_protocol::Dialect;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// How many connections may wait to be accepted: a burst of a whole school class, several times over.
const BACKLOG: u32 = 4096;

/// A bound address, and the dialect that is spoken there.
#[derive(Debug)]
pub struct Listener {
    pub(crate) dialect: Dialect,
    pub(crate) socket: TcpListener,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It is no address.
    #[error("cannot listen on {address}: {error}. Give HOST:PORT with {flag}, such as {flag} 0.0.0.0:12345")]
    Unresolved {
        /// What was asked for.
        address: String,
        /// The setting that asked.
        flag: &'static str,
        /// What the resolver said.
        error: io::Error,
    },
    /// Somebody else listens there.
    #[error(
        "cannot listen on {address}: the port is in use, perhaps by another server{}. \
         Move this one with {flag} HOST:PORT, or turn it off with {flag} none",
        if .address.starts_with("[::]") { ", or by this one ([::] takes IPv4 too)" } else { "" }
    )]
    InUse {
        /// What was asked for.
        address: String,
        /// The setting that asked.
        flag: &'static str,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {error}. Choose another address with {flag} HOST:PORT")]
    Refused {
        /// What was asked for.
        address: String,
        /// The setting that asked.
        flag: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl Listener {
    /// Speaks `dialect` on a socket that is bound already.
    #[must_use]
    pub fn new(dialect: Dialect, socket: TcpListener) -> Self {
        Self { dialect, socket }
    }

    /// Binds `address`, as `HOST:PORT`; port 0 takes a free one.
    pub async fn bind(dialect: Dialect, address: &str) -> Result<Self, BindError> {
        let flag = match dialect {
            Dialect::Commands => "--listen",
            Dialect::Line => "--listen-line",
        };
        let unresolved = |error| BindError::Unresolved { address: address.to_owned(), flag, error };
        let mut refused = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for candidate in lookup_host(address).await.map_err(unresolved)? {
            match listen(candidate) {
                Ok(socket) => return Ok(Self { dialect, socket }),
                Err(error) => refused = error,
            }
        }
        let address = address.to_owned();
        Err(match refused.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address, flag },
            _ => BindError::Refused { address, flag, error: refused },
        })
    }

    /// The address that was chosen.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The dialect that is spoken here.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that is started again need not wait for the connections of the last one to be forgotten.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
