//! Where sessions come from: many addresses, where the machine has many.
//!
//! A connection that was closed keeps its two ends taken for a minute (`TIME_WAIT`, RFC 9293 §3.6), and one address has
//! 28,000 ports. All of 127.0.0.0/8 is this machine, so on the loopback of Linux each thousand of sessions gets an
//! address of its own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

/// How many sessions come from one address before the next has its turn.
const SESSIONS_PER_ADDRESS: usize = 1000;

/// Makes connections.
#[derive(Debug)]
pub(crate) struct Connector {
    /// The network 127.N.0.0 of this run, where there are addresses to choose from.
    network: Option<u8>,
    opened: usize,
}

impl Connector {
    pub(crate) fn new(target: SocketAddr) -> Self {
        let has_many = cfg!(target_os = "linux") && target.is_ipv4() && target.ip().is_loopback();
        Self { network: has_many.then(|| fastrand::u8(1..)), opened: 0 }
    }

    /// How many connections were begun.
    pub(crate) fn opened(&self) -> usize {
        self.opened
    }

    /// Begins to connect.
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

    /// The address of the next session; none for the first, which come from where the system says.
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
