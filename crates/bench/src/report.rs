//! What a run found, and how sure that is.

use std::fmt;

use serde::Serialize;

use crate::faults::Faults;
use crate::latency::{Latency, us};
use crate::usage::{CpuUsage, IntervalUsage, ServerUsage};

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The workload.
    pub workload: &'static str,
    /// The protocol.
    #[serde(rename = "wire")]
    pub protocol: String,
    /// How many sessions there were at a time.
    pub sessions: usize,
    /// The figures.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// What went wrong, from the first message of the run to its last.
    pub faults: Faults,
    /// What keeps the figures from meaning what they seem to.
    pub notes: Vec<String>,
}

/// The figures of a workload.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Metrics {
    /// Of `pairs` and `rate`.
    Messages {
        /// What was measured.
        measured: MessageMetrics,
    },
    /// Of `idle`.
    Idle {
        /// What was weighed.
        idle: IdleMetrics,
    },
    /// Of `churn`.
    Churn {
        /// What was measured.
        churn: ChurnMetrics,
    },
    /// Of `isolation`.
    Isolation {
        /// What was measured.
        isolation: Box<IsolationMetrics>,
    },
}

/// Messages in a time.
#[derive(Clone, Debug, Serialize)]
pub struct MessageMetrics {
    /// How long it lasted.
    pub seconds: f64,
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that arrived.
    pub delivered: u64,
    /// Messages that were acknowledged to their sender; nothing where the protocol has no such thing.
    pub acknowledged: Option<u64>,
    /// How many arrived each second.
    pub delivered_per_second: f64,
    /// How many arrived for each second of the server's processor time.
    pub delivered_per_server_cpu_second: Option<f64>,
    /// How long those took that were sent in this time, from then on; in an open loop those that were due in it, from
    /// when they were due. They may have arrived after it.
    pub latency: Option<Latency>,
    /// How many of those had not arrived when they had been waited for as long as the server may be silent.
    pub untimed: u64,
    /// In an open loop, how long after they were due they were sent.
    pub sent_late: Option<Latency>,
    /// What the server usage.
    pub server: Option<ServerUsage>,
    /// What the load generator usage. It is one thread, so 1.0 cores are all that it can use.
    pub generator: CpuUsage,
}

/// Pairs beside others that are frozen.
#[derive(Clone, Debug, Serialize)]
pub struct IsolationMetrics {
    /// How many readers were frozen.
    pub frozen: usize,
    /// How many messages their speakers said to them meanwhile.
    pub flood: u64,
    /// How many of their pairs the server ended.
    pub cut: usize,
    /// By how much the 99th percentile of the other pairs moved, in microseconds: `during` against the mean of `before`
    /// and `after`.
    pub p99_moved_us: Option<f64>,
    /// The other pairs while nobody was frozen.
    pub before: MessageMetrics,
    /// While the readers were frozen and their speakers flooded.
    pub during: MessageMetrics,
    /// When all read again.
    pub after: MessageMetrics,
}

/// Sessions that wait.
#[derive(Clone, Debug, Serialize)]
pub struct IdleMetrics {
    /// How many came between the two times that the server was weighed.
    pub sessions: usize,
    /// How long they then waited.
    pub seconds: f64,
    /// What each of them added to the server's resident memory.
    pub bytes_per_session: Option<f64>,
    /// The server's resident memory before they came.
    pub resident_bytes_before: Option<u64>,
    /// And when they were there.
    pub resident_bytes_after: Option<u64>,
    /// What the server usage while they waited.
    pub server: Option<ServerUsage>,
}

/// Sessions that came and went.
#[derive(Clone, Debug, Serialize)]
pub struct ChurnMetrics {
    /// How many, from connecting to closed.
    pub sessions: u64,
    /// In how long.
    pub seconds: f64,
    /// How many each second.
    pub sessions_per_second: f64,
    /// How many for each second of the server's processor time.
    pub sessions_per_server_cpu_second: Option<f64>,
    /// How long each took.
    pub lifetime: Option<Latency>,
    /// What the server usage.
    pub server: Option<ServerUsage>,
    /// What the load generator usage.
    pub generator: CpuUsage,
}

#[expect(clippy::cast_precision_loss, reason = "rates for people, to a few digits")]
pub(crate) fn per_server_cpu_second(count: u64, server: Option<&ServerUsage>) -> Option<f64> {
    server.filter(|server| server.cpu.cpu_seconds > 0.0).map(|server| count as f64 / server.cpu.cpu_seconds)
}

/// From which use of its core on the load generator counts as busy, and the server of one of its own.
const GENERATOR_BUSY_CORES: f64 = 0.95;
const SERVER_BUSY_CORES: f64 = 0.9;

/// The least processor time that is worth dividing by: below it a tick of the scheduler shows.
const CPU_SECONDS_MIN: f64 = 0.2;

/// The least time that is worth measuring.
const SECONDS_MIN: f64 = 1.0;

/// From which share of the time on it is told that something else ran instead.
const WAITED_SHARE: f64 = 0.1;

/// How late the load generator may be in an open loop before that is told, in microseconds.
const LATE_US: f64 = 1000.0;

