//! Two ends of a connection in one hand, or one end of a connection to a server.
//!
//! No socket blocks: what does not go on at once is tried again by whoever holds all [links](super::links).

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::Side;

/// How long nothing may move before that is an error.
pub(super) const STALL_MAX: Duration = Duration::from_secs(10);

/// How long the end of a connection may take, whatever still comes.
const CLOSE_MAX: Duration = Duration::from_secs(20);

/// How long a server that is not ours may be silent before nothing more is expected of it.
const QUIET: Duration = Duration::from_millis(300);

/// A connection that carries a stream of bytes each way.
#[derive(Debug)]
pub(super) struct Stream {
    /// By side; a server that is not ours is not here.
    ends: [Option<TcpStream>; 2],
    /// How many bytes each side sent, and got from the other.
    sent: [u64; 2],
    received: [u64; 2],
    /// Which side said that it has no more to say, and which heard that of the other.
    shut: [bool; 2],
    ended: [bool; 2],
    /// When something was sent or arrived the last time.
    moved: Instant,
}

impl Stream {
    /// Of a client's end, and the server's if that is ours.
    pub(super) fn new(client: TcpStream, server: Option<TcpStream>, now: Instant) -> io::Result<Self> {
        let ends = [Some(client), server];
        for end in ends.iter().flatten() {
            end.set_nonblocking(true)?;
            // A row leaves at its time, and does not wait for more.
            end.set_nodelay(true)?;
        }
        Ok(Self { ends, sent: [0; 2], received: [0; 2], shut: [false; 2], ended: [false; 2], moved: now })
    }

    pub(super) fn addresses(&self) -> io::Result<[SocketAddr; 2]> {
        let [Some(client), _] = &self.ends else { return Err(ErrorKind::NotConnected.into()) };
        Ok([client.local_addr()?, client.peer_addr()?])
    }

    /// The ends at which something may arrive.
    pub(super) fn open_ends(&self) -> impl Iterator<Item = &TcpStream> {
        self.ends.iter().zip(self.ended).filter(|(_, ended)| !ended).filter_map(|(end, _)| end.as_ref())
    }

    /// The end of a side, if it is ours.
    pub(super) fn end(&self, side: Side) -> Option<&TcpStream> {
        self.ends[side.index()].as_ref()
    }

    /// How many bytes a side has sent.
    pub(super) fn sent(&self, from: Side) -> u64 {
        self.sent[from.index()]
    }

