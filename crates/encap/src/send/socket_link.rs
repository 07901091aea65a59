//! A connection with both ends, or with only the client's end if the server is another program.
//!
//! All sockets are non-blocking. [`LinkSet`](super::link_set::LinkSet) polls them and repeats the calls.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::Side;

/// Maximum time without a byte sent or received, while bytes are expected.
pub(super) const STALL_MAX: Duration = Duration::from_secs(10);

/// Maximum time to close a connection, even if data still arrives.
const CLOSE_MAX: Duration = Duration::from_secs(20);

/// A server that is another program has probably finished its answer if it sends nothing for this time.
const SILENCE_MIN: Duration = Duration::from_millis(300);

/// A TCP connection.
#[derive(Debug)]
pub(super) struct StreamLink {
    /// The sockets, by side; `None` for a server that is another program.
    ends: [Option<TcpStream>; 2],
    /// Bytes that each side has sent.
    sent: [u64; 2],
    /// Bytes that each side has received.
    received: [u64; 2],
    /// Whether each side has sent its FIN.
    has_sent_fin: [bool; 2],
    /// Whether each side has read the end of the other side's stream.
    has_read_end: [bool; 2],
    /// Last time at which a byte was sent or received.
    last_progress: Instant,
}

impl StreamLink {
    /// A connection from its sockets. `server` is `None` if the server is another program.
    pub(super) fn new(client: TcpStream, server: Option<TcpStream>, now: Instant) -> io::Result<Self> {
        let ends = [Some(client), server];
        for end in ends.iter().flatten() {
            end.set_nonblocking(true)?;
            // Nagle's algorithm would delay rows.
            end.set_nodelay(true)?;
        }
        Ok(Self {
            ends,
            sent: [0; 2],
            received: [0; 2],
            has_sent_fin: [false; 2],
            has_read_end: [false; 2],
            last_progress: now,
        })
    }

    /// The addresses of the client and the server.
    pub(super) fn addresses(&self) -> io::Result<[SocketAddr; 2]> {
        let [Some(client), _] = &self.ends else { return Err(ErrorKind::NotConnected.into()) };
        Ok([client.local_addr()?, client.peer_addr()?])
    }

    /// The sockets that can still receive bytes.
    pub(super) fn open_ends(&self) -> impl Iterator<Item = &TcpStream> {
        self.ends
            .iter()
            .zip(self.has_read_end)
            .filter(|(_, has_read_end)| !has_read_end)
            .filter_map(|(end, _)| end.as_ref())
    }

    /// The socket of a side; `None` for a server that is another program.
    pub(super) fn end(&self, side: Side) -> Option<&TcpStream> {
        self.ends[side.index()].as_ref()
    }

    /// Number of bytes that a side has sent.
    pub(super) fn sent_bytes(&self, from: Side) -> u64 {
        self.sent[from.index()]
    }

    /// Writes the bytes that the kernel accepts, and returns their number: 0 if the send buffer is full.
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

    /// Whether all bytes that `from` has sent have arrived. Always true if the server is another program, because this
    /// cannot be known.
    pub(super) fn has_delivered(&self, from: Side) -> bool {
        let has_both_ends = self.ends.iter().all(Option::is_some);
        !has_both_ends || self.received[from.other().index()] == self.sent[from.index()]
    }

    /// Checks that the connection has made progress within [`STALL_MAX`].
    ///
    /// # Errors
    ///
    /// `TimedOut` if it has not.
    pub(super) fn check_stall(&self, now: Instant) -> io::Result<()> {
        if now.saturating_duration_since(self.last_progress) > STALL_MAX {
            let reason = format!("no byte was sent or received for {} seconds", STALL_MAX.as_secs());
            return Err(io::Error::new(ErrorKind::TimedOut, reason));
        }
        Ok(())
    }

