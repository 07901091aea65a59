//! One connection: both of its ends, or only the client's end if the server is another program.
//!
//! All sockets are non-blocking. [`LinkSet`](super::link_set::LinkSet) polls them and retries.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::Side;

/// Longest time without a byte sent or received.
pub(super) const STALL_MAX: Duration = Duration::from_secs(10);

/// Longest time to close a connection, even if data still arrives.
const CLOSE_MAX: Duration = Duration::from_secs(20);

/// A foreign server that is silent for this long has finished its answer.
const QUIET: Duration = Duration::from_millis(300);

/// A TCP connection.
#[derive(Debug)]
pub(super) struct StreamLink {
    /// By side. `None` for a server that is another program.
    ends: [Option<TcpStream>; 2],
    /// Bytes by side.
    sent: [u64; 2],
    received: [u64; 2],
    /// By side: a FIN was sent.
    shut: [bool; 2],
    /// By side: the end of the other side's stream was read.
    ended: [bool; 2],
    /// Last time at which a byte was sent or received.
    last_progress: Instant,
}

impl StreamLink {
    /// Takes the client's end, and the server's end unless the server is another program.
    pub(super) fn new(client: TcpStream, server: Option<TcpStream>, now: Instant) -> io::Result<Self> {
        let ends = [Some(client), server];
        for end in ends.iter().flatten() {
            end.set_nonblocking(true)?;
            // Without Nagle's algorithm, a row leaves at its time.
            end.set_nodelay(true)?;
        }
        Ok(Self { ends, sent: [0; 2], received: [0; 2], shut: [false; 2], ended: [false; 2], last_progress: now })
    }

    pub(super) fn addresses(&self) -> io::Result<[SocketAddr; 2]> {
        let [Some(client), _] = &self.ends else { return Err(ErrorKind::NotConnected.into()) };
        Ok([client.local_addr()?, client.peer_addr()?])
    }

    /// Ends whose input has not ended.
    pub(super) fn open_ends(&self) -> impl Iterator<Item = &TcpStream> {
        self.ends.iter().zip(self.ended).filter(|(_, ended)| !ended).filter_map(|(end, _)| end.as_ref())
    }

    /// `None` for a server that is another program.
    pub(super) fn end(&self, side: Side) -> Option<&TcpStream> {
        self.ends[side.index()].as_ref()
    }

    /// Bytes that a side has sent.
    pub(super) fn sent(&self, from: Side) -> u64 {
        self.sent[from.index()]
    }

    /// Writes as much of `bytes` as the kernel accepts, and returns that length: 0 if the send buffer is full.
    pub(super) fn write(&mut self, from: Side, bytes: &[u8], now: Instant) -> io::Result<usize> {
        let Some(end) = &mut self.ends[from.index()] else { return Err(ErrorKind::NotConnected.into()) };
        match end.write(bytes) {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(n) => {
                self.sent[from.index()] += n as u64;
                self.last_progress = now;
                Ok(n)
            }
            Err(error) if is_retryable(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Whether all bytes of `from` have arrived. Assumed if the server is another program.
    pub(super) fn is_settled(&self, from: Side) -> bool {
        let is_ours = self.ends.iter().all(Option::is_some);
        !is_ours || self.received[from.other().index()] == self.sent[from.index()]
    }

    /// # Errors
    ///
    /// `TimedOut` after [`STALL_MAX`] without progress.
    pub(super) fn check_stall(&self, now: Instant) -> io::Result<()> {
        if now.saturating_duration_since(self.last_progress) > STALL_MAX {
            let why = format!("nothing moved for {} seconds", STALL_MAX.as_secs());
            return Err(io::Error::new(ErrorKind::TimedOut, why));
        }
        Ok(())
    }

    /// Reads and discards all received bytes at both ends.
    pub(super) fn drain(&mut self, now: Instant) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        for side in [Side::Client, Side::Server] {
            let Some(end) = &mut self.ends[side.index()] else { continue };
            while !self.ended[side.index()] {
                match end.read(&mut buffer) {
                    Ok(0) => self.ended[side.index()] = true,
                    Ok(n) => self.received[side.index()] += n as u64,
                    Err(error) if is_retryable(&error) => break,
                    Err(error) => return Err(error),
                }
                self.last_progress = now;
            }
        }
        Ok(())
    }

    /// Advances the orderly close: each side sends its FIN and reads the other's. Returns whether the close is
    /// complete. `since` is the time at which closing began.
    pub(super) fn close(&mut self, since: Instant, now: Instant) -> io::Result<bool> {
        if now.saturating_duration_since(since) > CLOSE_MAX {
            let why = format!("it did not end within {} seconds", CLOSE_MAX.as_secs());
            return Err(io::Error::new(ErrorKind::TimedOut, why));
        }
        // A connection that was idle before the close has not stalled.
        self.last_progress = self.last_progress.max(since);
        let [client, server] = [Side::Client.index(), Side::Server.index()];
        if self.ends[server].is_some() {
            if self.is_settled(Side::Client) && self.is_settled(Side::Server) {
                self.shut(Side::Client)?;
                if self.ended[server] {
                    self.shut(Side::Server)?;
                }
            }
        } else {
            // The server may still be answering. Wait for its end or its silence, but not for ever.
            let quiet = now.saturating_duration_since(self.last_progress) >= QUIET;
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

/// A client and a server that exchange datagrams.
#[derive(Debug)]
pub(super) struct DatagramLink {
    client: UdpSocket,
    /// Shared by all clients. `None` if the server is another program.
    server: Option<UdpSocket>,
    addresses: [SocketAddr; 2],
    sent: [u64; 2],
    /// An ICMP error for an earlier datagram: the port is closed.
    refused: Option<io::Error>,
}

impl DatagramLink {
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

    /// The sockets to poll.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.server.iter().chain([&self.client])
    }

    /// Sends `bytes` as one datagram. Returns the number of earlier datagrams of this side.
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

    /// Empties the receive buffers.
    pub(super) fn drain(&mut self) {
        // The content is not needed, so datagrams are truncated.
        let mut buffer = [0; 1];
        for socket in self.server.iter().chain([&self.client]) {
            loop {
                match socket.recv(&mut buffer) {
                    Ok(_) => {}
                    Err(error) => {
                        if !is_retryable(&error) {
                            self.refused = Some(error);
                        }
                        break;
                    }
                }
            }
        }
    }
}

/// Whether the call may simply be repeated later.
pub(super) fn is_retryable(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
