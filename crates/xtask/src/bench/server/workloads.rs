//! The workloads of the comparison.

use std::time::Duration;

use switchboard_bench::protocol::{CommandsDialect, Conversations, Rooms};
use switchboard_bench::{Churn, Error, Fanout, Idle, Isolation, MessageLoad, Pairs, Protocol, Report, Target, Timing};

use super::commits;
use super::peers::{Peer, RunningServer, SocketKind};
use super::protocols::{Irc, JetStream, Mqtt, Nats, Postgres, Redis, RedisStreams, RelayProtocol};

/// Longest wait without progress before a measurement fails.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Payload size of the messages that are stored, in bytes.
const DURABLE_BYTES: usize = 200;

/// Number of idle sessions. There are thousands, because a process takes memory in large blocks.
const IDLE_SESSIONS: usize = 9000;

/// Number of readers of a room, including ten that are frozen.
const FANOUT_READERS: usize = 5000;

/// A workload, which is measured against each server that it applies to.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) socket: SocketKind,
    pub(super) load: Load,
}

/// The kind of a workload, with its parameters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    /// A closed loop between pairs, against all servers.
    Pairs { pairs: usize, window: u64, size: usize, timing: Timing },
    /// A closed loop against the servers that sync each message, bare commits of as many messages as are in flight, and
    /// our server without a store.
    Durable { pairs: usize, window: u64, timing: Timing },
    /// A closed loop against our server and the relay only. Shows the cost per message as the number of pairs grows.
    Curve { pairs: usize, timing: Timing },
    /// Idle sessions, against all servers.
    Idle { sessions: usize },
    /// A room with many readers, against our server and those that publish to subscribers.
    Fanout { per_second: u64, timing: Timing },
    /// Sessions that open and close, against all servers.
    Churn { timing: Timing },
    /// Frozen readers beside other pairs, against our server only.
    Isolation { timing: Timing },
}

/// All workloads. With `is_quick`, they take a fifth of the time.
pub(super) fn all(is_quick: bool) -> Vec<Workload> {
    let divisor = if is_quick { 5 } else { 1 };
    let timing = |millis: u64| Timing {
        warm_up: Duration::from_millis(300 / divisor),
        time: Duration::from_millis(millis / divisor),
    };
    let tcp = |name, load| Workload { name, socket: SocketKind::Tcp, load };
    let tls = |name, load| Workload { name, socket: SocketKind::Tls, load };
    let websocket = |name, load| Workload { name, socket: SocketKind::WebSocket, load };
    let chat = |pairs, window, size| Load::Pairs { pairs, window, size, timing: timing(1500) };
    let pairs = |name, pairs, window, size| tcp(name, chat(pairs, window, size));
    let curve = |name, pairs| tcp(name, Load::Curve { pairs, timing: timing(1000) });
    vec![
        pairs("1 pair, window 1", 1, 1, 64),
        pairs("1 pair, window 256", 1, 256, 64),
        pairs("50 pairs, window 64", 50, 64, 64),
        pairs("500 pairs, window 16", 500, 16, 64),
        pairs("2000 pairs, window 4", 2000, 4, 64),
        pairs("50 pairs, window 64, 1024 bytes", 50, 64, 1024),
        tcp("durable, 50 pairs, window 64", Load::Durable { pairs: 50, window: 64, timing: timing(4000) }),
        tcp("durable, 1 pair, window 1", Load::Durable { pairs: 1, window: 1, timing: timing(2000) }),
        tcp("idle", Load::Idle { sessions: IDLE_SESSIONS }),
        tcp("churn", Load::Churn { timing: timing(1500) }),
        tcp("isolation", Load::Isolation { timing: timing(3000) }),
        tcp("fanout, 20 a second", Load::Fanout { per_second: 20, timing: timing(2000) }),
        tcp("fanout, 60 a second", Load::Fanout { per_second: 60, timing: timing(2000) }),
        tls("tls", chat(50, 64, 64)),
        tls("idle-tls", Load::Idle { sessions: IDLE_SESSIONS }),
        tls("handshakes", Load::Churn { timing: timing(1500) }),
        websocket("websocket", chat(50, 64, 64)),
        websocket("idle-websocket", Load::Idle { sessions: IDLE_SESSIONS }),
        curve("curve, 1", 1),
        curve("curve, 10", 10),
        curve("curve, 100", 100),
        curve("curve, 500", 500),
        curve("curve, 1000", 1000),
        curve("curve, 2000", 2000),
        curve("curve, 4000", 4000),
        curve("curve, 8000", 8000),
    ]
}

