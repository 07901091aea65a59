//! Plays rows over sockets, each row at its time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::link_set::{ClosedLinks, LinkSet, stop_error};
use super::{SendPlan, Side, Speed};
use crate::time::Timestamp;

/// Further attempts to find a port that is free for both TCP and UDP.
const BIND_RETRIES: usize = 16;

/// The remote end of all connections.
#[derive(Debug)]
pub struct Target {
    /// Candidate addresses, at least one. The first address that answers is used.
    pub(super) addresses: Vec<SocketAddr>,
    /// Our own sockets; `None` if the server is another program.
    pub(super) own: Option<(TcpListener, UdpSocket)>,
}

impl Target {
    /// A listener of our own on a free loopback port. The play sends the rows of both sides.
    ///
    /// # Errors
    ///
    /// If none of 17 random ports is free for both TCP and UDP.
    pub fn own() -> io::Result<Self> {
        let mut n_retries = 0;
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            match UdpSocket::bind(address) {
                Ok(socket) => return Ok(Self { addresses: vec![address], own: Some((listener, socket)) }),
                Err(error) if n_retries == BIND_RETRIES => return Err(error),
                Err(_) => n_retries += 1,
            }
        }
    }

    /// A running server, at the first of `addresses` that answers. The play sends only the rows of clients.
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
    /// The speed relative to the times of the rows.
    pub speed: Speed,
    /// The clock.
    pub now: fn() -> Instant,
    /// The stop request. After it becomes true, the play sends no further row and closes the connections.
    pub stop: &'a AtomicBool,
}

/// Result of one row.
#[derive(Debug)]
pub enum RowOutcome {
    /// The kernel accepted all bytes of the row.
    Sent {
        /// TCP: offset of the row's first byte in the stream of its sender. UDP: number of the sender's earlier
        /// datagrams.
        start: u64,
    },
    /// Not sent: the sender is the server, which is another program.
    NotOurs,
    /// Not sent, or only partly.
    Failed(io::Error),
}

/// Result of a play.
#[derive(Debug)]
pub struct PlayResult {
    /// The addresses of the client and the server, by connection; `None` if the connection was not opened.
    pub addresses: Vec<Option<[SocketAddr; 2]>>,
    /// The results of the plan's rows, in their order.
    pub outcomes: Vec<RowOutcome>,
    /// Connections without an orderly close: the index and the reason.
    pub unclosed: Vec<(usize, io::Error)>,
}

/// Plays all rows of `plan`, then closes the connections. `progress` receives the number of finished rows.
pub fn play(plan: &SendPlan, target: &Target, options: PlayOptions<'_>, mut progress: impl FnMut(usize)) -> PlayResult {
    let mut links = LinkSet::new(plan.connections().len(), target, options.now, options.stop);
    let mut outcomes = Vec::with_capacity(plan.rows().len());
    let started = (options.now)();
    let first_time = plan.rows().first().map_or(Timestamp::default(), |planned| planned.row.time);
    for planned in plan.rows() {
        let outcome = if planned.from == Side::Server && target.own.is_none() {
            RowOutcome::NotOurs
        } else {
            let wait = options.speed.scale(planned.row.time.since(first_time).unwrap_or_default());
            // If the clock cannot represent the time of the row, the row is sent at once.
            links.wait_until(started.checked_add(wait).unwrap_or(started));
            let transport = plan.connections()[planned.connection].transport;
            let sent = if links.is_stopped() {
                Err(stop_error())
            } else {
                links.send(planned.connection, transport, planned.from, &planned.row.message)
            };
            sent.map_or_else(RowOutcome::Failed, |start| RowOutcome::Sent { start })
        };
        outcomes.push(outcome);
        progress(outcomes.len());
    }
    let ClosedLinks { addresses, unclosed } = links.close();
    PlayResult { addresses, outcomes, unclosed }
}
