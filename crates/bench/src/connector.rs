//! Opens connections, from many source addresses where the machine has them.
//!
//! A closed connection holds its port for a minute (`TIME_WAIT`, RFC 9293 §3.6), and one address has about 28,000
//! ports to choose from. On Linux all of 127.0.0.0/8 is the loopback, so each further thousand connections to a
//! loopback server comes from another address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections from one source address before the next address is used.
const SESSIONS_PER_ADDRESS: usize = 1000;

#[derive(Debug)]
pub(crate) struct Connector {
    /// The second octet of the source addresses 127.N.x.y; `None` where the system chooses the address.
    network: Option<u8>,
    opened: usize,
}

impl Connector {
    pub(crate) fn new(target: SocketAddr) -> Self {
        let has_many = cfg!(target_os = "linux") && target.is_ipv4() && target.ip().is_loopback();
        Self { network: has_many.then(|| fastrand::u8(1..)), opened: 0 }
    }

    pub(crate) fn opened(&self) -> usize {
        self.opened
    }

    /// Starts a non-blocking connection.
    pub(crate) fn connect(&mut self, target: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = self.next_source() {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        match socket.connect(&target.into()) {
            Err(error) if !is_in_progress(&error) => Err(error),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }

    /// The source address of the next connection; `None` for the first thousand, whose address the system chooses.
    fn next_source(&mut self) -> Option<IpAddr> {
        let turn = self.opened / SESSIONS_PER_ADDRESS;
        self.opened += 1;
        let network = self.network.filter(|_| turn > 0)?;
        let [third, fourth] = [turn / 254 % 256, 1 + turn % 254].map(|octet| u8::try_from(octet).unwrap_or(1));
        Some(Ipv4Addr::new(127, network, third, fourth).into())
    }
}

fn is_in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) {
        return true;
    }
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thousand_connections_have_their_own_address() {
        let mut connector = Connector { network: Some(7), opened: 0 };
        let addresses: Vec<_> = (0..300_000).map(|_| connector.next_source()).collect();
        let of = |at: usize| addresses[at].map(|address| address.to_string());
        assert_eq!([of(0), of(999)], [None, None]);
        assert_eq!(of(1000).as_deref(), Some("127.7.0.2"));
        assert_eq!(of(1999), of(1000));
        assert_eq!(of(2000).as_deref(), Some("127.7.0.3"));
        assert_eq!(of(254_000).as_deref(), Some("127.7.1.1"));
    }
}
