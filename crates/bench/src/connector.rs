//! Opens connections to the server. On Linux, connections to a loopback server come from many source addresses.
//!
//! A closed connection holds its port for a minute (`TIME_WAIT`, RFC 9293 §3.6), and one address has only about 28,000
//! ports for new connections. On Linux, every address of 127.0.0.0/8 belongs to the loopback interface. After the first
//! thousand connections, each further thousand therefore uses a source address of its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

/// Number of connections from one source address. Further connections use the next address.
const CONNECTIONS_PER_ADDRESS: usize = 1000;

#[derive(Debug)]
pub(crate) struct Connector {
    /// The second octet of the source addresses 127.N.x.y. It is random, so that two runs rarely share addresses.
    /// `None` if the system chooses every source address.
    second_octet: Option<u8>,
    /// Number of connections opened so far.
    opened: usize,
}

impl Connector {
    pub(crate) fn new(target: SocketAddr) -> Self {
        let has_many_addresses = cfg!(target_os = "linux") && target.is_ipv4() && target.ip().is_loopback();
        Self { second_octet: has_many_addresses.then(|| fastrand::u8(1..)), opened: 0 }
    }

    pub(crate) fn opened(&self) -> usize {
        self.opened
    }

    /// Starts to connect, and returns a non-blocking socket without waiting for the connection.
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

    /// The source address of the next connection. `None` if the system chooses it, as for the first thousand.
    fn next_source(&mut self) -> Option<IpAddr> {
        let address_number = self.opened / CONNECTIONS_PER_ADDRESS;
        self.opened += 1;
        let second = self.second_octet.filter(|_| address_number > 0)?;
        // The last octet is 1 to 254, because 0 and 255 often have a special meaning.
        let [third, fourth] =
            [address_number / 254 % 256, 1 + address_number % 254].map(|octet| u8::try_from(octet).unwrap_or(1));
        Some(Ipv4Addr::new(127, second, third, fourth).into())
    }
}

/// Whether `error` only says that a non-blocking connection is not established yet.
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
    fn each_thousand_connections_has_its_own_source_address() {
        let mut connector = Connector { second_octet: Some(7), opened: 0 };
        let addresses: Vec<_> = (0..300_000).map(|_| connector.next_source()).collect();
        let address_of = |connection: usize| addresses[connection].map(|address| address.to_string());
        assert_eq!([address_of(0), address_of(999)], [None, None]);
        assert_eq!(address_of(1000).as_deref(), Some("127.7.0.2"));
        assert_eq!(address_of(1999), address_of(1000));
        assert_eq!(address_of(2000).as_deref(), Some("127.7.0.3"));
        assert_eq!(address_of(254_000).as_deref(), Some("127.7.1.1"));
    }
}
