//! Two ends of a connection in one hand, or one end of a connection to a server.
//!
//! No call waits without bound: the sockets do not block, and whoever sends reads what arrives meanwhile, so that a message
//! larger than the kernel's buffers passes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use super::Side;

/// How long nothing may move before that is an error.
const STALL_MAX: Duration = Duration::from_secs(10);

/// How long a server that is not ours may be silent before nothing more is expected of it.
const QUIET: Duration = Duration::from_millis(300);

/// How long to wait for what is not there yet before looking again.
const NAP: Duration = Duration::from_micros(200);

/// Where the clock is read.
pub(super) type Now = fn() -> Instant;

/// A connection that carries a stream of bytes each way.
#[derive(Debug)]
pub(super) struct Stream {
    /// By side; a server that is not ours is not here.
    ends: [Option<TcpStream>; 2],
    /// How many bytes each side sent, and got from the other.
    sent: [u64; 2],
    received: [u64; 2],
    /// Which side heard that the other has no more to say.
    ended: [bool; 2],
    now: Now,
}

impl Stream {
    /// Connects to `address`, and accepts that at `listener` if it is ours.
    pub(super) fn open(address: SocketAddr, listener: Option<&TcpListener>, now: Now) -> io::Result<Self> {
        let client = TcpStream::connect_timeout(&address, STALL_MAX)?;
        let own = client.local_addr()?;
        let server = match listener {
            None => None,
            // Somebody else may have connected: that is not what is awaited.
            Some(listener) => loop {
                let (server, peer) = listener.accept()?;
                if peer == own {
                    break Some(server);
                }
            },
        };
        let ends = [Some(client), server];
        for end in ends.iter().flatten() {
            end.set_nonblocking(true)?;
            // A row leaves at its time, and does not wait for more.
            end.set_nodelay(true)?;
        }
        Ok(Self { ends, sent: [0; 2], received: [0; 2], ended: [false; 2], now })
    }

    pub(super) fn addresses(&self) -> io::Result<[SocketAddr; 2]> {
        let [Some(client), _] = &self.ends else { return Err(ErrorKind::NotConnected.into()) };
        Ok([client.local_addr()?, client.peer_addr()?])
    }

    /// Sends all of `bytes`, and gives where in the side's stream they begin.
    pub(super) fn send(&mut self, from: Side, bytes: &[u8]) -> io::Result<u64> {
        // What came before is answered only once it is there.
        self.settle(from.other())?;
        let start = self.sent[from.index()];
        let mut rest = bytes;
        let mut moved = (self.now)();
        while !rest.is_empty() {
            let Some(end) = &mut self.ends[from.index()] else { return Err(ErrorKind::NotConnected.into()) };
            match end.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    rest = &rest[n..];
                    self.sent[from.index()] += n as u64;
                    moved = (self.now)();
                }
                Err(error) if is_no_error(&error) => {
                    if self.drain()? {
                        moved = (self.now)();
                    }
                    self.nap(moved)?;
                }
                Err(error) => return Err(error),
            }
        }
        self.drain()?;
        Ok(start)
    }

    /// Waits until all that `from` sent has arrived, if we can see that.
    fn settle(&mut self, from: Side) -> io::Result<()> {
        if self.ends[from.other().index()].is_none() || self.ends[from.index()].is_none() {
            return Ok(());
        }
        let mut moved = (self.now)();
        while self.received[from.other().index()] < self.sent[from.index()] {
            if self.drain()? {
                moved = (self.now)();
            } else {
                self.nap(moved)?;
            }
        }
        Ok(())
    }

    /// Sleeps a little, unless nothing moved for too long.
    fn nap(&self, moved: Instant) -> io::Result<()> {
        if (self.now)().duration_since(moved) > STALL_MAX {
            return Err(io::Error::new(ErrorKind::TimedOut, "nothing moved for 10 seconds"));
        }
        thread::sleep(NAP);
        Ok(())
    }

    /// Reads all that has arrived at either end. Whether that was anything.
    pub(super) fn drain(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        let mut any = false;
        for side in [Side::Client, Side::Server] {
            let Some(end) = &mut self.ends[side.index()] else { continue };
            while !self.ended[side.index()] {
                match end.read(&mut buffer) {
                    Ok(0) => self.ended[side.index()] = true,
                    Ok(n) => self.received[side.index()] += n as u64,
                    Err(error) if is_no_error(&error) => break,
                    Err(error) => return Err(error),
                }
                any = true;
            }
        }
        Ok(any)
    }

    /// Ends it as both sides would: each says that it has no more to say, and hears the same of the other.
    pub(super) fn close(mut self) -> io::Result<()> {
        for side in [Side::Client, Side::Server] {
            self.settle(side)?;
        }
        let [client, server] = &self.ends;
        let is_ours = server.is_some();
        let shut = |end: &Option<TcpStream>| end.as_ref().map_or(Ok(()), |end| end.shutdown(Shutdown::Write));
        if is_ours {
            shut(client)?;
            self.hear_end(Side::Server)?;
            shut(&self.ends[Side::Server.index()])?;
            return self.hear_end(Side::Client);
        }
        // What it has to answer comes first.
        let mut moved = (self.now)();
        while !self.ended[Side::Client.index()] && (self.now)().duration_since(moved) < QUIET {
            if self.drain()? {
                moved = (self.now)();
            }
            thread::sleep(NAP);
        }
        shut(&self.ends[Side::Client.index()])?;
        self.hear_end(Side::Client)
    }

    fn hear_end(&mut self, side: Side) -> io::Result<()> {
        let mut moved = (self.now)();
        while !self.ended[side.index()] {
            if self.drain()? {
                moved = (self.now)();
            } else {
                self.nap(moved)?;
            }
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
        Ok(Self { client, server, addresses, sent: [0; 2] })
    }

    pub(super) const fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// Sends `bytes` as one datagram, and gives how many the side sent before.
    pub(super) fn send(&mut self, from: Side, bytes: &[u8]) -> io::Result<u64> {
        self.drain()?;
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
    fn drain(&self) -> io::Result<()> {
        // What has no room in it is cut off: nobody reads it.
        let mut buffer = [0; 1];
        for socket in self.server.iter().chain([&self.client]) {
            loop {
                match socket.recv(&mut buffer) {
                    Ok(_) => {}
                    Err(error) if is_no_error(&error) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// Whether it only says to come again.
fn is_no_error(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
