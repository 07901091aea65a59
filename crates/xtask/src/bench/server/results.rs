//! What was measured, what it comes to, and whether it is what we say of ourselves.

use std::fmt;
use std::fs;

use serde::Serialize;
use switchboard_bench::{Faults, Metrics, Report};

use super::peers::{Peer, Programs};

/// One measurement.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) round: usize,
    pub(super) workload: &'static str,
    pub(super) peer: Peer,
    /// Whether the machine was calm before and after it.
    pub(super) is_calm: bool,
    /// What went wrong with messages, in this measurement and those that it was made in place of.
    pub(super) faults: Faults,
    pub(super) report: Report,
}

impl Row {
    /// The figure that is compared: messages or sessions for each second of the server's processor time, bytes for each
    /// idle session, or microseconds that the 99th percentile moved.
    pub(super) fn figure(&self) -> Option<f64> {
        match &self.report.metrics {
            Metrics::Messages { measured } => measured.delivered_per_server_cpu_second,
            Metrics::Idle { idle } => idle.bytes_per_session,
            Metrics::Churn { churn } => churn.sessions_per_server_cpu_second,
            Metrics::Isolation { isolation } => isolation.p99_moved_us,
        }
    }
}

/// Something that we say of our server, and that a run holds or refutes.
struct Claim {
    workload: &'static str,
    against: Against,
    bound: Bound,
}

/// What our figure is divided by.
#[derive(Clone, Copy, Debug)]
enum Against {
    BestPeer,
    /// Of those that tell a sender that its message was taken, as ours does.
    BestAcknowledgingPeer,
    Relay,
    /// Nothing: the figure itself counts.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    Below(f64),
}

const fn claim(workload: &'static str, against: Against, bound: Bound) -> Claim {
    Claim { workload, against, bound }
}

const CLAIMS: &[Claim] = &[
    claim("1 pair, window 1", Against::BestAcknowledgingPeer, Bound::AtLeast(1.0)),
    claim("1 pair, window 256", Against::BestPeer, Bound::AtLeast(2.0)),
    claim("50 pairs, window 64", Against::BestPeer, Bound::AtLeast(2.0)),
    claim("500 pairs, window 16", Against::BestPeer, Bound::AtLeast(2.0)),
    claim("2000 pairs, window 4", Against::BestPeer, Bound::AtLeast(1.3)),
    claim("50 pairs, window 64, 1024 bytes", Against::BestPeer, Bound::AtLeast(1.5)),
    claim("50 pairs, window 64", Against::Relay, Bound::AtLeast(0.45)),
    claim("500 pairs, window 16", Against::Relay, Bound::AtLeast(0.45)),
    claim("2000 pairs, window 4", Against::Relay, Bound::AtLeast(0.45)),
    claim("idle", Against::BestPeer, Bound::Below(1.0)),
    claim("churn", Against::BestPeer, Bound::AtLeast(1.0)),
    claim("isolation", Against::Nothing, Bound::Below(1000.0)),
];

/// All that was measured.
#[derive(Debug)]
pub(super) struct Results {
    rounds: usize,
    rows: Vec<Row>,
    machine: Machine,
    versions: Vec<(&'static str, String)>,
}

/// Where it was measured.
#[derive(Debug, Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
}

impl Machine {
    fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            processor: model.map_or_else(|| "unknown".to_owned(), |(_, model)| model.trim().to_owned()),
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

impl Results {
    pub(super) fn new(programs: &Programs, rounds: usize) -> Self {
        let versions = Peer::ALL.into_iter().filter_map(|peer| Some((peer.name(), peer.version(programs)?))).collect();
        Self { rounds, rows: Vec::new(), machine: Machine::this(), versions }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// What `peer` did at `workload`: the median of the rounds.
    pub(super) fn median_of(&self, workload: &str, peer: Peer) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.workload == workload && row.peer == peer);
        median(rows.filter_map(Row::figure).collect())
    }

    /// The names of what was measured, in order, each once.
    pub(super) fn workloads(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for row in &self.rows {
            if !names.contains(&row.workload) {
                names.push(row.workload);
            }
        }
        names
    }

    pub(super) fn summary(&self) -> Summary {
        let table = self
            .workloads()
            .into_iter()
            .map(|workload| {
                let figures =
                    Peer::ALL.into_iter().filter_map(|peer| Some((peer.name(), self.median_of(workload, peer)?)));
                Line { workload, medians: figures.collect() }
            })
            .collect();
        let mut faults = Faults::default();
        for row in &self.rows {
            faults += row.faults;
        }
        let disturbed = self.rows.iter().filter(|row| !row.is_calm).count();
        let bottlenecked = self
            .rows
            .iter()
            .filter(|row| row.report.notes.iter().any(|note| note.contains("was the bottleneck")))
            .count();
        let workloads = self.workloads();
        let asked = CLAIMS.iter().filter(|claim| workloads.contains(&claim.workload));
        let held = asked.map(|claim| self.hold(claim)).collect();
        Summary { table, held, faults, measurements: self.rows.len(), disturbed, bottlenecked }
    }

