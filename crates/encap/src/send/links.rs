//! All connections of a play in one hand.
//!
//! Whoever waits for one of them, or for the time of the next row, reads all meanwhile: a server that writes to a client
//! whose row is not due yet finds a reader, and a message larger than the kernel's buffers passes.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Side;
use super::link::{Datagrams, STALL_MAX, Stream, is_no_error};
use super::play::Target;
use crate::rows::Transport;

/// How long to wait at most before looking whether to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// How long to wait for what no socket tells of before looking again.
const NAP: Duration = Duration::from_millis(1);

/// How often all are read while rows are sent without waiting.
const DRAIN_EVERY: Duration = Duration::from_millis(10);

/// A connection that is open, or why it is not.
#[derive(Debug)]
enum Link {
    Stream(Stream),
    Datagrams(Datagrams),
    Unopened(String),
    Broken(String),
}

/// The connections of a plan, by their index there.
#[derive(Debug)]
pub(super) struct Links<'a> {
    each: Vec<Option<Link>>,
    /// Those that were opened: the client's address and the server's.
    addresses: Vec<Option<[SocketAddr; 2]>>,
    target: &'a Target,
    /// The server's address that answered, once one did.
    reached: Option<SocketAddr>,
    /// When all were read the last time.
    drained: Instant,
    now: fn() -> Instant,
    stop: &'a AtomicBool,
}

/// What is known of connections at their end.
#[derive(Debug)]
pub(super) struct Closed {
    /// Those that were opened: the client's address and the server's.
    pub(super) addresses: Vec<Option<[SocketAddr; 2]>>,
    /// Which did not end as they should, and why.
    pub(super) unclosed: Vec<(usize, io::Error)>,
}

impl<'a> Links<'a> {
    pub(super) fn new(n: usize, target: &'a Target, now: fn() -> Instant, stop: &'a AtomicBool) -> Self {
        let each = (0..n).map(|_| None).collect();
        Self { each, addresses: vec![None; n], target, reached: None, drained: now(), now, stop }
    }

    /// Whether it was asked to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Reads all until `time`, or until it is asked to stop.
    pub(super) fn wait_until(&mut self, time: Instant) {
        while !self.is_stopped() {
            let left = time.saturating_duration_since((self.now)());
            if left.is_zero() {
                return;
            }
            self.wait(left, None);
        }
    }

    /// Sends `bytes` on a connection, which is opened if it is not; gives where they begin in its direction's stream, or
    /// how many datagrams went before.
    pub(super) fn send(&mut self, index: usize, over: Transport, from: Side, bytes: &[u8]) -> io::Result<u64> {
        if self.each[index].is_none() {
            let link = self.open(over);
            self.addresses[index] = link.as_ref().ok().map(|(_, addresses)| *addresses);
            self.each[index] = Some(link.map_or_else(|error| Link::Unopened(error.to_string()), |(link, _)| link));
        }
        match &mut self.each[index] {
            Some(Link::Stream(_)) => {}
            // A datagram that is refused says nothing of the next one.
            Some(Link::Datagrams(datagrams)) => return datagrams.send(from, bytes),
            Some(Link::Unopened(why)) => return Err(io::Error::other(format!("not connected: {why}"))),
            Some(Link::Broken(why)) => return Err(io::Error::other(format!("the connection broke before: {why}"))),
            None => return Err(ErrorKind::NotConnected.into()),
        }
        let sent = self.send_stream(index, from, bytes);
        if let Err(error) = &sent {
            // A stream that lost bytes is of no more use.
            self.each[index] = Some(Link::Broken(error.to_string()));
        }
        sent
    }