impl Workload {
    /// Whether `peer` takes part in this workload.
    pub(super) fn applies_to(&self, peer: Peer) -> bool {
        if self.socket != SocketKind::Tcp {
            return peer.is_layered();
        }
        match self.load {
            Load::Durable { .. } => peer.is_durable() || peer == Peer::Switchboard,
            _ if peer.is_durable() => false,
            Load::Pairs { size, .. } => size <= peer.size_max(),
            Load::Idle { .. } | Load::Churn { .. } => peer != Peer::NatsVerbose,
            Load::Curve { .. } => matches!(peer, Peer::Switchboard | Peer::Relay),
            Load::Isolation { .. } => peer == Peer::Switchboard,
            Load::Fanout { .. } => matches!(peer, Peer::Switchboard | Peer::Nats | Peer::Redis),
        }
    }

    /// The maximum sessions open at a time, with a reserve.
    pub(super) fn sessions(&self) -> usize {
        match self.load {
            Load::Pairs { pairs, .. } | Load::Curve { pairs, .. } | Load::Durable { pairs, .. } => 2 * pairs + 10,
            Load::Idle { sessions } => sessions + 1000,
            Load::Churn { .. } | Load::Isolation { .. } => 1000,
            Load::Fanout { .. } => FANOUT_READERS + 10,
        }
    }

    /// Runs the workload against `server`.
    pub(super) fn run(&self, peer: Peer, server: &RunningServer) -> Result<Report, Error> {
        let transport = server.transport.clone();
        let target = Target { addr: server.addr, transport, pid: Some(server.pid()), timeout: TIMEOUT };
        match peer {
            Peer::Switchboard if matches!(self.load, Load::Fanout { .. }) => self.run_over(&Rooms, &target),
            Peer::Switchboard => self.run_over(&CommandsDialect, &target),
            Peer::Relay => self.run_over(&RelayProtocol, &target),
            Peer::Nats => self.run_over(&Nats { verbose: false }, &target),
            Peer::NatsVerbose => self.run_over(&Nats { verbose: true }, &target),
            Peer::Redis => self.run_over(&Redis, &target),
            Peer::Ngircd => self.run_over(&Irc, &target),
            Peer::Mosquitto => self.run_over(&Mqtt, &target),
            Peer::SwitchboardStored | Peer::SwitchboardIndexed => self.run_over(&Conversations, &target),
            Peer::RedisStreams => self.run_over(&RedisStreams, &target),
            Peer::JetStream => self.run_over(&JetStream, &target),
            Peer::Postgres => self.run_over(&Postgres, &target),
            Peer::SqliteCommits | Peer::Appends => Err(Error::Usage(format!("{} is no server", peer.name()))),
        }
    }

    /// Runs bare commits in batches of all messages that the workload has in flight.
    pub(super) fn run_commits(&self, engine: commits::Engine) -> Result<Report, String> {
        match self.load {
            Load::Durable { pairs, window, timing } => {
                let batch = usize::try_from(window).map_err(|error| error.to_string())? * pairs;
                commits::measure(engine, batch, DURABLE_BYTES, timing)
            }
            _ => Err("the workload stores nothing".to_owned()),
        }
    }

    fn run_over<P: Protocol>(&self, protocol: &P, target: &Target) -> Result<Report, Error> {
        let load = |pairs, size| MessageLoad { pairs, sizes: vec![size], both_ways: false };
        let ignore_progress = &mut |_| {};
        match self.load {
            Load::Pairs { pairs, window, size, timing } => {
                Pairs { load: load(pairs, size), window, timing }.run(protocol, target, ignore_progress)
            }
            Load::Durable { pairs, window, timing } => {
                Pairs { load: load(pairs, DURABLE_BYTES), window, timing }.run(protocol, target, ignore_progress)
            }
            Load::Curve { pairs, timing } => {
                Pairs { load: load(pairs, 64), window: 4, timing }.run(protocol, target, ignore_progress)
            }
            Load::Idle { sessions } => {
                Idle { sessions, time: Duration::from_secs(1) }.run(protocol, target, ignore_progress)
            }
            Load::Fanout { per_second, timing } => {
                let (readers, frozen, writers, pairs_per_second) = (FANOUT_READERS, 10, 1, 500);
                Fanout { readers, frozen, writers, per_second, load: load(1, 64), pairs_per_second, timing }.run(
                    protocol,
                    target,
                    ignore_progress,
                )
            }
            Load::Churn { timing } => Churn { at_once: 8, timing }.run(protocol, target, ignore_progress),
            Load::Isolation { timing } => Isolation { load: load(100, 64), frozen: 10, per_second: 10_000, timing }
                .run(protocol, target, ignore_progress),
        }
    }
}
