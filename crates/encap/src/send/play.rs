//! Plays rows over sockets, each row at its time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::link_set::{ClosedLinks, LinkSet, stopped};
use super::{SendPlan, Side, Speed};
use crate::time::Timestamp;

/// Attempts to find a port that is free for both TCP and UDP.
const BIND_TRIES: usize = 16;

/// The remote end of all connections.
#[derive(Debug)]
pub struct Target {
    /// Candidates, at least one. The first that answers is used.
    pub(super) addresses: Vec<SocketAddr>,
    /// Our own sockets, unless the server is another program.
    pub(super) own: Option<(TcpListener, UdpSocket)>,
}

impl Target {
    /// A listener of our own on a free loopback port. Both sides of each connection are played.
    ///
    /// # Errors
    ///
    /// If no port of 17 is free for both TCP and UDP.
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

    /// A running server, at the first of `addresses` that answers. Only the clients' rows are played.
    #[must_use]
    pub const fn server(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses, own: None }
    }

    /// The candidate addresses.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

/// Settings of a play.
#[derive(Clone, Copy, Debug)]
pub struct PlayOptions<'a> {
    /// Factor on the rows' own speed.
    pub speed: Speed,
    /// The clock.
    pub now: fn() -> Instant,
    /// Stop request: once set, no further row is sent and the connections are closed.
    pub stop: &'a AtomicBool,
}

/// Result of one row.
#[derive(Debug)]
pub enum RowOutcome {
    /// Handed to the kernel.
    Sent {
        /// TCP: offset of its first byte in the stream of its direction. UDP: number of earlier datagrams.
        start: u64,
    },
    /// A server's row, and the server is another program.
    NotOurs,
    /// Not sent, or not completely.
    Failed(io::Error),
}

/// Result of a play.
#[derive(Debug)]
pub struct PlayResult {
    /// Client's and server's address of each connection that was opened.
    pub addresses: Vec<Option<[SocketAddr; 2]>>,
    /// One result for each row of the plan.
    pub outcomes: Vec<RowOutcome>,
    /// Connections that were not closed in order, each with the reason.
    pub unclosed: Vec<(usize, io::Error)>,
}

/// Plays all rows of `plan`, then closes the connections. `progress` receives the number of finished rows.
pub fn play(plan: &SendPlan, target: &Target, options: PlayOptions<'_>, mut progress: impl FnMut(usize)) -> PlayResult {
    let mut links = LinkSet::new(plan.connections().len(), target, options.now, options.stop);
    let mut outcomes = Vec::with_capacity(plan.rows().len());
    let begin = (options.now)();
    let first = plan.rows().first().map_or(Timestamp::default(), |item| item.row.time);
    for item in plan.rows() {
        let outcome = if item.from == Side::Server && target.own.is_none() {
            RowOutcome::NotOurs
        } else {
            let due = options.speed.scale(item.row.time.since(first).unwrap_or_default());
            // A time beyond the range of the clock is not waited for.
            links.wait_until(begin.checked_add(due).unwrap_or(begin));
            let over = plan.connections()[item.connection].transport;
            let sent = if links.is_stopped() {
                Err(stopped())
            } else {
                links.send(item.connection, over, item.from, &item.row.message)
            };
            sent.map_or_else(RowOutcome::Failed, |start| RowOutcome::Sent { start })
        };
        outcomes.push(outcome);
        progress(outcomes.len());
    }
    let ClosedLinks { addresses, unclosed } = links.close();
    PlayResult { addresses, outcomes, unclosed }
}