    fn stream(&mut self, index: usize) -> io::Result<&mut Stream> {
        match &mut self.each[index] {
            Some(Link::Stream(stream)) => Ok(stream),
            Some(Link::Broken(why)) => Err(io::Error::other(why.clone())),
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn send_stream(&mut self, index: usize, from: Side, bytes: &[u8]) -> io::Result<u64> {
        // What came before is answered only once it is there.
        while !self.stream(index)?.is_settled(from.other()) {
            self.wait(GLANCE, None);
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
                self.wait(GLANCE, Some((index, from)));
            }
        }
        let now = (self.now)();
        self.stream(index)?.drain(now)?;
        if now.saturating_duration_since(self.drained) > DRAIN_EVERY {
            self.drain();
        }
        Ok(start)
    }

    fn open(&mut self, over: Transport) -> io::Result<(Link, [SocketAddr; 2])> {
        let own = self.target.own.as_ref();
        let addresses =
            self.target.addresses.iter().filter(|address| self.reached.is_none_or(|known| known == **address));
        let mut failed = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in addresses.copied().collect::<Vec<_>>() {
            let opened = match over {
                Transport::Tcp => self.connect(address, own.map(|(listener, _)| listener)).and_then(|stream| {
                    let addresses = stream.addresses()?;
                    Ok((Link::Stream(stream), addresses))
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

    /// Connects to `address`, and accepts that at `listener` if it is ours; both within bounds, while the others are read.
    fn connect(&mut self, address: SocketAddr, listener: Option<&TcpListener>) -> io::Result<Stream> {
        let (done, connected) = mpsc::channel();
        thread::spawn(move || done.send(TcpStream::connect_timeout(&address, STALL_MAX)));
        let client = loop {
            match connected.recv_timeout(NAP) {
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
                    // Somebody else connected: that is not what is awaited.
                    Ok(_) => {}
                    Err(error) if is_no_error(&error) => {
                        if (self.now)().saturating_duration_since(began) > STALL_MAX {
                            return Err(io::Error::new(ErrorKind::TimedOut, "our own listener was not told of it"));
                        }
                        self.wait(NAP, None);
                    }
                    Err(error) => return Err(error),
                }
            },
        };
        Stream::new(client, server, (self.now)())
    }

    /// Waits for at most so long until something arrives anywhere, or until a side can send again; and reads all.
    fn wait(&mut self, longest: Duration, sender: Option<(usize, Side)>) {
        let mut set = Vec::new();
        for link in self.each.iter().flatten() {
            match link {
                Link::Stream(stream) => {
                    set.extend(stream.open_ends().map(|end| PollFd::new(end, PollFlags::IN)));
                }
                Link::Datagrams(datagrams) => {
                    set.extend(datagrams.sockets().map(|socket| PollFd::new(socket, PollFlags::IN)));
                }
                Link::Unopened(_) | Link::Broken(_) => {}
            }
        }
        if let Some((index, side)) = sender
            && let Some(Link::Stream(stream)) = &self.each[index]
        {
            set.extend(stream.end(side).map(|end| PollFd::new(end, PollFlags::OUT)));
        }
        let longest = Timespec::try_from(longest.min(GLANCE)).ok();
        if poll(&mut set, longest.as_ref()).is_err() {
            // A signal came: whoever waits looks what it was.
            thread::sleep(NAP);
        }
        drop(set);
        self.drain();
    }

    /// Reads what has arrived anywhere.
    fn drain(&mut self) {
        let now = (self.now)();
        self.drained = now;
        for link in self.each.iter_mut().flatten() {
            match link {
                Link::Stream(stream) => {
                    if let Err(error) = stream.drain(now) {
                        *link = Link::Broken(error.to_string());
                    }
                }
                Link::Datagrams(datagrams) => datagrams.drain(),
                Link::Unopened(_) | Link::Broken(_) => {}
            }
        }
    }

    /// Ends all connections at once.
    pub(super) fn close(mut self) -> Closed {
        let since = (self.now)();
        let mut unclosed = Vec::new();
        loop {
            let now = (self.now)();
            for (index, link) in self.each.iter_mut().enumerate() {
                let closed = match link {
                    Some(Link::Stream(stream)) => stream.close(since, now),
                    Some(Link::Broken(why)) => Err(io::Error::other(std::mem::take(why))),
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
                return Closed { addresses: self.addresses, unclosed };
            }
            self.wait(10 * NAP, None);
        }
    }
}

fn open_datagrams(address: SocketAddr, server: Option<&UdpSocket>) -> io::Result<(Link, [SocketAddr; 2])> {
    let datagrams = Datagrams::open(address, server)?;
    let addresses = datagrams.addresses();
    Ok((Link::Datagrams(datagrams), addresses))
}

/// What is said of what was not done any more.
pub(super) fn stopped() -> io::Error {
    io::Error::new(ErrorKind::Interrupted, "it was stopped before")
}