    /// Reads and discards the bytes in the receive buffers of both ends.
    pub(super) fn drain(&mut self, now: Instant) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        for side in [Side::Client, Side::Server] {
            let Some(end) = &mut self.ends[side.index()] else { continue };
            while !self.has_read_end[side.index()] {
                match end.read(&mut buffer) {
                    Ok(0) => self.has_read_end[side.index()] = true,
                    Ok(n) => self.received[side.index()] += n as u64,
                    Err(error) if is_retryable(&error) => break,
                    Err(error) => return Err(error),
                }
                self.last_progress = now;
            }
        }
        Ok(())
    }

    /// Continues the orderly close, which began at the time `began`: each side sends its FIN, and reads the other
    /// side's FIN. Returns whether the close is complete.
    pub(super) fn advance_close(&mut self, began: Instant, now: Instant) -> io::Result<bool> {
        if now.saturating_duration_since(began) > CLOSE_MAX {
            let reason = format!("the close took longer than {} seconds", CLOSE_MAX.as_secs());
            return Err(io::Error::new(ErrorKind::TimedOut, reason));
        }
        // A connection that was idle before the close has not stalled.
        self.last_progress = self.last_progress.max(began);
        let [client, server] = [Side::Client.index(), Side::Server.index()];
        if self.ends[server].is_some() {
            if self.has_delivered(Side::Client) && self.has_delivered(Side::Server) {
                self.send_fin(Side::Client)?;
                if self.has_read_end[server] {
                    self.send_fin(Side::Server)?;
                }
            }
        } else {
            // The server may still be sending an answer. Wait for its FIN or its silence, but at most for `STALL_MAX`.
            let is_silent = now.saturating_duration_since(self.last_progress) >= SILENCE_MIN;
            if self.has_read_end[client] || is_silent || now.saturating_duration_since(began) >= STALL_MAX {
                self.send_fin(Side::Client)?;
            }
        }
        let has_server_closed = self.ends[server].is_none() || self.has_sent_fin[server];
        let is_closed = self.has_read_end[client] && self.has_sent_fin[client] && has_server_closed;
        if !is_closed {
            self.check_stall(now)?;
        }
        Ok(is_closed)
    }

    /// Sends the FIN of a side, unless it was sent before.
    fn send_fin(&mut self, side: Side) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_sent_fin[side.index()], true)
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
    /// The addresses of the client and the server.
    addresses: [SocketAddr; 2],
    /// Datagrams that each side has sent.
    n_sent: [u64; 2],
    /// The ICMP error for an earlier datagram: the port is closed.
    refusal: Option<io::Error>,
}

impl DatagramLink {
    /// Opens a client socket to the server at `address`. `server` is `None` if the server is another program.
    pub(super) fn open(address: SocketAddr, server: Option<&UdpSocket>) -> io::Result<Self> {
        let any_port: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let client = UdpSocket::bind(any_port)?;
        client.connect(address)?;
        let server = server.map(UdpSocket::try_clone).transpose()?;
        for socket in server.iter().chain([&client]) {
            socket.set_nonblocking(true)?;
        }
        let addresses = [client.local_addr()?, address];
        Ok(Self { client, server, addresses, n_sent: [0; 2], refusal: None })
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
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        match (from, &self.server) {
            (Side::Client, _) => self.client.send(bytes)?,
            (Side::Server, Some(server)) => server.send_to(bytes, self.addresses[0])?,
            (Side::Server, None) => return Err(ErrorKind::NotConnected.into()),
        };
        let n_earlier = self.n_sent[from.index()];
        self.n_sent[from.index()] += 1;
        Ok(n_earlier)
    }

    /// Empties the receive buffers.
    pub(super) fn drain(&mut self) {
        // The content is not needed, so the kernel may truncate the datagrams.
        let mut buffer = [0; 1];
        for socket in self.server.iter().chain([&self.client]) {
            loop {
                match socket.recv(&mut buffer) {
                    Ok(_) => {}
                    Err(error) => {
                        if !is_retryable(&error) {
                            self.refusal = Some(error);
                        }
                        break;
                    }
                }
            }
        }
    }
}

/// Whether the failed call can succeed later.
pub(super) fn is_retryable(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
