//! All connections of a play.
//!
//! Each wait, for a connection or for the time of the next row, also reads from all connections. So a
//! server can always write to a client that has no row to send, and a message may be longer than the kernel's buffers.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Side;
use super::play::Target;
use super::socket_link::{DatagramLink, STALL_MAX, StreamLink, is_retryable};
use crate::rows::Transport;

/// Maximum time between two checks of the stop request.
const STOP_CHECK_EVERY: Duration = Duration::from_millis(100);

/// Interval of checks for events that `poll` does not report.
const POLL_EVERY: Duration = Duration::from_millis(1);

/// Interval of reads from all connections while rows are sent without a wait.
const DRAIN_EVERY: Duration = Duration::from_millis(10);

/// A connection that was opened, or the reason that rows cannot be sent on it.
#[derive(Debug)]
enum LinkState {
    Stream(StreamLink),
    Datagrams(DatagramLink),
    /// Opening failed, for this reason.
    Unopened(String),
    /// The connection failed later, for this reason.
    Broken(String),
}

/// The connections of a plan, by their index in the plan.
#[derive(Debug)]
pub(super) struct LinkSet<'a> {
    /// `None` before the first row of a connection, and after its close.
    links: Vec<Option<LinkState>>,
    /// The addresses of the client and the server of each connection; `None` if it was not opened.
    addresses: Vec<Option<[SocketAddr; 2]>>,
    target: &'a Target,
    /// The target's address that answered first. All further connections use it.
    reached_address: Option<SocketAddr>,
    /// Last time at which all connections were read.
    last_drain: Instant,
    now: fn() -> Instant,
    stop: &'a AtomicBool,
}

/// State of the connections after a play.
#[derive(Debug)]
pub(super) struct ClosedLinks {
    /// The addresses of the client and the server of each connection; `None` if it was not opened.
    pub(super) addresses: Vec<Option<[SocketAddr; 2]>>,
    /// Connections without an orderly close: the index and the reason.
    pub(super) unclosed: Vec<(usize, io::Error)>,
}

