//! Plays rows over sockets, each at its time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::Instant;

use super::link::{Datagrams, Stream};
use super::{Plan, Side, Speed};
use crate::rows::Transport;
use crate::time::Timestamp;

/// How often ports are tried until one is free for TCP and UDP both.
const BIND_TRIES: usize = 16;

/// Where the connections lead.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    /// Our own, if it is.
    own: Option<(TcpListener, UdpSocket)>,
}

impl Target {
    /// A listener of our own, on a free port of loopback: both sides of each connection are played.
    pub fn own() -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.local_addr()?;
            match UdpSocket::bind(address) {
                Ok(socket) => return Ok(Self { address, own: Some((listener, socket)) }),
                Err(error) if tries == BIND_TRIES => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }

    /// A server that is there: only the clients' rows are played.
    #[must_use]
    pub const fn server(address: SocketAddr) -> Self {
        Self { address, own: None }
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// How rows are played.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How fast.
    pub speed: Speed,
    /// Where the clock is read.
    pub now: fn() -> Instant,
}

/// What became of a row.
#[derive(Debug)]
pub enum Outcome {
    /// It was handed to the kernel.
    Sent {
        /// Where its bytes begin in its direction's stream; over UDP, how many datagrams went before.
        start: u64,
    },
    /// It is for the server to say, which is not ours.
    NotOurs,
    /// It could not be sent.
    Failed(io::Error),
}

/// What was played.
#[derive(Debug)]
pub struct Played {
    /// For each connection its client's and its server's address, if it was opened.
    pub addresses: Vec<Option<[SocketAddr; 2]>>,
    /// What became of each row of the plan.
    pub outcomes: Vec<Outcome>,
    /// Which connections did not end as they should, and why.
    pub unclosed: Vec<(usize, io::Error)>,
}

/// A connection that is open, or why it no longer is.
#[derive(Debug)]
enum Link {
    Stream(Stream),
    Datagrams(Datagrams),
    Broken(String),
}

/// Plays all rows of `plan` and ends the connections. `progress` hears how many rows are done.
pub fn play(plan: &Plan, target: &Target, options: Options, mut progress: impl FnMut(usize)) -> Played {
    let mut links: Vec<Option<Link>> = plan.connections().iter().map(|_| None).collect();
    let mut addresses = vec![None; links.len()];
    let mut outcomes = Vec::with_capacity(plan.items().len());
    let begin = (options.now)();
    let first = plan.items().first().map_or(Timestamp::default(), |item| item.row.time);
    for item in plan.items() {
        if item.from == Side::Server && target.own.is_none() {
            outcomes.push(Outcome::NotOurs);
            progress(outcomes.len());
            continue;
        }
        let due = options.speed.scale(item.row.time.since(first).unwrap_or_default());
        thread::sleep(due.saturating_sub((options.now)().duration_since(begin)));
        let link = links[item.connection].get_or_insert_with(|| {
            match open(plan.connections()[item.connection].transport, target, options.now) {
                Ok((link, ends)) => {
                    addresses[item.connection] = Some(ends);
                    link
                }
                Err(error) => Link::Broken(error.to_string()),
            }
        });
        let sent = match link {
            Link::Stream(stream) => stream.send(item.from, &item.row.message),
            Link::Datagrams(datagrams) => datagrams.send(item.from, &item.row.message),
            Link::Broken(why) => Err(io::Error::other(format!("the connection broke before: {why}"))),
        };
        outcomes.push(match sent {
            Ok(start) => Outcome::Sent { start },
            Err(error) => {
                // A datagram that is refused says nothing of the next one; a stream that lost bytes is of no more use.
                if let Link::Stream(_) = link {
                    *link = Link::Broken(error.to_string());
                }
                Outcome::Failed(error)
            }
        });
        progress(outcomes.len());
    }
    let mut unclosed = Vec::new();
    for (connection, link) in links.into_iter().enumerate() {
        if let Some(Link::Stream(stream)) = link
            && let Err(error) = stream.close()
        {
            unclosed.push((connection, error));
        }
    }
    Played { addresses, outcomes, unclosed }
}

fn open(transport: Transport, target: &Target, now: fn() -> Instant) -> io::Result<(Link, [SocketAddr; 2])> {
    let (listener, socket) = target.own.as_ref().map(|(listener, socket)| (listener, socket)).unzip();
    match transport {
        Transport::Tcp => {
            let stream = Stream::open(target.address, listener, now)?;
            let addresses = stream.addresses()?;
            Ok((Link::Stream(stream), addresses))
        }
        Transport::Udp => {
            let datagrams = Datagrams::open(target.address, socket)?;
            let addresses = datagrams.addresses();
            Ok((Link::Datagrams(datagrams), addresses))
        }
    }
}
