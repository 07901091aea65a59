//! Measurements, their medians, and the claims that the medians confirm or refute.

use std::fmt;

use serde::Serialize;
use switchboard_bench::{Faults, Metrics, Report};

use super::super::machine::Machine;
use super::super::median::median;
use super::peers::{Peer, ProgramPaths};

/// One workload run against one server.
#[derive(Debug)]
pub(super) struct Measurement {
    pub(super) round: usize,
    pub(super) workload: &'static str,
    pub(super) peer: Peer,
    /// Whether nothing disturbed the machine and the load generator during the measurement.
    pub(super) is_calm: bool,
    /// Faults of this measurement and of the disturbed attempts before it.
    pub(super) faults: Faults,
    pub(super) report: Report,
}

impl Measurement {
    fn figure(&self, figure: Figure) -> Option<f64> {
        match &self.report.metrics {
            Metrics::Messages { measured } if figure == Figure::PerSecond => Some(measured.delivered_per_second),
            Metrics::Messages { measured } if figure == Figure::Latency => Some(measured.latency?.p50_us),
            Metrics::Messages { measured } => measured.delivered_per_server_cpu_second,
            Metrics::Idle { idle } => idle.bytes_per_session,
            Metrics::Churn { churn } => churn.sessions_per_server_cpu_second,
            Metrics::Isolation { isolation } => isolation.p99_moved_us,
            Metrics::Fanout { fanout } if figure == Figure::PairsP99 => Some(fanout.pairs_beside.latency?.p99_us?),
            Metrics::Fanout { fanout } => fanout.delivered_per_server_cpu_second,
            Metrics::Resume { resume } => resume.records_per_server_cpu_second,
        }
    }
}

/// A figure of a measurement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Figure {
    /// The figure that is compared: messages or sessions per second of the server's processor time, bytes per idle
    /// session, or the change of the 99th percentile in microseconds.
    Main,
    /// Messages per second.
    PerSecond,
    /// The median latency, in microseconds.
    Latency,
    /// The 99th percentile of the latency of pairs beside a room, in microseconds.
    PairsP99,
}

/// Rows of the table with a further figure of a workload.
const FURTHER_ROWS: &[(&str, &str, Figure)] = &[
    ("durable, 50 pairs, window 64: messages a second", DURABLE, Figure::PerSecond),
    ("durable, 1 pair, window 1: median latency in µs", DURABLE_PING, Figure::Latency),
];

/// The name of a workload.
const DURABLE: &str = "durable, 50 pairs, window 64";
/// The name of a workload.
const DURABLE_PING: &str = "durable, 1 pair, window 1";

/// A claim about our server, which a run confirms or refutes.
struct Claim {
    workload: &'static str,
    baseline: Baseline,
    bound: Bound,
}

/// The figure by which a claim divides ours.
#[derive(Clone, Copy, Debug)]
enum Baseline {
    BestPeer,
    /// The best of the peers that acknowledge each message to its sender, as our server does.
    BestAcknowledgingPeer,
    /// The best of the peers that read stored messages from the disk. Redis Streams keeps all of them in memory.
    BestPeerOnDisk,
    /// The lowest median latency of the peers, compared with ours.
    BestPeerLatency,
    Relay,
    Sqlite,
    /// The lowest 99th percentile of the latency of pairs beside a room of a peer, compared with ours.
    BestPairsLatency,
    /// The median latency of our server without a store. Our figure is the median latency beyond one commit of SQLite.
    RoundTrip,
    /// No divisor: the figure itself is compared with the bound. It has this unit.
    None(&'static str),
}

/// The values for which a claim holds.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    Below(f64),
}

const fn claim(workload: &'static str, baseline: Baseline, bound: Bound) -> Claim {
    Claim { workload, baseline, bound }
}