impl<'a> LinkSet<'a> {
    pub(super) fn new(n_links: usize, target: &'a Target, now: fn() -> Instant, stop: &'a AtomicBool) -> Self {
        let links = (0..n_links).map(|_| None).collect();
        Self { links, addresses: vec![None; n_links], target, reached_address: None, last_drain: now(), now, stop }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Reads from all connections until `time`, or until a stop is requested.
    pub(super) fn wait_until(&mut self, time: Instant) {
        while !self.is_stopped() {
            let left = time.saturating_duration_since((self.now)());
            if left.is_zero() {
                return;
            }
            self.wait(left, None);
        }
    }

    /// Sends `bytes` on a connection. Opens the connection first, if necessary. Returns the offset of `bytes` in the
    /// stream of the side `from`, or the number of its earlier datagrams.
    pub(super) fn send(&mut self, index: usize, transport: Transport, from: Side, bytes: &[u8]) -> io::Result<u64> {
        if self.links[index].is_none() {
            let link = self.open(transport);
            self.addresses[index] = link.as_ref().ok().map(|(_, addresses)| *addresses);
            self.links[index] =
                Some(link.map_or_else(|error| LinkState::Unopened(error.to_string()), |(link, _)| link));
        }
        match &mut self.links[index] {
            Some(LinkState::Stream(_)) => {}
            // If a datagram fails, the next datagram may still succeed.
            Some(LinkState::Datagrams(datagrams)) => return datagrams.send(from, bytes),
            Some(LinkState::Unopened(reason)) => return Err(io::Error::other(format!("not connected: {reason}"))),
            Some(LinkState::Broken(reason)) => {
                return Err(io::Error::other(format!("the connection broke earlier: {reason}")));
            }
            None => return Err(ErrorKind::NotConnected.into()),
        }
        let sent = self.send_stream(index, from, bytes);
        if let Err(error) = &sent {
            // Later rows would be at the wrong offset of the stream.
            self.links[index] = Some(LinkState::Broken(error.to_string()));
        }
        sent
    }

    /// The stream of an open TCP connection.
    fn stream(&mut self, index: usize) -> io::Result<&mut StreamLink> {
        match &mut self.links[index] {
            Some(LinkState::Stream(stream)) => Ok(stream),
            Some(LinkState::Broken(reason)) => Err(io::Error::other(reason.clone())),
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// [`send`](Self::send) for an open TCP connection.
    fn send_stream(&mut self, index: usize, from: Side, bytes: &[u8]) -> io::Result<u64> {
        // A side answers only after it has received all bytes of the other side.
        while !self.stream(index)?.has_delivered(from.other()) {
            self.wait(STOP_CHECK_EVERY, None);
            let now = (self.now)();
            self.stream(index)?.check_stall(now)?;
        }
        let start = self.stream(index)?.sent_bytes(from);
        let mut unsent = bytes;
        let began = (self.now)();
        while !unsent.is_empty() {
            let now = (self.now)();
            let n_written = self.stream(index)?.write(from, unsent, now)?;
            unsent = &unsent[n_written..];
            if n_written == 0 {
                // The connection may have been idle before this row, which is not a stall.
                if now.saturating_duration_since(began) > STALL_MAX {
                    self.stream(index)?.check_stall(now)?;
                }
                self.wait(STOP_CHECK_EVERY, Some((index, from)));
            }
        }
        let now = (self.now)();
        self.stream(index)?.drain(now)?;
        if now.saturating_duration_since(self.last_drain) > DRAIN_EVERY {
            self.drain();
        }
        Ok(start)
    }

    /// Opens a connection to the first address of the target that answers. Returns the addresses of client and server,
    /// too.
    fn open(&mut self, transport: Transport) -> io::Result<(LinkState, [SocketAddr; 2])> {
        let own_sockets = self.target.own.as_ref();
        let candidates = self
            .target
            .addresses
            .iter()
            .filter(|address| self.reached_address.is_none_or(|reached| reached == **address));
        let mut last_error = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in candidates.copied().collect::<Vec<_>>() {
            let opened = match transport {
                Transport::Tcp => self.connect(address, own_sockets.map(|(listener, _)| listener)).and_then(|stream| {
                    let addresses = stream.addresses()?;
                    Ok((LinkState::Stream(stream), addresses))
                }),
                Transport::Udp => open_datagrams(address, own_sockets.map(|(_, socket)| socket)),
            };
            match opened {
                Ok(opened) => {
                    self.reached_address = Some(address);
                    return Ok(opened);
                }
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    /// Connects to `address`, and accepts the connection at our own `listener`, if any. Each step takes at most
    /// [`STALL_MAX`]. Meanwhile, reads from the other connections.
    fn connect(&mut self, address: SocketAddr, listener: Option<&TcpListener>) -> io::Result<StreamLink> {
        let (result_sender, result_receiver) = mpsc::channel();
        thread::spawn(move || result_sender.send(TcpStream::connect_timeout(&address, STALL_MAX)));
        let client = loop {
            match result_receiver.recv_timeout(POLL_EVERY) {
                Ok(client) => break client?,
                Err(RecvTimeoutError::Disconnected) => return Err(ErrorKind::NotConnected.into()),
                Err(RecvTimeoutError::Timeout) if self.is_stopped() => return Err(stop_error()),
                Err(RecvTimeoutError::Timeout) => self.drain(),
            }
        };
        let client_address = client.local_addr()?;
        let began = (self.now)();
        let server = match listener {
            None => None,
            Some(listener) => loop {
                match listener.accept() {
                    Ok((server, peer)) if peer == client_address => break Some(server),
                    // A connection from another program.
                    Ok(_) => {}
                    Err(error) if is_retryable(&error) => {
                        if (self.now)().saturating_duration_since(began) > STALL_MAX {
                            return Err(io::Error::new(
                                ErrorKind::TimedOut,
                                "our own listener did not receive the connection",
                            ));
                        }
                        self.wait(POLL_EVERY, None);
                    }
                    Err(error) => return Err(error),
                }
            },
        };
        StreamLink::new(client, server, (self.now)())
    }

    /// Waits for input on any connection, or for space in the send buffer of `sender`, but no longer than `max_wait` or
    /// [`STOP_CHECK_EVERY`]. Then reads from all connections.
    fn wait(&mut self, max_wait: Duration, sender: Option<(usize, Side)>) {
        let mut poll_set = Vec::new();
        for link in self.links.iter().flatten() {
            match link {
                LinkState::Stream(stream) => {
                    poll_set.extend(stream.open_ends().map(|end| PollFd::new(end, PollFlags::IN)));
                }
                LinkState::Datagrams(datagrams) => {
                    poll_set.extend(datagrams.sockets().map(|socket| PollFd::new(socket, PollFlags::IN)));
                }
                LinkState::Unopened(_) | LinkState::Broken(_) => {}
            }
        }
        if let Some((index, side)) = sender
            && let Some(LinkState::Stream(stream)) = &self.links[index]
        {
            poll_set.extend(stream.end(side).map(|end| PollFd::new(end, PollFlags::OUT)));
        }
        let timeout = Timespec::try_from(max_wait.min(STOP_CHECK_EVERY)).ok();
        if poll(&mut poll_set, timeout.as_ref()).is_err() {
            // A signal interrupted the call. The callers check whether it requests a stop.
            thread::sleep(POLL_EVERY);
        }
        drop(poll_set);
        self.drain();
    }

    /// Reads and discards all input of all connections.
    fn drain(&mut self) {
        let now = (self.now)();
        self.last_drain = now;
        for link in self.links.iter_mut().flatten() {
            match link {
                LinkState::Stream(stream) => {
                    if let Err(error) = stream.drain(now) {
                        *link = LinkState::Broken(error.to_string());
                    }
                }
                LinkState::Datagrams(datagrams) => datagrams.drain(),
                LinkState::Unopened(_) | LinkState::Broken(_) => {}
            }
        }
    }

    /// Closes all connections at the same time.
    pub(super) fn close(mut self) -> ClosedLinks {
        let close_began = (self.now)();
        let mut unclosed = Vec::new();
        loop {
            let now = (self.now)();
            for (index, link) in self.links.iter_mut().enumerate() {
                let is_closed = match link {
                    Some(LinkState::Stream(stream)) => stream.advance_close(close_began, now),
                    Some(LinkState::Broken(reason)) => Err(io::Error::other(std::mem::take(reason))),
                    _ => Ok(true),
                };
                match is_closed {
                    Ok(false) => continue,
                    Ok(true) => {}
                    Err(error) => unclosed.push((index, error)),
                }
                *link = None;
            }
            if self.links.iter().all(Option::is_none) {
                return ClosedLinks { addresses: self.addresses, unclosed };
            }
            self.wait(10 * POLL_EVERY, None);
        }
    }
}

/// Opens a UDP link. Returns the addresses of client and server, too.
fn open_datagrams(address: SocketAddr, server: Option<&UdpSocket>) -> io::Result<(LinkState, [SocketAddr; 2])> {
    let datagrams = DatagramLink::open(address, server)?;
    let addresses = datagrams.addresses();
    Ok((LinkState::Datagrams(datagrams), addresses))
}

/// The error of a row that was not sent because of a stop request.
pub(super) fn stop_error() -> io::Error {
    io::Error::new(ErrorKind::Interrupted, "sending was stopped before this row")
}
