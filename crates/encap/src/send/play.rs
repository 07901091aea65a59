//! Plays rows over sockets, each at its time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::links::{Closed, Links, stopped};
use super::{Plan, Side, Speed};
use crate::time::Timestamp;

/// How often ports are tried until one is free for TCP and UDP both.
const BIND_TRIES: usize = 16;

/// Where the connections lead.
#[derive(Debug)]
pub struct Target {
    /// One of them, the first that answers; there is at least one.
    pub(super) addresses: Vec<SocketAddr>,
    /// Our own, if it is.
    pub(super) own: Option<(TcpListener, UdpSocket)>,
}

impl Target {
    /// A listener of our own, on a free port of loopback: both sides of each connection are played.
    pub fn own() -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            match UdpSocket::bind(address) {
                Ok(socket) => return Ok(Self { addresses: vec![address], own: Some((listener, socket)) }),
                Err(error) if tries == BIND_TRIES => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }

    /// A server that is there, at the first of these addresses that answers: only the clients' rows are played.
    #[must_use]
    pub const fn server(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses, own: None }
    }

    /// Its addresses.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

/// How rows are played.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How fast.
    pub speed: Speed,
    /// Where the clock is read.
    pub now: fn() -> Instant,
    /// Set when no more rows are to be sent: the connections are ended then.
    pub stop: &'a AtomicBool,
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

/// Plays all rows of `plan` and ends the connections. `progress` hears how many rows are done.
pub fn play(plan: &Plan, target: &Target, options: Options<'_>, mut progress: impl FnMut(usize)) -> Played {
    let mut links = Links::new(plan.connections().len(), target, options.now, options.stop);
    let mut outcomes = Vec::with_capacity(plan.items().len());
    let begin = (options.now)();
    let first = plan.items().first().map_or(Timestamp::default(), |item| item.row.time);
    for item in plan.items() {
        let outcome = if item.from == Side::Server && target.own.is_none() {
            Outcome::NotOurs
        } else {
            let due = options.speed.scale(item.row.time.since(first).unwrap_or_default());
            // What takes longer than a clock can tell is not waited for in earnest.
            links.wait_until(begin.checked_add(due).unwrap_or(begin));
            let over = plan.connections()[item.connection].transport;
            let sent = if links.is_stopped() {
                Err(stopped())
            } else {
                links.send(item.connection, over, item.from, &item.row.message)
            };
            sent.map_or_else(Outcome::Failed, |start| Outcome::Sent { start })
        };
        outcomes.push(outcome);
        progress(outcomes.len());
    }
    let Closed { addresses, unclosed } = links.close();
    Played { addresses, outcomes, unclosed }
}