    /// Whether a claim holds, by the medians: the best of several noisy peers in each round would be the luckiest one.
    /// What could not be measured does not.
    fn hold(&self, claim: &Claim) -> Held {
        let is_against = |peer: Peer| match claim.against {
            Against::BestPeer => peer.is_rival(),
            Against::BestAcknowledgingPeer => peer.is_rival() && peer.acknowledges(),
            Against::Relay => peer == Peer::Relay,
            Against::Nothing => false,
        };
        let others: Vec<_> = Peer::ALL.into_iter().filter(|&peer| is_against(peer)).collect();
        let less_is_best = matches!(claim.bound, Bound::Below(_));
        let ours = self.median_of(claim.workload, Peer::Switchboard);
        let figures = others.iter().filter_map(|&peer| self.median_of(claim.workload, peer));
        let best = if less_is_best { figures.reduce(f64::min) } else { figures.reduce(f64::max) };
        let value = match claim.against {
            Against::Nothing => ours,
            _ => ours.zip(best).map(|(ours, best)| ours / best),
        };
        let (bound, holds) = match claim.bound {
            Bound::AtLeast(bound) => (bound, value.is_some_and(|value| value >= bound)),
            Bound::Below(bound) => (bound, value.is_some_and(|value| value < bound)),
        };
        let against = match claim.against {
            Against::BestPeer => Some("the best peer"),
            Against::BestAcknowledgingPeer => Some("the best peer that acknowledges"),
            Against::Relay => Some("the relay"),
            Against::Nothing => None,
        };
        let rule = if less_is_best { "below" } else { "at least" };
        Held { workload: claim.workload, against, value, rule, bound, holds }
    }

    pub(super) fn to_json(&self, summary: &Summary) -> Result<String, String> {
        #[derive(Serialize)]
        struct Json<'a> {
            machine: &'a Machine,
            versions: std::collections::BTreeMap<&'a str, &'a str>,
            rounds: usize,
            summary: &'a Summary,
            measurements: Vec<JsonRow<'a>>,
        }
        #[derive(Serialize)]
        struct JsonRow<'a> {
            round: usize,
            workload: &'a str,
            server: &'a str,
            machine_was_calm: bool,
            report: &'a Report,
        }
        let measurements = self.rows.iter().map(|row| JsonRow {
            round: row.round,
            workload: row.workload,
            server: row.peer.name(),
            machine_was_calm: row.is_calm,
            report: &row.report,
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

/// What it comes to.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    table: Vec<Line>,
    held: Vec<Held>,
    /// Of all measurements together.
    faults: Faults,
    measurements: usize,
    /// How many of them were taken although the machine was disturbed each time.
    disturbed: usize,
    /// In how many the load generator could not do more.
    bottlenecked: usize,
}

/// The medians of one workload.
#[derive(Debug, Serialize)]
struct Line {
    workload: &'static str,
    medians: std::collections::BTreeMap<&'static str, f64>,
}

/// A claim, and what was found.
#[derive(Debug, Serialize)]
struct Held {
    workload: &'static str,
    /// What the figure is divided by, if by anything.
    against: Option<&'static str>,
    /// Our median, divided by the other's if there is another; none if either was not measured.
    value: Option<f64>,
    rule: &'static str,
    bound: f64,
    holds: bool,
}

impl Summary {
    pub(super) fn all_hold(&self) -> bool {
        !self.faults.any() && self.held.iter().all(|held| held.holds)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { workload, medians } in &self.table {
            writeln!(f, "{workload}")?;
            for peer in Peer::ALL {
                if let Some(figure) = medians.get(peer.name()) {
                    writeln!(f, "  {:<22} {figure:>14.0}", peer.name())?;
                }
            }
        }
        writeln!(f)?;
        for Held { workload, against, value, rule, bound, holds } in &self.held {
            let holds = if *holds { "holds" } else { "DOES NOT HOLD" };
            let value = value.map_or_else(|| "none".to_owned(), |value| format!("{value:.2}"));
            let against = against.map_or_else(|| "µs".to_owned(), |against| format!("times {against}"));
            writeln!(f, "{workload:<32} {value:>8} {against} ({rule} {bound}): {holds}")?;
        }
        let Faults { lost, reordered, duplicated, corrupt, unacknowledged } = self.faults;
        writeln!(
            f,
            "lost {lost}, reordered {reordered}, duplicated {duplicated}, corrupt {corrupt}, \
             acknowledged wrongly {unacknowledged}, in {} measurements; the machine was disturbed in {}, and the load \
             generator could not do more in {}",
            self.measurements, self.disturbed, self.bottlenecked
        )
    }
}

/// The middle one; of two in the middle their mean.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let upper = *figures.get(figures.len() / 2)?;
    Some(if figures.len() % 2 == 1 { upper } else { f64::midpoint(figures[figures.len() / 2 - 1], upper) })
}