impl IntervalUsage {
    /// What keeps figures of this time from meaning what they seem to, whatever they are of.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let seconds = self.time.as_secs_f64();
        if seconds < SECONDS_MIN {
            notes.push(format!("{seconds:.2} s are short: measure for longer"));
        }
        let waited = [("server", self.server.map(|server| server.cpu)), ("load generator", Some(self.generator))]
            .into_iter()
            .filter_map(|(who, cpu)| Some((who, cpu?.waited_seconds)))
            .filter(|(_, waited_seconds)| *waited_seconds > WAITED_SHARE * seconds)
            .map(|(who, waited_seconds)| format!("the {who} waited {waited_seconds:.2} s for a core"));
        let waited: Vec<_> = waited.collect();
        if !waited.is_empty() {
            notes.push(format!(
                "this machine has other work: of {seconds:.2} s, {}; \
                 compare only what is counted for each second of processor time",
                waited.join(" and ")
            ));
        }
        notes
    }

    /// Whether too little processor time was usage to divide by.
    pub(crate) fn cpu_time_note(&self) -> Option<String> {
        let cpu = self.server?.cpu;
        (cpu.cpu_seconds < CPU_SECONDS_MIN).then(|| {
            format!(
                "the server usage {:.0} ms of processor time only: what is counted for each second of it is rough",
                1e3 * cpu.cpu_seconds
            )
        })
    }

    /// In a closed loop: whether it was the load generator that could not do more.
    pub(crate) fn bottleneck_note(&self) -> Option<String> {
        let Self { generator, server, .. } = self;
        let server = server.map(|server| server.cpu.cores);
        let is_bottleneck =
            generator.cores >= GENERATOR_BUSY_CORES && server.is_none_or(|cores| cores < SERVER_BUSY_CORES);
        is_bottleneck.then(|| {
            let server = match server {
                Some(cores) => format!("usage {:.0} % of one", 100.0 * cores),
                None => "may not have been busy (--pid tells)".to_owned(),
            };
            format!(
                "the load generator was the bottleneck: it usage {:.0} % of its core, and the server {server}; \
                 what was done each second is what the load generator can",
                100.0 * generator.cores,
            )
        })
    }
}

impl Report {
    /// Whether the load generator was held up by something else that this machine did, so that latencies are its own.
    #[must_use]
    pub fn generator_was_delayed(&self) -> bool {
        match &self.metrics {
            Metrics::Messages { measured } => measured.generator_was_delayed(),
            Metrics::Isolation { isolation } => [&isolation.before, &isolation.during, &isolation.after]
                .into_iter()
                .any(MessageMetrics::generator_was_delayed),
            Metrics::Idle { .. } | Metrics::Churn { .. } => false,
        }
    }
}

impl MessageMetrics {
    fn generator_was_delayed(&self) -> bool {
        let was_late = self.sent_late.is_some_and(|late| late.p99_us.is_some_and(|p99| p99 > LATE_US));
        was_late || self.generator.waited_seconds > WAITED_SHARE * self.seconds
    }

    pub(crate) fn usage(&self) -> IntervalUsage {
        let time = std::time::Duration::from_secs_f64(self.seconds);
        IntervalUsage { time, generator: self.generator, server: self.server }
    }

    /// Whether messages are left out of the latencies.
    pub(crate) fn untimed_note(&self) -> Option<String> {
        (self.untimed > 0).then(|| {
            format!(
                "{} messages of the measured time were waited for in vain: \
                 the latencies are of the others, and would be longer with them",
                self.untimed
            )
        })
    }

    /// In an open loop: whether all that was due was sent, and when.
    #[expect(clippy::cast_precision_loss, reason = "rates for people, to a few digits")]
    pub(crate) fn schedule_note(&self, per_second: u64) -> Option<String> {
        let due = per_second as f64 * self.seconds;
        // What was due just now may be under way.
        if (self.delivered as f64) < 0.98 * due - 100.0 {
            return Some(format!(
                "the server did not keep up: {:.0} messages were due, {} were sent and {} arrived; \
                 the longer it lasts the longer they take",
                due, self.sent, self.delivered
            ));
        }
        let late = self.sent_late.and_then(|late| late.p99_us).filter(|&late| late > LATE_US)?;
        Some(format!(
            "the load generator was late: one message in a hundred was sent {} or more after it was due, \
             and that is in its latency",
            us(late)
        ))
    }

    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "delivered   {} messages, {} a second", self.delivered, si(self.delivered_per_second))?;
        if let Some(latency) = &self.latency {
            writeln!(f, "latency     {latency}")?;
        }
        if let Some(server) = &self.server {
            writeln!(f, "server      {server}")?;
        }
        if let Some(each) = self.delivered_per_server_cpu_second {
            writeln!(f, "            {} messages for each second of it", si(each))?;
        }
        writeln!(f, "generator   {}", self.generator)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, protocol, sessions, metrics, faults, notes } = self;
        writeln!(f, "{workload}, {protocol}: {sessions} sessions, {:.2} s measured", metrics.seconds())?;
        match metrics {
            Metrics::Messages { measured } => measured.fmt(f)?,
            Metrics::Idle { idle } => idle.fmt(f)?,
            Metrics::Churn { churn } => churn.fmt(f)?,
            Metrics::Isolation { isolation } => isolation.fmt(f)?,
        }
        let Faults { lost, reordered, duplicated, corrupt, unacknowledged } = faults;
        writeln!(
            f,
            "faults      {lost} lost, {reordered} reordered, {duplicated} duplicated, {corrupt} corrupt, \
             {unacknowledged} acknowledged wrongly"
        )?;
        notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl Metrics {
    /// How long was measured.
    fn seconds(&self) -> f64 {
        match self {
            Self::Messages { measured } => measured.seconds,
            Self::Idle { idle } => idle.seconds,
            Self::Churn { churn } => churn.seconds,
            Self::Isolation { isolation } => isolation.during.seconds,
        }
    }
}

