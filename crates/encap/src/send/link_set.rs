//! All connections of a play.
//!
//! Every wait, for one connection or for the time of the next row, reads from all connections. So a server can always
//! write to a client whose next row is not due yet, and a message may exceed the kernel's buffers.

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

/// Longest wait before the stop request is checked.
const STOP_CHECK_EVERY: Duration = Duration::from_millis(100);

/// Polling interval for events that no socket reports.
const POLL_EVERY: Duration = Duration::from_millis(1);

/// Interval of reads while rows are sent without a wait.
const DRAIN_EVERY: Duration = Duration::from_millis(10);

/// An open connection, or the reason that it is not open.
#[derive(Debug)]
enum LinkState {
    Stream(StreamLink),
    Datagrams(DatagramLink),
    Unopened(String),
    Broken(String),
}

/// The connections of a plan, by their index there.
#[derive(Debug)]
pub(super) struct LinkSet<'a> {
    each: Vec<Option<LinkState>>,
    /// Client's and server's address of each connection that was opened.
    addresses: Vec<Option<[SocketAddr; 2]>>,
    target: &'a Target,
    /// The first candidate address that answered.
    reached: Option<SocketAddr>,
    /// Last time at which all connections were read.
    drained: Instant,
    now: fn() -> Instant,
    stop: &'a AtomicBool,
}

/// State of the connections after a play.
#[derive(Debug)]
pub(super) struct ClosedLinks {
    /// Client's and server's address of each connection that was opened.
    pub(super) addresses: Vec<Option<[SocketAddr; 2]>>,
    /// Connections that were not closed in order, each with the reason.
    pub(super) unclosed: Vec<(usize, io::Error)>,
}