const CLAIMS: &[Claim] = &[
    claim("1 pair, window 1", Baseline::BestAcknowledgingPeer, Bound::AtLeast(1.0)),
    claim("1 pair, window 256", Baseline::BestPeer, Bound::AtLeast(2.0)),
    claim("50 pairs, window 64", Baseline::BestPeer, Bound::AtLeast(2.0)),
    claim("500 pairs, window 16", Baseline::BestPeer, Bound::AtLeast(2.0)),
    claim("2000 pairs, window 4", Baseline::BestPeer, Bound::AtLeast(1.3)),
    claim("50 pairs, window 64, 1024 bytes", Baseline::BestPeer, Bound::AtLeast(1.5)),
    claim("50 pairs, window 64", Baseline::Relay, Bound::AtLeast(0.45)),
    claim("500 pairs, window 16", Baseline::Relay, Bound::AtLeast(0.45)),
    claim("2000 pairs, window 4", Baseline::Relay, Bound::AtLeast(0.45)),
    claim("idle", Baseline::BestPeer, Bound::Below(1.0)),
    claim("churn", Baseline::BestPeer, Bound::AtLeast(1.0)),
    claim("fanout, 20 a second", Baseline::BestPeer, Bound::AtLeast(1.0)),
    claim("fanout, 60 a second", Baseline::BestPeer, Bound::AtLeast(1.0)),
    claim("fanout, 20 a second", Baseline::BestPairsLatency, Bound::Below(0.1)),
    claim("isolation", Baseline::None("µs"), Bound::Below(1000.0)),
    claim("tls", Baseline::BestPeer, Bound::AtLeast(1.5)),
    claim("idle-tls", Baseline::None("bytes for each session"), Bound::Below(10_240.0)),
    claim("handshakes", Baseline::BestPeer, Bound::AtLeast(1.0)),
    claim("websocket", Baseline::BestPeer, Bound::AtLeast(1.5)),
    claim("idle-websocket", Baseline::None("bytes for each session"), Bound::Below(2048.0)),
    claim(DURABLE, Baseline::BestPeer, Bound::AtLeast(2.0)),
    claim(DURABLE, Baseline::None("messages for each second of processor time"), Bound::AtLeast(100_000.0)),
    claim(DURABLE, Baseline::BestPeerOnDisk, Bound::AtLeast(10.0)),
    claim(DURABLE, Baseline::Sqlite, Bound::AtLeast(0.3)),
    claim(DURABLE_PING, Baseline::RoundTrip, Bound::Below(1.5)),
    claim(DURABLE_PING, Baseline::BestPeerLatency, Bound::Below(2.0)),
];

/// All measurements of a run.
#[derive(Debug)]
pub(super) struct Results {
    rounds: usize,
    measurements: Vec<Measurement>,
    machine: Machine,
    versions: Vec<(&'static str, String)>,
}

impl Results {
    pub(super) fn new(programs: &ProgramPaths, rounds: usize) -> Self {
        let versions = Peer::ALL.into_iter().filter_map(|peer| Some((peer.name(), peer.version(programs)?)));
        // The NATS server of these rows is not that of the others (`layered_peers.rs`).
        let layered = Peer::JetStream.version(programs).map(|version| ("nats-server, TLS and WebSocket", version));
        let versions = versions.chain(layered).collect();
        Self { rounds, measurements: Vec::new(), machine: Machine::detect(), versions }
    }

    pub(super) fn add(&mut self, measurement: Measurement) {
        self.measurements.push(measurement);
    }

    /// The median of `peer`'s rounds at `workload`.
    pub(super) fn median(&self, workload: &str, peer: Peer) -> Option<f64> {
        self.median_of(workload, peer, Figure::Main)
    }

    fn median_of(&self, workload: &str, peer: Peer, figure: Figure) -> Option<f64> {
        let measurements =
            self.measurements.iter().filter(|measurement| measurement.workload == workload && measurement.peer == peer);
        median(measurements.filter_map(|measurement| measurement.figure(figure)).collect())
    }

    /// Names of the measured workloads, in order.
    pub(super) fn workloads(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for measurement in &self.measurements {
            if !names.contains(&measurement.workload) {
                names.push(measurement.workload);
            }
        }
        names
    }