impl IsolationMetrics {
    pub(crate) fn new(frozen: usize, flood: u64, cut: usize, [before, during, after]: [MessageMetrics; 3]) -> Self {
        let p99 = |measured: &MessageMetrics| measured.latency.and_then(|latency| latency.p99_us);
        let calm = p99(&before).zip(p99(&after)).map(|(before, after)| f64::midpoint(before, after));
        let p99_moved_us = p99(&during).zip(calm).map(|(during, calm)| during - calm);
        Self { frozen, flood, cut, p99_moved_us, before, during, after }
    }

    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frozen, flood, cut, .. } = self;
        writeln!(
            f,
            "frozen      {frozen} readers, while {flood} messages were said to them; {cut} pairs were cut for it"
        )?;
        for (when, measured) in [("before", &self.before), ("during", &self.during), ("after", &self.after)] {
            write!(f, "{when:<11} {} a second", si(measured.delivered_per_second))?;
            if let Some(latency) = &measured.latency {
                write!(f, ", {latency}")?;
            }
            writeln!(f)?;
        }
        if let Some(moved_us) = self.p99_moved_us {
            writeln!(
                f,
                "moved       p99 of the other pairs by {moved_us:+.1} µs, against the mean of before and after"
            )?;
        }
        Ok(())
    }
}

impl IdleMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bytes) = self.bytes_per_session {
            writeln!(f, "each        {:.0} bytes of the server's memory ({} sessions weighed)", bytes, self.sessions)?;
        }
        if let Some(server) = &self.server {
            writeln!(f, "server      {server}, while they waited")?;
        }
        Ok(())
    }
}

impl ChurnMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "churn       {} sessions came and went, {} a second", self.sessions, si(self.sessions_per_second))?;
        if let Some(lifetime) = &self.lifetime {
            writeln!(f, "each took   {lifetime}")?;
        }
        if let Some(server) = &self.server {
            writeln!(f, "server      {server}")?;
        }
        if let Some(each) = self.sessions_per_server_cpu_second {
            writeln!(f, "            {} sessions for each second of it", si(each))?;
        }
        writeln!(f, "generator   {}", self.generator)
    }
}

/// A number to about four digits, with its unit.
fn si(value: f64) -> String {
    match value {
        1e6.. => format!("{:.3} M", value / 1e6),
        1e4.. => format!("{:.2} k", value / 1e3),
        _ => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn usage(seconds: f64, generator: f64, server: Option<(f64, f64)>) -> IntervalUsage {
        let cpu = |cores: f64, waited_seconds: f64| CpuUsage { cpu_seconds: cores * seconds, cores, waited_seconds };
        let server = server.map(|(cores, waited)| ServerUsage { cpu: cpu(cores, waited), resident_bytes: 0 });
        IntervalUsage { time: Duration::from_secs_f64(seconds), generator: cpu(generator, 0.0), server }
    }

    #[test]
    fn notes_tell_which_figures_are_unreliable() {
        let cases = [
            (usage(5.0, 0.5, Some((0.99, 0.0))), vec![]),
            (usage(5.0, 0.99, Some((0.99, 0.0))), vec![]),
            (usage(5.0, 0.97, Some((0.5, 0.0))), vec!["the load generator was the bottleneck: it usage 97 %"]),
            (usage(5.0, 0.97, None), vec!["the server may not have been busy"]),
            (usage(5.0, 0.1, Some((0.01, 0.0))), vec!["the server usage 50 ms of processor time only"]),
            (usage(0.5, 0.5, Some((0.99, 0.0))), vec!["0.50 s are short"]),
            (usage(5.0, 0.5, Some((0.6, 2.0))), vec!["of 5.00 s, the server waited 2.00 s for a core; compare"]),
        ];
        for (usage, expected) in cases {
            let notes = usage.notes().into_iter().chain(usage.cpu_time_note()).chain(usage.bottleneck_note());
            let notes: Vec<_> = notes.collect();
            assert_eq!(notes.len(), expected.len(), "{notes:?} for {usage:?}");
            for (note, expected) in notes.iter().zip(expected) {
                assert!(note.contains(expected), "{note}");
            }
        }
    }
}