impl<'a> LinkSet<'a> {
    pub(super) fn new(n: usize, target: &'a Target, now: fn() -> Instant, stop: &'a AtomicBool) -> Self {
        let each = (0..n).map(|_| None).collect();
        Self { each, addresses: vec![None; n], target, reached: None, drained: now(), now, stop }
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

    /// Sends `bytes` on a connection, opening it first if necessary. Returns the offset of `bytes` in the stream of its
    /// direction, or the number of earlier datagrams.
    pub(super) fn send(&mut self, index: usize, over: Transport, from: Side, bytes: &[u8]) -> io::Result<u64> {
        if self.each[index].is_none() {
            let link = self.open(over);
            self.addresses[index] = link.as_ref().ok().map(|(_, addresses)| *addresses);
            self.each[index] = Some(link.map_or_else(|error| LinkState::Unopened(error.to_string()), |(link, _)| link));
        }
        match &mut self.each[index] {
            Some(LinkState::Stream(_)) => {}
            // After a refused datagram, the next one may still be accepted.
            Some(LinkState::Datagrams(datagrams)) => return datagrams.send(from, bytes),
            Some(LinkState::Unopened(why)) => return Err(io::Error::other(format!("not connected: {why}"))),
            Some(LinkState::Broken(why)) => {
                return Err(io::Error::other(format!("the connection broke before: {why}")));
            }
            None => return Err(ErrorKind::NotConnected.into()),
        }
        let sent = self.send_stream(index, from, bytes);
        if let Err(error) = &sent {
            // A stream with a hole is useless.
            self.each[index] = Some(LinkState::Broken(error.to_string()));
        }
        sent
    }

    fn stream(&mut self, index: usize) -> io::Result<&mut StreamLink> {
        match &mut self.each[index] {
            Some(LinkState::Stream(stream)) => Ok(stream),
            Some(LinkState::Broken(why)) => Err(io::Error::other(why.clone())),
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn send_stream(&mut self, index: usize, from: Side, bytes: &[u8]) -> io::Result<u64> {
        // An answer follows the arrival of the other side's bytes.
        while !self.stream(index)?.is_settled(from.other()) {
            self.wait(STOP_CHECK_EVERY, None);
            let now = (self.now)();
            self.stream(index)?.check_stall(now)?;
        }
        let start = self.stream(index)?.sent(from);
        let mut rest = bytes;
        let began = (self.now)();
        while !rest.is_empty() {
            let now = (self.now)();
            let taken = self.stream(index)?.write(from, rest, now)?;
            rest = &rest[taken..];
            if taken == 0 {
                if now.saturating_duration_since(began) > STALL_MAX {
                    self.stream(index)?.check_stall(now)?;
                }
                self.wait(STOP_CHECK_EVERY, Some((index, from)));
            }
        }
        let now = (self.now)();
        self.stream(index)?.drain(now)?;
        if now.saturating_duration_since(self.drained) > DRAIN_EVERY {
            self.drain();
        }
        Ok(start)
    }

    fn open(&mut self, over: Transport) -> io::Result<(LinkState, [SocketAddr; 2])> {
        let own = self.target.own.as_ref();
        let addresses =
            self.target.addresses.iter().filter(|address| self.reached.is_none_or(|known| known == **address));
        let mut failed = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in addresses.copied().collect::<Vec<_>>() {
            let opened = match over {
                Transport::Tcp => self.connect(address, own.map(|(listener, _)| listener)).and_then(|stream| {
                    let addresses = stream.addresses()?;
                    Ok((LinkState::Stream(stream), addresses))
                }),
                Transport::Udp => open_datagrams(address, own.map(|(_, socket)| socket)),
            };
            match opened {
                Ok(opened) => {
                    self.reached = Some(address);
                    return Ok(opened);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Connects to `address` and accepts the connection at our own `listener`, if any. Both have a time limit, and the
    /// other connections are read meanwhile.
    fn connect(&mut self, address: SocketAddr, listener: Option<&TcpListener>) -> io::Result<StreamLink> {
        let (done, connected) = mpsc::channel();
        thread::spawn(move || done.send(TcpStream::connect_timeout(&address, STALL_MAX)));
        let client = loop {
            match connected.recv_timeout(POLL_EVERY) {
                Ok(client) => break client?,
                Err(RecvTimeoutError::Disconnected) => return Err(ErrorKind::NotConnected.into()),
                Err(RecvTimeoutError::Timeout) if self.is_stopped() => return Err(stopped()),
                Err(RecvTimeoutError::Timeout) => self.drain(),
            }
        };
        let own = client.local_addr()?;
        let began = (self.now)();
        let server = match listener {
            None => None,
            Some(listener) => loop {
                match listener.accept() {
                    Ok((server, peer)) if peer == own => break Some(server),
                    // A connection from another program.
                    Ok(_) => {}
                    Err(error) if is_retryable(&error) => {
                        if (self.now)().saturating_duration_since(began) > STALL_MAX {
                            return Err(io::Error::new(ErrorKind::TimedOut, "our own listener was not told of it"));
                        }
                        self.wait(POLL_EVERY, None);
                    }
                    Err(error) => return Err(error),
                }
            },
        };
        StreamLink::new(client, server, (self.now)())
    }

    /// Waits for input on any connection, for room in the send buffer of `sender`, or for `longest`; then reads from
    /// all.
    fn wait(&mut self, longest: Duration, sender: Option<(usize, Side)>) {
        let mut set = Vec::new();
        for link in self.each.iter().flatten() {
            match link {
                LinkState::Stream(stream) => {
                    set.extend(stream.open_ends().map(|end| PollFd::new(end, PollFlags::IN)));
                }
                LinkState::Datagrams(datagrams) => {
                    set.extend(datagrams.sockets().map(|socket| PollFd::new(socket, PollFlags::IN)));
                }
                LinkState::Unopened(_) | LinkState::Broken(_) => {}
            }
        }
        if let Some((index, side)) = sender
            && let Some(LinkState::Stream(stream)) = &self.each[index]
        {
            set.extend(stream.end(side).map(|end| PollFd::new(end, PollFlags::OUT)));
        }
        let longest = Timespec::try_from(longest.min(STOP_CHECK_EVERY)).ok();
        if poll(&mut set, longest.as_ref()).is_err() {
            // Interrupted by a signal: the callers check the stop request.
            thread::sleep(POLL_EVERY);
        }
        drop(set);
        self.drain();
    }

    /// Reads from all connections.
    fn drain(&mut self) {
        let now = (self.now)();
        self.drained = now;
        for link in self.each.iter_mut().flatten() {
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

    /// Closes all connections, in parallel.
    pub(super) fn close(mut self) -> ClosedLinks {
        let since = (self.now)();
        let mut unclosed = Vec::new();
        loop {
            let now = (self.now)();
            for (index, link) in self.each.iter_mut().enumerate() {
                let closed = match link {
                    Some(LinkState::Stream(stream)) => stream.close(since, now),
                    Some(LinkState::Broken(why)) => Err(io::Error::other(std::mem::take(why))),
                    _ => Ok(true),
                };
                match closed {
                    Ok(false) => continue,
                    Ok(true) => {}
                    Err(error) => unclosed.push((index, error)),
                }
                *link = None;
            }
            if self.each.iter().all(Option::is_none) {
                return ClosedLinks { addresses: self.addresses, unclosed };
            }
            self.wait(10 * POLL_EVERY, None);
        }
    }
}

fn open_datagrams(address: SocketAddr, server: Option<&UdpSocket>) -> io::Result<(LinkState, [SocketAddr; 2])> {
    let datagrams = DatagramLink::open(address, server)?;
    let addresses = datagrams.addresses();
    Ok((LinkState::Datagrams(datagrams), addresses))
}

/// The error of a row after a stop request.
pub(super) fn stopped() -> io::Error {
    io::Error::new(ErrorKind::Interrupted, "sending was stopped before this row")
}