    /// The medians, and the claims checked against them.
    pub(super) fn summary(&self) -> Summary {
        let rows = self.workloads().into_iter().map(|workload| (workload, workload, Figure::Main));
        let table = rows
            .chain(FURTHER_ROWS.iter().copied())
            .map(|(name, workload, figure)| {
                let median = |peer: Peer| Some((peer.name(), self.median_of(workload, peer, figure)?));
                TableRow { workload: name, medians: Peer::ALL.into_iter().filter_map(median).collect() }
            })
            .filter(|row| !row.medians.is_empty())
            .collect();
        let mut faults = Faults::default();
        for measurement in &self.measurements {
            faults += measurement.faults;
        }
        let disturbed = self.measurements.iter().filter(|measurement| !measurement.is_calm).count();
        let bottlenecked = self
            .measurements
            .iter()
            .filter(|measurement| measurement.report.notes.iter().any(|note| note.contains("was the bottleneck")))
            .count();
        let workloads = self.workloads();
        let claims = CLAIMS.iter().filter(|claim| workloads.contains(&claim.workload));
        let claims = claims.map(|claim| self.check_claim(claim)).collect();
        Summary { table, claims, faults, measurements: self.measurements.len(), disturbed, bottlenecked }
    }

    /// Checks a claim against the medians of all rounds. In a single round, the best peer may only be the luckiest one.
    /// A claim without a measurement does not hold.
    fn check_claim(&self, claim: &Claim) -> ClaimResult {
        let is_baseline = |peer: Peer| match claim.baseline {
            Baseline::BestPeer | Baseline::BestPeerLatency | Baseline::BestPairsLatency => peer.is_rival(),
            Baseline::BestAcknowledgingPeer => peer.is_rival() && peer.acknowledges(),
            Baseline::BestPeerOnDisk => peer.is_rival() && peer != Peer::RedisStreams,
            Baseline::Relay => peer == Peer::Relay,
            Baseline::Sqlite => peer == Peer::SqliteCommits,
            Baseline::RoundTrip | Baseline::None(_) => false,
        };
        let figure = match claim.baseline {
            Baseline::BestPeerLatency => Figure::Latency,
            Baseline::BestPairsLatency => Figure::PairsP99,
            _ => Figure::Main,
        };
        let is_lower_better = matches!(claim.bound, Bound::Below(_));
        let is_durable = [DURABLE, DURABLE_PING].contains(&claim.workload);
        let our_peer = if is_durable { Peer::SwitchboardStored } else { Peer::Switchboard };
        let ours = self.median_of(claim.workload, our_peer, figure);
        let baseline_peers = Peer::ALL.into_iter().filter(|&peer| is_baseline(peer));
        let figures = baseline_peers.filter_map(|peer| self.median_of(claim.workload, peer, figure));
        let best = if is_lower_better { figures.reduce(f64::min) } else { figures.reduce(f64::max) };
        let value = match claim.baseline {
            Baseline::None(_) => ours,
            Baseline::RoundTrip => self.round_trips_beyond_commit(claim.workload),
            _ => ours.zip(best).map(|(ours, best)| ours / best),
        };
        let (bound, holds) = match claim.bound {
            Bound::AtLeast(bound) => (bound, value.is_some_and(|value| value >= bound)),
            Bound::Below(bound) => (bound, value.is_some_and(|value| value < bound)),
        };
        let against = match claim.baseline {
            Baseline::BestPeer => Some("the best peer"),
            Baseline::BestAcknowledgingPeer => Some("the best peer that acknowledges"),
            Baseline::BestPeerOnDisk => Some("the best peer that reads stored messages from the disk"),
            Baseline::BestPeerLatency => Some("the lowest median latency of the peers"),
            Baseline::Relay => Some("the relay"),
            Baseline::Sqlite => Some("SQLite alone"),
            Baseline::BestPairsLatency => Some("the lowest p99 latency of a pair beside the room of a peer"),
            Baseline::RoundTrip => Some("a round trip of MSG, beyond one commit of SQLite"),
            Baseline::None(_) => None,
        };
        let unit = if let Baseline::None(unit) = claim.baseline { Some(unit) } else { None };
        let rule = if is_lower_better { "below" } else { "at least" };
        ClaimResult { workload: claim.workload, against, unit, value, rule, bound, holds }
    }