    /// Hands as much of `bytes` to the kernel as it takes.
    pub(super) fn write(&mut self, from: Side, bytes: &[u8], now: Instant) -> io::Result<usize> {
        let Some(end) = &mut self.ends[from.index()] else { return Err(ErrorKind::NotConnected.into()) };
        match end.write(bytes) {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(n) => {
                self.sent[from.index()] += n as u64;
                self.moved = now;
                Ok(n)
            }
            Err(error) if is_no_error(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Whether all that `from` sent has arrived, as far as we can see that.
    pub(super) fn is_settled(&self, from: Side) -> bool {
        let is_ours = self.ends.iter().all(Option::is_some);
        !is_ours || self.received[from.other().index()] == self.sent[from.index()]
    }

    /// An error if nothing moved for too long.
    pub(super) fn check_stall(&self, now: Instant) -> io::Result<()> {
        if now.saturating_duration_since(self.moved) > STALL_MAX {
            let why = format!("nothing moved for {} seconds", STALL_MAX.as_secs());
            return Err(io::Error::new(ErrorKind::TimedOut, why));
        }
        Ok(())
    }

    /// Reads all that has arrived at either end.
    pub(super) fn drain(&mut self, now: Instant) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        for side in [Side::Client, Side::Server] {
            let Some(end) = &mut self.ends[side.index()] else { continue };
            while !self.ended[side.index()] {
                match end.read(&mut buffer) {
                    Ok(0) => self.ended[side.index()] = true,
                    Ok(n) => self.received[side.index()] += n as u64,
                    Err(error) if is_no_error(&error) => break,
                    Err(error) => return Err(error),
                }
                self.moved = now;
            }
        }
        Ok(())
    }

    /// Goes on to end it as both sides would: each says that it has no more to say, and hears the same of the other.
    /// Whether that is done. `since` is when it was begun.
    pub(super) fn close(&mut self, since: Instant, now: Instant) -> io::Result<bool> {
        if now.saturating_duration_since(since) > CLOSE_MAX {
            let why = format!("it did not end within {} seconds", CLOSE_MAX.as_secs());
            return Err(io::Error::new(ErrorKind::TimedOut, why));
        }
        // It may have had nothing to say for long.
        self.moved = self.moved.max(since);
        let [client, server] = [Side::Client.index(), Side::Server.index()];
        if self.ends[server].is_some() {
            if self.is_settled(Side::Client) && self.is_settled(Side::Server) {
                self.shut(Side::Client)?;
                if self.ended[server] {
                    self.shut(Side::Server)?;
                }
            }
        } else {
            // What it has to answer comes first; it is not waited for without end.
            let quiet = now.saturating_duration_since(self.moved) >= QUIET;
            if self.ended[client] || quiet || now.saturating_duration_since(since) >= STALL_MAX {
                self.shut(Side::Client)?;
            }
        }
        let is_done = self.ended[client] && self.shut[client] && (self.ends[server].is_none() || self.shut[server]);
        if !is_done {
            self.check_stall(now)?;
        }
        Ok(is_done)
    }

    fn shut(&mut self, side: Side) -> io::Result<()> {
        if !std::mem::replace(&mut self.shut[side.index()], true)
            && let Some(end) = &self.ends[side.index()]
        {
            end.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }
}

/// Two that send each other datagrams.
#[derive(Debug)]
pub(super) struct Datagrams {
    client: UdpSocket,
    /// All clients' common one, if it is ours.
    server: Option<UdpSocket>,
    addresses: [SocketAddr; 2],
    sent: [u64; 2],
    /// What was heard of a datagram before: that nobody listens.
    refused: Option<io::Error>,
}

impl Datagrams {
    pub(super) fn open(address: SocketAddr, server: Option<&UdpSocket>) -> io::Result<Self> {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let client = UdpSocket::bind(any)?;
        client.connect(address)?;
        let server = server.map(UdpSocket::try_clone).transpose()?;
        for socket in server.iter().chain([&client]) {
            socket.set_nonblocking(true)?;
        }
        let addresses = [client.local_addr()?, address];
        Ok(Self { client, server, addresses, sent: [0; 2], refused: None })
    }

    pub(super) const fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// The sockets at which something may arrive.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.server.iter().chain([&self.client])
    }

    /// Sends `bytes` as one datagram, and gives how many the side sent before.
    pub(super) fn send(&mut self, from: Side, bytes: &[u8]) -> io::Result<u64> {
        self.drain();
        if let Some(refused) = self.refused.take() {
            return Err(refused);
        }
        match (from, &self.server) {
            (Side::Client, _) => self.client.send(bytes)?,
            (Side::Server, Some(server)) => server.send_to(bytes, self.addresses[0])?,
            (Side::Server, None) => return Err(ErrorKind::NotConnected.into()),
        };
        let before = self.sent[from.index()];
        self.sent[from.index()] += 1;
        Ok(before)
    }

    /// Takes what has arrived, so that there is room for more.
    pub(super) fn drain(&mut self) {
        // What has no room in it is cut off: nobody reads it.
        let mut buffer = [0; 1];
        for socket in self.server.iter().chain([&self.client]) {
            loop {
                match socket.recv(&mut buffer) {
                    Ok(_) => {}
                    Err(error) => {
                        if !is_no_error(&error) {
                            self.refused = Some(error);
                        }
                        break;
                    }
                }
            }
        }
    }
}

/// Whether it only says to come again.
pub(super) fn is_no_error(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