    /// The median latency of a stored message beyond that of a bare commit, in round trips of a message that is not
    /// stored.
    fn round_trips_beyond_commit(&self, workload: &str) -> Option<f64> {
        let latency = |peer| self.median_of(workload, peer, Figure::Latency);
        Some((latency(Peer::SwitchboardStored)? - latency(Peer::SqliteCommits)?) / latency(Peer::Switchboard)?)
    }

    /// The text of report/bench.json.
    pub(super) fn to_json(&self, summary: &Summary) -> Result<String, String> {
        #[derive(Serialize)]
        struct Json<'a> {
            machine: &'a Machine,
            versions: std::collections::BTreeMap<&'a str, &'a str>,
            rounds: usize,
            summary: &'a Summary,
            measurements: Vec<JsonMeasurement<'a>>,
        }
        #[derive(Serialize)]
        struct JsonMeasurement<'a> {
            round: usize,
            workload: &'a str,
            server: &'a str,
            machine_was_calm: bool,
            report: &'a Report,
        }
        let measurements = self.measurements.iter().map(|measurement| JsonMeasurement {
            round: measurement.round,
            workload: measurement.workload,
            server: measurement.peer.name(),
            machine_was_calm: measurement.is_calm,
            report: &measurement.report,
        });
        let json = Json {
            machine: &self.machine,
            versions: self.versions.iter().map(|(name, version)| (*name, version.as_str())).collect(),
            rounds: self.rounds,
            summary,
            measurements: measurements.collect(),
        };
        serde_json::to_string_pretty(&json).map(|json| json + "\n").map_err(|error| error.to_string())
    }
}

/// Medians and checked claims.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    table: Vec<TableRow>,
    #[serde(rename = "held")]
    claims: Vec<ClaimResult>,
    /// Sum over all measurements.
    faults: Faults,
    /// Number of measurements.
    measurements: usize,
    /// Number of measurements that were disturbed in every attempt.
    disturbed: usize,
    /// Number of measurements that the load generator limited.
    bottlenecked: usize,
}

/// The medians of one workload, by server.
#[derive(Debug, Serialize)]
struct TableRow {
    workload: &'static str,
    medians: std::collections::BTreeMap<&'static str, f64>,
}

/// A claim with its measured value.
#[derive(Debug, Serialize)]
struct ClaimResult {
    workload: &'static str,
    /// Name of the baseline. `None` for a claim about our figure itself.
    against: Option<&'static str>,
    /// Unit of a claim without a baseline.
    unit: Option<&'static str>,
    /// Our median. If the claim has a baseline: our median divided by that of the baseline. `None` if a median is
    /// missing.
    value: Option<f64>,
    rule: &'static str,
    bound: f64,
    holds: bool,
}

impl Summary {
    /// Whether all claims hold, and no measurement had a fault.
    pub(super) fn all_hold(&self) -> bool {
        !self.faults.any() && self.claims.iter().all(|claim| claim.holds)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for TableRow { workload, medians } in &self.table {
            writeln!(f, "{workload}")?;
            for peer in Peer::ALL {
                if let Some(figure) = medians.get(peer.name()) {
                    writeln!(f, "  {:<22} {figure:>14.0}", peer.name())?;
                }
            }
        }
        writeln!(f)?;
        for ClaimResult { workload, against, unit, value, rule, bound, holds } in &self.claims {
            let verdict = if *holds { "holds" } else { "DOES NOT HOLD" };
            let value = value.map_or_else(|| "none".to_owned(), |value| format!("{value:.2}"));
            let against = match against {
                Some(against) => format!("times {against}"),
                None => unit.unwrap_or_default().to_owned(),
            };
            writeln!(f, "{workload:<32} {value:>8} {against} ({rule} {bound}): {verdict}")?;
        }
        let Faults { lost, reordered, duplicated, corrupt, unacknowledged } = self.faults;
        writeln!(
            f,
            "lost {lost}, reordered {reordered}, duplicated {duplicated}, corrupt {corrupt}, \
             acknowledged wrongly {unacknowledged}, in {} measurements; the machine was disturbed in {}, and the load \
             generator was the bottleneck in {}",
            self.measurements, self.disturbed, self.bottlenecked
        )
    }
}
